//! GetObject and HeadObject: segments come in, verified plaintext goes out.
//!
//! The response's head is held until the wrapped data key, the commitment, the sealed facts, the
//! stored length and the digest of the metadata have verified; then every plaintext byte waits for
//! its segment's tag, and those of the last segment for the footer.

use std::rc::Rc;

use subtle::ConstantTimeEq as _;

use crate::checksum::Checksum;
use crate::conditions::{Conditions, Verdict};
use crate::config::{Config, Encryption, KeyRing};
use crate::envelope::{self, Envelope, Name};
use crate::error::Error;
use crate::etag::client_etag;
use crate::head::{Headers, RequestHead, ResponseHead};
use crate::key_cache::{KeyCache, KeyName, Lookup};
use crate::key_wrap::Kek;
use crate::operation::{self, Operation};
use crate::range::{ByteRange, ContentRange, Span};
use crate::segment::{Opener, Window, layout};
use crate::time::UnixTime;

use super::failure::Dropped;
use super::{Exchange, HeadAction, ObjectName, ResponseState, Wait, response, upstream};

/// What a good response to a GetObject or HeadObject has to be, and what of it the client gets.
#[derive(Debug)]
pub(super) struct Expected {
    operation: Operation,
    name: ObjectName,
    key_ring: KeyRing,
    response_overrides: Vec<(&'static str, String)>,
    checksum_mode: bool,
    selection: Selection,
    conditions: Conditions,
    /// Whether the store has been given a condition that 304 is an answer to.
    may_be_not_modified: bool,
}

/// What of an object a read asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Selection {
    /// All of it.
    Whole,
    /// A range of bytes; the store is asked for the segments that hold it.
    Range(ByteRange),
    /// A part, of an object that has only one.
    Part(u16),
}

impl Selection {
    /// Reads what `request` asks for.
    ///
    /// # Errors
    ///
    /// A range and a part at once (GET-12).
    fn new(request: &operation::Request) -> Result<Self, Error> {
        // A range that S3 does not understand is as good as none.
        let range = request.headers.text("range").and_then(ByteRange::parse);
        match (range, request.part_number) {
            (None, None) => Ok(Self::Whole),
            // GET-11: an answer may leave a range out of account, and this one needs no second
            // request to learn which object is there.
            (Some(_), None) if request.headers.contains("if-range") => Ok(Self::Whole),
            (Some(range), None) => Ok(Self::Range(range)),
            (None, Some(part_number)) => Ok(Self::Part(part_number)),
            (Some(_), Some(_)) => Err(Error::RangeAndPart),
        }
    }

    /// The span of a plaintext of `plaintext_len` bytes; `None` for all of it in an answer 200.
    ///
    /// # Errors
    ///
    /// A range or a part that the object does not have.
    fn span(self, plaintext_len: u64) -> Result<Option<Span>, Error> {
        match self {
            Self::Whole => Ok(None),
            Self::Range(range) => match range.resolve(plaintext_len) {
                Some(span) => Ok(Some(span)),
                None => Err(Error::RangeNotSatisfiable {
                    plaintext_len: Some(plaintext_len),
                }),
            },
            // GET-13
            Self::Part(1) => Ok(ByteRange::From { first: 0 }.resolve(plaintext_len)),
            Self::Part(part_number) => Err(Error::NoSuchPart { part_number }),
        }
    }

    /// The stored bytes that come: those that were asked for, of an object of `stored_len` bytes,
    /// or else all of them (GET-8).
    ///
    /// # Errors
    ///
    /// [`Error::StoreMisbehaves`] for other bytes.
    fn window(self, received: Option<ContentRange>, stored_len: u64) -> Result<Window, Error> {
        let Some(received) = received else {
            return Ok(Window {
                first_index: 0,
                leading: 0,
                trailing: stored_len,
            });
        };
        let asked = match self {
            Self::Range(range) => range.stored().resolve(stored_len),
            Self::Whole | Self::Part(_) => None,
        };
        let Some(Span { first, last }) = asked else {
            return Err(Error::StoreMisbehaves);
        };
        if (received.first, received.last) != (first, last) {
            return Err(Error::StoreMisbehaves);
        }
        // A suffix may start within a segment.
        let first_index = first.div_ceil(layout::STORED_SEGMENT_LEN);
        let leading = first_index
            .saturating_mul(layout::STORED_SEGMENT_LEN)
            .saturating_sub(first);
        Ok(Window {
            first_index: u32::try_from(first_index).map_err(|_| Error::StoreMisbehaves)?,
            leading,
            trailing: layout::FOOTER_LEN,
        })
    }
}

/// The request to the store for a GetObject or HeadObject.
///
/// # Errors
///
/// A range and a part at once, or a field that the operation does not allow.
pub(super) fn request(
    config: &Config,
    request: &operation::Request,
    encryption: &Encryption,
    end_of_stream: bool,
    now: UnixTime,
) -> Result<(RequestHead, Expected), Error> {
    let selection = Selection::new(request)?;
    let conditions = Conditions::from_headers(&request.headers);
    let mut headers = response::forwarded_headers(request)?;
    conditions.strip(&mut headers);
    headers.remove("if-range");
    let may_be_not_modified = headers.contains("if-modified-since");
    // A store or a cache on the way that compresses would change the bytes.
    headers.set("accept-encoding", "identity");
    // A HeadObject asks for the whole: the length of any span follows from that.
    if let (Selection::Range(range), Operation::GetObject) = (selection, request.operation) {
        headers.set("range", range.stored().to_header());
    }
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
        selection,
        conditions,
        may_be_not_modified,
    };
    Ok((head, expected))
}

