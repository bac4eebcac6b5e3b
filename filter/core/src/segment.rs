//! The body of an object: segments of AES-256-GCM and a footer (FORMAT.md §5).
//!
//! ```text
//! body    = segment_0 ‖ … ‖ segment_N-1 ‖ footer
//! segment = header ‖ nonce ‖ ciphertext ‖ tag
//! header  = part_len(5) ‖ part_number(2) ‖ flags(1)
//! nonce   = part_salt(8) ‖ segment_index(4)
//! footer  = upload_tag(8) ‖ part_number(2) ‖ part_len(5) ‖ flags(1) ‖ index_len(4) ‖ mac(16)
//! ```
//!
//! Both directions know the plaintext length from the start, so that each knows which segment is
//! the last. The [`Sealer`] writes the last segment and the footer only when it is told that the
//! upload is good; the [`Opener`] releases the last segment's plaintext only behind the footer.

pub mod layout;

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce, Tag};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::key_wrap::{self, DataKey, Purpose};
use crate::range::Span;

/// Turns a plaintext of known length into segments.
///
/// A caller that drops it without [`Sealer::finish`] has written a body that no reader accepts.
pub struct Sealer {
    part: Part,
    part_salt: [u8; 8],
    next_index: u32,
    /// Plaintext of the segment that is not whole yet, or of the last one.
    pending: Vec<u8>,
    /// Plaintext bytes still to come.
    remaining: u64,
}

impl Sealer {
    /// A sealer of `plaintext_len` bytes under `data_key`, which must be this object's own;
    /// `part_salt` is 8 random bytes.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for more than [`layout::MAX_PLAINTEXT_LEN`] bytes.
    pub fn new(data_key: &DataKey, plaintext_len: u64, part_salt: [u8; 8]) -> Result<Self, Error> {
        if plaintext_len > layout::MAX_PLAINTEXT_LEN {
            return Err(Error::TooLong);
        }
        Ok(Self {
            part: Part::new(data_key, plaintext_len)?,
            part_salt,
            next_index: 0,
            pending: Vec::new(),
            remaining: plaintext_len,
        })
    }

    /// Takes plaintext; every segment that is whole and not the last is appended to `out`.
    ///
    /// # Errors
    ///
    /// [`Error::PlaintextLength`] for more plaintext than announced.
    pub fn push(&mut self, mut plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let len = u64::try_from(plaintext.len()).map_err(|_| Error::PlaintextLength)?;
        self.remaining = self
            .remaining
            .checked_sub(len)
            .ok_or(Error::PlaintextLength)?;
        while self.part.is_inner(self.next_index) {
            if self.pending.is_empty()
                && let Some((segment, rest)) = plaintext.split_at_checked(SEGMENT_LEN)
            {
                self.seal_segment(segment, out)?;
                plaintext = rest;
                continue;
            }
            let missing = SEGMENT_LEN.saturating_sub(self.pending.len());
            let Some((head, rest)) = plaintext.split_at_checked(missing) else {
                break;
            };
            let mut segment = core::mem::take(&mut self.pending);
            segment.extend_from_slice(head);
            let sealed = self.seal_segment(&segment, out);
            segment.clear();
            self.pending = segment;
            sealed?;
            plaintext = rest;
        }
        self.pending.extend_from_slice(plaintext);
        Ok(())
    }

    /// Appends the last segment and the footer to `out`: the commit.
    ///
    /// # Errors
    ///
    /// [`Error::PlaintextLength`] for less plaintext than announced.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.remaining > 0 {
            return Err(Error::PlaintextLength);
        }
        if self.part.len == 0 {
            return Ok(());
        }
        let last = core::mem::take(&mut self.pending);
        self.seal_segment(&last, out)?;
        out.extend_from_slice(&self.part.footer()?);
        Ok(())
    }

    fn seal_segment(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let index = self.next_index;
        let (nonce, aad) = self.part.nonce_and_aad(self.part_salt, index);
        out.reserve(plaintext.len().saturating_add(OVERHEAD));
        out.extend_from_slice(&self.part.header(index));
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.extend_from_slice(plaintext);
        let buffer = out.get_mut(start..).ok_or(Error::PlaintextLength)?;
        let tag = self
            .part
            .cipher
            .encrypt_inout_detached(&Nonce::from(nonce), &aad, buffer.into())
            .map_err(|_| Error::PlaintextLength)?;
        out.extend_from_slice(&tag);
        self.next_index = index.checked_add(1).ok_or(Error::TooLong)?;
        Ok(())
    }
}

