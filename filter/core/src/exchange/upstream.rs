//! Requests towards the store: addressed, and signed with the store's credentials (SGN-1…3).

use crate::callout::CalloutTarget;
use crate::config::{Config, PayloadIntegrity, Signing};
use crate::error::Error;
use crate::head::{Headers, RequestHead};
use crate::operation::{self, StoreAddressing};
use crate::sigv4;
use crate::time::UnixTime;

/// The head of the request to the store that serves `request`, not yet signed: the fields of
/// `headers` and nothing else of the client's.
pub(super) fn head(
    config: &Config,
    request: &operation::Request,
    mut headers: Headers,
) -> RequestHead {
    let (authority, target) = address(config, request);
    headers.set("user-agent", USER_AGENT);
    RequestHead {
        method: request.method.clone(),
        target,
        authority,
        headers,
    }
}

/// Signs `head`, whose payload hash is `hashed_payload`: in the filter, or so that nothing but
/// Envoy's own signature can make the store accept it.
///
/// # Errors
///
/// A head that can't be signed.
pub(super) fn sign(
    config: &Config,
    head: &mut RequestHead,
    hashed_payload: &str,
    now: UnixTime,
) -> Result<(), Error> {
    match &config.store.signing {
        Signing::Filter(credentials) => {
            sigv4::sign(head, credentials, &config.store.region, now, hashed_payload)?;
        }
        Signing::Envoy => {
            head.headers.set("x-amz-content-sha256", hashed_payload);
            // aws_request_signing replaces this. Where it has no credentials it forwards the
            // request as it is; the store then refuses a scheme that it does not know, so that
            // nothing is ever stored or read anonymously.
            head.headers.set("authorization", "S3-Envelope-Unsigned");
        }
    }
    Ok(())
}

/// The head of a PutObject like `head` that never completes: it announces a body of which no byte
/// is ever sent, and whose hash it gets wrong on purpose.
///
/// It has no conditions, because a store may hold a lock from judging them until the body has
/// come, and nothing else that a store may act upon before it has the body.
///
/// # Errors
///
/// A head that can't be signed.
pub(super) fn doomed(
    config: &Config,
    head: &RequestHead,
    now: UnixTime,
) -> Result<RequestHead, Error> {
    let mut doomed = head.clone();
    doomed
        .headers
        .retain(|field| !DECISIVE.iter().any(|prefix| field.name.starts_with(prefix)));
    doomed.headers.set("content-length", "1");
    sign(config, &mut doomed, EMPTY_SHA256, now)?;
    Ok(doomed)
}

/// What `x-amz-content-sha256` says of a ciphertext that streams.
pub(super) fn streamed_payload(config: &Config) -> &'static str {
    match config.store.payload_integrity {
        PayloadIntegrity::Unsigned => "UNSIGNED-PAYLOAD",
        PayloadIntegrity::Trailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    }
}

/// Announces the framing and the trailer of [`PayloadIntegrity::Trailer`] around `stored_len` bytes.
pub(super) fn announce_trailer(headers: &mut Headers, stored_len: u64) {
    let encoding = match headers.text("content-encoding") {
        Some(encoding) => format!("aws-chunked,{encoding}"),
        None => "aws-chunked".to_owned(),
    };
    headers.set("content-encoding", encoding);
    headers.set("x-amz-trailer", "x-amz-checksum-crc32c");
    headers.set("x-amz-decoded-content-length", stored_len.to_string());
}

/// Where the filter's own requests to the store go.
pub(super) fn callout_target(config: &Config) -> CalloutTarget {
    match &config.store.cluster {
        Some(cluster) => CalloutTarget::Cluster(cluster.clone()),
        None => CalloutTarget::RoutedCluster,
    }
}

fn address(config: &Config, request: &operation::Request) -> (String, String) {
    let host = &config.store.host;
    match (config.store.addressing, &request.bucket) {
        (StoreAddressing::VirtualHost, Some(bucket)) => (
            format!("{bucket}.{host}"),
            request.upstream_target(StoreAddressing::VirtualHost),
        ),
        (StoreAddressing::VirtualHost, None) | (StoreAddressing::Path, _) => {
            (host.clone(), request.upstream_target(StoreAddressing::Path))
        }
    }
}

/// SHA-256 of nothing.
pub(super) const EMPTY_SHA256: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The beginnings of the fields by which a PutObject does more than to store an object.
const DECISIVE: [&str; 7] = [
    "if-",
    "x-amz-acl",
    "x-amz-grant-",
    "x-amz-object-lock-",
    "x-amz-tagging",
    "x-amz-website-",
    "x-amz-checksum-",
];

const USER_AGENT: &str = concat!("s3-envelope/", env!("CARGO_PKG_VERSION"));
