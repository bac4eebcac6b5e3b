//! Heads and documents that go back to the client.

use crate::error::Error;
use crate::head::{Headers, ResponseHead};
use crate::listing;
use crate::operation::{self, HeaderRule, Operation};
use crate::s3_error::{ErrorCode, S3Error};

use super::{Identity, Reply, ResponsePlan};

/// Tells whether a response of `status` is what `plan` is for.
pub(super) fn is_good(status: u16, plan: &ResponsePlan) -> bool {
    match plan {
        ResponsePlan::Nothing => true,
        ResponsePlan::Object(expected) => expected.is_good(status),
        ResponsePlan::Stored(_) => status == 200,
        ResponsePlan::Relay(_) => matches!(status, 200 | 204),
        ResponsePlan::Listing(_) => status == 200,
    }
}

/// The fields of `request` that may go to the store.
///
/// # Errors
///
/// A field that the operation does not allow.
pub(super) fn forwarded_headers(request: &operation::Request) -> Result<Headers, Error> {
    let mut headers = Headers::new();
    for field in request.headers.iter() {
        match operation::request_header_rule(request.operation, &field.name) {
            HeaderRule::Forward => headers.push(field.name.as_str(), field.value.as_slice()),
            HeaderRule::Consume | HeaderRule::Drop => {}
            HeaderRule::Refuse(refusal) => return Err(refusal.into()),
        }
    }
    Ok(headers)
}

/// The fields of the store's answer that a client may see (GET-17).
pub(super) fn allowed_headers(operation: Operation, store: &Headers) -> Headers {
    store
        .iter()
        .filter(|field| operation::response_header_allowed(operation, &field.name))
        .map(|field| (field.name.as_str(), field.value.as_slice()))
        .collect()
}

/// Removes `aws-chunked` from `content-encoding`: some stores keep it, and it never described the
/// object.
pub(super) fn strip_aws_chunked(headers: &mut Headers) {
    let Some(encoding) = headers.text("content-encoding") else {
        return;
    };
    let kept = operation::without_aws_chunked(encoding);
    if kept.is_empty() {
        headers.remove("content-encoding");
    } else {
        headers.set("content-encoding", kept);
    }
}

/// The head of an answer that goes through as the store gave it, but for the fields that nobody
/// needs.
pub(super) fn relayed(operation: Operation, head: &ResponseHead) -> ResponseHead {
    let mut headers = allowed_headers(operation, &head.headers);
    if let Some(length) = head.headers.text("content-length").and_then(decimal) {
        headers.set("content-length", length.to_string());
    }
    ResponseHead {
        status: head.status,
        headers,
    }
}

/// Takes a piece of a listing into `document`; at its end the client's is appended to `out`.
///
/// # Errors
///
/// A document that is too long for a page, or is no listing.
pub(super) fn listing(
    document: &mut Vec<u8>,
    piece: &[u8],
    end_of_stream: bool,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    if document.len().saturating_add(piece.len()) > MAX_LISTING_LEN {
        return Err(Error::StoreMisbehaves);
    }
    document.extend_from_slice(piece);
    if end_of_stream {
        let rewritten = listing::rewrite(document).map_err(|_| Error::StoreMisbehaves)?;
        *document = Vec::new();
        out.extend_from_slice(rewritten.as_bytes());
    }
    Ok(())
}

/// An answer of the filter's own with this head and no body.
pub(super) fn reply(head: ResponseHead) -> Reply {
    let headers = head
        .headers
        .iter()
        .filter(|field| field.name != "content-length")
        .filter_map(|field| {
            let value = String::from_utf8(field.value.clone()).ok()?;
            Some((field.name.clone(), value))
        })
        .collect();
    Reply {
        status: head.status,
        headers,
        body: Vec::new(),
    }
}

/// The answer to a request that is refused.
pub(super) fn error_reply(error: &S3Error, identity: &Identity) -> Reply {
    let mut headers = vec![
        ("content-type".to_owned(), "application/xml".to_owned()),
        ("x-amz-request-id".to_owned(), identity.request_id.clone()),
    ];
    let code = error.code();
    if code == ErrorCode::MethodNotAllowed {
        headers.push(("allow".to_owned(), ALLOWED_METHODS.to_owned()));
    }
    if code == ErrorCode::InvalidRange
        && let Some(size) = error.detail("ActualObjectSize")
    {
        headers.push(("content-range".to_owned(), format!("bytes */{size}")));
    }
    if code == ErrorCode::ServiceUnavailable || code == ErrorCode::SlowDown {
        headers.push(("retry-after".to_owned(), "1".to_owned()));
    }
    let body = if identity.is_head {
        Vec::new()
    } else {
        error_document(error, identity).into_bytes()
    };
    Reply {
        status: error.status(),
        headers,
        body,
    }
}

/// The error document of a request that is refused.
pub(super) fn error_document(error: &S3Error, identity: &Identity) -> String {
    error.to_xml(&identity.resource, &identity.request_id)
}

/// The length of `bytes`, as object lengths are counted.
pub(super) fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// A decimal number without sign.
pub(super) fn decimal(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// A page has at most 1000 objects, whose keys have at most 1024 bytes, each three in a URL.
const MAX_LISTING_LEN: usize = 4 * 1024 * 1024;
const ALLOWED_METHODS: &str = "GET, HEAD, PUT, POST, DELETE";
