//! Operations that carry no object data: forwarded, re-signed, with filtered fields.
//!
//! A request without a body goes straight through; one with a body is collected first
//! ([`super::collect`]).

use crate::config::Config;
use crate::error::Error;
use crate::head::RequestHead;
use crate::operation::{self, Action, Operation};
use crate::time::UnixTime;

use super::{response, upstream};

/// Tells whether `operation` is one that this module serves.
pub(super) fn is_supported(operation: Operation) -> bool {
    match operation.action() {
        Action::Forward | Action::Admin => true,
        Action::Rewrite => matches!(operation, Operation::DeleteObject | Operation::ListBuckets),
        Action::Transform | Action::Block => false,
    }
}

/// The request to the store that serves a request without body.
///
/// # Errors
///
/// A field that the operation does not allow.
pub(super) fn request(
    config: &Config,
    request: &operation::Request,
    end_of_stream: bool,
    now: UnixTime,
) -> Result<RequestHead, Error> {
    let mut headers = response::forwarded_headers(request)?;
    if request.operation == Operation::DeleteObject {
        for name in CONDITIONS_ON_DELETE {
            if request.headers.contains(name) {
                return Err(Error::NotImplementedHeader(name));
            }
        }
    }
    if !end_of_stream || matches!(request.method.as_str(), "PUT" | "POST") {
        headers.set("content-length", "0");
    }
    let mut head = upstream::head(config, request, headers);
    upstream::sign(config, &mut head, upstream::EMPTY_SHA256, now)?;
    Ok(head)
}

/// Tells whether a body is to be read before `request` can be served.
///
/// # Errors
///
/// A `Content-Length` that is no number.
pub(super) fn has_body(request: &operation::Request, end_of_stream: bool) -> Result<bool, Error> {
    if end_of_stream || !request.operation.expects_body() {
        return Ok(false);
    }
    match request.headers.text("content-length") {
        Some(text) => Ok(response::decimal(text).ok_or(Error::InvalidContentLength)? > 0),
        None => Ok(true),
    }
}

/// Conditions on the ETag or the size, which are not the store's.
const CONDITIONS_ON_DELETE: [&str; 3] = [
    "if-match",
    "x-amz-if-match-size",
    "x-amz-if-match-last-modified-time",
];
