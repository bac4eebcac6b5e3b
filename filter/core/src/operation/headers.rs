//! Which fields pass between client and store (§4.5 of the S3 rules, GET-17).
//!
//! Both directions are allow-lists. A request field that is no business of the store is dropped;
//! an `x-amz-*` field that the operation does not know is refused, for it may mean something to
//! the store.

use crate::head::{Field, Headers};
use crate::uri::{Parameter, Query};

use super::table::{Action, Operation};
use super::{CONTENT_TYPE, Refusal};

/// What becomes of a field of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderRule {
    /// Goes to the store.
    Forward,
    /// Means something to the filter, and ends there.
    Consume,
    /// Means nothing to filter or store, and ends here.
    Drop,
    /// The request is refused.
    Refuse(Refusal),
}

/// What becomes of the field `name` (lower case) of a request for `operation`.
///
/// Fields whose value decides are checked by [`classify`](super::classify).
pub fn request_header_rule(operation: Operation, name: &str) -> HeaderRule {
    if let Some(metadata) = name.strip_prefix(METADATA_PREFIX) {
        return metadata_rule(operation, metadata);
    }
    if let Some(algorithm) = name.strip_prefix("x-amz-checksum-") {
        return checksum_rule(operation, algorithm);
    }
    if name.starts_with("x-amz-") {
        return amz_rule(operation, name);
    }
    if VENDOR_PREFIXES
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || name == "x-copy-from"
    {
        return HeaderRule::Refuse(Refusal::VendorExtension);
    }
    if let Some(condition) = CONDITIONS.into_iter().find(|condition| *condition == name) {
        return condition_rule(operation, condition);
    }
    let describes_object = DESCRIBED.contains(&operation);
    match name {
        "authorization" | "date" | "content-length" | "transfer-encoding" | "trailer" | "te"
        | "expect" => HeaderRule::Consume,
        "content-md5" => digest_rule(operation),
        "content-type" if describes_object || operation.expects_body() => HeaderRule::Forward,
        "content-encoding"
        | "content-language"
        | "content-disposition"
        | "cache-control"
        | "expires"
            if describes_object =>
        {
            HeaderRule::Forward
        }
        "range" if is_object_read(operation) => HeaderRule::Consume,
        "content-range" if !operation.row().method.is_safe() => {
            HeaderRule::Refuse(Refusal::PartialWrite)
        }
        _ => HeaderRule::Drop,
    }
}

/// Tells whether a client may see the field `name` (lower case) of the store's answer (GET-17).
///
/// What the filter makes itself (`content-length`, `content-range`, `etag`, checksums) is not
/// among them.
pub fn response_header_allowed(operation: Operation, name: &str) -> bool {
    if let Some(metadata) = name.strip_prefix(METADATA_PREFIX) {
        return is_object_read(operation) && !is_reserved_metadata(metadata);
    }
    if name.starts_with("x-amz-server-side-encryption") || name.starts_with("x-amz-object-lock-") {
        return true;
    }
    RESPONSE_FIELDS.contains(&name)
        || SPECIAL_RESPONSE_FIELDS
            .iter()
            .any(|(special, operations)| *special == name && operations.contains(&operation))
}

/// Removes `aws-chunked` from the value of `Content-Encoding` (PUT-12); `""` where nothing else
/// is left. A value without it stays as it is.
pub fn without_aws_chunked(content_encoding: &str) -> String {
    let is_aws_chunked = |coding: &str| {
        let name = coding.split(';').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("aws-chunked")
    };
    if !content_encoding.split(',').any(is_aws_chunked) {
        return content_encoding.to_owned();
    }
    let kept: Vec<&str> = content_encoding
        .split(',')
        .filter(|coding| !is_aws_chunked(coding))
        .map(str::trim)
        .filter(|coding| !coding.is_empty())
        .collect();
    kept.join(",")
}

