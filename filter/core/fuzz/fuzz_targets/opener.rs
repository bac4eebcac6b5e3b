//! Whatever a store does to a body: what is released is the beginning of the plaintext.

#![no_main]

use libfuzzer_sys::fuzz_target;
use s3_envelope::key_wrap::DataKey;
use s3_envelope::segment::{Opener, Sealer};

fuzz_target!(|input: (u16, Vec<(u16, u8)>, u16, u16)| {
    let (len, flips, cut, piece) = input;
    let plaintext: Vec<u8> = (0..u32::from(len)).map(|i| (i % 251) as u8).collect();
    let data_key = DataKey::from_bytes([7; 32]);
    let mut sealer = Sealer::new(&data_key, u64::from(len), [8; 8]).unwrap();
    let mut stored = Vec::new();
    sealer.push(&plaintext, &mut stored).unwrap();
    sealer.finish(&mut stored).unwrap();
    let whole = stored.clone();
    for (position, bits) in flips {
        if let Some(byte) = stored.get_mut(usize::from(position)) {
            *byte ^= bits;
        }
    }
    stored.truncate(stored.len().saturating_sub(usize::from(cut)));
    let mut opener = Opener::new(&data_key, u64::from(len)).unwrap();
    let mut released = Vec::new();
    let _ = stored
        .chunks(usize::from(piece).max(1))
        .try_for_each(|piece| opener.push(piece, &mut released));
    assert!(plaintext.starts_with(&released));
    assert_eq!(opener.is_complete() && released.len() == plaintext.len(), stored == whole);
});
