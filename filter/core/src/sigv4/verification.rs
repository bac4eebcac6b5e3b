//! Whether a claim is true.

use super::authorization::{Authorization, Mechanism, X_AMZ_CONTENT_SHA256, X_AMZ_SIGNATURE};
use super::canonical_request::{CanonicalHeaders, CanonicalRequest, canonical_uri, is_token};
use super::chunk_signatures::ChunkSignatures;
use super::credentials::{Credentials, SessionToken};
use super::error::{Error, Malformed};
use super::payload::{Payload, UNSIGNED_PAYLOAD};
use super::signature::SigningKey;
use super::string_to_sign::{StringToSign, Subject};
use crate::head::RequestHead;
use crate::time::UnixTime;
use crate::uri::Query;

/// A request whose signature is that of the credentials it was verified with.
#[derive(Debug)]
pub struct Verified {
    /// What was signed of the payload; still to be held against the payload itself.
    pub payload: Payload,
    /// What verifies the signatures within the payload, where [`Verified::payload`] says that it
    /// has some.
    pub chunk_signatures: Option<ChunkSignatures>,
}

impl Authorization {
    /// Verifies that `head` was signed with `credentials`, for one of `regions`, and is valid at
    /// `now`.
    ///
    /// `head` and `query` are those that this was made from, `credentials` those of
    /// [`Authorization::access_key_id`].
    ///
    /// # Errors
    ///
    /// The first of what S3 checks: region, payload hash, time, session token, signed headers,
    /// signature.
    pub fn verify(
        &self,
        head: &RequestHead,
        query: &Query,
        credentials: &Credentials,
        regions: &[String],
        now: UnixTime,
    ) -> Result<Verified, Error> {
        if credentials.access_key_id != self.access_key_id {
            return Err(Error::SignatureDoesNotMatch);
        }
        self.verify_region(regions)?;
        let hashed_payload = self.hashed_payload(head, query)?;
        let payload = Payload::parse(hashed_payload)?;
        self.verify_time(now)?;
        self.verify_session_token(head, query, credentials.session_token.as_ref())?;
        if !self.headers_not_signed(head).is_empty() {
            return Err(Error::HeadersNotSigned);
        }
        self.verify_signature(head, query, credentials, hashed_payload, payload)
    }

    fn verify_region(&self, regions: &[String]) -> Result<(), Error> {
        if regions.contains(&self.scope.region) {
            return Ok(());
        }
        Err(match self.mechanism {
            Mechanism::Header => Error::AuthorizationHeaderMalformed(Malformed::Region),
            Mechanism::Query { .. } => Error::AuthorizationQueryParameters(Malformed::Region),
        })
    }