/// Refuses fields that two readers may read differently (CLS-4).
pub(super) fn check(headers: &Headers) -> Result<(), Refusal> {
    for field in headers.iter() {
        check_name(&field.name)?;
        if is_single_valued(&field.name) && headers.count(&field.name) > 1 {
            return Err(Refusal::RepeatedHeader);
        }
        if is_interpreted(&field.name) {
            check_value(&field.value)?;
        }
    }
    Ok(())
}

/// Merges the fields that a presigner put into the query into `headers` (CLS-5).
///
/// Only a query that SigV4 authenticates carries fields: there each of them is signed.
pub(super) fn hoist(headers: &Headers, query: &Query) -> Result<Headers, Refusal> {
    let mut merged = headers.clone();
    if !is_query_authenticated(query) {
        return Ok(merged);
    }
    for parameter in query.iter() {
        if let Some(name) = hoisted_name(parameter) {
            let value = parameter.value().trim_matches([' ', '\t']);
            check_name(&name)?;
            check_value(value.as_bytes())?;
            if query
                .iter()
                .filter_map(hoisted_name)
                .filter(|other| *other == name)
                .count()
                > 1
            {
                return Err(Refusal::RepeatedParameter);
            }
            match merged.text(&name) {
                Some(present) if present == value => {}
                Some(_) => return Err(Refusal::HoistedHeaderConflict),
                None => merged.push(name, value),
            }
        }
    }
    Ok(merged)
}

/// Tells whether `parameter` of an authenticated `query` is a field that [`hoist`] moves.
pub(super) fn is_hoisted(query: &Query, parameter: &Parameter) -> bool {
    is_query_authenticated(query) && hoisted_name(parameter).is_some()
}

/// The query keys of SigV4's signature in a query.
pub(super) const SIGV4_PARAMETERS: [&str; 8] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
];

/// Refuses conditions on a write that only the filter could evaluate (ETG-5).
///
/// The store evaluates `*` as the client means it; any other entity tag is one that the filter
/// made.
pub(super) fn check_write_conditions(
    operation: Operation,
    headers: &Headers,
) -> Result<(), Refusal> {
    if !CONDITIONAL_WRITES.contains(&operation) {
        return Ok(());
    }
    for name in ["if-match", "if-none-match"] {
        if headers.contains(name) && headers.text(name) != Some("*") {
            return Err(Refusal::Condition(name));
        }
    }
    Ok(())
}

/// Makes the fields that describe an object say what is stored: no `aws-chunked` (PUT-12), and
/// S3's own `Content-Type` where there is none, so that every store keeps the same one.
pub(super) fn describe_object(operation: Operation, headers: &mut Headers) {
    if let Some(encoding) = headers.text("content-encoding") {
        let kept = without_aws_chunked(encoding);
        if kept.is_empty() {
            headers.remove("content-encoding");
        } else if kept != encoding {
            headers.set("content-encoding", kept);
        }
    }
    let creates = matches!(
        operation,
        Operation::PutObject | Operation::CreateMultipartUpload
    );
    if creates && headers.text(CONTENT_TYPE).is_none_or(str::is_empty) {
        headers.set(CONTENT_TYPE, "binary/octet-stream");
    }
}

/// Tells whether `field` asks for an ACL that grants something to someone else.
pub(super) fn grants(field: &Field) -> bool {
    if field.name == "x-amz-acl" {
        // S3's default, which many clients send with every object.
        field.value.trim_ascii() != b"private"
    } else {
        field.name.starts_with("x-amz-grant-")
    }
}

fn metadata_rule(operation: Operation, metadata: &str) -> HeaderRule {
    if is_reserved_metadata(metadata) {
        HeaderRule::Refuse(Refusal::ReservedMetadata)
    } else if metadata.starts_with("snowball") || metadata.starts_with("minio-snowball") {
        HeaderRule::Refuse(Refusal::VendorExtension)
    } else if DESCRIBED.contains(&operation) {
        HeaderRule::Forward
    } else {
        HeaderRule::Drop
    }
}

fn checksum_rule(operation: Operation, algorithm: &str) -> HeaderRule {
    match algorithm {
        "mode" | "algorithm" | "type" => HeaderRule::Consume,
        _ if CHECKSUM_ALGORITHMS.contains(&algorithm) => digest_rule(operation),
        _ => HeaderRule::Refuse(Refusal::UnsupportedChecksum),
    }
}

