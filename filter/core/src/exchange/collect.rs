//! A body that must be whole, and have passed its checks, before anything is sent to the store.
//!
//! The head of a request can't wait for its body, because Envoy holds both back together. So a head
//! is released that never completes ([`upstream::doomed`]), the body is taken out of the stream
//! piece by piece, and the real request is a callout, whose answer is the client's; giving it
//! resets the unfinished request. Where that one is answered before the body is whole (there is no
//! such bucket, the store is not there), its answer is the client's, and nothing is sent.

use sha2::{Digest as _, Sha256};

use crate::callout::Callout;
use crate::checksum::{Checksum, PayloadChecks};
use crate::config::Config;
use crate::error::Error;
use crate::head::RequestHead;
use crate::operation;
use crate::sigv4::{Payload, Verified};
use crate::time::UnixTime;

use super::intake::Intake;
use super::{response, upstream};

/// A request whose body is being collected.
#[derive(Debug)]
pub(super) struct Collected {
    /// What is sent once the body is whole, but for its length and signature.
    head: RequestHead,
    intake: Intake,
    body: Vec<u8>,
}

impl Collected {
    /// Collects what `intake` lets through, for a request with this head.
    pub(super) fn new(head: RequestHead, intake: Intake) -> Self {
        Self {
            head,
            intake,
            body: Vec::new(),
        }
    }

    /// Collects the body of `request` to forward it as it is.
    ///
    /// # Errors
    ///
    /// A body that is too long, or a field that the operation does not allow.
    pub(super) fn forwarding(
        config: &Config,
        request: &operation::Request,
        verified: Verified,
    ) -> Result<Self, Error> {
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
        let intake = Intake::new(verified, checks, length, Vec::new())?;
        Ok(Self::new(head, intake))
    }

    /// The head to release in the meantime.
    ///
    /// # Errors
    ///
    /// A head that can't be signed.
    pub(super) fn doomed(&self, config: &Config, now: UnixTime) -> Result<RequestHead, Error> {
        upstream::doomed(config, &self.head, now)
    }

    /// Takes a piece of the body; answers with the payload's checksum once it is whole.
    ///
    /// # Errors
    ///
    /// Any way in which the body is not what the client said it would be.
    pub(super) fn body(&mut self, piece: &[u8], end_of_stream: bool) -> Result<Option<Checksum>, Error> {
        let body = &mut self.body;
        self.intake.body(piece, end_of_stream, |bytes| {
            body.extend_from_slice(bytes);
            Ok(())
        })
    }

    /// The real request.
    ///
    /// # Errors
    ///
    /// A head that can't be signed.
    pub(super) fn callout(mut self, config: &Config, now: UnixTime) -> Result<Callout, Error> {
        self.head
            .headers
            .set("content-length", self.body.len().to_string());
        let hashed_payload = hex::encode(Sha256::digest(&self.body));
        upstream::sign(config, &mut self.head, &hashed_payload, now)?;
        Ok(Callout {
            target: upstream::callout_target(config),
            head: self.head,
            body: self.body,
            timeout_ms: config.store.timeout_ms,
        })
    }
}
