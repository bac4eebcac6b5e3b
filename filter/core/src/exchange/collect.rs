//! An empty object whose request has a body all the same: the framing of aws-chunked.
//!
//! Nothing of that body goes to the store, so the head alone makes the store commit, and it must
//! not leave before the body has passed its checks. But a head can't wait for its body, because
//! Envoy holds both back together. So a head is released that never completes
//! ([`upstream::doomed`]), the body is taken out of the stream, and the real request is a callout,
//! whose answer is the client's; giving it resets the unfinished request. Where that one is
//! answered before the body is whole (there is no such bucket, the store is not there), its answer
//! is the client's, and nothing is sent.

use crate::callout::Callout;
use crate::checksum::Checksum;
use crate::config::Config;
use crate::error::Error;
use crate::head::RequestHead;
use crate::time::UnixTime;

use super::intake::Intake;
use super::upstream;

/// A request whose body is being collected.
#[derive(Debug)]
pub(super) struct Collected {
    /// What is sent once the body is whole, but for its length and signature.
    head: RequestHead,
    intake: Intake,
}

impl Collected {
    /// Collects what `intake` lets through, for a request with this head.
    pub(super) fn new(head: RequestHead, intake: Intake) -> Self {
        Self { head, intake }
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
    pub(super) fn body(
        &mut self,
        piece: &[u8],
        end_of_stream: bool,
    ) -> Result<Option<Checksum>, Error> {
        self.intake
            .body(piece, end_of_stream, |plaintext| match plaintext {
                [] => Ok(()),
                [..] => Err(Error::OutOfOrder),
            })
    }

    /// The real request.
    ///
    /// # Errors
    ///
    /// A head that can't be signed.
    pub(super) fn callout(mut self, config: &Config, now: UnixTime) -> Result<Callout, Error> {
        self.head.headers.set("content-length", "0");
        upstream::sign(config, &mut self.head, upstream::EMPTY_SHA256, now)?;
        Ok(Callout {
            target: upstream::callout_target(config),
            head: self.head,
            body: Vec::new(),
            timeout_ms: config.store.timeout_ms,
        })
    }
}
