#!/usr/bin/env node
// Puts, gets or heads one S3 object with the AWS SDK for JavaScript and prints what the SDK made of the response as
// JSON. `rust-client` is the same program for the AWS SDK for Rust.
//
// The SDK reads the usual AWS_* variables itself; a CA of one's own comes by NODE_EXTRA_CA_CERTS.

import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";

import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const USAGE = `usage: client.mjs put|get|head BUCKET KEY [options]
  --endpoint-url URL           default: AWS_ENDPOINT_URL
  --if-match ETAG, --if-none-match ETAG
  --file PATH                  put: stream the body from it (default: standard input, read whole); get: write it there
  --content-type TYPE          put
  --metadata NAME=VALUE        put, repeatable
  --checksum-algorithm NAME    put: CRC32, CRC32C, CRC64NVME, SHA1 or SHA256; the SDK takes CRC32 by itself
  --range RANGE                get, such as bytes=0-9`;

const CHECKSUMS = {
  crc32: "ChecksumCRC32",
  crc32c: "ChecksumCRC32C",
  crc64nvme: "ChecksumCRC64NVME",
  sha1: "ChecksumSHA1",
  sha256: "ChecksumSHA256",
  type: "ChecksumType",
};

const { operation, object, options } = commandLine();
const client = new S3Client({
  endpoint: options["endpoint-url"] ?? process.env.AWS_ENDPOINT_URL,
  region: process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? "us-east-1",
  forcePathStyle: true,
});
let printed;
try {
  printed = await { put, get, head }[operation]();
} catch (error) {
  printed = { error: describe(error) };
}
console.log(JSON.stringify({ operation, ...printed }, null, 2));
process.exitCode = printed.error ? 1 : 0;

async function put() {
  const body = options.file ? createReadStream(options.file) : await buffer(process.stdin);
  const response = await client.send(
    new PutObjectCommand({
      ...object,
      Body: body,
      ContentType: options["content-type"],
      Metadata: metadata(),
      ChecksumAlgorithm: options["checksum-algorithm"],
    }),
  );
  return { etag: response.ETag, version_id: response.VersionId, checksums: checksums(response) };
}

async function head() {
  return fields(await client.send(new HeadObjectCommand(object)));
}

// Reads the body, to a file or to nowhere, and prints its length and SHA-256. A body that fails leaves the fields of
// the head, an error and the length of what came before it.
async function get() {
  const response = await client.send(new GetObjectCommand({ ...object, Range: options.range }));
  const hash = createHash("sha256");
  let length = 0;
  let error;
  async function* measured(body) {
    for await (const chunk of body) {
      hash.update(chunk);
      length += chunk.length;
      yield chunk;
    }
  }
  try {
    if (options.file) {
      await pipeline(response.Body, measured, createWriteStream(options.file));
    } else {
      for await (const _ of measured(response.Body));
    }
  } catch (failure) {
    error = { message: message(failure) };
  }
  return { ...fields(response), body: { length, sha256: hash.digest("hex") }, ...(error && { error }) };
}

function fields(response) {
  return {
    etag: response.ETag,
    version_id: response.VersionId,
    content_length: response.ContentLength,
    content_type: response.ContentType,
    content_range: response.ContentRange,
    content_encoding: response.ContentEncoding,
    cache_control: response.CacheControl,
    last_modified: response.LastModified && response.LastModified.getTime() / 1000,
    metadata: orAbsent(response.Metadata ?? {}),
    checksums: checksums(response),
  };
}

function checksums(response) {
  const present = Object.entries(CHECKSUMS).filter(([, field]) => response[field] !== undefined);
  return orAbsent(Object.fromEntries(present.map(([name, field]) => [name, response[field]])));
}

// Without a `status` there was no answer, or none that the SDK would take.
function describe(error) {
  const status = error.$metadata?.httpStatusCode;
  return {
    status,
    // For an answer without a code the SDK puts names of its own here, such as NotFound for a HEAD.
    code: status === undefined ? undefined : error.name,
    message: message(error),
    request_id: error.$metadata?.requestId,
  };
}

// The SDK says UnknownError where the answer has no message.
function message(error) {
  return error.message === "UnknownError" ? undefined : error.message || error.code || error.name;
}

function orAbsent(record) {
  return Object.keys(record).length > 0 ? record : undefined;
}

function metadata() {
  return Object.fromEntries(
    options.metadata.map((argument) => {
      const [, name, value] = /^([^=]+)=(.*)$/s.exec(argument) ?? usage("--metadata: no `=`");
      return [name, value];
    }),
  );
}

function commandLine() {
  const string = { type: "string" };
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        "endpoint-url": string,
        "if-match": string,
        "if-none-match": string,
        file: string,
        "content-type": string,
        metadata: { type: "string", multiple: true, default: [] },
        "checksum-algorithm": string,
        range: string,
      },
    });
  } catch (error) {
    usage(error.message);
  }
  const [operation, Bucket, Key, ...rest] = parsed.positionals;
  if (!["put", "get", "head"].includes(operation) || !Bucket || !Key || rest.length > 0) usage("what to do?");
  const { "if-match": IfMatch, "if-none-match": IfNoneMatch } = parsed.values;
  return { operation, object: { Bucket, Key, IfMatch, IfNoneMatch }, options: parsed.values };
}

function usage(problem) {
  console.error(`client.mjs: ${problem}\n${USAGE}`);
  process.exit(2);
}
