//! PutObject: the plaintext comes in, segments go out.
//!
//! The last segment and the footer are the commit: they leave only when the body is whole and
//! every check of the request has passed. A request that fails is reset short of its
//! `Content-Length`, so that the store keeps what it had.

use std::rc::Rc;

use crate::aws_chunked::Encoder;
use crate::checksum::{Checksum, PayloadChecks};
use crate::config::{Config, Encryption, PayloadIntegrity};
use crate::envelope::{self, Facts, Name};
use crate::error::Error;
use crate::etag::client_etag;
use crate::head::{Headers, RequestHead, ResponseHead};
use crate::key_cache::{KeyCache, KeyName, Lookup};
use crate::key_wrap::{DataKey, Kek};
use crate::operation::{self, Operation};
use crate::segment::{Sealer, layout};
use crate::sigv4::{Payload, Verified};
use crate::time::UnixTime;

use super::collect::Collected;
use super::intake::Intake;
use super::{
    Exchange, HeadAction, ObjectName, RequestState, ResponsePlan, ResponseState, Wait, response,
    upstream,
};

/// A PutObject of which everything is known but the KEK.
#[derive(Debug)]
pub(super) struct UploadPlan {
    request: operation::Request,
    /// What goes to the store, but for the envelope and what depends on it.
    headers: Headers,
    intake: Intake,
    /// The payload's checksum, where the head declares it.
    declared_checksum: Option<Checksum>,
    plaintext_len: u64,
    stored_len: u64,
    key: KeyName,
    name: ObjectName,
    end_of_stream: bool,
}

impl UploadPlan {
    /// Reads what the head says of the object.
    ///
    /// # Errors
    ///
    /// Anything that S3 refuses a PutObject for at its head.
    pub(super) fn new(
        request: operation::Request,
        verified: Verified,
        encryption: &Encryption,
        end_of_stream: bool,
    ) -> Result<Self, Error> {
        let plaintext_len = plaintext_len(&request.headers, &verified.payload)?;
        let stored_len = layout::stored_len(plaintext_len)
            .filter(|&stored| stored <= layout::MAX_STORED_LEN)
            .ok_or(Error::EntityTooLarge {
                proposed: plaintext_len,
            })?;
        if end_of_stream && plaintext_len > 0 {
            return Err(Error::IncompleteBody);
        }
        let sha256 = match &verified.payload {
            Payload::Sha256(sha256) => Some(*sha256),
            Payload::Unsigned
            | Payload::StreamingSigned
            | Payload::StreamingSignedTrailer
            | Payload::StreamingUnsignedTrailer => None,
        };
        let checks = PayloadChecks::from_headers(&request.headers, sha256)?;
        let declared_checksum = checks.declared();
        let announced = checks.announced_trailers().to_vec();
        let headers = stored_headers(&request)?;
        Ok(Self {
            intake: Intake::new(verified, checks, plaintext_len, announced)?,
            headers,
            declared_checksum,
            plaintext_len,
            stored_len,
            key: KeyName {
                service: encryption.key_ring.service.clone(),
                kek_id: encryption.key_ring.active.clone(),
            },
            name: ObjectName::new(&request, encryption),
            request,
            end_of_stream,
        })
    }

    /// The envelope under a fresh data key.
    fn envelope(&self, config: &Config, kek: &Kek, data_key: &DataKey) -> Result<String, Error> {
        let digestible = envelope::is_digestible(&self.headers);
        let metadata_digest = if config.store.metadata_digest && digestible {
            envelope::metadata_digest(data_key, &self.headers)?
        } else {
            None
        };
        let facts = Facts {
            plaintext_len: self.plaintext_len,
            metadata_digest,
            checksum: self.declared_checksum.as_ref().and_then(Checksum::sealed),
        };
        let name = Name::from(&self.name);
        Ok(envelope::seal(
            kek,
            &self.key.kek_id,
            data_key,
            &name,
            &facts,
        )?)
    }
}

