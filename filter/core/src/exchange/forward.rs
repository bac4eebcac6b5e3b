//! Operations that carry no object data: forwarded, re-signed, with filtered fields.
//!
//! A body streams through as it is, but for its last byte, which leaves only when the whole body
//! has passed the checks of its request: the commit, as for objects. So nothing is collected, and a
//! request that fails is reset short of its `Content-Length`.

use crate::checksum::PayloadChecks;
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
        Action::Rewrite => matches!(
            operation,
            Operation::DeleteObject | Operation::DeleteObjects | Operation::ListBuckets
        ),
        Action::Transform => operation.lists_objects(),
        Action::Block => false,
    }
}

/// A request whose body, if it has one, is on its way.
#[derive(Debug)]
pub(super) struct Forwarding {
    intake: Intake,
    /// The last byte that was received, while it may be the body's last.
    held: Option<u8>,
    /// For DeleteObjects.
    conditions: Option<ConditionScan>,
}

impl Forwarding {
    /// The request to the store that serves `request`, and what its body has to pass; `None` where
    /// there is no body.
    ///
    /// # Errors
    ///
    /// A field that the operation does not allow, a body that is too long, or none where the
    /// signature or a checksum speaks of one.
    pub(super) fn new(
        config: &Config,
        request: &operation::Request,
        verified: Verified,
        end_of_stream: bool,
        now: UnixTime,
    ) -> Result<(RequestHead, Option<Self>), Error> {
        let payload = verified.payload;
        let sha256 = match payload {
            Payload::Unsigned => None,
            Payload::Sha256(sha256) => Some(sha256),
            Payload::StreamingSigned
            | Payload::StreamingSignedTrailer
            | Payload::StreamingUnsignedTrailer => return Err(Error::StreamingNotAllowed),
        };
        if request.operation == Operation::DeleteObject {
            for name in CONDITIONS_ON_DELETE {
                if request.headers.contains(name) {
                    return Err(Error::NotImplementedHeader(name));
                }
            }
        }
        let mut head = upstream::head(config, request, response::forwarded_headers(request)?);
        if !request.operation.expects_body() {
            // What comes all the same is dropped.
            if !end_of_stream {
                head.headers.set("content-length", "0");
            }
            upstream::sign(config, &mut head, upstream::EMPTY_SHA256, now)?;
            return Ok((head, None));
        }
        let length = length(request, end_of_stream)?;
        let maximum = u64::try_from(config.limits.max_buffered_body).unwrap_or(u64::MAX);
        if length > maximum {
            return Err(Error::BodyTooLarge { maximum });
        }
        let checks = PayloadChecks::from_headers(&request.headers, sha256)?;
        head.headers.set("content-length", length.to_string());
        if length == 0 {
            checks.finish(None)?;
            upstream::sign(config, &mut head, upstream::EMPTY_SHA256, now)?;
            return Ok((head, None));
        }
        let hashed_payload = match sha256 {
            // The store checks what the client signed, too.
            Some(sha256) => hex::encode(sha256),
            None => "UNSIGNED-PAYLOAD".to_owned(),
        };
        upstream::sign(config, &mut head, &hashed_payload, now)?;
        let forwarding = Self {
            intake: Intake::new(verified, checks, length, Vec::new())?,
            held: None,
            conditions: (request.operation == Operation::DeleteObjects)
                .then(ConditionScan::default),
        };
        Ok((head, Some(forwarding)))
    }

    /// Takes a piece of the body; what goes to the store in its place is appended to `out`.
    ///
    /// # Errors
    ///
    /// Any way in which the body is not what the client said it would be.
    pub(super) fn body(
        &mut self,
        piece: &[u8],
        end_of_stream: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let Self {
            intake,
            held,
            conditions,
        } = self;
        let verified = intake.body(piece, end_of_stream, |bytes| {
            if let Some(conditions) = conditions {
                conditions.add(bytes)?;
            }
            if let Some((last, before)) = bytes.split_last() {
                out.extend(held.replace(*last));
                out.extend_from_slice(before);
            }
            Ok(())
        })?;
        if verified.is_some() {
            out.extend(self.held.take());
        }
        Ok(())
    }
}

/// Looks in the document of a DeleteObjects for conditions on ETags and sizes, which are not the
/// store's.
#[derive(Debug, Default)]
struct ConditionScan {
    /// The end of what has been looked at, in which a name may have begun.
    tail: Vec<u8>,
}

impl ConditionScan {
    /// Looks at the next piece.
    ///
    /// # Errors
    ///
    /// [`Error::NotImplementedHeader`] for a condition.
    fn add(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.tail.extend_from_slice(piece);
        for (element, name) in CONDITIONS_IN_DELETE {
            if self
                .tail
                .windows(element.len())
                .any(|window| window == element)
            {
                return Err(Error::NotImplementedHeader(name));
            }
        }
        let longest = CONDITIONS_IN_DELETE
            .iter()
            .map(|(element, _)| element.len())
            .max();
        let kept = longest.unwrap_or_default();
        self.tail.drain(..self.tail.len().saturating_sub(kept));
        Ok(())
    }
}

fn length(request: &operation::Request, end_of_stream: bool) -> Result<u64, Error> {
    match request.headers.text("content-length") {
        Some(text) => {
            let length = response::decimal(text).ok_or(Error::InvalidContentLength)?;
            if end_of_stream && length > 0 {
                return Err(Error::IncompleteBody);
            }
            Ok(length)
        }
        None if end_of_stream => Ok(0),
        None => Err(Error::MissingContentLength),
    }
}

/// Conditions of one object of a DeleteObjects.
const CONDITIONS_IN_DELETE: [(&[u8], &str); 3] = [
    (b"<ETag", "ETag"),
    (b"<Size", "Size"),
    (b"<LastModifiedTime", "LastModifiedTime"),
];

/// Conditions on the ETag or the size, which are not the store's.
const CONDITIONS_ON_DELETE: [&str; 3] = [
    "if-match",
    "x-amz-if-match-size",
    "x-amz-if-match-last-modified-time",
];