    /// The last line of the canonical request (AUT-4).
    fn hashed_payload<'a>(
        &self,
        head: &'a RequestHead,
        query: &'a Query,
    ) -> Result<&'a str, Error> {
        let in_header = match head.headers.count(X_AMZ_CONTENT_SHA256) {
            0 => None,
            1 => Some(
                head.headers
                    .text(X_AMZ_CONTENT_SHA256)
                    .ok_or(Error::InvalidContentSha256)?,
            ),
            _ => return Err(Error::InvalidContentSha256),
        };
        match self.mechanism {
            Mechanism::Header => in_header.ok_or(Error::MissingContentSha256),
            Mechanism::Query { .. } => {
                let mut named = query
                    .iter()
                    .filter(|parameter| parameter.name.eq_ignore_ascii_case(X_AMZ_CONTENT_SHA256))
                    .map(|parameter| parameter.value())
                    .chain(in_header);
                let hashed_payload = named.next().unwrap_or(UNSIGNED_PAYLOAD);
                // Which of two S3 takes is not documented.
                if named.any(|other| other != hashed_payload) {
                    return Err(Error::InvalidContentSha256);
                }
                Ok(hashed_payload)
            }
        }
    }

    /// AUT-3, AUT-7.
    fn verify_time(&self, now: UnixTime) -> Result<(), Error> {
        let time = self.scope.time;
        match self.mechanism {
            Mechanism::Header if now.abs_diff(time) > MAX_SKEW_SECONDS => {
                Err(Error::RequestTimeTooSkewed)
            }
            Mechanism::Query { .. } if now < time.saturating_sub(MAX_SKEW_SECONDS) => {
                Err(Error::NotValidYet)
            }
            Mechanism::Query { expires } if now > time.saturating_add(expires) => {
                Err(Error::Expired)
            }
            Mechanism::Header | Mechanism::Query { .. } => Ok(()),
        }
    }

    /// AUT-9.
    fn verify_session_token(
        &self,
        head: &RequestHead,
        query: &Query,
        expected: Option<&SessionToken>,
    ) -> Result<(), Error> {
        let mut claimed = head
            .headers
            .values(X_AMZ_SECURITY_TOKEN)
            .map(|token| token.trim_ascii())
            .chain(
                query
                    .iter()
                    .filter(|parameter| parameter.name.eq_ignore_ascii_case(X_AMZ_SECURITY_TOKEN))
                    .map(|parameter| parameter.value().as_bytes()),
            )
            .peekable();
        let valid = match expected {
            Some(expected) => {
                claimed.peek().is_some() && claimed.all(|token| expected.matches(token))
            }
            None => claimed.peek().is_none(),
        };
        if valid {
            Ok(())
        } else {
            Err(Error::InvalidToken)
        }
    }

    fn verify_signature(
        &self,
        head: &RequestHead,
        query: &Query,
        credentials: &Credentials,
        hashed_payload: &str,
        payload: Payload,
    ) -> Result<Verified, Error> {
        if head.method.is_empty() || !head.method.bytes().all(is_token) {
            return Err(Error::InvalidHead);
        }
        let canonical_uri = canonical_uri(head.path()).map_err(|_| Error::InvalidUri)?;
        let canonical_query_string = self.canonical_query_string(query);
        let canonical_headers = CanonicalHeaders::new(head, &self.signed_headers)?;
        let signing_key = SigningKey::derive(&credentials.secret_access_key, &self.scope);
        // Not every client encodes what it signs as S3 asks; some sign the path as they send it.
        // Both name the same object.
        let raw_path = Some(head.path()).filter(|path| {
            *path != canonical_uri && path.bytes().all(|byte| byte.is_ascii_graphic())
        });
        for canonical_uri in [Some(canonical_uri.as_str()), raw_path]
            .into_iter()
            .flatten()
        {
            let canonical_request = CanonicalRequest {
                method: &head.method,
                canonical_uri,
                canonical_query_string: &canonical_query_string,
                canonical_headers: &canonical_headers,
                signed_headers: &self.signed_headers,
                hashed_payload,
            };
            let signature = signing_key.sign(&StringToSign {
                scope: &self.scope,
                subject: Subject::Request {
                    canonical_request_sha256: canonical_request.sha256(),
                },
            });
            if signature.matches(self.signature.as_bytes()) {
                let chunk_signatures = match payload {
                    Payload::StreamingSigned | Payload::StreamingSignedTrailer => Some(
                        ChunkSignatures::new(signing_key, self.scope.clone(), signature),
                    ),
                    Payload::Unsigned | Payload::Sha256(_) | Payload::StreamingUnsignedTrailer => {
                        None
                    }
                };
                return Ok(Verified {
                    payload,
                    chunk_signatures,
                });
            }
        }
        Err(Error::SignatureDoesNotMatch)
    }

    pub(super) fn canonical_query_string(&self, query: &Query) -> String {
        match self.mechanism {
            Mechanism::Header => query.canonical(),
            Mechanism::Query { .. } => {
                let mut query = query.clone();
                query.retain(|parameter| parameter.name != X_AMZ_SIGNATURE);
                query.canonical()
            }
        }
    }
}

/// How far a client's clock may be off, in seconds.
const MAX_SKEW_SECONDS: u64 = 15 * 60;

const X_AMZ_SECURITY_TOKEN: &str = "x-amz-security-token";
