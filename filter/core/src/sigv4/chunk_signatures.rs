//! The chain of signatures through an aws-chunked payload (PUT-9).

use super::credential_scope::CredentialScope;
use super::error::Error;
use super::signature::{Signature, SigningKey};
use super::string_to_sign::{StringToSign, Subject};

/// Verifies the signatures of an aws-chunked payload, each of which covers the one before it; the
/// first covers the request's own, the seed signature.
#[derive(Debug)]
pub struct ChunkSignatures {
    signing_key: SigningKey,
    scope: CredentialScope,
    /// `None` once a signature did not match.
    previous_signature: Option<Signature>,
}

impl ChunkSignatures {
    pub(super) const fn new(
        signing_key: SigningKey,
        scope: CredentialScope,
        seed_signature: Signature,
    ) -> Self {
        Self {
            signing_key,
            scope,
            previous_signature: Some(seed_signature),
        }
    }

    /// Verifies the signature of the next chunk, the empty last one included.
    ///
    /// `data_sha256` is the SHA-256 of the chunk's data, `claimed` its `chunk-signature`.
    ///
    /// # Errors
    ///
    /// [`Error::SignatureDoesNotMatch`]; nothing verifies from then on.
    pub fn verify_chunk(
        &mut self,
        data_sha256: &[u8; 32],
        claimed: &[u8; 64],
    ) -> Result<(), Error> {
        let data_sha256 = *data_sha256;
        self.verify(claimed, |previous_signature| Subject::Chunk {
            previous_signature,
            data_sha256,
        })
    }

    /// Verifies the signature of the trailers, after that of the last chunk.
    ///
    /// `trailers_sha256` is the SHA-256 of `name:value` LF for each trailer, `claimed` the
    /// `x-amz-trailer-signature`.
    ///
    /// # Errors
    ///
    /// [`Error::SignatureDoesNotMatch`]; nothing verifies from then on.
    pub fn verify_trailer(
        &mut self,
        trailers_sha256: &[u8; 32],
        claimed: &[u8; 64],
    ) -> Result<(), Error> {
        let trailers_sha256 = *trailers_sha256;
        self.verify(claimed, |previous_signature| Subject::Trailer {
            previous_signature,
            trailers_sha256,
        })
    }

    fn verify(
        &mut self,
        claimed: &[u8; 64],
        subject: impl for<'a> FnOnce(&'a str) -> Subject<'a>,
    ) -> Result<(), Error> {
        let previous_signature = self
            .previous_signature
            .take()
            .ok_or(Error::SignatureDoesNotMatch)?;
        let signature = self.signing_key.sign(&StringToSign {
            scope: &self.scope,
            subject: subject(previous_signature.as_str()),
        });
        if !signature.matches(claimed) {
            return Err(Error::SignatureDoesNotMatch);
        }
        self.previous_signature = Some(signature);
        Ok(())
    }
}
