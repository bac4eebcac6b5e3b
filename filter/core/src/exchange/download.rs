//! GetObject and HeadObject: segments come in, verified plaintext goes out.
//!
//! The response's head is held until the wrapped data key, the commitment, the sealed facts, the
//! stored length and the digest of the metadata have verified; then every plaintext byte waits for
//! its segment's tag, and those of the last segment for the footer.

use std::rc::Rc;

use subtle::ConstantTimeEq as _;

use crate::checksum::Checksum;
use crate::config::{Config, Encryption, KeyRing};
use crate::envelope::{self, Envelope, Name};
use crate::error::Error;
use crate::etag::client_etag;
use crate::head::{RequestHead, ResponseHead};
use crate::key_cache::{KeyCache, KeyName, Lookup};
use crate::key_wrap::Kek;
use crate::operation::{self, Operation};
use crate::segment::{Opener, layout};
use crate::time::UnixTime;

use super::failure::Dropped;
use super::{Exchange, HeadAction, ObjectName, ResponseState, Wait, response, upstream};

/// What a good response to a GetObject or HeadObject has to be.
#[derive(Debug)]
pub(super) struct Expected {
    operation: Operation,
    name: ObjectName,
    key_ring: KeyRing,
    response_overrides: Vec<(&'static str, String)>,
    checksum_mode: bool,
}

/// The request to the store for a GetObject or HeadObject.
///
/// # Errors
///
/// A field that asks for what the filter does not do yet.
pub(super) fn request(
    config: &Config,
    request: &operation::Request,
    encryption: &Encryption,
    end_of_stream: bool,
    now: UnixTime,
) -> Result<(RequestHead, Expected), Error> {
    for name in NOT_YET {
        if request.headers.contains(name) {
            return Err(Error::NotImplementedHeader(name));
        }
    }
    if request.part_number.is_some() {
        return Err(Error::NotImplementedHeader("partNumber"));
    }
    let mut headers = response::forwarded_headers(request)?;
    // A store or a cache on the way that compresses would change the bytes.
    headers.set("accept-encoding", "identity");
    if !end_of_stream {
        headers.set("content-length", "0");
    }
    let mut head = upstream::head(config, request, headers);
    upstream::sign(config, &mut head, upstream::EMPTY_SHA256, now)?;
    let expected = Expected {
        operation: request.operation,
        name: ObjectName::new(request, encryption),
        key_ring: encryption.key_ring.clone(),
        response_overrides: request.response_overrides.clone(),
        checksum_mode: request
            .headers
            .text("x-amz-checksum-mode")
            .is_some_and(|mode| mode.eq_ignore_ascii_case("enabled")),
    };
    Ok((head, expected))
}

/// A response of which everything is known but the KEK.
#[derive(Debug)]
pub(super) struct DownloadPlan {
    expected: Expected,
    head: ResponseHead,
    envelope: Envelope,
    key: KeyName,
    /// The stored length, where the store says it.
    stored_len: Option<u64>,
    end_of_stream: bool,
}

impl DownloadPlan {
    /// Reads the envelope in the response's head.
    ///
    /// # Errors
    ///
    /// An object without envelope, or with one that can't be this filter's.
    pub(super) fn new(
        expected: Expected,
        head: ResponseHead,
        end_of_stream: bool,
    ) -> Result<Self, Error> {
        let envelope = {
            let mut values = head.headers.values(envelope::HEADER_NAME);
            match (values.next(), values.next()) {
                (None, _) => return Err(Error::UnencryptedObject),
                (Some(value), None) => Envelope::parse(value)?,
                (Some(_), Some(_)) => return Err(Error::RepeatedEnvelope),
            }
        };
        if !expected.key_ring.may_read(envelope.kek_id()) {
            return Err(Error::UnknownKek);
        }
        // The digest takes a field that is repeated for what is left of it; a client might not.
        if SINGLE.iter().any(|name| head.headers.count(name) > 1) {
            return Err(Error::StoreMisbehaves);
        }
        let stored_len = match head.headers.text("content-length") {
            Some(text) => Some(response::decimal(text).ok_or(Error::StoreMisbehaves)?),
            None => None,
        };
        let key = KeyName {
            service: expected.key_ring.service.clone(),
            kek_id: envelope.kek_id().clone(),
        };
        Ok(Self {
            expected,
            head,
            envelope,
            key,
            stored_len,
            end_of_stream,
        })
    }
}

/// An object's body on its way to the client.
#[derive(Debug)]
pub(super) struct Download {
    opener: Opener,
    declared_len: u64,
    released_len: u64,
}

impl Download {
    /// Takes a piece of the stored object; verified plaintext is appended to `out`.
    ///
    /// What was appended before an error is authentic.
    ///
    /// # Errors
    ///
    /// A body that is not the object's.
    pub(super) fn body(
        &mut self,
        piece: &[u8],
        end_of_stream: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let opened = self.opener.push(piece, out);
        self.released_len = self.released_len.saturating_add(response::len(out));
        opened?;
        if self.released_len > self.declared_len {
            return Err(Error::LengthMismatch);
        }
        if end_of_stream && !self.is_complete() {
            return Err(Error::TruncatedResponse);
        }
        Ok(())
    }

