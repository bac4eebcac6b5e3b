//! The string to sign: of a request, of a chunk of its payload, of the payload's trailers.

use core::fmt;

use super::credential_scope::CredentialScope;

/// What is signed; `Display` is the text.
pub(super) struct StringToSign<'a> {
    pub(super) scope: &'a CredentialScope,
    pub(super) subject: Subject<'a>,
}

/// What a signature is about.
pub(super) enum Subject<'a> {
    /// A request.
    Request { canonical_request_sha256: [u8; 32] },
    /// A chunk of an aws-chunked payload.
    Chunk {
        previous_signature: &'a str,
        data_sha256: [u8; 32],
    },
    /// The trailers of an aws-chunked payload.
    Trailer {
        previous_signature: &'a str,
        trailers_sha256: [u8; 32],
    },
}

impl fmt::Display for StringToSign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = match self.subject {
            Subject::Request { .. } => ALGORITHM,
            Subject::Chunk { .. } => CHUNK_ALGORITHM,
            Subject::Trailer { .. } => TRAILER_ALGORITHM,
        };
        let scope = self.scope;
        write!(f, "{algorithm}\n{}\n{scope}\n", scope.time.to_basic())?;
        match self.subject {
            Subject::Request {
                canonical_request_sha256,
            } => f.write_str(&hex::encode(canonical_request_sha256)),
            Subject::Chunk {
                previous_signature,
                data_sha256,
            } => write!(
                f,
                "{previous_signature}\n{EMPTY_SHA256}\n{}",
                hex::encode(data_sha256)
            ),
            Subject::Trailer {
                previous_signature,
                trailers_sha256,
            } => write!(f, "{previous_signature}\n{}", hex::encode(trailers_sha256)),
        }
    }
}

/// The algorithm of a request's signature.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const CHUNK_ALGORITHM: &str = "AWS4-HMAC-SHA256-PAYLOAD";
const TRAILER_ALGORITHM: &str = "AWS4-HMAC-SHA256-TRAILER";

/// SHA-256 of nothing.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
