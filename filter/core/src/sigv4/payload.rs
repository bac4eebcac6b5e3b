//! `x-amz-content-sha256`: what a request says of its payload.

use super::error::Error;

/// What a request's `x-amz-content-sha256` says of its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// `UNSIGNED-PAYLOAD`: nothing.
    Unsigned,
    /// The SHA-256 of the payload.
    Sha256([u8; 32]),
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`: aws-chunked, each chunk signed.
    StreamingSigned,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`: aws-chunked, each chunk and the trailers
    /// signed.
    StreamingSignedTrailer,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: aws-chunked, with trailers.
    StreamingUnsignedTrailer,
}

impl Payload {
    /// Parses the value of `x-amz-content-sha256`.
    ///
    /// # Errors
    ///
    /// [`Error::EcdsaPayload`] for chunks signed by Signature Version 4A,
    /// [`Error::InvalidContentSha256`] for anything else that S3 does not know.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text {
            UNSIGNED_PAYLOAD => Ok(Self::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Self::StreamingSigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Self::StreamingSignedTrailer),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Self::StreamingUnsignedTrailer),
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
            | "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER" => Err(Error::EcdsaPayload),
            _ => {
                let mut sha256 = [0; 32];
                hex::decode_to_slice(text, &mut sha256).map_err(|_| Error::InvalidContentSha256)?;
                Ok(Self::Sha256(sha256))
            }
        }
    }
}

/// The payload hash of a presigned request that names none.
pub(super) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn put_8_every_known_value_is_parsed() {
        for (text, payload) in [
            ("UNSIGNED-PAYLOAD", Ok(Payload::Unsigned)),
            (
                "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
                Ok(Payload::StreamingSigned),
            ),
            (
                "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
                Ok(Payload::StreamingSignedTrailer),
            ),
            (
                "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                Ok(Payload::StreamingUnsignedTrailer),
            ),
            (
                "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
                Err(Error::EcdsaPayload),
            ),
            (
                "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
                Err(Error::EcdsaPayload),
            ),
            (&"aB".repeat(32), Ok(Payload::Sha256([0xab; 32]))),
        ] {
            assert_eq!(Payload::parse(text), payload, "{text}");
        }
    }

    #[test]
    fn put_8_any_other_value_is_refused() {
        let (short, long, wrong) = ("ab".repeat(31), "ab".repeat(33), "0g".repeat(32));
        for text in [
            "",
            "unsigned-payload",
            "UNSIGNED-PAYLOAD-TRAILER",
            "STREAMING-",
            "STREAMING-AWS4-HMAC-SHA256-EVENTS",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD ",
            "STREAMING-AWS4-HMAC-SHA512-PAYLOAD",
            "STREAMING-UNSIGNED-PAYLOAD",
            &short,
            &long,
            &wrong,
        ] {
            assert_eq!(
                Payload::parse(text),
                Err(Error::InvalidContentSha256),
                "{text}"
            );
        }
    }
}
