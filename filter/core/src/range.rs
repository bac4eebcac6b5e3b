//! `Range`: which bytes of a plaintext a client wants, and which stored bytes hold them.
//!
//! The grammar is that of S3, which is [RFC 9110 §14.1.1] with one range only: what is not of it is
//! ignored, as if there were no `Range`.
//!
//! ```text
//! plaintext [a, b]    stored [⌊a/S⌋·C, (⌊b/S⌋+1)·C + X)     C, S, X: FORMAT.md §1
//! suffix of m         stored suffix of (⌈m/S⌉+1)·C + X
//! ```
//!
//! The footer's `X` bytes are asked for in any case: where the span reaches the end of the object
//! they are the footer, and elsewhere they are dropped.
//!
//! [RFC 9110 §14.1.1]: https://www.rfc-editor.org/rfc/rfc9110#section-14.1.1

use crate::segment::layout::{FOOTER_LEN, SEGMENT_LEN, STORED_SEGMENT_LEN};

/// A range of bytes, as a client or the filter asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `bytes=a-b`, both ends included.
    Closed {
        /// The first byte.
        first: u64,
        /// The last byte; never before `first`.
        last: u64,
    },
    /// `bytes=a-`.
    From {
        /// The first byte.
        first: u64,
    },
    /// `bytes=-m`.
    Suffix {
        /// How many bytes.
        len: u64,
    },
}

impl ByteRange {
    /// Reads the value of a `Range` field; `None` where it is to be ignored.
    pub fn parse(value: &str) -> Option<Self> {
        let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
        match (first, last) {
            ("", last) => Some(Self::Suffix { len: number(last)? }),
            (first, "") => Some(Self::From {
                first: number(first)?,
            }),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Closed { first, last })
            }
        }
    }

    /// What it comes to for a plaintext of `plaintext_len` bytes; `None` where it can't be
    /// satisfied.
    pub fn resolve(self, plaintext_len: u64) -> Option<Span> {
        let end = plaintext_len.checked_sub(1)?;
        let (first, last) = match self {
            Self::Closed { first, last } => (first, last.min(end)),
            Self::From { first } => (first, end),
            Self::Suffix { len: 0 } => return None,
            Self::Suffix { len } => (plaintext_len.saturating_sub(len), end),
        };
        (first <= last).then_some(Span { first, last })
    }

    /// The stored bytes to ask for, in numbers that every store can read.
    pub fn stored(self) -> Self {
        match self.stored_exactly() {
            Self::Closed { first, last } => Self::Closed {
                first: first.min(LARGEST_OFFSET),
                last: last.min(LARGEST_OFFSET),
            },
            Self::From { first } => Self::From {
                first: first.min(LARGEST_OFFSET),
            },
            Self::Suffix { len } => Self::Suffix {
                len: len.min(LARGEST_OFFSET),
            },
        }
    }

    fn stored_exactly(self) -> Self {
        match self {
            Self::Closed { first, last } => Self::Closed {
                first: segment_start(first),
                last: segment_start(last)
                    .saturating_add(STORED_SEGMENT_LEN)
                    .saturating_add(FOOTER_LEN)
                    .saturating_sub(1),
            },
            Self::From { first } => Self::From {
                first: segment_start(first),
            },
            Self::Suffix { len } => Self::Suffix {
                len: len
                    .div_ceil(SEGMENT_LEN)
                    .saturating_add(1)
                    .saturating_mul(STORED_SEGMENT_LEN)
                    .saturating_add(FOOTER_LEN),
            },
        }
    }

    /// The value of a `Range` field.
    pub fn to_header(self) -> String {
        match self {
            Self::Closed { first, last } => format!("bytes={first}-{last}"),
            Self::From { first } => format!("bytes={first}-"),
            Self::Suffix { len } => format!("bytes=-{len}"),
        }
    }
}

/// Bytes of a plaintext, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub first: u64,
    /// The last byte; never before `first`.
    pub last: u64,
}

impl Span {
    /// How many bytes they are: at least 1.
    pub fn byte_count(self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// The value of a `Content-Range` field: `bytes first-last/complete_length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
    /// The length of the whole.
    pub complete_length: u64,
}

impl ContentRange {
    /// Reads the value of a `Content-Range` field; `None` where it is not of the grammar, or the
    /// bytes are not within the whole.
    pub fn parse(value: &str) -> Option<Self> {
        let (span, complete_length) = value.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = span.split_once('-')?;
        let range = Self {
            first: number(first)?,
            last: number(last)?,
            complete_length: number(complete_length)?,
        };
        (range.first <= range.last && range.last < range.complete_length).then_some(range)
    }

    /// How many bytes they are: at least 1.
    pub fn byte_count(self) -> u64 {
        let Self { first, last, .. } = self;
        Span { first, last }.byte_count()
    }

    /// Reads the length of the whole in `bytes */complete_length`, of an answer 416.
    pub fn parse_unsatisfied(value: &str) -> Option<u64> {
        number(value.strip_prefix("bytes */")?)
    }