/// A digest of a body that the store gets as it is stays true; some operations demand one.
fn digest_rule(operation: Operation) -> HeaderRule {
    match operation.action() {
        Action::Forward | Action::Admin if operation.expects_body() => HeaderRule::Forward,
        Action::Rewrite if operation == Operation::DeleteObjects => HeaderRule::Forward,
        Action::Forward | Action::Admin | Action::Transform | Action::Rewrite | Action::Block => {
            HeaderRule::Consume
        }
    }
}

fn amz_rule(operation: Operation, name: &str) -> HeaderRule {
    match name {
        "x-amz-date"
        | "x-amz-security-token"
        | "x-amz-content-sha256"
        | "x-amz-decoded-content-length"
        | "x-amz-trailer"
        // S3 would append 16 bytes to the body.
        | "x-amz-te" => HeaderRule::Consume,
        "x-amz-sdk-checksum-algorithm" => digest_rule(operation),
        "x-amz-user-agent" => HeaderRule::Drop,
        "x-amz-expected-bucket-owner" | "x-amz-request-payer" => HeaderRule::Forward,
        "x-amz-write-offset-bytes" => HeaderRule::Refuse(Refusal::PartialWrite),
        _ => AMZ_FIELDS
            .iter()
            .find(|(known, operations, _)| *known == name && operations.contains(&operation))
            .map_or(HeaderRule::Refuse(Refusal::UnknownHeader), |(_, _, rule)| *rule),
    }
}

fn condition_rule(operation: Operation, condition: &'static str) -> HeaderRule {
    if is_object_read(operation) {
        // Entity tags and `If-Range` are about what the client sees; dates are the store's.
        return match condition {
            "if-modified-since" | "if-unmodified-since" => HeaderRule::Forward,
            _ => HeaderRule::Consume,
        };
    }
    let is_entity_tag = matches!(condition, "if-match" | "if-none-match");
    if is_entity_tag && CONDITIONAL_WRITES.contains(&operation)
        || condition == "if-match" && operation == Operation::DeleteObject
    {
        HeaderRule::Forward
    } else if operation.row().method.is_safe() {
        HeaderRule::Drop
    } else {
        HeaderRule::Refuse(Refusal::Condition(condition))
    }
}

fn is_object_read(operation: Operation) -> bool {
    matches!(operation, Operation::GetObject | Operation::HeadObject)
}

/// Tells whether `x-amz-meta-` and `metadata` name something that only an encrypting program may
/// write: this filter, its predecessors, the S3 encryption clients.
fn is_reserved_metadata(metadata: &str) -> bool {
    metadata.starts_with("s3-envelope")
        || matches!(metadata, "constellation-dek" | "isec")
        // Not `x-amz-meta-x-amz-meta-*`, the classic slip of a client's user.
        || (metadata.starts_with("x-amz-") && !metadata.starts_with(METADATA_PREFIX))
}

fn is_single_valued(name: &str) -> bool {
    let is_list = matches!(
        name,
        "x-amz-object-attributes" | "x-amz-optional-object-attributes"
    );
    is_interpreted(name) && !is_list
}

fn is_interpreted(name: &str) -> bool {
    ["x-amz-", "content-", "if-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || matches!(
            name,
            "authorization" | "cache-control" | "date" | "expires" | "range"
        )
}

fn check_name(name: &str) -> Result<(), Refusal> {
    // `_` is legal in HTTP, but CGI-style readers take it for `-`. Users give such names to their
    // metadata, where that does harm only if it makes another name of one that is refused.
    let may_underscore = name
        .strip_prefix(METADATA_PREFIX)
        .map(|metadata| metadata_rule(Operation::PutObject, &metadata.replace('_', "-")))
        .is_some_and(|rule| rule == HeaderRule::Forward);
    let legal = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || (byte == b'_' && may_underscore)
            || matches!(
                byte,
                b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'`' | b'|' | b'~'
            )
    };
    if !name.is_empty() && name.bytes().all(legal) {
        Ok(())
    } else {
        Err(Refusal::InvalidHeaderName)
    }
}

