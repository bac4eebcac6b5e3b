//! The content coding `aws-chunked`: S3's chunks within an HTTP body.
//!
//! ```text
//! body              = *chunk last-chunk [ trailers ] CRLF
//! chunk             = chunk-header CRLF data CRLF          ; as many bytes of data as the size says
//! last-chunk        = chunk-header CRLF                    ; of size 0
//! chunk-header      = size [ chunk-extension ]
//! size              = 1*16HEXDIG
//! chunk-extension   = ";chunk-signature=" 64HEXDIG         ; in the signed modes, and only there
//! trailers          = *trailer [ trailer-signature ]
//! trailer           = name ":" value [ LF ] CRLF
//! trailer-signature = "x-amz-trailer-signature:" 64HEXDIG [ LF ] CRLF     ; in SignedTrailer
//! ```
//!
//! Sources: [Transferring Payload in Multiple Chunks] and [Including Trailing Headers], whose
//! example has the LF before the CRLF of a trailer; minio-go sends it so.
//!
//! [`Decoder`] takes what clients send apart; it verifies no signature and no checksum, but hands
//! them out as they pass. [`Encoder`] writes what is sent to the store: no signatures, one trailer.
//!
//! [Transferring Payload in Multiple Chunks]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
//! [Including Trailing Headers]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html

use sha2::{Digest as _, Sha256};

use crate::checksum::{Algorithm, Checksum, Hasher};

