//! Whatever a client sends, the pieces do not depend on how the body is cut, and never hold more
//! than the declared length.

#![no_main]

use libfuzzer_sys::fuzz_target;
use s3_envelope::aws_chunked::{Decoder, Error, Mode, Piece};

fuzz_target!(|input: (u8, u64, usize, &[u8])| {
    let (mode, declared, at, body) = input;
    let (head, tail) = body.split_at(at.min(body.len()));
    let whole = decode(mode, declared, &[body]);
    assert_eq!(whole, decode(mode, declared, &[head, tail]));
});

/// The data and the number of other pieces, up to the first error.
fn decode(mode: u8, declared: u64, inputs: &[&[u8]]) -> (Vec<u8>, usize, Result<(), Error>) {
    let (mut data, mut others) = (Vec::new(), 0);
    let mut run = || {
        let crc32 = vec!["x-amz-checksum-crc32".to_owned()];
        let mut decoder = match mode % 3 {
            0 => Decoder::new(Mode::Signed, declared, Vec::new())?,
            1 => Decoder::new(Mode::SignedTrailer, declared, crc32)?,
            _ => Decoder::new(Mode::UnsignedTrailer, declared, crc32)?,
        };
        for input in inputs {
            let mut input = *input;
            while let Some(piece) = decoder.next(&mut input)? {
                match piece {
                    Piece::Data(bytes) => data.extend_from_slice(bytes),
                    _ => others += 1,
                }
            }
        }
        Ok(())
    };
    let result = run();
    assert!(u64::try_from(data.len()).unwrap() <= declared);
    (data, others, result)
}