fn check_value(value: &[u8]) -> Result<(), Refusal> {
    let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    if core::str::from_utf8(value).is_err() || value.iter().any(is_control) {
        return Err(Refusal::InvalidHeaderValue);
    }
    Ok(())
}

/// Checks the value of a `response-*` override, which becomes a field of the answer.
pub(super) fn check_override(value: &str) -> Result<(), Refusal> {
    check_value(value.as_bytes())
}

fn is_query_authenticated(query: &Query) -> bool {
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"]
        .iter()
        .any(|name| query.contains(name))
}

fn hoisted_name(parameter: &Parameter) -> Option<String> {
    let name = parameter.name.to_ascii_lowercase();
    let is_sigv4 = SIGV4_PARAMETERS.contains(&parameter.name.as_str());
    (name.starts_with("x-amz-") && !is_sigv4).then_some(name)
}

const METADATA_PREFIX: &str = "x-amz-meta-";

const VENDOR_PREFIXES: [&str; 4] = ["x-goog-", "x-minio-", "x-rgw-", "x-oss-"];

const CHECKSUM_ALGORITHMS: [&str; 10] = [
    "crc32",
    "crc32c",
    "crc64nvme",
    "md5",
    "sha1",
    "sha256",
    "sha512",
    "xxhash128",
    "xxhash3",
    "xxhash64",
];

const CONDITIONS: [&str; 5] = [
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
];

const CONDITIONAL_WRITES: [Operation; 3] = [
    Operation::PutObject,
    Operation::CompleteMultipartUpload,
    Operation::CopyObject,
];

/// The operations whose fields describe a new object.
const DESCRIBED: &[Operation] = &[
    Operation::PutObject,
    Operation::CreateMultipartUpload,
    Operation::CopyObject,
];

const COPIES: &[Operation] = &[Operation::CopyObject, Operation::UploadPartCopy];

const CUSTOMER_KEY: &[Operation] = &[
    Operation::CompleteMultipartUpload,
    Operation::CopyObject,
    Operation::CreateMultipartUpload,
    Operation::GetObject,
    Operation::GetObjectAttributes,
    Operation::HeadObject,
    Operation::ListParts,
    Operation::PutObject,
    Operation::UploadPart,
    Operation::UploadPartCopy,
];

const GRANTING: &[Operation] = &[
    Operation::CopyObject,
    Operation::CreateBucket,
    Operation::CreateMultipartUpload,
    Operation::PutBucketAcl,
    Operation::PutObject,
    Operation::PutObjectAcl,
];

const WRITE_GRANTING: &[Operation] = &[
    Operation::CreateBucket,
    Operation::PutBucketAcl,
    Operation::PutObjectAcl,
];

const LISTS: &[Operation] = &[
    Operation::ListObjectVersions,
    Operation::ListObjects,
    Operation::ListObjectsV2,
];

const ATTRIBUTES: &[Operation] = &[Operation::GetObjectAttributes];

const CREATE_BUCKET: &[Operation] = &[Operation::CreateBucket];

const DELETE_OBJECT: &[Operation] = &[Operation::DeleteObject];

const NOTIFICATION: &[Operation] = &[
    Operation::PutBucketNotification,
    Operation::PutBucketNotificationConfiguration,
];

const LIFECYCLE: &[Operation] = &[
    Operation::PutBucketLifecycle,
    Operation::PutBucketLifecycleConfiguration,
];