impl core::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Sealer")
            .field("next_index", &self.next_index)
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}

/// Turns a stored body, or a run of its segments, back into plaintext, releasing verified bytes of
/// one span only.
pub struct Opener {
    part: Part,
    span: Span,
    /// The segment of the span's last byte.
    last_wanted: u32,
    /// Stored bytes before those of the first segment, still to be dropped unseen.
    leading: u64,
    /// Stored bytes that may follow those of the span and are dropped unseen.
    trailing: u64,
    /// The salt of the first segment, once it has verified.
    part_salt: Option<[u8; 8]>,
    next_index: u32,
    /// Stored bytes of the unit that is not whole yet.
    pending: Vec<u8>,
    state: OpenerState,
}

/// Which stored bytes an [`Opener`] is given: by default those of the whole body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The first segment that comes whole.
    pub first_index: u32,
    /// Bytes of the segment before it, which are dropped unseen.
    pub leading: u64,
    /// Bytes behind the segments of the span that may come, and are dropped unseen.
    pub trailing: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenerState {
    Segments,
    Complete,
    Failed(Error),
}

impl Opener {
    /// An opener for a whole body whose plaintext has `plaintext_len` bytes, which must be
    /// authentic.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for more than [`layout::MAX_PLAINTEXT_LEN`] bytes.
    pub fn new(data_key: &DataKey, plaintext_len: u64) -> Result<Self, Error> {
        let span = Span {
            first: 0,
            last: plaintext_len.saturating_sub(1),
        };
        let mut opener = Self::of_span(data_key, plaintext_len, span, Window::default())?;
        if plaintext_len == 0 {
            opener.state = OpenerState::Complete;
        }
        Ok(opener)
    }

    /// An opener that releases `span` of a plaintext of `plaintext_len` bytes and is given the
    /// stored bytes of `window`.
    ///
    /// The footer is part of what is verified where the span reaches the last segment.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for more than [`layout::MAX_PLAINTEXT_LEN`] bytes, or a span that is not
    /// within the plaintext or starts before the window.
    pub fn of_span(
        data_key: &DataKey,
        plaintext_len: u64,
        span: Span,
        window: Window,
    ) -> Result<Self, Error> {
        let index =
            |offset: u64| u32::try_from(offset / layout::SEGMENT_LEN).map_err(|_| Error::TooLong);
        if plaintext_len > layout::MAX_PLAINTEXT_LEN
            || span.last >= plaintext_len.max(1)
            || span.first > span.last
            || index(span.first)? < window.first_index
        {
            return Err(Error::TooLong);
        }
        Ok(Self {
            part: Part::new(data_key, plaintext_len)?,
            span,
            last_wanted: index(span.last)?,
            leading: window.leading,
            trailing: window.trailing,
            part_salt: None,
            next_index: window.first_index,
            pending: Vec::new(),
            state: OpenerState::Segments,
        })
    }

    /// Takes stored bytes; the plaintext of every segment that verifies is appended to `out`.
    ///
    /// What was appended before an error stays there and is authentic.
    ///
    /// # Errors
    ///
    /// [`Error::Segment`], [`Error::Footer`] or [`Error::Surplus`]; every later call gives the
    /// same one.
    pub fn push(&mut self, stored: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let opened = match self.state {
            OpenerState::Segments | OpenerState::Complete => self.open(stored, out),
            OpenerState::Failed(error) => Err(error),
        };
        if let Err(error) = opened {
            self.pending = Vec::new();
            self.state = OpenerState::Failed(error);
        }
        opened
    }

    /// Tells whether the whole span has verified, with the footer where it reaches the end.
    pub fn is_complete(&self) -> bool {
        self.state == OpenerState::Complete
    }