/// Which parts a body has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`: signed chunks, no trailers.
    Signed,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`: signed chunks, trailers and their signature.
    SignedTrailer,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: bare chunks and trailers.
    UnsignedTrailer,
}

/// What [`Decoder::next`] found, in the order of the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'i> {
    /// A chunk begins. Also the last one, which has no data.
    ChunkStart {
        /// The chunk's signature as received: 64 hexadecimal digits, in the signed modes.
        signature: Option<[u8; 64]>,
    },
    /// The next bytes of the chunk's data, never empty: a slice of the input.
    Data(&'i [u8]),
    /// The chunk's data is complete.
    ChunkEnd,
    /// An announced trailer: a checksum of the decoded content.
    Trailer(Checksum),
    /// The signature of all trailers, after the last of them.
    TrailerSignature {
        /// The signature as received: 64 hexadecimal digits.
        signature: [u8; 64],
        /// SHA-256 of the trailers' text, `lower(name) ":" trim(value) LF` for each in the order
        /// received.
        text_sha256: [u8; 32],
    },
    /// The body is complete and has the declared length.
    End,
}

/// Takes a body apart, in pieces of any size. At most one chunk header or trailer is held.
#[derive(Debug)]
pub struct Decoder {
    mode: Mode,
    state: State,
    /// Decoded bytes that chunk headers have yet to claim.
    unclaimed_len: u64,
    /// Announced trailers that have not come yet.
    expected_trailers: Vec<Algorithm>,
    trailer_text: Sha256,
    trailer_signature_seen: bool,
    /// Bytes that trailers may still take.
    trailers_room: usize,
    /// The line that is being received.
    line: Vec<u8>,
}

impl Decoder {
    /// A decoder of a body that has `decoded_content_length` bytes of data and the trailers that
    /// `x-amz-trailer` announces.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedTrailer`] where an announced trailer is not an `x-amz-checksum-*` of a
    /// known algorithm; [`Error::MissingTrailer`] where the mode has no trailers.
    pub fn new(
        mode: Mode,
        decoded_content_length: u64,
        announced_trailers: Vec<String>,
    ) -> Result<Self, Error> {
        let expected_trailers = announced_trailers
            .iter()
            .map(|name| Algorithm::from_header_name(name).ok_or(Error::UnsupportedTrailer))
            .collect::<Result<Vec<_>, _>>()?;
        if mode == Mode::Signed && !expected_trailers.is_empty() {
            return Err(Error::MissingTrailer);
        }
        Ok(Self {
            mode,
            state: State::ChunkHeader,
            unclaimed_len: decoded_content_length,
            expected_trailers,
            trailer_text: Sha256::new(),
            trailer_signature_seen: false,
            trailers_room: MAX_TRAILERS_LEN,
            line: Vec::new(),
        })
    }

    /// Takes the next piece off `input`. `None` when `input` is used up and more is needed: at the
    /// end of the stream it is for the caller to see that [`Piece::End`] has come.
    ///
    /// # Errors
    ///
    /// Any departure from the grammar, the declared length, the announced trailers or the limits;
    /// from then on always the same one.
    pub fn next<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Piece<'i>>, Error> {
        let next = self.step(input);
        if let Err(error) = next {
            self.state = State::Failed(error);
        }
        next
    }

    fn step<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Piece<'i>>, Error> {
        match self.state {
            State::ChunkHeader => {
                if !self.read_line(input, MAX_CHUNK_HEADER_LEN, Error::ChunkHeaderTooLong)? {
                    return Ok(None);
                }
                let (size, signature) = self.chunk_header()?;
                self.line.clear();
                self.state = if size > 0 {
                    State::Data { left: size }
                } else {
                    State::LastChunk
                };
                Ok(Some(Piece::ChunkStart { signature }))
            }
            State::Data { left } => {
                if input.is_empty() {
                    return Ok(None);
                }
                let (data, left) = split_off(input, left);
                self.state = if left > 0 {
                    State::Data { left }
                } else {
                    State::DataEnd
                };
                Ok(Some(Piece::Data(data)))
            }
            State::DataEnd => {
                if !self.read_line(input, CRLF.len(), Error::ChunkNotTerminated)? {
                    return Ok(None);
                }
                self.state = State::ChunkHeader;
                Ok(Some(Piece::ChunkEnd))
            }
            State::LastChunk => {
                self.state = State::Trailers;
                Ok(Some(Piece::ChunkEnd))
            }
            State::Trailers => {
                // The CRLF that ends the body is not one of the trailers.
                let limit = self.trailers_room.saturating_add(CRLF.len());
                if !self.read_line(input, limit, Error::TrailersTooLong)? {
                    return Ok(None);
                }
                if self.line.is_empty() {
                    self.check_trailers()?;
                    self.state = State::Done;
                    return Ok(Some(Piece::End));
                }
                let len = self.line.len().saturating_add(CRLF.len());
                self.trailers_room = self
                    .trailers_room
                    .checked_sub(len)
                    .ok_or(Error::TrailersTooLong)?;
                let line = core::mem::take(&mut self.line);
                self.trailer(&line).map(Some)
            }
            State::Done if input.is_empty() => Ok(None),
            State::Done => Err(Error::TrailingData),
            State::Failed(error) => Err(error),
        }
    }

    /// Moves bytes to `self.line` up to a CRLF, which is left out; tells whether it has come.
    fn read_line(
        &mut self,
        input: &mut &[u8],
        limit: usize,
        too_long: Error,
    ) -> Result<bool, Error> {
        while let Some((&byte, rest)) = input.split_first() {
            if self.line.len() >= limit {
                return Err(too_long);
            }
            *input = rest;
            self.line.push(byte);
            if self.line.ends_with(CRLF) {
                self.line
                    .truncate(self.line.len().saturating_sub(CRLF.len()));
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the header of a chunk, and claims the chunk's size from the declared length.
    fn chunk_header(&mut self) -> Result<(u64, Option<[u8; 64]>), Error> {
        let line = core::str::from_utf8(&self.line).map_err(|_| Error::InvalidChunkHeader)?;
        let (size, extension) = match line.split_once(';') {
            Some((size, extension)) => (size, Some(extension)),
            None => (line, None),
        };
        let size = parse_size(size)?;
        let signature = match (self.mode, extension) {
            (Mode::Signed | Mode::SignedTrailer, Some(extension)) => {
                let signature = extension
                    .strip_prefix("chunk-signature=")
                    .and_then(|digits| parse_signature(digits.as_bytes()))
                    .ok_or(Error::InvalidChunkHeader)?;
                Some(signature)
            }
            (Mode::UnsignedTrailer, None) => None,
            (Mode::Signed | Mode::SignedTrailer, None) | (Mode::UnsignedTrailer, Some(_)) => {
                return Err(Error::InvalidChunkHeader);
            }
        };
        self.unclaimed_len = self
            .unclaimed_len
            .checked_sub(size)
            .ok_or(Error::LongerThanDeclared)?;
        if size == 0 && self.unclaimed_len > 0 {
            return Err(Error::ShorterThanDeclared);
        }
        Ok((size, signature))
    }

    fn trailer(&mut self, line: &[u8]) -> Result<Piece<'static>, Error> {
        if self.mode == Mode::Signed || self.trailer_signature_seen {
            return Err(Error::UnexpectedTrailer);
        }
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (name, value) = core::str::from_utf8(line)
            .ok()
            .and_then(|line| line.split_once(':'))
            .ok_or(Error::MalformedTrailer)?;
        let name = name.to_ascii_lowercase();
        let value = value.trim_matches([' ', '\t']);
        if name == TRAILER_SIGNATURE && self.mode == Mode::SignedTrailer {
            let signature = parse_signature(value.as_bytes()).ok_or(Error::MalformedTrailer)?;
            self.trailer_signature_seen = true;
            return Ok(Piece::TrailerSignature {
                signature,
                text_sha256: self.trailer_text.clone().finalize().into(),
            });
        }
        let algorithm = Algorithm::from_header_name(&name).ok_or(Error::UnexpectedTrailer)?;
        let position = self
            .expected_trailers
            .iter()
            .position(|expected| *expected == algorithm)
            .ok_or(Error::UnexpectedTrailer)?;
        self.expected_trailers.swap_remove(position);
        for text in [&name, ":", value, "\n"] {
            self.trailer_text.update(text);
        }
        let checksum =
            Checksum::parse(algorithm, value).map_err(|_| Error::InvalidTrailerValue(algorithm))?;
        Ok(Piece::Trailer(checksum))
    }

    fn check_trailers(&self) -> Result<(), Error> {
        if !self.expected_trailers.is_empty() {
            return Err(Error::MissingTrailer);
        }
        if self.mode == Mode::SignedTrailer && !self.trailer_signature_seen {
            return Err(Error::MissingTrailerSignature);
        }
        Ok(())
    }
}

/// Writes a body of `STREAMING-UNSIGNED-PAYLOAD-TRAILER` whose trailer is the CRC-32C of its data.
///
/// Every chunk but the last is of 64 KiB, so that the encoded length follows from the data's and
/// nothing needs to be held back. S3 asks for 8 KiB at least, of every chunk but the last.
#[derive(Debug)]
pub struct Encoder {
    ciphertext_len: u64,
    pushed_len: u64,
    /// Bytes that the chunk whose header was written last still lacks.
    chunk_left: u64,
    crc32c: Hasher,
    failed: bool,
}

impl Encoder {
    /// The trailer that [`Encoder::finish`] writes; `x-amz-trailer` must announce it.
    pub const TRAILER: &'static str = Algorithm::Crc32c.header_name();

    /// An encoder of exactly `ciphertext_len` bytes.
    pub fn new(ciphertext_len: u64) -> Self {
        Self {
            ciphertext_len,
            pushed_len: 0,
            chunk_left: 0,
            crc32c: Hasher::new(Algorithm::Crc32c),
            failed: false,
        }
    }

    /// Bytes that all calls together will have written: the `Content-Length` of the body.
    ///
    /// Saturates, for lengths above 2^63 that no store takes.
    pub fn encoded_len(&self) -> u64 {
        let full = self.ciphertext_len.checked_div(CHUNK_LEN).unwrap_or(0);
        let rest = self.ciphertext_len.checked_rem(CHUNK_LEN).unwrap_or(0);
        let rest_framing = if rest == 0 { 0 } else { framing_len(rest) };
        let trailer = Self::TRAILER
            .len()
            .saturating_add(":".len())
            .saturating_add(CRC32C_BASE64_LEN)
            .saturating_add(CRLF.len().saturating_mul(2));
        full.saturating_mul(framing_len(CHUNK_LEN))
            .saturating_add(rest_framing)
            .saturating_add(self.ciphertext_len)
            .saturating_add(to_u64(LAST_CHUNK.len()))
            .saturating_add(to_u64(trailer))
    }

    /// Appends the encoding of the next bytes to `out`.
    ///
    /// # Errors
    ///
    /// [`Error::EncodedLength`] where that would be more than the declared length, or was before;
    /// nothing is written then.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let pushed_len = self
            .pushed_len
            .checked_add(to_u64(bytes.len()))
            .filter(|pushed_len| *pushed_len <= self.ciphertext_len);
        let Some(pushed_len) = pushed_len.filter(|_| !self.failed) else {
            self.failed = true;
            return Err(Error::EncodedLength);
        };
        self.crc32c.update(bytes);
        let mut left = self.ciphertext_len.saturating_sub(self.pushed_len);
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.chunk_left == 0 {
                self.chunk_left = left.min(CHUNK_LEN);
                out.extend_from_slice(format!("{:x}\r\n", self.chunk_left).as_bytes());
            }
            let (data, chunk_left) = split_off(&mut rest, self.chunk_left);
            out.extend_from_slice(data);
            self.chunk_left = chunk_left;
            left = left.saturating_sub(to_u64(data.len()));
            if chunk_left == 0 {
                out.extend_from_slice(CRLF);
            }
        }
        self.pushed_len = pushed_len;
        Ok(())
    }

    /// Appends the last chunk and the trailer to `out`.
    ///
    /// # Errors
    ///
    /// [`Error::EncodedLength`] where bytes are missing, or too many were pushed; nothing is
    /// written then.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.failed || self.pushed_len != self.ciphertext_len {
            return Err(Error::EncodedLength);
        }
        out.extend_from_slice(LAST_CHUNK);
        out.extend_from_slice(Self::TRAILER.as_bytes());
        out.extend_from_slice(b":");
        out.extend_from_slice(self.crc32c.finish().to_base64().as_bytes());
        out.extend_from_slice(CRLF);
        out.extend_from_slice(CRLF);
        Ok(())
    }
}