/// The `x-amz-*` fields that only some operations know, from the S3 model.
///
/// `x-amz-if-match-size` of DeleteObject is left out: the store would compare the stored length.
#[rustfmt::skip]
const AMZ_FIELDS: &[(&str, &[Operation], HeaderRule)] = &[
    ("x-amz-acl", GRANTING, HeaderRule::Forward),
    ("x-amz-grant-full-control", GRANTING, HeaderRule::Forward),
    ("x-amz-grant-read", GRANTING, HeaderRule::Forward),
    ("x-amz-grant-read-acp", GRANTING, HeaderRule::Forward),
    ("x-amz-grant-write", WRITE_GRANTING, HeaderRule::Forward),
    ("x-amz-grant-write-acp", GRANTING, HeaderRule::Forward),
    ("x-amz-server-side-encryption", DESCRIBED, HeaderRule::Forward),
    ("x-amz-server-side-encryption-aws-kms-key-id", DESCRIBED, HeaderRule::Forward),
    ("x-amz-server-side-encryption-bucket-key-enabled", DESCRIBED, HeaderRule::Forward),
    ("x-amz-server-side-encryption-context", DESCRIBED, HeaderRule::Forward),
    ("x-amz-server-side-encryption-customer-algorithm", CUSTOMER_KEY, HeaderRule::Forward),
    ("x-amz-server-side-encryption-customer-key", CUSTOMER_KEY, HeaderRule::Forward),
    ("x-amz-server-side-encryption-customer-key-md5", CUSTOMER_KEY, HeaderRule::Forward),
    ("x-amz-storage-class", DESCRIBED, HeaderRule::Forward),
    ("x-amz-tagging", DESCRIBED, HeaderRule::Forward),
    ("x-amz-website-redirect-location", DESCRIBED, HeaderRule::Forward),
    ("x-amz-object-lock-legal-hold", DESCRIBED, HeaderRule::Forward),
    ("x-amz-object-lock-mode", DESCRIBED, HeaderRule::Forward),
    ("x-amz-object-lock-retain-until-date", DESCRIBED, HeaderRule::Forward),
    ("x-amz-copy-source", COPIES, HeaderRule::Consume),
    ("x-amz-copy-source-if-match", COPIES, HeaderRule::Consume),
    ("x-amz-copy-source-if-modified-since", COPIES, HeaderRule::Consume),
    ("x-amz-copy-source-if-none-match", COPIES, HeaderRule::Consume),
    ("x-amz-copy-source-if-unmodified-since", COPIES, HeaderRule::Consume),
    ("x-amz-copy-source-range", &[Operation::UploadPartCopy], HeaderRule::Consume),
    ("x-amz-copy-source-server-side-encryption-customer-algorithm", COPIES, HeaderRule::Forward),
    ("x-amz-copy-source-server-side-encryption-customer-key", COPIES, HeaderRule::Forward),
    ("x-amz-copy-source-server-side-encryption-customer-key-md5", COPIES, HeaderRule::Forward),
    ("x-amz-source-expected-bucket-owner", COPIES, HeaderRule::Forward),
    ("x-amz-metadata-directive", &[Operation::CopyObject], HeaderRule::Consume),
    ("x-amz-tagging-directive", &[Operation::CopyObject], HeaderRule::Forward),
    ("x-amz-mp-object-size", &[Operation::CompleteMultipartUpload], HeaderRule::Consume),
    ("x-amz-if-match-initiated-time", &[Operation::AbortMultipartUpload], HeaderRule::Forward),
    ("x-amz-if-match-last-modified-time", DELETE_OBJECT, HeaderRule::Forward),
    ("x-amz-object-attributes", ATTRIBUTES, HeaderRule::Forward),
    ("x-amz-max-parts", ATTRIBUTES, HeaderRule::Forward),
    ("x-amz-part-number-marker", ATTRIBUTES, HeaderRule::Forward),
    ("x-amz-optional-object-attributes", LISTS, HeaderRule::Forward),
    ("x-amz-bypass-governance-retention", &[Operation::DeleteObject, Operation::DeleteObjects, Operation::PutObjectRetention], HeaderRule::Forward),
    ("x-amz-mfa", &[Operation::DeleteObject, Operation::DeleteObjects, Operation::PutBucketVersioning], HeaderRule::Forward),
    ("x-amz-bucket-namespace", CREATE_BUCKET, HeaderRule::Forward),
    ("x-amz-bucket-object-lock-enabled", CREATE_BUCKET, HeaderRule::Forward),
    ("x-amz-object-ownership", CREATE_BUCKET, HeaderRule::Forward),
    ("x-amz-bucket-object-lock-token", &[Operation::PutBucketReplication, Operation::PutObjectLockConfiguration], HeaderRule::Forward),
    ("x-amz-confirm-remove-self-bucket-access", &[Operation::PutBucketPolicy], HeaderRule::Forward),
    ("x-amz-skip-destination-validation", NOTIFICATION, HeaderRule::Forward),
    ("x-amz-transition-default-minimum-object-size", LIFECYCLE, HeaderRule::Forward),
];