    fn open(&mut self, mut stored: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        if self.leading > 0 {
            let dropped = usize::try_from(self.leading)
                .unwrap_or(usize::MAX)
                .min(stored.len());
            stored = stored.get(dropped..).unwrap_or_default();
            let dropped = u64::try_from(dropped).unwrap_or(u64::MAX);
            self.leading = self.leading.saturating_sub(dropped);
        }
        while !stored.is_empty() {
            if self.state == OpenerState::Complete {
                let surplus = u64::try_from(stored.len()).map_err(|_| Error::Surplus)?;
                self.trailing = self.trailing.checked_sub(surplus).ok_or(Error::Surplus)?;
                return Ok(());
            }
            let unit_len = self.part.unit_len(self.next_index);
            if self.pending.is_empty()
                && let Some((unit, rest)) = stored.split_at_checked(unit_len)
            {
                self.open_unit(unit, out)?;
                stored = rest;
                continue;
            }
            let missing = unit_len.saturating_sub(self.pending.len());
            let taken = stored.get(..missing).unwrap_or(stored);
            self.pending.extend_from_slice(taken);
            stored = stored.get(missing..).unwrap_or_default();
            if self.pending.len() == unit_len {
                let mut unit = core::mem::take(&mut self.pending);
                self.open_unit(&unit, out)?;
                unit.clear();
                self.pending = unit;
            }
        }
        Ok(())
    }

    /// Opens one unit: a segment, or the last segment with the footer.
    fn open_unit(&mut self, unit: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let index = self.next_index;
        let failed = Error::Segment {
            segment_index: index,
        };
        let is_inner = self.part.is_inner(index);
        let (segment, footer) = if is_inner {
            (unit, None)
        } else {
            let (segment, footer) = unit.split_last_chunk::<FOOTER_LEN>().ok_or(failed)?;
            (segment, Some(footer))
        };
        let (header, rest) = segment.split_first_chunk::<HEADER_LEN>().ok_or(failed)?;
        let (stored_nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or(failed)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(failed)?;
        let (stored_salt, _) = stored_nonce.split_first_chunk::<8>().ok_or(failed)?;
        let part_salt = self.part_salt.unwrap_or(*stored_salt);
        let (nonce, aad) = self.part.nonce_and_aad(part_salt, index);
        if *header != self.part.header(index) || *stored_nonce != nonce {
            return Err(failed);
        }
        if let Some(footer) = footer
            && !bool::from(footer.ct_eq(&self.part.footer()?))
        {
            return Err(Error::Footer);
        }
        let start = out.len();
        out.extend_from_slice(ciphertext);
        let buffer = out.get_mut(start..).ok_or(failed)?;
        let opened = self.part.cipher.decrypt_inout_detached(
            &Nonce::from(nonce),
            &aad,
            buffer.into(),
            &Tag::from(*tag),
        );
        if opened.is_err() {
            out.truncate(start);
            return Err(failed);
        }
        self.release(start, index, out);
        self.part_salt = Some(part_salt);
        self.next_index = index.checked_add(1).ok_or(failed)?;
        if index >= self.last_wanted {
            self.state = OpenerState::Complete;
            // Behind the footer there is nothing to be dropped.
            if !is_inner {
                self.trailing = 0;
            }
        }
        Ok(())
    }

    /// Keeps of the verified segment that starts at `start` in `out` what is of the span.
    fn release(&self, start: usize, index: u32, out: &mut Vec<u8>) {
        let offset = u64::from(index).saturating_mul(layout::SEGMENT_LEN);
        let within = |position: u64| {
            let behind = usize::try_from(position.saturating_sub(offset)).unwrap_or(usize::MAX);
            start.saturating_add(behind).min(out.len())
        };
        let (first, end) = (
            within(self.span.first),
            within(self.span.last.saturating_add(1)),
        );
        out.truncate(end);
        out.drain(start..first.min(end));
    }
}

impl core::fmt::Debug for Opener {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Opener")
            .field("next_index", &self.next_index)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Why a body can't be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A segment is not the one that belongs here; nothing more is said of it.
    #[error("segment {segment_index} does not verify")]
    Segment {
        /// Which one, counted from 0.
        segment_index: u32,
    },
    /// The footer is not the one that belongs here.
    #[error("the footer does not verify")]
    Footer,
    /// Bytes follow the footer, or an empty body is not empty.
    #[error("bytes follow the end of the object")]
    Surplus,
    /// More or less plaintext than announced.
    #[error("the plaintext has another length than announced")]
    PlaintextLength,
    /// A plaintext longer than one PutObject can store.
    #[error("the plaintext is too long for one object")]
    TooLong,
}

impl From<key_wrap::Error> for Error {
    fn from(error: key_wrap::Error) -> Self {
        match error {
            key_wrap::Error::Unwrap | key_wrap::Error::Context => Self::TooLong,
        }
    }
}

/// What both directions know of the body of a single object.
struct Part {
    cipher: Box<Aes256Gcm>,
    footer_key: zeroize::Zeroizing<[u8; 32]>,
    len: u64,
    /// `len` in 5 bytes.
    len_bytes: [u8; 5],
    last_index: u32,
}

impl Part {
    fn new(data_key: &DataKey, len: u64) -> Result<Self, Error> {
        let key = data_key.subkey(Purpose::Segments)?;
        let last_index = u32::try_from(layout::segment_count(len).saturating_sub(1))
            .map_err(|_| Error::TooLong)?;
        let [0, 0, 0, len_bytes @ ..] = len.to_be_bytes() else {
            return Err(Error::TooLong);
        };
        Ok(Self {
            cipher: Box::new(Aes256Gcm::new((&*key).into())),
            footer_key: data_key.subkey(Purpose::Footer)?,
            len,
            len_bytes,
            last_index,
        })
    }

