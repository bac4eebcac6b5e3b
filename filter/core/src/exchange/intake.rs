//! A request's payload on its way in: un-framed, counted, and checked against all that the client
//! said of it.

use sha2::{Digest as _, Sha256};

use crate::aws_chunked::{self, Decoder, Piece};
use crate::checksum::{Checksum, PayloadChecks};
use crate::error::Error;
use crate::sigv4::{ChunkSignatures, Payload, Verified};

use super::response;

/// What is being received, and what it must turn out to be.
#[derive(Debug)]
pub(super) struct Intake {
    framing: Framing,
    /// `None` once they have passed.
    checks: Option<PayloadChecks>,
    plaintext_len: u64,
    received: u64,
    trailer: Option<Checksum>,
}

impl Intake {
    /// An intake of `plaintext_len` bytes.
    ///
    /// # Errors
    ///
    /// An announced trailer that is not supported.
    pub(super) fn new(
        verified: Verified,
        checks: PayloadChecks,
        plaintext_len: u64,
        announced_trailers: Vec<String>,
    ) -> Result<Self, Error> {
        let mode = match verified.payload {
            Payload::Unsigned | Payload::Sha256(_) => None,
            Payload::StreamingSigned => Some(aws_chunked::Mode::Signed),
            Payload::StreamingSignedTrailer => Some(aws_chunked::Mode::SignedTrailer),
            Payload::StreamingUnsignedTrailer => Some(aws_chunked::Mode::UnsignedTrailer),
        };
        let framing = match mode {
            None => Framing::Plain,
            Some(mode) => Framing::AwsChunked(Box::new(Chunked {
                decoder: Decoder::new(mode, plaintext_len, announced_trailers)?,
                signatures: verified.chunk_signatures,
                claimed: None,
                hasher: Sha256::new(),
                ended: false,
            })),
        };
        Ok(Self {
            framing,
            checks: Some(checks),
            plaintext_len,
            received: 0,
            trailer: None,
        })
    }

    /// Takes a piece of the body and hands its plaintext to `sink`.
    ///
    /// Answers the payload's checksum at the end of the stream, when the payload is whole and every
    /// check has passed: not earlier, because a byte too many must not come after the commit.
    ///
    /// # Errors
    ///
    /// Any way in which the body is not what the client said it would be.
    pub(super) fn body(
        &mut self,
        mut piece: &[u8],
        end_of_stream: bool,
        mut sink: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<Option<Checksum>, Error> {
        match &mut self.framing {
            Framing::Plain => {
                self.received = self.received.saturating_add(response::len(piece));
                if self.received > self.plaintext_len {
                    return Err(Error::IncompleteBody);
                }
                if let Some(checks) = &mut self.checks {
                    checks.update(piece);
                }
                sink(piece)?;
            }
            Framing::AwsChunked(chunked) => {
                while let Some(next) = chunked.decoder.next(&mut piece)? {
                    match next {
                        Piece::ChunkStart { signature } => {
                            chunked.claimed = signature;
                        }
                        Piece::Data(data) => {
                            self.received = self.received.saturating_add(response::len(data));
                            if chunked.signatures.is_some() {
                                chunked.hasher.update(data);
                            }
                            if let Some(checks) = &mut self.checks {
                                checks.update(data);
                            }
                            sink(data)?;
                        }
                        Piece::ChunkEnd => chunked.verify_chunk()?,
                        Piece::Trailer(checksum) => self.trailer = Some(checksum),
                        Piece::TrailerSignature {
                            signature,
                            text_sha256,
                        } => {
                            if let Some(signatures) = &mut chunked.signatures {
                                signatures.verify_trailer(&text_sha256, &signature)?;
                            }
                        }
                        Piece::End => chunked.ended = true,
                    }
                }
            }
        }
        if !end_of_stream {
            return Ok(None);
        }
        if !self.is_whole() {
            return Err(Error::IncompleteBody);
        }
        let checks = self.checks.take().ok_or(Error::OutOfOrder)?;
        Ok(Some(checks.finish(self.trailer.take())?))
    }

    /// Plaintext bytes received.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    fn is_whole(&self) -> bool {
        match &self.framing {
            Framing::Plain => self.received == self.plaintext_len,
            Framing::AwsChunked(chunked) => chunked.ended && self.received == self.plaintext_len,
        }
    }
}

#[derive(Debug)]
enum Framing {
    Plain,
    AwsChunked(Box<Chunked>),
}

#[derive(Debug)]
struct Chunked {
    decoder: Decoder,
    signatures: Option<ChunkSignatures>,
    claimed: Option<[u8; 64]>,
    hasher: Sha256,
    ended: bool,
}

impl Chunked {
    /// Compares the signature of the chunk that has just ended, where chunks are signed.
    fn verify_chunk(&mut self) -> Result<(), Error> {
        let Some(signatures) = &mut self.signatures else {
            return Ok(());
        };
        let claimed = self.claimed.take().ok_or(Error::OutOfOrder)?;
        let data_sha256 = self.hasher.finalize_reset().into();
        Ok(signatures.verify_chunk(&data_sha256, &claimed)?)
    }
}
