//! Operations that carry no object data: forwarded, re-signed, with filtered fields.
//!
//! A request without a body goes straight through. A body must be whole, and must have passed the
//! checks of the request, before anything is sent to the store; but the head of the request can't
//! wait for the body, because Envoy holds both back together. So a head is released that never
//! completes ([`upstream::doomed`]), the body is collected and dropped piece by piece, and the real
//! request is a callout, whose answer is the client's; giving it resets the unfinished request.

use sha2::{Digest as _, Sha256};

use crate::callout::Callout;
use crate::checksum::{Checksum, PayloadChecks};
use crate::config::Config;
use crate::error::Error;
use crate::head::RequestHead;
use crate::operation::{self, Action, Operation};
use crate::sigv4::{Payload, Verified};
use crate::time::UnixTime;

use super::intake::Intake;
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
        for name in ["if-match", "x-amz-if-match-size", "x-amz-if-match-last-modified-time"] {
            if headers.contains(name) {
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

/// A request whose body is being collected.
#[derive(Debug)]
pub(super) struct Collected {
    /// What is sent once the body is whole.
    head: RequestHead,
    intake: Intake,
    body: Vec<u8>,
    checksum: Option<Checksum>,
}

impl Collected {
    /// Collects the body of `request`; answers with the head to release in the meantime.
    ///
    /// # Errors
    ///
    /// A body that is too long, or a field that the operation does not allow.
    pub(super) fn new(
        config: &Config,
        request: &operation::Request,
        verified: Verified,
        now: UnixTime,
    ) -> Result<(RequestHead, Self), Error> {
        let sha256 = match verified.payload {
            Payload::Unsigned => None,
            Payload::Sha256(sha256) => Some(sha256),
            Payload::StreamingSigned
            | Payload::StreamingSignedTrailer
            | Payload::StreamingUnsignedTrailer => return Err(Error::StreamingNotAllowed),
        };
        let length = request
            .headers
            .text("content-length")
            .and_then(response::decimal)
            .ok_or(Error::MissingContentLength)?;
        let maximum = u64::try_from(config.limits.max_buffered_body).unwrap_or(u64::MAX);
        if length > maximum {
            return Err(Error::BodyTooLarge { maximum });
        }
        let checks = PayloadChecks::from_headers(&request.headers, sha256)?;
        let head = upstream::head(config, request, response::forwarded_headers(request)?);
        let doomed = upstream::doomed(config, &head, now)?;
        let collected = Self {
            head,
            intake: Intake::new(verified, checks, length, Vec::new())?,
            body: Vec::new(),
            checksum: None,
        };
        Ok((doomed, collected))
    }

    /// Collects a body that must turn out to be empty, for a request whose head is complete.
    pub(super) fn empty(head: RequestHead, intake: Intake) -> Self {
        Self {
            head,
            intake,
            body: Vec::new(),
            checksum: None,
        }
    }

    /// Takes a piece of the body; answers with the real request once it is whole.
    ///
    /// # Errors
    ///
    /// Any way in which the body is not what the client said it would be.
    pub(super) fn body(
        &mut self,
        piece: &[u8],
        end_of_stream: bool,
        config: &Config,
        now: UnixTime,
    ) -> Result<Option<Callout>, Error> {
        let body = &mut self.body;
        let verified = self.intake.body(piece, end_of_stream, |bytes| {
            body.extend_from_slice(bytes);
            Ok(())
        })?;
        if verified.is_some() {
            self.checksum = verified;
        }
        if !end_of_stream {
            return Ok(None);
        }
        let mut head = self.head.clone();
        head.headers.set("content-length", self.body.len().to_string());
        let hashed_payload = hex(&Sha256::digest(&self.body));
        upstream::sign(config, &mut head, &hashed_payload, now)?;
        Ok(Some(Callout {
            target: upstream::callout_target(config),
            head,
            body: core::mem::take(&mut self.body),
            timeout_ms: config.store.timeout_ms,
        }))
    }

    /// The body's checksum, once it has been verified.
    pub(super) fn take_checksum(&mut self) -> Option<Checksum> {
        self.checksum.take()
    }
}

fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