const RESPONSE_FIELDS: [&str; 24] = [
    "accept-ranges",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "date",
    "expires",
    "last-modified",
    "vary",
    "x-amz-archive-status",
    "x-amz-delete-marker",
    "x-amz-expiration",
    "x-amz-id-2",
    "x-amz-missing-meta",
    "x-amz-replication-status",
    "x-amz-request-charged",
    "x-amz-request-id",
    "x-amz-restore",
    "x-amz-storage-class",
    "x-amz-tagging-count",
    "x-amz-transition-default-minimum-object-size",
    "x-amz-version-id",
    "x-amz-website-redirect-location",
];

const SPECIAL_RESPONSE_FIELDS: &[(&str, &[Operation])] = &[
    (
        "x-amz-abort-date",
        &[Operation::CreateMultipartUpload, Operation::ListParts],
    ),
    (
        "x-amz-abort-rule-id",
        &[Operation::CreateMultipartUpload, Operation::ListParts],
    ),
    ("x-amz-copy-source-version-id", COPIES),
    ("x-amz-object-size", &[Operation::PutObject]),
];

#[cfg(test)]
mod tests {
    use super::*;

    use Operation::{
        CopyObject, CreateMultipartUpload, DeleteObject, DeleteObjects, GetBucketTagging,
        GetObject, HeadObject, PutBucketLifecycleConfiguration, PutObject, PutObjectAcl,
        UploadPart,
    };

    fn rule(operation: Operation, name: &str) -> HeaderRule {
        request_header_rule(operation, name)
    }

    #[test]
    fn what_describes_an_object_is_forwarded_with_it() {
        for name in [
            "content-type",
            "content-encoding",
            "content-language",
            "content-disposition",
            "cache-control",
            "expires",
            "x-amz-meta-colour",
            "x-amz-meta-x-amz-meta-colour",
            "x-amz-tagging",
            "x-amz-storage-class",
            "x-amz-website-redirect-location",
            "x-amz-object-lock-mode",
            "x-amz-expected-bucket-owner",
            "x-amz-request-payer",
            "x-amz-acl",
            "x-amz-grant-read",
            "x-amz-server-side-encryption",
            "x-amz-server-side-encryption-customer-key",
        ] {
            for operation in [PutObject, CreateMultipartUpload, CopyObject] {
                assert_eq!(rule(operation, name), HeaderRule::Forward, "{name}");
            }
        }
        for name in [
            "content-encoding",
            "cache-control",
            "x-amz-meta-colour",
            "content-type",
        ] {
            assert_eq!(rule(GetObject, name), HeaderRule::Drop, "{name}");
        }
    }

    #[test]
    fn signature_framing_and_checksums_end_here() {
        for name in [
            "authorization",
            "x-amz-date",
            "date",
            "x-amz-security-token",
            "x-amz-content-sha256",
            "content-length",
            "transfer-encoding",
            "x-amz-decoded-content-length",
            "x-amz-trailer",
            "trailer",
            "te",
            "expect",
            "content-md5",
            "x-amz-checksum-crc32",
            "x-amz-checksum-crc64nvme",
            "x-amz-checksum-xxhash128",
            "x-amz-sdk-checksum-algorithm",
            "x-amz-te",
            "x-amz-checksum-algorithm",
            "x-amz-checksum-type",
        ] {
            for operation in [PutObject, UploadPart, CreateMultipartUpload] {
                assert_eq!(rule(operation, name), HeaderRule::Consume, "{name}");
            }
        }
    }

