//! PutObject: the plaintext comes in, segments go out.
//!
//! The last segment and the footer are the commit: they leave only when every check of the request
//! has passed. A request that fails is reset short of its `Content-Length`, so that the store
//! keeps what it had.

use std::rc::Rc;

use crate::aws_chunked::Encoder;
use crate::checksum::{Checksum, PayloadChecks};
use crate::config::{Config, Encryption, PayloadIntegrity};
use crate::envelope::{self, Facts};
use crate::error::Error;
use crate::etag::client_etag;
use crate::head::{Headers, RequestHead, ResponseHead};
use crate::key_cache::{KeyCache, KeyName, Lookup};
use crate::key_wrap::{DataKey, Kek};
use crate::operation::{self, HeaderRule, Operation};
use crate::segment::{Sealer, layout};
use crate::sigv4::{Payload, Verified};
use crate::time::UnixTime;

use super::forward::Collected;
use super::intake::Intake;
use super::{Exchange, HeadAction, RequestState, ResponsePlan, ResponseState, Wait, response, upstream};

/// A PutObject of which everything is known but the KEK.
#[derive(Debug)]
pub(super) struct UploadPlan {
    request: operation::Request,
    headers: Headers,
    intake: Intake,
    checksum: Option<Checksum>,
    plaintext_len: u64,
    stored_len: u64,
    key: KeyName,
    logical_bucket: String,
    binding: crate::key_wrap::Binding,
    end_of_stream: bool,
}

impl UploadPlan {
    /// Reads what the head says of the object.
    ///
    /// # Errors
    ///
    /// Anything that S3 refuses a PutObject for at its head.
    pub(super) fn new(
        config: &Config,
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
                maximum: layout::MAX_PLAINTEXT_LEN,
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
        let checksum = checks.declared();
        let announced = checks.announced_trailers().to_vec();
        let headers = forwarded_headers(&request)?;
        let metadata_len = user_metadata_len(&headers);
        let maximum = MAX_USER_METADATA_LEN.saturating_sub(envelope::MAX_METADATA_LEN);
        if metadata_len > maximum {
            return Err(Error::MetadataTooLarge {
                size: metadata_len,
                maximum,
            });
        }
        let bucket = request.bucket.clone().unwrap_or_default();
        let _ = config;
        Ok(Self {
            intake: Intake::new(verified, checks, plaintext_len, announced)?,
            headers,
            checksum,
            plaintext_len,
            stored_len,
            key: KeyName {
                service: encryption.key_ring.service.clone(),
                kek_id: encryption.key_ring.active.clone(),
            },
            logical_bucket: encryption.logical_name.clone().unwrap_or(bucket),
            binding: encryption.binding,
            request,
            end_of_stream,
        })
    }
}

/// A PutObject whose body is on its way.
#[derive(Debug)]
pub(super) struct Upload {
    intake: Intake,
    /// `None` once the last segment has been written.
    sealer: Option<Sealer>,
    encoder: Option<Encoder>,
    sealed: Vec<u8>,
    declared_len: u64,
    emitted_len: u64,
    checksum: Option<Checksum>,
}

impl Upload {
    /// Takes a piece of the body; segments are appended to `out`.
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
        let verified = intake.body(piece, end_of_stream, |plaintext| {
            match sealer {
                Some(sealer) => Ok(sealer.push(plaintext, segments)?),
                None if plaintext.is_empty() => Ok(()),
                None => Err(Error::IncompleteBody),
            }
        })?;
        let committed = verified.is_some();
        if committed {
            self.checksum = verified;
            match self.sealer.take() {
                Some(sealer) if self.encoder.is_some() => sealer.finish(&mut self.sealed)?,
                Some(sealer) => sealer.finish(out)?,
                None => return Err(Error::OutOfOrder),
            }
        }
        if let Some(encoder) = &mut self.encoder {
            encoder.push(&self.sealed, out)?;
            self.sealed.clear();
        }
        if committed && let Some(encoder) = self.encoder.take() {
            encoder.finish(out)?;
        }
        self.account(out.len(), committed)
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
    /// start of another request on the store's connection: so it is compared here.
    fn account(&mut self, emitted: usize, committed: bool) -> Result<(), Error> {
        self.emitted_len = self
            .emitted_len
            .saturating_add(u64::try_from(emitted).unwrap_or(u64::MAX));
        let wrong = if committed {
            self.emitted_len != self.declared_len
        } else {
            self.emitted_len >= self.declared_len && emitted > 0
        };
        if wrong {
            return Err(Error::LengthMismatch);
        }
        Ok(())
    }
}