impl Expected {
    /// Tells whether an answer of `status` has the object.
    pub(super) fn is_good(&self, status: u16) -> bool {
        match (self.selection, self.operation) {
            (Selection::Range(_), Operation::GetObject) => matches!(status, 200 | 206),
            (Selection::Range(_) | Selection::Whole | Selection::Part(_), _) => status == 200,
        }
    }

    /// The answer where the store has not sent the object and is right not to.
    ///
    /// # Errors
    ///
    /// A range that is behind the end (GET-6), as far as the store can be believed in that.
    pub(super) fn without_object(
        &self,
        head: &ResponseHead,
    ) -> Result<Option<ResponseHead>, Error> {
        if head.status == 304 && self.may_be_not_modified {
            return Ok(Some(not_modified(head)?));
        }
        if head.status == 416 && matches!(self.selection, Selection::Range(_)) {
            let stored_len = head
                .headers
                .text("content-range")
                .and_then(ContentRange::parse_unsatisfied);
            let plaintext_len = stored_len.and_then(layout::plaintext_len);
            return Err(Error::RangeNotSatisfiable { plaintext_len });
        }
        Ok(None)
    }
}

/// The head of an answer 304, from what the store says of the object.
fn not_modified(head: &ResponseHead) -> Result<ResponseHead, Error> {
    let mut headers = Headers::new();
    let etag = head.headers.value("etag").ok_or(Error::StoreMisbehaves)?;
    headers.set("etag", client_etag(etag)?);
    for name in ["last-modified", "x-amz-version-id"] {
        if let Some(value) = head.headers.value(name) {
            headers.set(name, value);
        }
    }
    Ok(ResponseHead {
        status: 304,
        headers,
    })
}

/// A response of which everything is known but the KEK.
#[derive(Debug)]
pub(super) struct DownloadPlan {
    expected: Expected,
    head: ResponseHead,
    envelope: Envelope,
    key: KeyName,
    /// The stored length of the whole object, where the store says it.
    stored_len: Option<u64>,
    /// Which stored bytes come, where it is not all of them.
    stored_range: Option<ContentRange>,
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
        let content_length = match head.headers.text("content-length") {
            Some(text) => Some(response::decimal(text).ok_or(Error::StoreMisbehaves)?),
            None => None,
        };
        let stored_range = if head.status == 206 {
            let range = head
                .headers
                .text("content-range")
                .and_then(ContentRange::parse);
            let range = range.ok_or(Error::StoreMisbehaves)?;
            if content_length.is_some_and(|content_length| content_length != range.byte_count()) {
                return Err(Error::StoreMisbehaves);
            }
            Some(range)
        } else {
            None
        };
        let stored_len = stored_range.map_or(content_length, |range| Some(range.complete_length));
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
            stored_range,
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
        let etag = client_etag(etag)?;
        match expected.conditions.evaluate(&etag) {
            Verdict::Proceed => {}
            Verdict::PreconditionFailed => return Err(Error::PreconditionFailed),
            Verdict::NotModified => {
                let head = not_modified(&plan.head)?;
                return Ok(HeadAction::Reply(self.answer(head)));
            }
        }
        headers.set("etag", etag);
        let span = expected.selection.span(facts.plaintext_len)?;
        // CHK-2: a checksum of the whole says nothing of a part.
        if expected.checksum_mode
            && span.is_none()
            && let Some(checksum) = facts.checksum.as_deref().and_then(Checksum::from_sealed)
        {
            headers.set(checksum.algorithm().header_name(), checksum.to_base64());
            headers.set("x-amz-checksum-type", "FULL_OBJECT");
        }
        headers.set("accept-ranges", "bytes");
        let declared_len = span.map_or(facts.plaintext_len, Span::byte_count);
        headers.set("content-length", declared_len.to_string());
        if let Some(span) = span {
            let content_range = ContentRange {
                first: span.first,
                last: span.last,
                complete_length: facts.plaintext_len,
            };
            headers.set("content-range", content_range.to_header());
        }
        self.response = if expected.operation == Operation::HeadObject {
            ResponseState::Empty(Dropped::default())
        } else if plan.end_of_stream && declared_len > 0 {
            return Err(Error::TruncatedResponse);
        } else {
            let opener = match span {
                None => Opener::new(&data_key, facts.plaintext_len)?,
                Some(span) => {
                    let window = expected.selection.window(plan.stored_range, sealed_len)?;
                    Opener::of_span(&data_key, facts.plaintext_len, span, window)?
                }
            };
            ResponseState::Download(Box::new(Download {
                opener,
                declared_len,
                released_len: 0,
            }))
        };
        Ok(HeadAction::Forward(ResponseHead {
            status: if span.is_some() { 206 } else { 200 },
            headers,
        }))
    }
}

/// Fields of a stored object that no store gives twice.
const SINGLE: [&str; 10] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "expires",
    "last-modified",
];
