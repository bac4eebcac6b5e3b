//! What a client may see of a store's refusal (RSP-1…6).
//!
//! Nothing of the store's text is passed on: its status and the code in its error document choose
//! one of S3's own errors. A fault of the filter's credentials is not the client's: where a refusal
//! may be one, the store is asked a question of the filter's own, and the code of its answer tells.

use crate::callout::{Callout, CalloutReply};
use crate::config::Config;
use crate::error::Error;
use crate::head::{Headers, RequestHead, ResponseHead};
use crate::s3_error::{self, S3Error};
use crate::time::UnixTime;

use super::{Identity, response, upstream};

/// A refusal on its way to the client.
#[derive(Debug)]
pub(super) struct Failure {
    status: u16,
    without_body: bool,
    document: Vec<u8>,
    received: Dropped,
}

impl Failure {
    /// The refusal that starts with `head`.
    pub(super) fn new(head: &ResponseHead, without_body: bool) -> Self {
        Self {
            status: head.status,
            without_body,
            document: Vec::new(),
            received: Dropped::default(),
        }
    }

    /// Tells whether the filter's credentials may be to blame.
    pub(super) fn may_be_about_credentials(&self) -> bool {
        matches!(self.status, 400 | 401 | 403)
    }

    /// Tells whether the store's error document says that the filter's credentials are to blame.
    pub(super) fn names_credentials(&self) -> bool {
        s3_error::error_code(&self.document)
            .is_some_and(|code| s3_error::is_credential_fault(&code))
    }

    /// Tells whether nothing follows the head.
    pub(super) fn is_without_body(&self) -> bool {
        self.without_body
    }

    /// The head of an answer whose body [`Failure::body`] writes; its length is not known yet.
    pub(super) fn head(&self, identity: &Identity) -> ResponseHead {
        let mut headers = Headers::new();
        headers.push("content-type", "application/xml");
        headers.push("x-amz-request-id", identity.request_id.as_str());
        ResponseHead {
            status: self.without_code().status(),
            headers,
        }
    }

    /// The error, as far as the status tells.
    pub(super) fn without_code(&self) -> S3Error {
        s3_error::recreate(self.status, None)
    }

    /// The error that the whole `document` names.
    pub(super) fn whole(&mut self, document: &[u8]) -> S3Error {
        self.collect(document);
        s3_error::recreate(self.status, s3_error::error_code(&self.document).as_deref())
    }

    /// Takes a piece of the store's error document; at its end the client's is appended to `out`.
    ///
    /// # Errors
    ///
    /// A document that does not end.
    pub(super) fn body(
        &mut self,
        piece: &[u8],
        end_of_stream: bool,
        identity: &Identity,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.received.add(piece)?;
        self.collect(piece);
        if end_of_stream {
            let mut error = self.whole(&[]);
            // The status is out already; a store's code may be one of another.
            if error.status() != self.without_code().status() {
                error = self.without_code();
            }
            out.extend_from_slice(response::error_document(&error, identity).as_bytes());
        }
        Ok(())
    }

    fn collect(&mut self, piece: &[u8]) {
        let room = MAX_DOCUMENT_LEN.saturating_sub(self.document.len());
        let taken = piece.get(..room.min(piece.len())).unwrap_or_default();
        self.document.extend_from_slice(taken);
    }
}

/// The length of a body that the client does not get: without a limit a store could make it wait
/// for ever for the end.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    len: u64,
}

impl Dropped {
    /// Counts a piece.
    ///
    /// # Errors
    ///
    /// More than any store has to say.
    pub(super) fn add(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.len = self.len.saturating_add(response::len(piece));
        if self.len > MAX_DROPPED_LEN {
            return Err(Error::StoreMisbehaves);
        }
        Ok(())
    }
}

/// A refusal whose cause is being asked for.
#[derive(Debug)]
pub(super) struct Probe {
    failure: Failure,
}

impl Probe {
    /// A probe for the cause of `failure`.
    pub(super) fn new(failure: Failure) -> Self {
        Self { failure }
    }

    /// Tells whether the answer to [`probe_request`] shows that the store does not accept the
    /// filter's credentials.
    pub(super) fn blames_the_filter(&self, reply: &CalloutReply) -> bool {
        match reply {
            CalloutReply::Failed => false,
            CalloutReply::Response { head, body, .. } => {
                head.status >= 400
                    && s3_error::error_code(body)
                        .is_some_and(|code| s3_error::is_credential_fault(&code))
            }
        }
    }

    /// The refusal.
    pub(super) fn failure(self) -> Failure {
        self.failure
    }
}

/// The question that only the filter's credentials decide: a list of buckets.
///
/// # Errors
///
/// A head that can't be signed.
pub(super) fn probe_request(config: &Config, now: UnixTime) -> Result<Callout, Error> {
    let mut head = RequestHead {
        method: "GET".to_owned(),
        target: "/".to_owned(),
        authority: config.store.host.clone(),
        headers: Headers::new(),
    };
    upstream::sign(config, &mut head, upstream::EMPTY_SHA256, now)?;
    Ok(Callout {
        target: upstream::callout_target(config),
        head,
        body: Vec::new(),
        timeout_ms: config.store.timeout_ms,
    })
}

const MAX_DOCUMENT_LEN: usize = 64 * 1024;
const MAX_DROPPED_LEN: u64 = 1024 * 1024;