/// What the answer to a PutObject must say.
#[derive(Debug)]
pub(super) struct Expected {
    plaintext_len: u64,
}

impl Expected {
    /// The answer, from the store's.
    pub(super) fn response(
        &self,
        config: &Config,
        head: &ResponseHead,
        checksum: Option<&Checksum>,
    ) -> Result<ResponseHead, Error> {
        let mut headers = response::allowed_headers(Operation::PutObject, &head.headers);
        if let Some(etag) = head.headers.value("etag") {
            headers.set("etag", client_etag(etag)?);
        }
        if headers.contains("x-amz-object-size") {
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
        plan: UploadPlan,
        kek: &Kek,
        now: UnixTime,
    ) -> Result<HeadAction<RequestHead>, Error> {
        let config = Rc::clone(&self.config);
        let data_key = DataKey::from_bytes(self.seed.data_key);
        let digest = if config.store.metadata_digest {
            envelope::metadata_digest(&data_key, &plan.headers)
        } else {
            None
        };
        let facts = Facts {
            plaintext_len: plan.plaintext_len,
            metadata_digest: digest,
            checksum: plan.checksum.as_ref().and_then(Checksum::sealed),
        };
        let envelope = envelope::seal(
            kek,
            &data_key,
            &plan.context(),
            &facts,
        )?;
        let mut headers = plan.headers;
        headers.push(envelope::HEADER_NAME, envelope);
        let mut head = upstream::head(&config, &plan.request, headers);
        let expected = Expected {
            plaintext_len: plan.plaintext_len,
        };
        self.response = ResponseState::Head(ResponsePlan::Stored(Box::new(expected)));
        if plan.plaintext_len == 0 {
            return self.upload_nothing(plan.intake, plan.end_of_stream, head, now);
        }
        let (encoder, declared_len) = match config.store.payload_integrity {
            PayloadIntegrity::Unsigned => (None, plan.stored_len),
            PayloadIntegrity::Trailer => {
                let encoder = Encoder::new(plan.stored_len);
                let encoded_len = encoder.encoded_len();
                let encoding = match head.headers.text("content-encoding") {
                    Some(encoding) => format!("aws-chunked,{encoding}"),
                    None => "aws-chunked".to_owned(),
                };
                head.headers.set("content-encoding", encoding);
                head.headers.set("x-amz-trailer", "x-amz-checksum-crc32c");
                head.headers
                    .set("x-amz-decoded-content-length", plan.stored_len.to_string());
                (Some(encoder), encoded_len)
            }
        };
        head.headers.set("content-length", declared_len.to_string());
        upstream::sign(&config, &mut head, upstream::streamed_payload(&config), now)?;
        self.request = RequestState::Upload(Box::new(Upload {
            intake: plan.intake,
            sealer: Some(Sealer::new(&data_key, plan.plaintext_len, self.seed.part_salt)?),
            encoder,
            sealed: Vec::new(),
            declared_len,
            emitted_len: 0,
            checksum: None,
        }));
        Ok(HeadAction::Forward(head))
    }

    /// Stores an empty object: no body goes to the store, its length is sealed in the metadata.
    ///
    /// Where the client sends a body all the same (the framing of aws-chunked), it must be checked
    /// before the head alone makes the store commit.
    fn upload_nothing(
        &mut self,
        mut intake: Intake,
        end_of_stream: bool,
        mut head: RequestHead,
        now: UnixTime,
    ) -> Result<HeadAction<RequestHead>, Error> {
        let config = Rc::clone(&self.config);
        head.headers.set("content-length", "0");
        if config.store.payload_integrity == PayloadIntegrity::Trailer {
            head.headers.set("x-amz-checksum-crc32c", EMPTY_CRC32C);
        }
        if end_of_stream {
            self.checksum = intake.body(&[], true, |_| Ok(()))?;
            upstream::sign(&config, &mut head, upstream::EMPTY_SHA256, now)?;
            self.request = RequestState::Ignore;
            return Ok(HeadAction::Forward(head));
        }
        let doomed = upstream::doomed(&config, &head, now)?;
        let plan = match core::mem::replace(&mut self.response, ResponseState::Done) {
            ResponseState::Head(plan) => plan,
            _ => return Err(Error::OutOfOrder),
        };
        self.response = ResponseState::Callout(plan);
        self.request = RequestState::Collect(Box::new(Collected::empty(head, intake)));
        Ok(HeadAction::Forward(doomed))
    }
}