/// A PutObject whose body is on its way.
#[derive(Debug)]
pub(super) struct Upload {
    intake: Intake,
    /// `None` once the last segment has been written.
    sealer: Option<Sealer>,
    /// Frames what goes to the store, in [`PayloadIntegrity::Trailer`].
    encoder: Option<Encoder>,
    /// What the encoder is about to frame.
    sealed: Vec<u8>,
    /// The `Content-Length` that the store was told.
    declared_len: u64,
    emitted_len: u64,
    /// The payload's checksum, once everything has been verified.
    checksum: Option<Checksum>,
}

impl Upload {
    /// Takes a piece of the body; what goes to the store in its place is appended to `out`.
    ///
    /// # Errors
    ///
    /// Any way in which the body is not what its head said.
    pub(super) fn body(
        &mut self,
        piece: &[u8],
        end_of_stream: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let Self {
            intake,
            sealer,
            encoder,
            sealed,
            ..
        } = self;
        // Without framing the segments are written straight to `out`.
        let segments = if encoder.is_some() { sealed } else { &mut *out };
        let verified = intake.body(piece, end_of_stream, |plaintext| match sealer {
            Some(sealer) => Ok(sealer.push(plaintext, segments)?),
            None => Err(Error::OutOfOrder),
        })?;
        if let Some(checksum) = verified {
            self.checksum = Some(checksum);
            let sealer = self.sealer.take().ok_or(Error::OutOfOrder)?;
            if self.encoder.is_some() {
                sealer.finish(&mut self.sealed)?;
            } else {
                sealer.finish(out)?;
            }
        }
        if let Some(encoder) = &mut self.encoder {
            encoder.push(&self.sealed, out)?;
            self.sealed.clear();
        }
        if self.is_complete()
            && let Some(encoder) = self.encoder.take()
        {
            encoder.finish(out)?;
        }
        self.account(out)
    }

    /// Tells whether every byte has been received and checked and the last segment written.
    pub(super) fn is_complete(&self) -> bool {
        self.sealer.is_none()
    }

    /// Plaintext bytes taken.
    pub(super) fn sealed_bytes(&self) -> u64 {
        self.intake.received()
    }

    /// The payload's checksum, once it has been verified.
    pub(super) fn checksum(&self) -> Option<&Checksum> {
        self.checksum.as_ref()
    }

    /// Envoy does not compare what is sent with `Content-Length`, and a surplus byte would be the
    /// start of another request on the store's connection: so it is compared here, and on the way
    /// to the commit at least one byte is always missing.
    fn account(&mut self, emitted: &[u8]) -> Result<(), Error> {
        self.emitted_len = self.emitted_len.saturating_add(response::len(emitted));
        let right = if self.is_complete() {
            self.emitted_len == self.declared_len
        } else {
            self.emitted_len < self.declared_len
        };
        if right {
            Ok(())
        } else {
            Err(Error::LengthMismatch)
        }
    }
}

/// What the answer to a PutObject must say.
#[derive(Debug)]
pub(super) struct Expected {
    plaintext_len: u64,
}

impl Expected {
    /// The answer, from the store's; `checksum` is the payload's.
    ///
    /// # Errors
    ///
    /// An ETag that no store gives.
    pub(super) fn response(
        &self,
        config: &Config,
        head: &ResponseHead,
        checksum: Option<&Checksum>,
    ) -> Result<ResponseHead, Error> {
        let mut headers = response::allowed_headers(Operation::PutObject, &head.headers);
        let etag = head.headers.value("etag").ok_or(Error::StoreMisbehaves)?;
        headers.set("etag", client_etag(etag)?);
        if head.headers.contains("x-amz-object-size") {
            headers.set("x-amz-object-size", self.plaintext_len.to_string());
        }
        if let Some(checksum) = checksum {
            headers.set(checksum.algorithm().header_name(), checksum.to_base64());
            headers.set("x-amz-checksum-type", "FULL_OBJECT");
        }
        if config.sse_hint && !headers.contains("x-amz-server-side-encryption") {
            headers.set("x-amz-server-side-encryption", "aws:kms");
        }
        headers.set("content-length", "0");
        Ok(ResponseHead {
            status: 200,
            headers,
        })
    }
}