/// Why a body can't be decoded or encoded: a fault of the client, but for [`Error::EncodedLength`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A chunk header that is not of the grammar, or not of the mode: 400 `InvalidRequest`.
    #[error("invalid chunk header")]
    InvalidChunkHeader,
    /// A chunk header of more than 1 KiB: 400 `InvalidRequest`.
    #[error("chunk header too long")]
    ChunkHeaderTooLong,
    /// A chunk's data is not followed by CRLF: 400 `InvalidRequest`.
    #[error("chunk data not followed by CRLF")]
    ChunkNotTerminated,
    /// More data than `x-amz-decoded-content-length`: 400 `IncompleteBody`.
    #[error("more data than x-amz-decoded-content-length")]
    LongerThanDeclared,
    /// Less data than `x-amz-decoded-content-length`: 400 `IncompleteBody`.
    #[error("less data than x-amz-decoded-content-length")]
    ShorterThanDeclared,
    /// `x-amz-trailer` names something that is no known checksum: 400 `InvalidRequest`, "The value
    /// specified in the x-amz-trailer header is not supported".
    #[error("the value of x-amz-trailer is not supported")]
    UnsupportedTrailer,
    /// A trailer that is not of the grammar: 400 `MalformedTrailerError`.
    #[error("malformed trailer")]
    MalformedTrailer,
    /// A trailer that was not announced, comes twice or after the trailer signature: 400
    /// `MalformedTrailerError`.
    #[error("unexpected trailer")]
    UnexpectedTrailer,
    /// An announced trailer did not come: 400 `MalformedTrailerError`.
    #[error("missing trailer")]
    MissingTrailer,
    /// The trailers' signature did not come: 400 `MalformedTrailerError`.
    #[error("missing trailer signature")]
    MissingTrailerSignature,
    /// Trailers of more than 8 KiB: 400 `MalformedTrailerError`.
    #[error("trailers too long")]
    TrailersTooLong,
    /// A trailer's value is not the base64 of as many bytes as its algorithm has: 400
    /// `InvalidRequest`, "Value for x-amz-checksum-… trailing header is invalid."
    #[error("the value of the trailer {} is invalid", .0.header_name())]
    InvalidTrailerValue(Algorithm),
    /// Bytes after the body's end: 400 `InvalidRequest`.
    #[error("bytes after the end of the body")]
    TrailingData,
    /// The filter encodes another number of bytes than it declared: a fault of the filter.
    #[error("another length than declared was encoded")]
    EncodedLength,
}

#[derive(Clone, Copy, Debug)]
enum State {
    ChunkHeader,
    /// `left` is above 0.
    Data {
        left: u64,
    },
    /// The CRLF after the data.
    DataEnd,
    /// The header of the last chunk has been handed out, its end has not.
    LastChunk,
    Trailers,
    Done,
    Failed(Error),
}

/// Takes at most `left` bytes off `input`; answers with them and with what is then left.
fn split_off<'i>(input: &mut &'i [u8], left: u64) -> (&'i [u8], u64) {
    let at = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    let (taken, rest) = input.split_at_checked(at).unwrap_or((input, &[]));
    *input = rest;
    (taken, left.saturating_sub(to_u64(taken.len())))
}

fn parse_size(digits: &str) -> Result<u64, Error> {
    // from_str_radix takes a sign too.
    if digits.len() > MAX_SIZE_DIGITS || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Error::InvalidChunkHeader);
    }
    u64::from_str_radix(digits, 16).map_err(|_| Error::InvalidChunkHeader)
}