    #[test]
    fn digests_of_a_body_that_is_not_touched_are_forwarded() {
        for name in [
            "content-md5",
            "x-amz-checksum-sha256",
            "x-amz-sdk-checksum-algorithm",
        ] {
            assert_eq!(
                rule(PutBucketLifecycleConfiguration, name),
                HeaderRule::Forward
            );
            assert_eq!(rule(DeleteObjects, name), HeaderRule::Forward);
            assert_eq!(rule(GetBucketTagging, name), HeaderRule::Consume);
        }
    }

    #[test]
    fn chk_1_an_unknown_checksum_is_refused() {
        for name in [
            "x-amz-checksum-",
            "x-amz-checksum-crc128",
            "x-amz-checksum-sha256-x",
        ] {
            assert_eq!(
                rule(PutObject, name),
                HeaderRule::Refuse(Refusal::UnsupportedChecksum)
            );
        }
    }

    #[test]
    fn reserved_metadata_is_refused_and_never_shown() {
        for name in [
            "x-amz-meta-s3-envelope",
            "x-amz-meta-s3-envelope-2",
            "x-amz-meta-constellation-dek",
            "x-amz-meta-isec",
            "x-amz-meta-x-amz-key-v2",
            "x-amz-meta-x-amz-iv",
            "x-amz-meta-x-amz-unencrypted-content-length",
        ] {
            for operation in [PutObject, UploadPart, GetObject, CopyObject] {
                assert_eq!(
                    rule(operation, name),
                    HeaderRule::Refuse(Refusal::ReservedMetadata),
                    "{name}"
                );
                assert!(!response_header_allowed(operation, name), "{name}");
            }
        }
    }

    #[test]
    fn cls_11_fields_of_other_vendors_are_refused() {
        for name in [
            "x-goog-resumable",
            "x-goog-copy-source",
            "x-minio-force-delete",
            "x-rgw-object-type",
            "x-oss-object-acl",
            "x-copy-from",
            "x-amz-meta-snowball-auto-extract",
            "x-amz-meta-minio-snowball-prefix",
        ] {
            assert_eq!(
                rule(PutObject, name),
                HeaderRule::Refuse(Refusal::VendorExtension),
                "{name}"
            );
        }
    }

    #[test]
    fn cls_12_partial_writes_are_refused() {
        assert_eq!(
            rule(PutObject, "x-amz-write-offset-bytes"),
            HeaderRule::Refuse(Refusal::PartialWrite)
        );
        assert_eq!(
            rule(PutObject, "content-range"),
            HeaderRule::Refuse(Refusal::PartialWrite)
        );
        assert_eq!(
            rule(UploadPart, "content-range"),
            HeaderRule::Refuse(Refusal::PartialWrite)
        );
        assert_eq!(rule(GetObject, "content-range"), HeaderRule::Drop);
    }

    #[test]
    fn an_amz_field_that_the_operation_does_not_know_is_refused() {
        for (operation, name) in [
            (PutObject, "x-amz-new-thing"),
            (PutObject, "x-amz-copy-source"),
            (PutObject, "x-amz-copy-source-range"),
            (PutObject, "x-amz-rename-source"),
            (PutObject, "x-amz-s3session-token"),
            (PutObject, "x-amz-signature"),
            (UploadPart, "x-amz-acl"),
            (UploadPart, "x-amz-tagging"),
            (GetObject, "x-amz-acl"),
            (GetObject, "x-amz-server-side-encryption"),
            (PutObjectAcl, "x-amz-copy-source"),
            (DeleteObject, "x-amz-if-match-size"),
        ] {
            assert_eq!(
                rule(operation, name),
                HeaderRule::Refuse(Refusal::UnknownHeader),
                "{name}"
            );
        }
    }

    #[test]
    fn what_a_client_says_of_itself_and_of_its_way_here_is_dropped() {
        for name in [
            "user-agent",
            "x-amz-user-agent",
            "traceparent",
            "x-amzn-trace-id",
            "amz-sdk-invocation-id",
            "x-forwarded-for",
            "x-envoy-attempt-count",
            "accept-encoding",
            "connection",
            "cookie",
            "origin",
        ] {
            for operation in Operation::ALL {
                assert_eq!(rule(*operation, name), HeaderRule::Drop, "{name}");
            }
        }
    }