    /// The value of the field.
    pub fn to_header(self) -> String {
        format!(
            "bytes {}-{}/{}",
            self.first, self.last, self.complete_length
        )
    }
}

/// Where the segment of the plaintext byte `offset` starts.
fn segment_start(offset: u64) -> u64 {
    offset
        .checked_div(SEGMENT_LEN)
        .unwrap_or_default()
        .saturating_mul(STORED_SEGMENT_LEN)
}

/// A decimal number; one that is too large for any object counts as the largest.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// Behind the end of any object, and still exact where a store has signed numbers of 64 bits, or
/// doubles.
const LARGEST_OFFSET: u64 = (1 << 53) - 1;

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small lengths in tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::segment::layout;

    fn span(value: &str, len: u64) -> Option<Option<(u64, u64)>> {
        ByteRange::parse(value).map(|range| range.resolve(len).map(|span| (span.first, span.last)))
    }

    #[test]
    fn get_7_a_store_is_asked_for_no_number_that_it_may_not_read() {
        for (value, stored) in [
            ("bytes=0-9223372036854775807", "bytes=0-9007199254740991"),
            ("bytes=18446744073709551616-", "bytes=9007199254740991-"),
            (
                "bytes=9223372036854775808-9223372036854775809",
                "bytes=9007199254740991-9007199254740991",
            ),
            ("bytes=-18446744073709551616", "bytes=-9007199254740991"),
        ] {
            let range = ByteRange::parse(value).map(|range| range.stored().to_header());
            assert_eq!(range.as_deref(), Some(stored), "{value}");
        }
    }

    /// The table of §5.2, on an object of 100 bytes.
    #[test]
    fn get_6_the_table_of_ranges() {
        for (value, bytes) in [
            ("bytes=0-0", (0, 0)),
            ("bytes=50-99", (50, 99)),
            ("bytes=00-01", (0, 1)),
            ("bytes=0-999999", (0, 99)),
            ("bytes=50-", (50, 99)),
            ("bytes=-10", (90, 99)),
            ("bytes=-101", (0, 99)),
        ] {
            assert_eq!(span(value, 100), Some(Some(bytes)), "{value}");
        }
        for value in [
            "bytes=-0",
            "bytes=100-",
            "bytes=100-110",
            "bytes=99999999999999999999999-",
        ] {
            assert_eq!(span(value, 100), Some(None), "{value}");
        }
        for value in [
            "bytes=10-5",
            "bytes=abc",
            "bytes=-",
            "bytes=,",
            "bytes= -1",
            "bytes=0 -1",
            "foo=0-1",
            "0-5",
            "bytes=0-0,1-2",
            "bytes=+1-2",
            "bytes=1-+2",
            "",
            "bytes=",
            "BYTES=0-1",
        ] {
            assert_eq!(span(value, 100), None, "{value}");
        }
        assert_eq!(span("bytes=0-0", 0), Some(None));
        assert_eq!(span("bytes=0-", 0), Some(None));
    }

    #[test]
    fn a_content_range_is_within_its_whole() {
        let range = ContentRange::parse("bytes 0-9/10").unwrap();
        assert_eq!(range.to_header(), "bytes 0-9/10");
        for value in [
            "bytes 0-10/10",
            "bytes 5-4/10",
            "bytes 0-9/*",
            "bytes */10",
            "0-9/10",
            "bytes 0-9",
        ] {
            assert_eq!(ContentRange::parse(value), None, "{value}");
        }
        assert_eq!(ContentRange::parse_unsatisfied("bytes */10"), Some(10));
        assert_eq!(ContentRange::parse_unsatisfied("bytes 0-9/10"), None);
    }

    proptest! {
        /// What is asked for holds every segment of the span, and the footer where it is needed.
        #[test]
        fn get_7_the_stored_bytes_hold_the_span(n in 1_u64..100_000, a in 0_u64..100_000, b in 0_u64..100_000, kind in 0..3) {
            let range = match kind {
                0 => ByteRange::Closed { first: a.min(b), last: a.max(b) },
                1 => ByteRange::From { first: a },
                _ => ByteRange::Suffix { len: a },
            };
            let stored_len = layout::stored_len(n).unwrap();
            if let Some(span) = range.resolve(n) {
                prop_assert!(span.last < n && span.first <= span.last);
                let stored = range.stored().resolve(stored_len).unwrap();
                prop_assert!(stored.first <= span.first / 8192 * 8228);
                let is_last = span.last / 8192 == (n - 1) / 8192;
                let needed = if is_last { stored_len } else { (span.last / 8192 + 1) * 8228 };
                prop_assert!(stored.last + 1 >= needed);
                // Not more than two segments too much.
                prop_assert!(stored.byte_count() <= (span.byte_count() / 8192 + 3) * 8228 + 72);
            }
            prop_assert_eq!(ByteRange::parse(&range.to_header()), Some(range));
        }

        #[test]
        fn no_value_makes_it_panic(value in ".{0,40}|bytes=[0-9-]{0,40}") {
            if let Some(range) = ByteRange::parse(&value) {
                let _ = range.resolve(u64::MAX);
                let _ = range.stored();
            }
        }
    }
}