fn parse_signature(digits: &[u8]) -> Option<[u8; 64]> {
    <[u8; 64]>::try_from(digits)
        .ok()
        .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// What surrounds the data of a chunk of `chunk_len` bytes, above 0.
fn framing_len(chunk_len: u64) -> u64 {
    let digits = chunk_len
        .checked_ilog2()
        .map_or(1, |log2| (log2 >> 2).saturating_add(1));
    u64::from(digits).saturating_add(to_u64(CRLF.len()).saturating_mul(2))
}

fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

const CRLF: &[u8] = b"\r\n";

const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// Limit of a chunk header, its CRLF included. A signed one has 99 bytes at most.
const MAX_CHUNK_HEADER_LEN: usize = 1024;

/// Limit of all trailers together, with their CRLFs.
const MAX_TRAILERS_LEN: usize = 8 * 1024;

/// 2^64 - 1 has as many.
const MAX_SIZE_DIGITS: usize = 16;

/// Data bytes of an encoded chunk.
const CHUNK_LEN: u64 = 64 * 1024;

const LAST_CHUNK: &[u8] = b"0\r\n";

/// Four bytes in base64.
const CRC32C_BASE64_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn put_8_the_signed_example_of_aws() {
        let mut decoder = Decoder::new(Mode::Signed, 66_560, Vec::new()).unwrap();
        let body = aws_example(
            [
                "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
            ],
            "",
        );
        let pieces = decode(&mut decoder, &[&body]).unwrap();
        assert_eq!(
            pieces,
            [
                start("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
                data(&[b'a'; 65_536]),
                Owned::ChunkEnd,
                start("0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
                data(&[b'a'; 1024]),
                Owned::ChunkEnd,
                start("b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
                Owned::ChunkEnd,
                Owned::End,
            ]
        );
    }

    #[test]
    fn put_9_the_trailer_example_of_aws() {
        // With the LF before the CRLF, as the documentation prints it and minio-go sends it, and
        // without, as everyone else does.
        for line_feed in ["", "\n"] {
            let mut decoder = decoder(Mode::SignedTrailer, 66_560, &["x-amz-checksum-crc32c"]);
            let body = aws_example(
                [
                    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
                ],
                &format!(
                    "x-amz-checksum-crc32c:sOO8/Q=={line_feed}\r\nx-amz-trailer-signature:\
                     d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n"
                ),
            );
            let pieces = decode(&mut decoder, &[&body]).unwrap();
            assert_eq!(
                pieces[6..],
                [
                    start("2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
                    Owned::ChunkEnd,
                    trailer(Algorithm::Crc32c, "sOO8/Q=="),
                    Owned::TrailerSignature {
                        signature: *b"d81f82fc3505edab99d459891051a732\
                                      e8730629a2e4a59689829ca17fe2e435",
                        text_sha256: Sha256::digest("x-amz-checksum-crc32c:sOO8/Q==\n").into(),
                    },
                    Owned::End,
                ]
            );
            // The checksum of the example is that of its data.
            let mut hasher = Hasher::new(Algorithm::Crc32c);
            hasher.update(&[b'a'; 66_560]);
            assert_eq!(hasher.finish().to_base64(), "sOO8/Q==");
        }
    }

    #[test]
    fn put_6_the_empty_body_of_boto3() {
        let mut decoder = decoder(Mode::UnsignedTrailer, 0, &["x-amz-checksum-crc32"]);
        let pieces = decode(
            &mut decoder,
            &[b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"],
        );
        assert_eq!(
            pieces.unwrap(),
            [
                Owned::ChunkStart(None),
                Owned::ChunkEnd,
                trailer(Algorithm::Crc32, "AAAAAA=="),
                Owned::End,
            ]
        );
    }

    #[test]
    fn put_8_a_body_of_boto3() {
        let pieces = unsigned(
            11,
            "b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n",
        );
        assert_eq!(
            pieces.unwrap(),
            [
                Owned::ChunkStart(None),
                data(b"hello world"),
                Owned::ChunkEnd,
                Owned::ChunkStart(None),
                Owned::ChunkEnd,
                trailer(Algorithm::Crc32, "DUoRhQ=="),
                Owned::End,
            ]
        );
    }

    #[test]
    fn put_8_extensions_and_modes_belong_together() {
        let signature = "0123456789abcdefABCDEF0123456789".repeat(2);
        let signed = format!("0;chunk-signature={signature}\r\n\r\n");
        assert!(decode(&mut decoder(Mode::Signed, 0, &[]), &[signed.as_bytes()]).is_ok());
        assert!(decode(&mut decoder(Mode::UnsignedTrailer, 0, &[]), &[b"0\r\n\r\n"]).is_ok());
        for (mode, body) in [
            (Mode::Signed, "0\r\n\r\n"),
            (Mode::SignedTrailer, "0\r\n\r\n"),
            (Mode::UnsignedTrailer, signed.as_str()),
        ] {
            assert_eq!(
                decode(&mut decoder(mode, 0, &[]), &[body.as_bytes()]),
                Err(Error::InvalidChunkHeader)
            );
        }
    }

    #[test]
    fn put_8_chunk_headers_are_of_the_grammar() {
        for header in [
            "",
            "+1",
            "-1",
            " 1",
            "1 ",
            "0x1",
            "g",
            "1\n",
            "1\r",
            "\u{661}",
            "1;",
            "1;a=b",
            "00000000000000001",
        ] {
            assert_eq!(
                unsigned(1, &format!("{header}\r\n")),
                Err(Error::InvalidChunkHeader),
                "{header:?}"
            );
        }
        let signature = "0".repeat(64);
        for extension in [
            String::new(),
            ";".to_owned(),
            format!("; chunk-signature={signature}"),
            format!(";Chunk-Signature={signature}"),
            format!(";chunk-signature={signature}0"),
            format!(";chunk-signature={}", &signature[1..]),
            format!(";chunk-signature={}g", &signature[1..]),
            format!(";chunk-signature={signature};a=b"),
            format!(";a=b;chunk-signature={signature}"),
        ] {
            let body = format!("1{extension}\r\n");
            assert_eq!(
                decode(&mut decoder(Mode::Signed, 1, &[]), &[body.as_bytes()]),
                Err(Error::InvalidChunkHeader),
                "{extension:?}"
            );
        }
        let zeros = unsigned(1, "0000000000000001\r\n");
        assert_eq!(zeros.unwrap(), [Owned::ChunkStart(None)]);
    }

    #[test]
    fn put_8_data_ends_with_crlf() {
        for body in [
            "1\r\naa\r\n",
            "1\r\na\n0\r\n",
            "1\r\na\r\r\n",
            "1\r\na0\r\n",
        ] {
            assert_eq!(
                unsigned(2, body),
                Err(Error::ChunkNotTerminated),
                "{body:?}"
            );
        }
    }

    #[test]
    fn put_5_another_length_than_declared_is_an_incomplete_body() {
        for (declared, body, expected) in [
            (0, "1\r\n", Error::LongerThanDeclared),
            (3, "2\r\naa\r\n2\r\n", Error::LongerThanDeclared),
            (3, "ffffffffffffffff\r\n", Error::LongerThanDeclared),
            (3, "2\r\naa\r\n0\r\n", Error::ShorterThanDeclared),
            (u64::MAX, "0\r\n", Error::ShorterThanDeclared),
        ] {
            assert_eq!(unsigned(declared, body), Err(expected), "{body:?}");
        }
    }

    #[test]
    fn put_11_a_chunk_may_have_any_size() {
        let mut decoder = decoder(Mode::UnsignedTrailer, u64::MAX, &[]);
        let pieces = decode(&mut decoder, &[b"ffffffffffffffff\r\n", b"aa", b"a"]);
        assert_eq!(pieces.unwrap(), [Owned::ChunkStart(None), data(b"aaa")]);
        assert!(decoder.line.is_empty() && decoder.line.capacity() <= MAX_CHUNK_HEADER_LEN);
    }

    #[test]
    fn put_11_a_chunk_header_has_at_most_1_kib() {
        let header = format!("1;{}\r\n", "a".repeat(MAX_CHUNK_HEADER_LEN - 4));
        assert_eq!(unsigned(1, &header), Err(Error::InvalidChunkHeader));
        let header = format!("1;{}\r\n", "a".repeat(MAX_CHUNK_HEADER_LEN - 3));
        assert_eq!(unsigned(1, &header), Err(Error::ChunkHeaderTooLong));
        assert_eq!(
            unsigned(1, &"1".repeat(2000)),
            Err(Error::ChunkHeaderTooLong)
        );
    }

    #[test]
    fn put_11_trailers_have_at_most_8_kib() {
        // Lines that are let through, as white space around a value is.
        let trailer = |len: usize| {
            let value = "x-amz-checksum-crc32:AAAAAA==\r\n";
            value.replace(':', &format!(":{}", " ".repeat(len - value.len())))
        };
        let body = format!("0\r\n{}\r\n", trailer(MAX_TRAILERS_LEN));
        assert!(unsigned(0, &body).is_ok());
        for body in [
            format!("0\r\n{}", trailer(MAX_TRAILERS_LEN + 1)),
            format!("0\r\n{}", trailer(MAX_TRAILERS_LEN + 3)),
            format!("0\r\n{}", "a".repeat(MAX_TRAILERS_LEN + 3)),
        ] {
            assert_eq!(unsigned(0, &body), Err(Error::TrailersTooLong));
        }
        let two = format!("0\r\n{0}{0}\r\n", trailer(MAX_TRAILERS_LEN / 2 + 1));
        let names = ["x-amz-checksum-crc32", "x-amz-checksum-crc32"];
        let mut decoder = decoder(Mode::UnsignedTrailer, 0, &names);
        assert_eq!(
            decode(&mut decoder, &[two.as_bytes()]),
            Err(Error::TrailersTooLong)
        );
    }

    #[test]
    fn put_11_bytes_after_the_end_are_refused() {
        let body = "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        assert!(unsigned(0, body).is_ok());
        for extra in ["\r\n", "0", "\0"] {
            assert_eq!(
                unsigned(0, &format!("{body}{extra}")),
                Err(Error::TrailingData)
            );
        }
    }

    #[test]
    fn put_10_announced_trailers_come_exactly_once() {
        let crc32 = "x-amz-checksum-crc32:AAAAAA==\r\n";
        for (trailers, expected) in [
            (String::new(), Error::MissingTrailer),
            (format!("{crc32}{crc32}"), Error::UnexpectedTrailer),
            (
                "x-amz-checksum-crc32c:AAAAAA==\r\n".to_owned(),
                Error::UnexpectedTrailer,
            ),
            ("x-amz-meta-a:b\r\n".to_owned(), Error::UnexpectedTrailer),
            (
                "x-amz-checksum-crc32 :AAAAAA==\r\n".to_owned(),
                Error::UnexpectedTrailer,
            ),
            (
                format!("x-amz-trailer-signature:{}\r\n", "0".repeat(64)),
                Error::UnexpectedTrailer,
            ),
            (
                "x-amz-checksum-crc32\r\n".to_owned(),
                Error::MalformedTrailer,
            ),
            ("\n\r\n".to_owned(), Error::MalformedTrailer),
        ] {
            let body = format!("0\r\n{trailers}\r\n");
            assert_eq!(unsigned(0, &body), Err(expected), "{trailers:?}");
        }
        let mut none_announced = decoder(Mode::UnsignedTrailer, 0, &[]);
        assert_eq!(
            decode(
                &mut none_announced,
                &[b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"]
            ),
            Err(Error::UnexpectedTrailer)
        );
    }

    #[test]
    fn put_10_only_checksums_may_be_announced() {
        for name in ["x-amz-meta-a", "x-amz-checksum-crc16", ""] {
            let decoder = Decoder::new(Mode::UnsignedTrailer, 0, vec![name.to_owned()]);
            assert_eq!(decoder.err(), Some(Error::UnsupportedTrailer));
        }
        let decoder = Decoder::new(Mode::Signed, 0, vec!["x-amz-checksum-crc32".to_owned()]);
        assert_eq!(decoder.err(), Some(Error::MissingTrailer));
    }

    #[test]
    fn put_10_the_signed_mode_has_no_trailers() {
        let body = format!(
            "0;chunk-signature={}\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
            "0".repeat(64)
        );
        assert_eq!(
            decode(&mut decoder(Mode::Signed, 0, &[]), &[body.as_bytes()]),
            Err(Error::UnexpectedTrailer)
        );
    }

    #[test]
    fn put_9_the_trailer_signature_comes_exactly_once_and_last() {
        let signature = "x-amz-trailer-signature:".to_owned() + &"0".repeat(64) + "\r\n";
        let crc32 = "x-amz-checksum-crc32:AAAAAA==\r\n";
        for (trailers, expected) in [
            (format!("{crc32}{signature}"), Ok(())),
            (crc32.to_owned(), Err(Error::MissingTrailerSignature)),
            (signature.clone(), Err(Error::MissingTrailer)),
            (format!("{signature}{crc32}"), Err(Error::UnexpectedTrailer)),
            (
                format!("{crc32}{signature}{signature}"),
                Err(Error::UnexpectedTrailer),
            ),
            (
                format!("{crc32}x-amz-trailer-signature:{}\r\n", "0".repeat(63)),
                Err(Error::MalformedTrailer),
            ),
        ] {
            let body = format!("0;chunk-signature={}\r\n{trailers}\r\n", "0".repeat(64));
            let mut decoder = decoder(Mode::SignedTrailer, 0, &["x-amz-checksum-crc32"]);
            assert_eq!(
                decode(&mut decoder, &[body.as_bytes()]).map(|_| ()),
                expected,
                "{trailers:?}"
            );
        }
    }

    #[test]
    fn put_9_the_signed_text_has_lower_case_names_and_trimmed_values() {
        let body = format!(
            "0;chunk-signature={0}\r\nX-Amz-Checksum-CRC32: \tAAAAAA== \n\r\n\
             X-Amz-Trailer-Signature: {0}\r\n\r\n",
            "0".repeat(64)
        );
        let mut decoder = decoder(Mode::SignedTrailer, 0, &["x-amz-checksum-crc32"]);
        let pieces = decode(&mut decoder, &[body.as_bytes()]).unwrap();
        assert_eq!(
            pieces[3],
            Owned::TrailerSignature {
                signature: [b'0'; 64],
                text_sha256: Sha256::digest("x-amz-checksum-crc32:AAAAAA==\n").into(),
            }
        );
    }

    #[test]
    fn put_15_a_malformed_trailing_checksum_is_an_invalid_request() {
        for value in [
            "",
            "AAAA",
            "AAAAAA",
            "AAAAAA==\n",
            "AAAAAA==-1",
            "AAA AAA==",
        ] {
            assert_eq!(
                unsigned(0, &format!("0\r\nx-amz-checksum-crc32:{value}\n\r\n\r\n")),
                Err(Error::InvalidTrailerValue(Algorithm::Crc32)),
                "{value:?}"
            );
        }
    }

    #[test]
    fn an_error_stays() {
        let mut decoder = decoder(Mode::UnsignedTrailer, 1, &[]);
        assert_eq!(
            decode(&mut decoder, &[b"x\r\n"]),
            Err(Error::InvalidChunkHeader)
        );
        for input in [b"1\r\na\r\n".as_slice(), b""] {
            assert_eq!(
                decode(&mut decoder, &[input]),
                Err(Error::InvalidChunkHeader)
            );
        }
    }

    #[test]
    fn a_body_that_breaks_off_has_no_end() {
        let body = "b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
        for len in 0..body.len() {
            let pieces = unsigned(11, &body[..len]).unwrap();
            assert!(!pieces.contains(&Owned::End), "{len}");
        }
    }

    #[test]
    fn data_is_a_slice_of_the_input() {
        let mut decoder = decoder(Mode::UnsignedTrailer, 4, &[]);
        let body = b"4\r\nabcd\r\n";
        let mut input = body.as_slice();
        assert!(decoder.next(&mut input).is_ok());
        let Ok(Some(Piece::Data(data))) = decoder.next(&mut input) else {
            panic!("no data");
        };
        assert!(core::ptr::eq(data, &body[3..7]));
    }

    #[test]
    fn chk_5_encoder_vectors() {
        // Computed by hand; the CRC-32C of "123456789" is its check value.
        for (ciphertext, expected) in [
            ("", "0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n"),
            (
                "123456789",
                "9\r\n123456789\r\n0\r\nx-amz-checksum-crc32c:4waSgw==\r\n\r\n",
            ),
        ] {
            let encoder = Encoder::new(to_u64(ciphertext.len()));
            assert_eq!(encoder.encoded_len(), to_u64(expected.len()));
            let body = encode(encoder, &[ciphertext.as_bytes()]).unwrap();
            assert_eq!(String::from_utf8(body).unwrap(), expected);
        }
    }

    #[test]
    fn the_encoded_length_is_exact_around_full_chunks() {
        for len in [
            1, 15, 16, 255, 256, 4095, 4096, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073,
            200_000,
        ] {
            let ciphertext = vec![7; len];
            let encoder = Encoder::new(to_u64(len));
            let encoded_len = encoder.encoded_len();
            let body = encode(encoder, &[&ciphertext]).unwrap();
            assert_eq!(to_u64(body.len()), encoded_len, "{len}");
        }
    }

    #[test]
    fn the_encoded_length_of_the_largest_object() {
        // 5 GiB: 81 920 chunks of 65 536 bytes with 9 bytes of framing, and 38 bytes at the end.
        let encoded_len = Encoder::new(5 << 30).encoded_len();
        assert_eq!(encoded_len, (5 << 30) + 81_920 * 9 + 3 + 22 + 8 + 4);
        assert_eq!(Encoder::new(u64::MAX).encoded_len(), u64::MAX);
    }

    #[test]
    fn an_encoder_takes_exactly_the_declared_length() {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(3);
        encoder.push(b"ab", &mut out).unwrap();
        let written = out.len();
        assert_eq!(encoder.push(b"cd", &mut out), Err(Error::EncodedLength));
        assert_eq!(encoder.push(b"c", &mut out), Err(Error::EncodedLength));
        assert_eq!(encoder.finish(&mut out), Err(Error::EncodedLength));
        assert_eq!(out.len(), written);

        let mut encoder = Encoder::new(3);
        encoder.push(b"ab", &mut out).unwrap();
        assert_eq!(encoder.finish(&mut out), Err(Error::EncodedLength));

        let mut encoder = Encoder::new(0);
        assert_eq!(encoder.push(b"", &mut out), Ok(()));
        assert_eq!(encoder.push(b"a", &mut out), Err(Error::EncodedLength));
    }

    /// Every way to cut a body into two, and into single bytes, gives the same pieces.
    #[test]
    fn pieces_do_not_depend_on_where_the_body_is_cut() {
        let signature = "5".repeat(64);
        let signed = format!(
            "7;chunk-signature={signature}\r\nabc\r\n\r\n\r\n\
             1;chunk-signature={signature}\r\n0\r\n0;chunk-signature={signature}\r\n\
             x-amz-checksum-crc32:AAAAAA==\n\r\nx-amz-trailer-signature:{signature}\r\n\r\n"
        );
        let bare = "7\r\nabc\r\n\r\n\r\n01\r\n0\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        for (mode, body) in [
            (Mode::SignedTrailer, signed.as_bytes()),
            (Mode::UnsignedTrailer, bare.as_bytes()),
        ] {
            let whole = decode(&mut decoder(mode, 8, &["x-amz-checksum-crc32"]), &[body]).unwrap();
            assert_eq!(whole.last(), Some(&Owned::End));
            for at in 0..=body.len() {
                let (head, tail) = body.split_at(at);
                let mut decoder = decoder(mode, 8, &["x-amz-checksum-crc32"]);
                assert_eq!(
                    decode(&mut decoder, &[head, tail]).as_ref(),
                    Ok(&whole),
                    "{at}"
                );
            }
            let bytes: Vec<_> = body.chunks(1).collect();
            let mut decoder = decoder(mode, 8, &["x-amz-checksum-crc32"]);
            assert_eq!(decode(&mut decoder, &bytes).as_ref(), Ok(&whole));
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            ciphertext in payload(),
            push in cuts(),
            feed in cuts(),
        ) {
            let encoder = Encoder::new(to_u64(ciphertext.len()));
            let encoded_len = encoder.encoded_len();
            let body = encode(encoder, &cut(&ciphertext, &push)).unwrap();
            prop_assert_eq!(to_u64(body.len()), encoded_len);

            let mut decoder =
                decoder(Mode::UnsignedTrailer, to_u64(ciphertext.len()), &[Encoder::TRAILER]);
            let pieces = decode(&mut decoder, &cut(&body, &feed)).unwrap();
            prop_assert_eq!(&data_of(&pieces), &ciphertext);
            let mut crc32c = Hasher::new(Algorithm::Crc32c);
            crc32c.update(&ciphertext);
            prop_assert_eq!(
                &pieces[pieces.len().saturating_sub(2)..],
                [Owned::Trailer(crc32c.finish()), Owned::End]
            );
        }

        #[test]
        fn pieces_do_not_depend_on_the_cuts(
            chunks in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 1..300),
                0..5,
            ),
            signed in any::<bool>(),
            feed in cuts(),
            damage in proptest::option::of((any::<proptest::sample::Index>(), any::<u8>())),
        ) {
            let (mode, mut body) = body_of(&chunks, signed);
            if let Some((at, byte)) = damage {
                let at = at.index(body.len());
                body[at] = byte;
            }
            let len = chunks.iter().map(Vec::len).sum::<usize>();
            let new = || decoder(mode, to_u64(len), &["x-amz-checksum-crc32"]);
            let whole = decode(&mut new(), &[&body]);
            prop_assert_eq!(&decode(&mut new(), &cut(&body, &feed)), &whole);
            if damage.is_none() {
                prop_assert_eq!(data_of(&whole.unwrap()), chunks.concat());
            } else if let Ok(pieces) = whole {
                prop_assert!(data_of(&pieces).len() <= len);
            }
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(
            mode in prop_oneof![
                Just(Mode::Signed),
                Just(Mode::SignedTrailer),
                Just(Mode::UnsignedTrailer),
            ],
            declared in prop_oneof![0..40_u64, any::<u64>()],
            body in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                "([0-9a-f]{1,2}(;chunk-signature=0{64})?\r\n|[a-z]{0,9}|\r\n|0|\n|x-amz-checksum-crc32:AAAAAA==|x-amz-trailer-signature:1{64}){0,8}"
                    .prop_map(String::into_bytes),
            ],
            feed in cuts(),
        ) {
            let names: &[&str] = match mode {
                Mode::Signed => &[],
                Mode::SignedTrailer | Mode::UnsignedTrailer => &["x-amz-checksum-crc32"],
            };
            let mut decoder = decoder(mode, declared, names);
            let pieces = decode(&mut decoder, &cut(&body, &feed));
            match pieces {
                Ok(pieces) => {
                    let len = to_u64(data_of(&pieces).len());
                    prop_assert!(len <= declared);
                    prop_assert!(!pieces.contains(&Owned::End) || len == declared);
                }
                Err(error) => prop_assert_eq!(decoder.next(&mut [].as_slice()), Err(error)),
            }
        }
    }

    /// A [`Piece`] that outlives its input; neighbouring data is one piece.
    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Owned {
        ChunkStart(Option<[u8; 64]>),
        Data(Vec<u8>),
        ChunkEnd,
        Trailer(Checksum),
        TrailerSignature {
            signature: [u8; 64],
            text_sha256: [u8; 32],
        },
        End,
    }

    fn decode(decoder: &mut Decoder, inputs: &[&[u8]]) -> Result<Vec<Owned>, Error> {
        let mut pieces = Vec::new();
        for input in inputs {
            let mut input = *input;
            while let Some(piece) = decoder.next(&mut input)? {
                let piece = match piece {
                    Piece::ChunkStart { signature } => Owned::ChunkStart(signature),
                    Piece::Data(data) => {
                        assert!(!data.is_empty());
                        if let Some(Owned::Data(before)) = pieces.last_mut() {
                            before.extend_from_slice(data);
                            continue;
                        }
                        Owned::Data(data.to_vec())
                    }
                    Piece::ChunkEnd => Owned::ChunkEnd,
                    Piece::Trailer(checksum) => Owned::Trailer(checksum),
                    Piece::TrailerSignature {
                        signature,
                        text_sha256,
                    } => Owned::TrailerSignature {
                        signature,
                        text_sha256,
                    },
                    Piece::End => Owned::End,
                };
                pieces.push(piece);
            }
            assert!(input.is_empty());
        }
        Ok(pieces)
    }

    fn decoder(mode: Mode, declared: u64, trailers: &[&str]) -> Decoder {
        let trailers = trailers.iter().map(|name| (*name).to_owned()).collect();
        Decoder::new(mode, declared, trailers).unwrap()
    }

    /// Decodes a body whose trailer is a CRC32.
    fn unsigned(declared: u64, body: &str) -> Result<Vec<Owned>, Error> {
        let mut decoder = decoder(Mode::UnsignedTrailer, declared, &["x-amz-checksum-crc32"]);
        decode(&mut decoder, &[body.as_bytes()])
    }

    fn encode(mut encoder: Encoder, inputs: &[&[u8]]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        for input in inputs {
            encoder.push(input, &mut out)?;
        }
        encoder.finish(&mut out)?;
        Ok(out)
    }

    /// The example of AWS: 65 KiB of "a" in chunks of 64 KiB.
    fn aws_example(signatures: [&str; 3], trailers: &str) -> Vec<u8> {
        let mut body = Vec::new();
        for (size, signature) in [65_536, 1024].into_iter().zip(signatures) {
            body.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
            body.extend(core::iter::repeat_n(b'a', size));
            body.extend_from_slice(CRLF);
        }
        let end = format!("0;chunk-signature={}\r\n{trailers}\r\n", signatures[2]);
        body.extend_from_slice(end.as_bytes());
        body
    }

    /// A valid body of these chunks, with a CRC32 that is not theirs.
    fn body_of(chunks: &[Vec<u8>], signed: bool) -> (Mode, Vec<u8>) {
        let mut body = Vec::new();
        for chunk in chunks.iter().map(Vec::as_slice).chain([&[][..]]) {
            body.extend_from_slice(format!("{:x}", chunk.len()).as_bytes());
            if signed {
                body.extend_from_slice(format!(";chunk-signature={}", "1".repeat(64)).as_bytes());
            }
            body.extend_from_slice(CRLF);
            body.extend_from_slice(chunk);
            if !chunk.is_empty() {
                body.extend_from_slice(CRLF);
            }
        }
        body.extend_from_slice(b"x-amz-checksum-crc32:AAAAAA==\r\n");
        if signed {
            let signature = format!("x-amz-trailer-signature:{}\r\n", "2".repeat(64));
            body.extend_from_slice(signature.as_bytes());
        }
        body.extend_from_slice(CRLF);
        let mode = if signed {
            Mode::SignedTrailer
        } else {
            Mode::UnsignedTrailer
        };
        (mode, body)
    }

    fn start(signature: &str) -> Owned {
        Owned::ChunkStart(Some(signature.as_bytes().try_into().unwrap()))
    }

    fn data(bytes: &[u8]) -> Owned {
        Owned::Data(bytes.to_vec())
    }

    fn trailer(algorithm: Algorithm, value: &str) -> Owned {
        Owned::Trailer(Checksum::parse(algorithm, value).unwrap())
    }

    fn data_of(pieces: &[Owned]) -> Vec<u8> {
        let mut all = Vec::new();
        for piece in pieces {
            if let Owned::Data(data) = piece {
                all.extend_from_slice(data);
            }
        }
        all
    }

    fn payload() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            3 => 0..3000_usize,
            1 => 65_530..65_545_usize,
            1 => 131_065..200_000_usize,
        ]
        .prop_map(|len| (0..=250).cycle().take(len).collect())
    }

    /// Lengths of pieces, repeated until all is cut.
    fn cuts() -> impl Strategy<Value = Vec<usize>> {
        proptest::collection::vec(
            prop_oneof![0..4_usize, 1..100_usize, 1..100_000_usize],
            1..6,
        )
        .prop_filter("some length must be above 0", |cuts| {
            cuts.iter().any(|cut| *cut > 0)
        })
    }

    fn cut<'a>(mut bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle() {
            let (piece, rest) = bytes.split_at((*cut).min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
            if bytes.is_empty() {
                break;
            }
        }
        pieces
    }
}
