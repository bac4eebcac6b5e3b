//! Lengths: plaintext to stored and back (FORMAT.md §2). Pure `u64` arithmetic.

/// Plaintext bytes of a full segment.
pub const SEGMENT_LEN: u64 = 8192;
/// What a segment adds to its plaintext: header 8, nonce 12, tag 16 bytes.
pub const SEGMENT_OVERHEAD: u64 = 36;
/// Stored bytes of a full segment.
pub const STORED_SEGMENT_LEN: u64 = 8228;
/// Stored bytes of the footer.
pub const FOOTER_LEN: u64 = 36;
/// The most stored bytes of one PutObject: 5 GiB.
pub const MAX_STORED_LEN: u64 = 5 << 30;
/// The most plaintext bytes of one PutObject: [`MAX_STORED_LEN`] when stored.
pub const MAX_PLAINTEXT_LEN: u64 = 5_345_219_336;

/// The number of segments of a plaintext of `plaintext_len` bytes.
pub fn segment_count(plaintext_len: u64) -> u64 {
    plaintext_len.div_ceil(SEGMENT_LEN)
}

/// The stored length of a plaintext of `plaintext_len` bytes; `None` where it exceeds `u64`.
pub fn stored_len(plaintext_len: u64) -> Option<u64> {
    if plaintext_len == 0 {
        return Some(0);
    }
    segment_count(plaintext_len)
        .checked_mul(SEGMENT_OVERHEAD)?
        .checked_add(plaintext_len)?
        .checked_add(FOOTER_LEN)
}

/// The plaintext length of `stored_len` stored bytes; `None` where no plaintext has that length.
///
/// A footer alone counts as an empty plaintext: so an empty upload by parts is stored.
pub fn plaintext_len(stored_len: u64) -> Option<u64> {
    if stored_len == 0 {
        return Some(0);
    }
    let segments = stored_len.checked_sub(FOOTER_LEN)?;
    let (full, rest) = (segments / STORED_SEGMENT_LEN, segments % STORED_SEGMENT_LEN);
    let full = full.checked_mul(SEGMENT_LEN)?;
    if rest == 0 {
        Some(full)
    } else {
        let last = rest.checked_sub(SEGMENT_OVERHEAD).filter(|&len| len > 0)?;
        full.checked_add(last)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small lengths in tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_constants_fit_each_other() {
        assert_eq!(SEGMENT_LEN + SEGMENT_OVERHEAD, STORED_SEGMENT_LEN);
        assert_eq!(stored_len(MAX_PLAINTEXT_LEN), Some(MAX_STORED_LEN));
        assert_eq!(stored_len(MAX_PLAINTEXT_LEN + 1), Some(MAX_STORED_LEN + 1));
        // Why 8 KiB and 36: a reader of part lists can tell a footer from a segment (s3-semantics).
        const { assert!(FOOTER_LEN <= SEGMENT_OVERHEAD) };
        const { assert!(SEGMENT_OVERHEAD * ((5 << 20) / SEGMENT_LEN) >= SEGMENT_LEN) };
    }

    #[test]
    fn small_lengths_one_by_one() {
        let mut previous = None;
        for n in 0..4 * SEGMENT_LEN {
            let stored = stored_len(n).unwrap();
            assert!(previous.is_none_or(|previous| previous < stored));
            assert_eq!(plaintext_len(stored), Some(n));
            if let Some(previous) = previous {
                for gap in previous + 1..stored {
                    let footer_alone = (gap == FOOTER_LEN).then_some(0);
                    assert_eq!(plaintext_len(gap), footer_alone, "{gap}");
                }
            }
            previous = Some(stored);
        }
    }

    #[test]
    fn no_length_overflows() {
        assert_eq!(stored_len(u64::MAX), None);
        assert!(plaintext_len(u64::MAX).is_some_and(|n| n < u64::MAX));
    }

    proptest! {
        #[test]
        fn stored_and_plaintext_length_are_inverse(n in 0_u64..1 << 50) {
            let stored = stored_len(n).unwrap();
            prop_assert_eq!(plaintext_len(stored), Some(n));
            prop_assert!(stored_len(n + 1).unwrap() > stored);
        }

        #[test]
        fn a_stored_length_is_that_of_its_plaintext_or_of_none(stored in any::<u64>()) {
            if let Some(n) = plaintext_len(stored).filter(|_| stored != FOOTER_LEN) {
                prop_assert_eq!(stored_len(n), Some(stored));
            }
        }
    }
}
