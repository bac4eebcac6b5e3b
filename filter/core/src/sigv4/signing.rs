//! Requests of our own.

use super::canonical_request::{
    CanonicalHeaders, CanonicalRequest, SignedHeaders, canonical_uri, is_token,
};
use super::credential_scope::CredentialScope;
use super::credentials::Credentials;
use super::error::Error;
use super::signature::SigningKey;
use super::string_to_sign::{ALGORITHM, StringToSign, Subject};
use crate::head::RequestHead;
use crate::time::UnixTime;
use crate::uri::Query;

/// Signs `head` with `credentials`, for S3 in `region` at `now` (SGN-1).
///
/// Sets `x-amz-date`, `x-amz-content-sha256` (to `hashed_payload`), `x-amz-security-token` and
/// `authorization`, whatever they were. Signed are the host and every field but those that a proxy
/// on the way may change.
///
/// # Errors
///
/// [`Error::InvalidUri`] where the target is not percent-encoded UTF-8, [`Error::InvalidHead`]
/// where the method or a field has a line break.
pub fn sign(
    head: &mut RequestHead,
    credentials: &Credentials,
    region: &str,
    now: UnixTime,
    hashed_payload: &str,
) -> Result<(), Error> {
    if head.method.is_empty() || !head.method.bytes().all(is_token) {
        return Err(Error::InvalidHead);
    }
    head.headers.remove("authorization");
    head.headers.set("x-amz-date", now.to_basic());
    head.headers.set("x-amz-content-sha256", hashed_payload);
    match &credentials.session_token {
        Some(token) => head.headers.set("x-amz-security-token", token.as_bytes()),
        None => head.headers.remove("x-amz-security-token"),
    }
    let signed_headers = SignedHeaders::with_host(
        head.headers
            .iter()
            .map(|field| field.name.as_str())
            .filter(|name| arrives_unchanged(name)),
    );
    let query = Query::parse(head.raw_query()).map_err(|_| Error::InvalidUri)?;
    let canonical_request = CanonicalRequest {
        method: &head.method,
        canonical_uri: &canonical_uri(head.path()).map_err(|_| Error::InvalidUri)?,
        canonical_query_string: &query.canonical(),
        canonical_headers: &CanonicalHeaders::new(head, &signed_headers)?,
        signed_headers: &signed_headers,
        hashed_payload,
    };
    let scope = CredentialScope::s3(now, region);
    let signature =
        SigningKey::derive(&credentials.secret_access_key, &scope).sign(&StringToSign {
            scope: &scope,
            subject: Subject::Request {
                canonical_request_sha256: canonical_request.sha256(),
            },
        });
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope},SignedHeaders={},Signature={}",
        credentials.access_key_id,
        signed_headers.as_str(),
        signature.as_str(),
    );
    head.headers.push("authorization", authorization);
    Ok(())
}

/// Tells whether no proxy on the way to the store adds, removes or changes the field.
fn arrives_unchanged(name: &str) -> bool {
    !CHANGED_ON_THE_WAY.contains(&name)
        && !CHANGED_ON_THE_WAY_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Hop-by-hop fields, framing, and what proxies add or replace to trace and to describe a request.
const CHANGED_ON_THE_WAY: [&str; 23] = [
    "accept-encoding",
    "authorization",
    "b3",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-amzn-trace-id",
    "x-client-trace-id",
    "x-cloud-trace-context",
    "x-ot-span-context",
    "x-request-id",
    "grpc-trace-bin",
    "traceparent",
    "tracestate",
];

const CHANGED_ON_THE_WAY_PREFIXES: [&str; 5] =
    ["proxy-", "x-b3-", "x-envoy-", "x-forwarded-", "x-datadog-"];