impl Exchange {
    /// Starts the upload, where its KEK is at hand.
    ///
    /// # Errors
    ///
    /// A KEK that can't be had, or a head that can't be made.
    pub(super) fn start_upload(
        &mut self,
        plan: Box<UploadPlan>,
        keys: &mut KeyCache,
        now: UnixTime,
    ) -> Result<HeadAction<RequestHead>, Error> {
        match keys.lookup(&plan.key, now) {
            Lookup::Ready(kek) => self.upload(*plan, &kek, now),
            Lookup::Pending => {
                let key = plan.key.clone();
                self.request = RequestState::AwaitKey(plan);
                Ok(HeadAction::Await(Wait::Key(key)))
            }
            Lookup::Unavailable => Err(Error::KeyUnavailable),
        }
    }

    fn upload(
        &mut self,
        mut plan: UploadPlan,
        kek: &Kek,
        now: UnixTime,
    ) -> Result<HeadAction<RequestHead>, Error> {
        let config = Rc::clone(&self.config);
        // Taken, so that no second object can have the same key.
        let seed = self.seed.take().ok_or(Error::OutOfOrder)?;
        let data_key = DataKey::from_bytes(seed.data_key);
        let envelope = plan.envelope(&config, kek, &data_key)?;
        plan.headers.push(envelope::HEADER_NAME, envelope);
        let mut head = upstream::head(&config, &plan.request, core::mem::take(&mut plan.headers));
        let response = ResponsePlan::Stored(Expected {
            plaintext_len: plan.plaintext_len,
        });
        if plan.plaintext_len == 0 {
            return self.upload_nothing(plan, head, response, now);
        }
        let (encoder, declared_len) = match config.store.payload_integrity {
            PayloadIntegrity::Unsigned => (None, plan.stored_len),
            PayloadIntegrity::Trailer => {
                let encoder = Encoder::new(plan.stored_len);
                let encoded_len = encoder.encoded_len();
                upstream::announce_trailer(&mut head.headers, plan.stored_len);
                (Some(encoder), encoded_len)
            }
        };
        head.headers.set("content-length", declared_len.to_string());
        upstream::sign(&config, &mut head, upstream::streamed_payload(&config), now)?;
        self.request = RequestState::Upload(Box::new(Upload {
            intake: plan.intake,
            sealer: Some(Sealer::new(&data_key, plan.plaintext_len, seed.part_salt)?),
            encoder,
            sealed: Vec::new(),
            declared_len,
            emitted_len: 0,
            checksum: None,
        }));
        self.response = ResponseState::Head(response);
        Ok(HeadAction::Forward(head))
    }

    /// Stores an empty object: no body goes to the store, its length is sealed in the metadata.
    ///
    /// Where the client sends a body all the same (the framing of aws-chunked), it must be checked
    /// before the head alone makes the store commit.
    fn upload_nothing(
        &mut self,
        mut plan: UploadPlan,
        mut head: RequestHead,
        response: ResponsePlan,
        now: UnixTime,
    ) -> Result<HeadAction<RequestHead>, Error> {
        let config = Rc::clone(&self.config);
        if config.store.payload_integrity == PayloadIntegrity::Trailer {
            head.headers.set("x-amz-checksum-crc32c", EMPTY_CRC32C);
        }
        if plan.end_of_stream {
            self.collected_checksum = plan.intake.body(&[], true, |_| Ok(()))?;
            head.headers.set("content-length", "0");
            upstream::sign(&config, &mut head, upstream::EMPTY_SHA256, now)?;
            self.request = RequestState::Ignore;
            self.response = ResponseState::Head(response);
            return Ok(HeadAction::Forward(head));
        }
        let collected = Collected::new(head, plan.intake);
        let doomed = collected.doomed(&config, now)?;
        self.request = RequestState::Collect(Box::new(collected));
        self.response = ResponseState::Callout(response);
        Ok(HeadAction::Forward(doomed))
    }
}