    /// Tells whether a segment is whole and not the last.
    fn is_inner(&self, index: u32) -> bool {
        index < self.last_index
    }

    fn header(&self, index: u32) -> [u8; HEADER_LEN] {
        let [a, b, c, d, e] = self.len_bytes;
        let flags = if self.is_inner(index) { 0 } else { LAST };
        [a, b, c, d, e, 0, 0, flags]
    }

    fn nonce_and_aad(&self, part_salt: [u8; 8], index: u32) -> ([u8; NONCE_LEN], [u8; NONCE_LEN]) {
        let index_bytes = index.to_be_bytes();
        let mut nonce = [0; NONCE_LEN];
        let mut aad = [0; NONCE_LEN];
        for (bytes, prefix) in [(&mut nonce, part_salt), (&mut aad, self.header(index))] {
            for (byte, value) in bytes.iter_mut().zip(prefix.into_iter().chain(index_bytes)) {
                *byte = value;
            }
        }
        (nonce, aad)
    }

    fn footer(&self) -> Result<[u8; FOOTER_LEN], Error> {
        let mut footer = [0; FOOTER_LEN];
        let [a, b, c, d, e] = self.len_bytes;
        let fields: [u8; FOOTER_FIELDS_LEN] = [
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d, e, FINAL, 0, 0, 0, 0,
        ];
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.footer_key).map_err(|_| Error::Footer)?;
        mac.update(&fields);
        let mac = mac.finalize().into_bytes();
        for (byte, value) in footer.iter_mut().zip(fields.into_iter().chain(mac)) {
            *byte = value;
        }
        Ok(footer)
    }

    /// Stored bytes of what is opened at once: a segment, or the last one with the footer.
    fn unit_len(&self, index: u32) -> usize {
        if self.is_inner(index) {
            SEGMENT_LEN.saturating_add(OVERHEAD)
        } else {
            let inner = u64::from(self.last_index).saturating_mul(layout::SEGMENT_LEN);
            let last = self.len.saturating_sub(inner);
            usize::try_from(last)
                .unwrap_or(SEGMENT_LEN)
                .saturating_add(OVERHEAD)
                .saturating_add(FOOTER_LEN)
        }
    }
}