    /// Tells whether the last byte has been released.
    pub(super) fn is_complete(&self) -> bool {
        self.opener.is_complete() && self.released_len == self.declared_len
    }

    /// Plaintext bytes released.
    pub(super) fn released_bytes(&self) -> u64 {
        self.released_len
    }
}

impl Exchange {
    /// Starts the download, where its KEK is at hand.
    ///
    /// # Errors
    ///
    /// A KEK that can't be had, or an object that is not what it has to be.
    pub(super) fn start_download(
        &mut self,
        plan: Box<DownloadPlan>,
        keys: &mut KeyCache,
        now: UnixTime,
    ) -> Result<HeadAction<ResponseHead>, Error> {
        match keys.lookup(&plan.key, now) {
            Lookup::Ready(kek) => self.download(*plan, &kek),
            Lookup::Pending => {
                let key = plan.key.clone();
                self.response = ResponseState::AwaitKey(plan);
                Ok(HeadAction::Await(Wait::Key(key)))
            }
            Lookup::Unavailable => Err(Error::KeyUnavailable),
        }
    }

    /// Steps 2 to 7 of FORMAT.md §7.
    fn download(
        &mut self,
        plan: DownloadPlan,
        kek: &Kek,
    ) -> Result<HeadAction<ResponseHead>, Error> {
        let config = Rc::clone(&self.config);
        let expected = plan.expected;
        let (data_key, facts) = plan.envelope.open(kek, &Name::from(&expected.name))?;
        let sealed_len = layout::stored_len(facts.plaintext_len).ok_or(Error::StoredLength)?;
        if plan
            .stored_len
            .is_some_and(|stored_len| stored_len != sealed_len)
        {
            return Err(Error::StoredLength);
        }
        if config.store.metadata_digest
            && let Some(sealed) = facts.metadata_digest
        {
            let same = envelope::metadata_digest(&data_key, &plan.head.headers)?
                .is_some_and(|digest| bool::from(digest.ct_eq(&sealed)));
            if !same {
                return Err(Error::MetadataDigest);
            }
        }
        let mut headers = response::allowed_headers(expected.operation, &plan.head.headers);
        response::strip_aws_chunked(&mut headers);
        for (name, value) in expected.response_overrides {
            headers.set(name, value);
        }
        let etag = plan
            .head
            .headers
            .value("etag")
            .ok_or(Error::StoreMisbehaves)?;
        headers.set("etag", client_etag(etag)?);
        if expected.checksum_mode
            && let Some(checksum) = facts.checksum.as_deref().and_then(Checksum::from_sealed)
        {
            headers.set(checksum.algorithm().header_name(), checksum.to_base64());
            headers.set("x-amz-checksum-type", "FULL_OBJECT");
        }
        headers.set("accept-ranges", "bytes");
        headers.set("content-length", facts.plaintext_len.to_string());
        self.response = if expected.operation == Operation::HeadObject {
            ResponseState::Empty(Dropped::default())
        } else if plan.end_of_stream && facts.plaintext_len > 0 {
            return Err(Error::TruncatedResponse);
        } else {
            ResponseState::Download(Box::new(Download {
                opener: Opener::new(&data_key, facts.plaintext_len)?,
                declared_len: facts.plaintext_len,
                released_len: 0,
            }))
        };
        Ok(HeadAction::Forward(ResponseHead {
            status: 200,
            headers,
        }))
    }
}

/// Fields of a stored object that no store gives twice.
const SINGLE: [&str; 9] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "etag",
    "expires",
    "last-modified",
];

/// What reads can't ask for yet.
const NOT_YET: [&str; 6] = [
    "range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "if-range",
];