    #[test]
    fn get_15_the_fields_of_a_read() {
        for name in [
            "range",
            "if-match",
            "if-none-match",
            "if-range",
            "x-amz-te",
            "x-amz-checksum-mode",
        ] {
            assert_eq!(rule(GetObject, name), HeaderRule::Consume, "{name}");
            assert_eq!(rule(HeadObject, name), HeaderRule::Consume, "{name}");
        }
        for name in [
            "if-modified-since",
            "if-unmodified-since",
            "x-amz-request-payer",
            "x-amz-expected-bucket-owner",
            "x-amz-server-side-encryption-customer-algorithm",
        ] {
            assert_eq!(rule(GetObject, name), HeaderRule::Forward, "{name}");
        }
    }

    #[test]
    fn etg_5_conditions_that_a_write_can_not_keep_are_refused() {
        for name in ["if-match", "if-none-match"] {
            assert_eq!(rule(PutObject, name), HeaderRule::Forward);
            assert_eq!(
                rule(UploadPart, name),
                HeaderRule::Refuse(Refusal::Condition(name))
            );
        }
        assert_eq!(rule(DeleteObject, "if-match"), HeaderRule::Forward);
        for name in ["if-modified-since", "if-unmodified-since", "if-range"] {
            assert_eq!(
                rule(PutObject, name),
                HeaderRule::Refuse(Refusal::Condition(name))
            );
            assert_eq!(rule(GetBucketTagging, name), HeaderRule::Drop);
        }
    }

    #[test]
    fn get_17_the_response_allow_list() {
        for name in [
            "content-type",
            "content-encoding",
            "last-modified",
            "x-amz-version-id",
            "x-amz-meta-colour",
            "x-amz-object-lock-mode",
            "x-amz-server-side-encryption-customer-key-md5",
            "vary",
        ] {
            assert!(response_header_allowed(GetObject, name), "{name}");
        }
        for name in [
            // The filter answers preflights itself, and says no.
            "access-control-allow-origin",
            "set-cookie",
            "location",
            "refresh",
            "strict-transport-security",
            "link",
            "content-md5",
            "content-length",
            "content-range",
            "etag",
            "transfer-encoding",
            "trailer",
            "x-amz-checksum-crc32",
            "x-amz-checksum-type",
            "x-amz-transfer-encoding",
            "x-amz-bucket-region",
            "x-amz-mp-parts-count",
            "x-amz-object-size",
            "digest",
            "server",
        ] {
            assert!(!response_header_allowed(GetObject, name), "{name}");
        }
        assert!(response_header_allowed(PutObject, "x-amz-object-size"));
        assert!(!response_header_allowed(PutObject, "x-amz-meta-colour"));
    }

    #[test]
    fn put_12_aws_chunked_is_removed_and_nothing_else() {
        for (encoding, expected) in [
            ("aws-chunked", ""),
            ("AWS-Chunked", ""),
            ("aws-chunked,gzip", "gzip"),
            ("gzip, aws-chunked", "gzip"),
            ("aws-chunked, gzip ,br,", "gzip,br"),
            ("aws-chunked,aws-chunked", ""),
            ("gzip, br", "gzip, br"),
            ("", ""),
            ("x-aws-chunked", "x-aws-chunked"),
        ] {
            assert_eq!(without_aws_chunked(encoding), expected, "{encoding}");
        }
    }

    #[test]
    fn every_operation_has_a_rule_for_every_known_field() {
        for operation in Operation::ALL {
            for (name, operations, expected) in AMZ_FIELDS {
                let seen = rule(*operation, name);
                if operations.contains(operation) {
                    assert_eq!(seen, *expected, "{name}");
                } else {
                    assert_eq!(seen, HeaderRule::Refuse(Refusal::UnknownHeader), "{name}");
                }
            }
        }
    }
}
