//! AWS Signature Version 4, as S3 has it: clients' requests are verified, the store's are signed.
//!
//! ```text
//! signature         = HEX(HMAC(signing_key, string_to_sign))
//! signing_key       = HMAC(HMAC(HMAC(HMAC("AWS4" secret, date), region), "s3"), "aws4_request")
//! string_to_sign    = "AWS4-HMAC-SHA256" LF time LF credential_scope LF HEX(SHA256(canonical_request))
//! credential_scope  = date "/" region "/s3/aws4_request"
//! canonical_request = method LF canonical_uri LF canonical_query_string LF
//!                     canonical_headers LF signed_headers LF hashed_payload
//! chunk             = "AWS4-HMAC-SHA256-PAYLOAD" LF time LF credential_scope LF
//!                     previous_signature LF HEX(SHA256("")) LF HEX(SHA256(data))
//! trailer           = "AWS4-HMAC-SHA256-TRAILER" LF time LF credential_scope LF
//!                     previous_signature LF HEX(SHA256(trailers))
//! ```
//!
//! Sources: [Authenticating Requests (AWS Signature Version 4)][sigv4], its [header form][header],
//! [query form][query], [signed chunks][chunks] and [signed trailers][trailers]. S3 differs from
//! other services in that a path is encoded once and never normalised.
//!
//! What S3 has and this has not: Signature Version 2, Signature Version 4A and the form fields of
//! a POST upload. Session tokens are known only as part of configured credentials. Whether the
//! payload is what was signed is checked by those who read it, with what [`Verified`] says.
//!
//! [sigv4]: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
//! [header]: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
//! [query]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
//! [chunks]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
//! [trailers]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html

mod authorization;
mod canonical_request;
mod chunk_signatures;
mod credential_scope;
mod credentials;
mod error;
mod payload;
mod signature;
mod signing;
mod string_to_sign;
mod verification;

#[cfg(test)]
mod tests;

pub use authorization::Authorization;
pub use chunk_signatures::ChunkSignatures;
pub use credentials::{Credentials, SecretAccessKey, SessionToken};
pub use error::{Error, Malformed};
pub use payload::Payload;
pub use signing::sign;
pub use verification::Verified;