/// The length of the payload that the head announces (PUT-1, PUT-2).
fn plaintext_len(headers: &Headers, payload: &Payload) -> Result<u64, Error> {
    let name = match payload {
        Payload::Unsigned | Payload::Sha256(_) => "content-length",
        Payload::StreamingSigned
        | Payload::StreamingSignedTrailer
        | Payload::StreamingUnsignedTrailer => "x-amz-decoded-content-length",
    };
    headers
        .text(name)
        .and_then(response::decimal)
        .ok_or(Error::MissingContentLength)
}

/// The fields that the store keeps with the object, within S3's limit (PUT-16).
fn stored_headers(request: &operation::Request) -> Result<Headers, Error> {
    let headers = response::forwarded_headers(request)?;
    let size = user_metadata_len(&headers);
    let maximum = MAX_USER_METADATA_LEN.saturating_sub(envelope::MAX_METADATA_LEN);
    if size > maximum {
        return Err(Error::MetadataTooLarge { size, maximum });
    }
    Ok(headers)
}

/// The length of user metadata as S3 counts it: names without prefix, and values.
fn user_metadata_len(headers: &Headers) -> u64 {
    headers
        .iter()
        .filter_map(|field| {
            let name = field.name.strip_prefix("x-amz-meta-")?;
            Some(response::len(name.as_bytes()).saturating_add(response::len(&field.value)))
        })
        .fold(0, u64::saturating_add)
}

/// CRC-32C of nothing.
const EMPTY_CRC32C: &str = "AAAAAA==";
/// S3's limit, in bytes.
const MAX_USER_METADATA_LEN: u64 = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigv4::Verified;

    /// An upload of 20 000 bytes whose head told the store that `declared_len` bytes come.
    fn upload(declared_len: u64) -> Upload {
        let verified = Verified {
            payload: Payload::Unsigned,
            chunk_signatures: None,
        };
        let checks = PayloadChecks::from_headers(&Headers::new(), None).unwrap();
        Upload {
            intake: Intake::new(verified, checks, 20_000, Vec::new()).unwrap(),
            sealer: Some(Sealer::new(&DataKey::from_bytes([1; 32]), 20_000, [2; 8]).unwrap()),
            encoder: None,
            sealed: Vec::new(),
            declared_len,
            emitted_len: 0,
            checksum: None,
        }
    }

    fn run(upload: &mut Upload) -> Result<(), Error> {
        let mut out = Vec::new();
        for (piece, end_of_stream) in [
            (&[7; 10_000][..], false),
            (&[7; 10_000], false),
            (&[], true),
        ] {
            out.clear();
            upload.body(piece, end_of_stream, &mut out)?;
        }
        Ok(())
    }

    #[test]
    fn a_length_that_differs_from_the_declared_one_never_reaches_the_wire() {
        let right = layout::stored_len(20_000).unwrap();
        assert_eq!(run(&mut upload(right)), Ok(()));
        for wrong in [right - 1, right + 1, 0, 1, 8228, 2 * 8228, u64::MAX] {
            assert_eq!(
                run(&mut upload(wrong)),
                Err(Error::LengthMismatch),
                "{wrong}"
            );
        }
    }

    #[test]
    fn before_the_commit_a_byte_is_always_missing() {
        let mut upload = upload(layout::stored_len(20_000).unwrap());
        let mut out = Vec::new();
        upload.body(&[7; 20_000], false, &mut out).unwrap();
        assert!(!upload.is_complete());
        assert_eq!(out.len(), 2 * 8228);
        assert!(upload.checksum().is_none());
        out.clear();
        upload.body(&[], true, &mut out).unwrap();
        assert!(upload.is_complete() && upload.checksum().is_some());
    }
}