const SEGMENT_LEN: usize = 8192;
const HEADER_LEN: usize = 8;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
const OVERHEAD: usize = HEADER_LEN + NONCE_LEN + TAG_LEN;
const FOOTER_FIELDS_LEN: usize = 20;
const FOOTER_LEN: usize = 36;
/// In a header: this is the last segment.
const LAST: u8 = 0x01;
/// In a footer: the object ends here.
const FINAL: u8 = 0x01;

#[cfg(test)]
#[expect(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "small lengths in tests"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SALT: [u8; 8] = *b"pinkcell";

    fn data_key() -> DataKey {
        DataKey::from_bytes([9; 32])
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len)
            .map(|i| u8::try_from(i * 31 % 251).unwrap())
            .collect()
    }

    fn seal(plaintext: &[u8], piece: usize) -> Vec<u8> {
        let mut sealer = Sealer::new(&data_key(), plaintext.len() as u64, SALT).unwrap();
        let mut out = Vec::new();
        for piece in plaintext.chunks(piece) {
            sealer.push(piece, &mut out).unwrap();
        }
        sealer.finish(&mut out).unwrap();
        out
    }

    fn open(stored: &[u8], plaintext_len: usize, piece: usize) -> (Vec<u8>, Result<bool, Error>) {
        let mut opener = Opener::new(&data_key(), plaintext_len as u64).unwrap();
        let mut out = Vec::new();
        for piece in stored.chunks(piece) {
            if let Err(error) = opener.push(piece, &mut out) {
                assert_eq!(opener.push(&[], &mut out), Err(error), "errors are sticky");
                return (out, Err(error));
            }
        }
        let complete = opener.is_complete();
        (out, Ok(complete))
    }

    #[test]
    fn the_edges_of_segments_come_back() {
        for len in [0, 1, 8191, 8192, 8193, 16384, 16385, 40_000] {
            let plaintext = pattern(len);
            let stored = seal(&plaintext, 5000);
            assert_eq!(Some(stored.len() as u64), layout::stored_len(len as u64));
            for piece in [1 << 20, 8228, 1000] {
                assert_eq!(open(&stored, len, piece), (plaintext.clone(), Ok(true)));
            }
        }
    }

    #[test]
    fn nothing_of_the_last_segment_leaves_before_the_end_is_called() {
        for len in [1, 8192, 8193, 16384] {
            let mut sealer = Sealer::new(&data_key(), len, SALT).unwrap();
            let mut out = Vec::new();
            sealer.push(&pattern(len as usize), &mut out).unwrap();
            assert_eq!(out.len() as u64, (layout::segment_count(len) - 1) * 8228);
        }
    }

    #[test]
    fn another_length_than_announced_is_refused() {
        let mut out = Vec::new();
        let mut sealer = Sealer::new(&data_key(), 10, SALT).unwrap();
        assert_eq!(sealer.push(&[0; 11], &mut out), Err(Error::PlaintextLength));
        let mut sealer = Sealer::new(&data_key(), 10, SALT).unwrap();
        sealer.push(&[0; 9], &mut out).unwrap();
        assert_eq!(sealer.finish(&mut out), Err(Error::PlaintextLength));
        assert!(Sealer::new(&data_key(), layout::MAX_PLAINTEXT_LEN + 1, SALT).is_err());
        assert!(Opener::new(&data_key(), u64::MAX).is_err());
    }

    #[test]
    fn a_truncated_object_is_not_complete_and_keeps_its_last_segment() {
        let plaintext = pattern(20_000);
        let stored = seal(&plaintext, 1 << 20);
        for cut in [0, 5, 8228, 16456, stored.len() - 36, stored.len() - 1] {
            let (released, result) = open(&stored[..cut], plaintext.len(), 700);
            assert_eq!(result, Ok(false), "{cut}");
            assert_eq!(released, plaintext[..(cut / 8228) * 8192], "{cut}");
        }
    }

    #[test]
    fn a_surplus_byte_is_refused() {
        let mut stored = seal(&pattern(9000), 1 << 20);
        stored.push(0);
        assert_eq!(
            open(&stored, 9000, 1 << 20),
            (pattern(9000), Err(Error::Surplus))
        );
        assert_eq!(open(&[0], 0, 1), (Vec::new(), Err(Error::Surplus)));
    }

    #[test]
    fn reordered_repeated_and_foreign_segments_are_refused() {
        let stored = seal(&pattern(30_000), 1 << 20);
        let segments: Vec<&[u8]> = stored.chunks(8228).collect();
        let foreign = {
            let mut sealer = Sealer::new(&data_key(), 30_000, *b"othersal").unwrap();
            let mut out = Vec::new();
            sealer.push(&pattern(30_000), &mut out).unwrap();
            out
        };
        for (segments, good) in [
            ([segments[1], segments[0], segments[2], segments[3]], 0),
            ([segments[0], segments[0], segments[2], segments[3]], 1),
            (
                [segments[0], &foreign[8228..16456], segments[2], segments[3]],
                1,
            ),
        ] {
            let (released, result) = open(&segments.concat(), 30_000, 999);
            assert_eq!(
                result,
                Err(Error::Segment {
                    segment_index: good
                })
            );
            assert_eq!(released, pattern(30_000)[..good as usize * 8192]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn pieces_do_not_matter(len in 0_usize..40_000, sealed in 1_usize..20_000, opened in 1_usize..20_000) {
            let plaintext = pattern(len);
            let stored = seal(&plaintext, sealed);
            prop_assert_eq!(&stored, &seal(&plaintext, 1 << 20));
            prop_assert_eq!(open(&stored, len, opened), (plaintext, Ok(true)));
        }

        #[test]
        fn a_span_is_the_slice_of_the_plaintext(
            len in 1_usize..40_000, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>(),
            piece in 1_usize..20_000, from_start in any::<bool>(), lead in prop::collection::vec(any::<u8>(), 0..100), flip in any::<Option<(prop::sample::Index, u8)>>(),
        ) {
            let plaintext = pattern(len);
            let mut stored = seal(&plaintext, 1 << 20);
            let (a, b) = (a.index(len), b.index(len));
            let (first, last) = (a.min(b), a.max(b));
            let whole = stored.len();
            let (start, end) = if from_start {
                (0, whole)
            } else {
                (first / 8192 * 8228, ((last / 8192 + 1) * 8228 + 36).min(whole))
            };
            let flipped = flip.map(|(position, bit)| {
                let position = start + position.index(end - start);
                stored[position] ^= 1 << (bit % 8);
                position
            });
            let span = Span { first: first as u64, last: last as u64 };
            let window = Window {
                first_index: if from_start { 0 } else { (first / 8192) as u32 },
                leading: lead.len() as u64,
                trailing: if from_start { u64::MAX } else { 36 },
            };
            let mut opener = Opener::of_span(&data_key(), len as u64, span, window).unwrap();
            let mut out = Vec::new();
            let received = [&lead[..], &stored[start..end]].concat();
            let result = received.chunks(piece).try_for_each(|piece| opener.push(piece, &mut out));
            prop_assert_eq!(&out[..], &plaintext[first..first + out.len()]);
            prop_assert!(out.len() <= last - first + 1);
            let needed = if (last / 8192 + 1) * 8192 >= len { whole } else { (last / 8192 + 1) * 8228 };
            match flipped {
                Some(position) if position < needed => {
                    prop_assert!(result.is_err() && !opener.is_complete());
                }
                _ => {
                    prop_assert_eq!(result, Ok(()));
                    prop_assert!(opener.is_complete() && out.len() == last - first + 1);
                }
            }
        }

        #[test]
        fn any_flipped_bit_is_noticed_and_nothing_wrong_is_released(
            len in 1_usize..30_000, position in any::<prop::sample::Index>(), bit in 0_u32..8, piece in 1_usize..20_000,
        ) {
            let plaintext = pattern(len);
            let mut stored = seal(&plaintext, 1 << 20);
            let position = position.index(stored.len());
            stored[position] ^= 1_u8 << bit;
            let (released, result) = open(&stored, len, piece);
            prop_assert!(result.is_err());
            prop_assert!(released.len() <= position / 8228 * 8192);
            prop_assert_eq!(&released[..], &plaintext[..released.len()]);
        }
    }
}
