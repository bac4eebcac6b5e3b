//! Why an exchange fails: whose fault it is, and what the client is told.
//!
//! The modules below have errors of their own; here they come together, and [`Error::to_s3_error`]
//! is the one place where a reason becomes an answer of S3's. No answer holds plaintext, keys,
//! envelopes, signatures, or anything of the store but a code that S3 knows too (RSP-6).

use crate::checksum::Algorithm;
use crate::config::Config;
use crate::operation::{Operation, Refusal};
use crate::s3_error::{ErrorCode, S3Error};
use crate::segment::layout;
use crate::sigv4::Malformed;
use crate::{aws_chunked, checksum, envelope, etag, segment, sigv4, uri};

/// Why an exchange fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A head that is not HTTP.
    #[error("the head is not HTTP")]
    InvalidHead,
    /// The request is none that may be served.
    #[error("the request is refused: {0}")]
    Refused(#[from] Refusal),
    /// The query is not one that S3 can read.
    #[error("the query can't be read: {0}")]
    Query(#[from] uri::InvalidEscape),
    /// The head has more fields or bytes than the configuration allows.
    #[error("the request's head is too large")]
    HeadTooLarge {
        /// How many bytes would do.
        maximum: usize,
    },
    /// The request is not signed.
    #[error("the request is not signed")]
    Anonymous,
    /// No client has the access key id.
    #[error("the access key id is unknown")]
    UnknownAccessKeyId,
    /// The signature or what belongs to it is wrong.
    #[error("the request is not authentic: {0}")]
    Signature(#[from] sigv4::Error),
    /// Fields are present that the signature does not cover.
    #[error("the request has fields that are not signed")]
    HeadersNotSigned {
        /// Their names.
        names: Vec<String>,
    },
    /// The client may not do this, or nobody may do it to this bucket.
    #[error("access is denied")]
    AccessDenied,
    /// A preflight request; CORS is not configured.
    #[error("CORS is disabled")]
    CorsDisabled,
    /// A payload that is not signed, where the configuration demands that it is.
    #[error("the payload is not signed")]
    UnsignedPayload,
    /// An operation that the filter does not do yet.
    #[error("the operation is not implemented")]
    NotImplemented(Operation),
    /// A field or parameter that the filter does not do yet.
    #[error("{0} is not implemented")]
    NotImplementedHeader(&'static str),
    /// No length, or one that is no number.
    #[error("the payload's length is missing")]
    MissingContentLength,
    /// A `Content-Length` that is no number.
    #[error("the content length is invalid")]
    InvalidContentLength,
    /// aws-chunked for an operation that S3 does not take it for.
    #[error("aws-chunked is not allowed here")]
    StreamingNotAllowed,
    /// An object that is too long to be stored.
    #[error("the object is too large")]
    EntityTooLarge {
        /// The length of its plaintext.
        proposed: u64,
    },
    /// A body that is read as a whole, and is too long for that.
    #[error("the body is too large")]
    BodyTooLarge {
        /// The most bytes that are read.
        maximum: u64,
    },
    /// User metadata that leaves no room for the envelope.
    #[error("the user metadata is too large")]
    MetadataTooLarge {
        /// Bytes of names and values.
        size: u64,
        /// The most that would do.
        maximum: u64,
    },
    /// A body that ends early or late.
    #[error("the body is incomplete")]
    IncompleteBody,
    /// HTTP trailers, behind which nothing can be sent to the store any more.
    #[error("the request has HTTP trailers")]
    Trailers,
    /// The framing of the payload is wrong.
    #[error("the payload's framing is wrong: {0}")]
    AwsChunked(#[from] aws_chunked::Error),
    /// The payload is not the one that was announced.
    #[error("the payload's checksum is wrong: {0}")]
    Checksum(#[from] checksum::Error),

    /// A range that the object does not have.
    #[error("the range can't be satisfied")]
    RangeNotSatisfiable {
        /// The length of the object, where it is known.
        plaintext_len: Option<u64>,
    },
    /// A range and a part at once.
    #[error("a range and a part are asked for")]
    RangeAndPart,
    /// A part that the object does not have.
    #[error("the object has no part {part_number}")]
    NoSuchPart {
        /// The part.
        part_number: u16,
    },
    /// The object is not the one that was asked for.
    #[error("a precondition does not hold")]
    PreconditionFailed,

    /// The stored object has no envelope.
    #[error("the object is not encrypted")]
    UnencryptedObject,
    /// The stored object has two envelopes.
    #[error("the object has more than one envelope")]
    RepeatedEnvelope,
    /// The envelope names a KEK that is not in the bucket's key ring.
    #[error("the object's KEK is not in the key ring")]
    UnknownKek,
    /// The envelope does not open.
    #[error("the object's envelope does not open: {0}")]
    Envelope(#[from] envelope::Error),
    /// The stored length is not the one that was sealed.
    #[error("the stored length is not the sealed one")]
    StoredLength,
    /// System or user metadata is not the one that was sealed.
    #[error("the metadata is not the sealed one")]
    MetadataDigest,
    /// The body does not verify.
    #[error("the object's body does not verify: {0}")]
    Segment(#[from] segment::Error),
    /// The store's answer ends early.
    #[error("the store's answer is truncated")]
    TruncatedResponse,
    /// An answer that no S3 store gives.
    #[error("the store's answer makes no sense")]
    StoreMisbehaves,
    /// The store can't be reached.
    #[error("the store can't be reached")]
    StoreUnreachable,
    /// The store does not accept the filter's credentials.
    #[error("the store refuses the filter's credentials")]
    StoreRefusesCredentials,

    /// The KEK can't be had.
    #[error("the KEK is unavailable")]
    KeyUnavailable,

    /// The filter is about to send another number of bytes than it announced.
    #[error("another length than announced would be sent")]
    LengthMismatch,
    /// A callback came that can't come here, or a head that is none.
    #[error("a callback came out of order")]
    OutOfOrder,
}

/// Whose fault an error is: the label of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client's: it asked for what it can't have.
    Client,
    /// The store's: an object is damaged, or not ours.
    Store,
    /// The key service's.
    KeyService,
    /// The filter's own, or its configuration's.
    Filter,
}

impl Fault {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Store => "store",
            Self::KeyService => "key_service",
            Self::Filter => "filter",
        }
    }
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::InvalidHead
            | Self::Refused(_)
            | Self::Query(_)
            | Self::HeadTooLarge { .. }
            | Self::Anonymous
            | Self::UnknownAccessKeyId
            | Self::Signature(_)
            | Self::HeadersNotSigned { .. }
            | Self::AccessDenied
            | Self::CorsDisabled
            | Self::UnsignedPayload
            | Self::NotImplemented(_)
            | Self::NotImplementedHeader(_)
            | Self::MissingContentLength
            | Self::InvalidContentLength
            | Self::StreamingNotAllowed
            | Self::EntityTooLarge { .. }
            | Self::BodyTooLarge { .. }
            | Self::MetadataTooLarge { .. }
            | Self::IncompleteBody
            | Self::Trailers
            | Self::Checksum(_)
            | Self::RangeNotSatisfiable { .. }
            | Self::RangeAndPart
            | Self::NoSuchPart { .. }
            | Self::PreconditionFailed => Fault::Client,
            Self::AwsChunked(aws_chunked::Error::EncodedLength) => Fault::Filter,
            Self::AwsChunked(_) => Fault::Client,
            Self::UnencryptedObject
            | Self::RepeatedEnvelope
            | Self::UnknownKek
            | Self::Envelope(_)
            | Self::StoredLength
            | Self::MetadataDigest
            | Self::TruncatedResponse
            | Self::StoreMisbehaves
            | Self::StoreUnreachable => Fault::Store,
            Self::Segment(
                segment::Error::Segment { .. } | segment::Error::Footer | segment::Error::Surplus,
            ) => Fault::Store,
            Self::Segment(segment::Error::PlaintextLength | segment::Error::TooLong) => {
                Fault::Filter
            }
            Self::KeyUnavailable => Fault::KeyService,
            Self::StoreRefusesCredentials | Self::LengthMismatch | Self::OutOfOrder => {
                Fault::Filter
            }
        }
    }

    /// The error's name, for metrics and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InvalidHead => "invalid_head",
            Self::Refused(_) => "refused",
            Self::Query(_) => "query",
            Self::HeadTooLarge { .. } => "head_too_large",
            Self::Anonymous => "anonymous",
            Self::UnknownAccessKeyId => "unknown_access_key_id",
            Self::Signature(_) => "signature",
            Self::HeadersNotSigned { .. } => "headers_not_signed",
            Self::AccessDenied => "access_denied",
            Self::CorsDisabled => "cors_disabled",
            Self::UnsignedPayload => "unsigned_payload",
            Self::NotImplemented(_) | Self::NotImplementedHeader(_) => "not_implemented",
            Self::MissingContentLength => "missing_content_length",
            Self::InvalidContentLength => "invalid_content_length",
            Self::StreamingNotAllowed => "streaming_not_allowed",
            Self::EntityTooLarge { .. } => "entity_too_large",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::MetadataTooLarge { .. } => "metadata_too_large",
            Self::IncompleteBody => "incomplete_body",
            Self::Trailers => "trailers",
            Self::AwsChunked(_) => "aws_chunked",
            Self::Checksum(_) => "checksum",
            Self::RangeNotSatisfiable { .. } => "range_not_satisfiable",
            Self::RangeAndPart => "range_and_part",
            Self::NoSuchPart { .. } => "no_such_part",
            Self::PreconditionFailed => "precondition_failed",
            Self::UnencryptedObject => "unencrypted_object",
            Self::RepeatedEnvelope => "repeated_envelope",
            Self::UnknownKek => "unknown_kek",
            Self::Envelope(_) => "envelope",
            Self::StoredLength => "stored_length",
            Self::MetadataDigest => "metadata_digest",
            Self::Segment(_) => "segment",
            Self::TruncatedResponse => "truncated_response",
            Self::StoreMisbehaves => "store_misbehaves",
            Self::StoreUnreachable => "store_unreachable",
            Self::StoreRefusesCredentials => "store_refuses_credentials",
            Self::KeyUnavailable => "key_unavailable",
            Self::LengthMismatch => "length_mismatch",
            Self::OutOfOrder => "out_of_order",
        }
    }

    /// What the client is told (§11.5 of the S3 rules).
    pub fn to_s3_error(&self, config: &Config) -> S3Error {
        match self {
            Self::InvalidHead => S3Error::new(ErrorCode::BadRequest)
                .with_message("An error occurred when parsing the HTTP request."),
            Self::Refused(refusal) => refused(*refusal),
            Self::Query(_) => S3Error::new(ErrorCode::InvalidURI),
            Self::HeadTooLarge { maximum } => S3Error::new(ErrorCode::RequestHeaderSectionTooLarge)
                .with_detail("MaxSizeAllowed", maximum.to_string()),
            Self::Anonymous | Self::AccessDenied => S3Error::new(ErrorCode::AccessDenied),
            Self::UnknownAccessKeyId => S3Error::new(ErrorCode::InvalidAccessKeyId),
            Self::Signature(error) => signature(*error, config),
            Self::HeadersNotSigned { names } => signature(sigv4::Error::HeadersNotSigned, config)
                .with_detail("HeadersNotSigned", names.join(", ")),
            Self::CorsDisabled => S3Error::new(ErrorCode::AccessForbidden)
                .with_message("CORSResponse: CORS is not enabled for this bucket."),
            Self::UnsignedPayload => S3Error::new(ErrorCode::InvalidRequest).with_message(
                "An unsigned payload is not accepted on this connection: use HTTPS, or sign the payload.",
            ),
            Self::NotImplemented(operation) => S3Error::new(ErrorCode::NotImplemented)
                .with_message(format!("{} is not implemented.", operation.name())),
            Self::NotImplementedHeader(name) => S3Error::new(ErrorCode::NotImplemented)
                .with_detail("Header", *name),
            Self::MissingContentLength => S3Error::new(ErrorCode::MissingContentLength),
            Self::InvalidContentLength => S3Error::new(ErrorCode::InvalidArgument)
                .with_message("Content-Length is not a number."),
            Self::StreamingNotAllowed => S3Error::new(ErrorCode::InvalidRequest)
                .with_message("aws-chunked encoding is not supported for this operation."),
            Self::EntityTooLarge { proposed } => S3Error::new(ErrorCode::EntityTooLarge)
                .with_detail("ProposedSize", proposed.to_string())
                .with_detail("MaxSizeAllowed", layout::MAX_PLAINTEXT_LEN.to_string()),
            Self::BodyTooLarge { maximum } => S3Error::new(ErrorCode::MaxMessageLengthExceeded)
                .with_detail("MaxMessageLengthBytes", maximum.to_string()),
            Self::MetadataTooLarge { size, maximum } => S3Error::new(ErrorCode::MetadataTooLarge)
                .with_detail("Size", size.to_string())
                .with_detail("MaxSizeAllowed", maximum.to_string()),
            Self::IncompleteBody => S3Error::new(ErrorCode::IncompleteBody),
            Self::Trailers => S3Error::new(ErrorCode::InvalidRequest)
                .with_message("HTTP trailers are not supported; use aws-chunked trailers."),
            Self::AwsChunked(error) => framing(*error),
            Self::Checksum(error) => payload(error),
            Self::RangeNotSatisfiable { plaintext_len } => {
                let error = S3Error::new(ErrorCode::InvalidRange);
                match plaintext_len {
                    Some(len) => error.with_detail("ActualObjectSize", len.to_string()),
                    None => error,
                }
            }
            Self::RangeAndPart => S3Error::new(ErrorCode::InvalidRequest).with_message(
                "Cannot specify both Range header and partNumber query parameter",
            ),
            Self::NoSuchPart { part_number } => S3Error::new(ErrorCode::InvalidPartNumber)
                .with_detail("ActualPartCount", "1")
                .with_detail("PartNumberRequested", part_number.to_string()),
            Self::PreconditionFailed => S3Error::new(ErrorCode::PreconditionFailed),
            Self::UnencryptedObject => S3Error::new(ErrorCode::AccessDenied)
                .with_message("The object is not encrypted; refused by policy."),
            Self::RepeatedEnvelope
            | Self::UnknownKek
            | Self::Envelope(_)
            | Self::StoredLength
            | Self::MetadataDigest
            | Self::Segment(_) => {
                S3Error::new(ErrorCode::InternalError).with_message("Object integrity check failed.")
            }
            Self::TruncatedResponse
            | Self::StoreMisbehaves
            | Self::StoreRefusesCredentials
            | Self::LengthMismatch
            | Self::OutOfOrder => S3Error::new(ErrorCode::InternalError),
            Self::StoreUnreachable | Self::KeyUnavailable => S3Error::new(ErrorCode::ServiceUnavailable),
        }
    }
}

impl From<etag::InvalidEtag> for Error {
    fn from(_: etag::InvalidEtag) -> Self {
        Self::StoreMisbehaves
    }
}

fn refused(refusal: Refusal) -> S3Error {
    let invalid =
        |message: &'static str| S3Error::new(ErrorCode::InvalidRequest).with_message(message);
    let argument = |name: &'static str| {
        S3Error::new(ErrorCode::InvalidArgument).with_detail("ArgumentName", name)
    };
    match refusal {
        Refusal::MethodNotAllowed => S3Error::new(ErrorCode::MethodNotAllowed),
        Refusal::PostObject => S3Error::new(ErrorCode::MethodNotAllowed)
            .with_message("Form uploads are not supported; use PutObject."),
        Refusal::UnknownHost => invalid("The host is not one of this endpoint's."),
        Refusal::InvalidUri => S3Error::new(ErrorCode::InvalidURI),
        Refusal::InvalidBucketName => S3Error::new(ErrorCode::InvalidBucketName),
        Refusal::KeyTooLong { len } => S3Error::new(ErrorCode::KeyTooLongError)
            .with_detail("Size", len.to_string())
            .with_detail("MaxSizeAllowed", "1024"),
        Refusal::ConflictingSubresources => {
            invalid("Conflicting query string parameters: only one sub-resource can be named.")
        }
        Refusal::KeyCase(name) => invalid("A query string parameter is in the wrong case.")
            .with_detail("ArgumentName", name),
        Refusal::MisplacedSubresource(name) => {
            invalid("The sub-resource does not belong to this kind of resource.")
                .with_detail("ArgumentName", name)
        }
        Refusal::MissingParameter(name) => {
            argument(name).with_message("A query string parameter is missing.")
        }
        Refusal::TooManyParameters => invalid("There are too many query string parameters."),
        Refusal::RepeatedParameter => S3Error::new(ErrorCode::InvalidArgument)
            .with_message("A query string parameter is given more than once."),
        Refusal::InvalidParameter(name) => {
            argument(name).with_message("A query string parameter has an invalid value.")
        }
        Refusal::OperationMismatch => invalid("x-id names another operation."),
        Refusal::HoistedHeaderConflict => {
            invalid("A header and a query string parameter of the same name differ.")
        }
        Refusal::UnknownParameter => S3Error::new(ErrorCode::NotImplemented)
            .with_message("A query string parameter is not implemented."),
        Refusal::VendorExtension => S3Error::new(ErrorCode::NotImplemented)
            .with_message("Extensions of other vendors are not implemented."),
        Refusal::RepeatedHeader => invalid("A header is given more than once."),
        Refusal::InvalidHeaderName => invalid("A header's name is invalid."),
        Refusal::InvalidHeaderValue => S3Error::new(ErrorCode::InvalidArgument)
            .with_message("A header's value is not UTF-8 or has control characters."),
        Refusal::ReservedMetadata => S3Error::new(ErrorCode::InvalidArgument)
            .with_message("A user metadata name is reserved."),
        Refusal::UnsupportedChecksum => {
            invalid("The algorithm type you specified in x-amz-checksum- header is invalid.")
        }
        Refusal::UnknownHeader | Refusal::PartialWrite => S3Error::new(ErrorCode::NotImplemented),
        Refusal::Condition(name) => {
            S3Error::new(ErrorCode::NotImplemented).with_detail("Header", name)
        }
        Refusal::InvalidCopySource => argument("x-amz-copy-source").with_message(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        ),
        Refusal::CopySourceArn => S3Error::new(ErrorCode::NotImplemented)
            .with_message("Copies from access points are not implemented."),
    }
}

fn signature(error: sigv4::Error, config: &Config) -> S3Error {
    let denied =
        |message: &'static str| S3Error::new(ErrorCode::AccessDenied).with_message(message);
    match error {
        sigv4::Error::MultipleMechanisms => S3Error::new(ErrorCode::InvalidArgument).with_message(
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
        ),
        sigv4::Error::UnsupportedScheme => {
            S3Error::new(ErrorCode::InvalidArgument).with_message("Unsupported Authorization Type")
        }
        sigv4::Error::SignatureVersion2 => S3Error::new(ErrorCode::InvalidRequest).with_message(
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
        ),
        sigv4::Error::SignatureVersion4A => S3Error::new(ErrorCode::NotImplemented)
            .with_message("AWS4-ECDSA-P256-SHA256 is not implemented."),
        sigv4::Error::AuthorizationHeaderMalformed(malformed) => {
            let error = S3Error::new(ErrorCode::AuthorizationHeaderMalformed);
            malformed_authorization(error, "The authorization header is malformed; ", malformed, config)
        }
        sigv4::Error::AuthorizationQueryParameters(malformed) => {
            let error = S3Error::new(ErrorCode::AuthorizationQueryParametersError);
            malformed_authorization(error, "Error parsing the query parameters; ", malformed, config)
        }
        sigv4::Error::InvalidDate => {
            denied("AWS authentication requires a valid Date or x-amz-date header")
        }
        sigv4::Error::MissingContentSha256 => S3Error::new(ErrorCode::InvalidRequest)
            .with_message("Missing required header for this request: x-amz-content-sha256"),
        sigv4::Error::InvalidContentSha256 => S3Error::new(ErrorCode::InvalidArgument)
            .with_message("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.")
            .with_detail("ArgumentName", "x-amz-content-sha256"),
        sigv4::Error::EcdsaPayload => S3Error::new(ErrorCode::NotImplemented)
            .with_message("The chunk encoding algorithm is not supported."),
        sigv4::Error::RequestTimeTooSkewed => S3Error::new(ErrorCode::RequestTimeTooSkewed)
            .with_detail("MaxAllowedSkewMilliseconds", "900000"),
        sigv4::Error::NotValidYet => denied("Request is not valid yet"),
        sigv4::Error::Expired => denied("Request has expired"),
        sigv4::Error::InvalidToken => S3Error::new(ErrorCode::InvalidToken),
        sigv4::Error::HeadersNotSigned => {
            denied("There were headers present in the request which were not signed")
        }
        sigv4::Error::InvalidUri => S3Error::new(ErrorCode::InvalidURI),
        sigv4::Error::InvalidHead => S3Error::new(ErrorCode::InvalidRequest),
        sigv4::Error::SignatureDoesNotMatch => S3Error::new(ErrorCode::SignatureDoesNotMatch),
    }
}

fn malformed_authorization(
    error: S3Error,
    introduction: &str,
    malformed: Malformed,
    config: &Config,
) -> S3Error {
    if malformed == Malformed::Region {
        let region = config.region();
        return error
            .with_message(format!(
                "{introduction}the region is wrong; expecting '{region}'"
            ))
            .with_detail("Region", region);
    }
    error.with_message(format!("{introduction}{malformed}"))
}

fn framing(error: aws_chunked::Error) -> S3Error {
    let invalid =
        |message: &'static str| S3Error::new(ErrorCode::InvalidRequest).with_message(message);
    match error {
        aws_chunked::Error::InvalidChunkHeader | aws_chunked::Error::ChunkHeaderTooLong => {
            invalid("A chunk header of the aws-chunked body is not well-formed.")
        }
        aws_chunked::Error::ChunkNotTerminated => {
            invalid("A chunk of the aws-chunked body is not followed by CRLF.")
        }
        aws_chunked::Error::TrailingData => {
            invalid("Bytes follow the end of the aws-chunked body.")
        }
        aws_chunked::Error::LongerThanDeclared | aws_chunked::Error::ShorterThanDeclared => {
            S3Error::new(ErrorCode::IncompleteBody)
        }
        aws_chunked::Error::UnsupportedTrailer => unsupported_trailer(),
        aws_chunked::Error::MalformedTrailer
        | aws_chunked::Error::UnexpectedTrailer
        | aws_chunked::Error::MissingTrailer
        | aws_chunked::Error::MissingTrailerSignature
        | aws_chunked::Error::TrailersTooLong => S3Error::new(ErrorCode::MalformedTrailerError),
        aws_chunked::Error::InvalidTrailerValue(algorithm) => {
            S3Error::new(ErrorCode::InvalidRequest).with_message(format!(
                "Value for {} trailing header is invalid.",
                algorithm.header_name()
            ))
        }
        aws_chunked::Error::EncodedLength => S3Error::new(ErrorCode::InternalError),
    }
}

fn payload(error: &checksum::Error) -> S3Error {
    let invalid =
        |message: &'static str| S3Error::new(ErrorCode::InvalidRequest).with_message(message);
    match error {
        checksum::Error::InvalidContentMd5 => S3Error::new(ErrorCode::InvalidDigest),
        checksum::Error::InvalidChecksumValue(algorithm) => S3Error::new(ErrorCode::InvalidRequest)
            .with_message(format!(
                "Value for {} header is invalid.",
                algorithm.header_name()
            )),
        checksum::Error::UnsupportedAlgorithm => {
            invalid("The algorithm type you specified in x-amz-checksum- header is invalid.")
        }
        checksum::Error::UnsupportedTrailer => unsupported_trailer(),
        checksum::Error::MultipleChecksums => invalid(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        ),
        checksum::Error::InvalidSdkAlgorithm => {
            invalid("Value for x-amz-sdk-checksum-algorithm header is invalid.")
        }
        checksum::Error::SdkAlgorithmWithoutChecksum => invalid(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
        ),
        checksum::Error::SdkAlgorithmMismatch => S3Error::new(ErrorCode::BadDigest),
        checksum::Error::XAmzContentSha256Mismatch { client, computed } => {
            S3Error::new(ErrorCode::XAmzContentSHA256Mismatch)
                .with_detail("ClientComputedContentSHA256", hex::encode(client))
                .with_detail("S3ComputedContentSHA256", hex::encode(computed))
        }
        checksum::Error::ContentMd5Mismatch => S3Error::new(ErrorCode::BadDigest)
            .with_message("The Content-MD5 you specified did not match what we received."),
        checksum::Error::ChecksumMismatch(algorithm) => checksum_mismatch(*algorithm),
        checksum::Error::TrailerNotAsAnnounced => S3Error::new(ErrorCode::MalformedTrailerError),
    }
}

fn checksum_mismatch(algorithm: Algorithm) -> S3Error {
    S3Error::new(ErrorCode::BadDigest).with_message(format!(
        "The {} you specified did not match the calculated checksum.",
        algorithm.name()
    ))
}

fn unsupported_trailer() -> S3Error {
    S3Error::new(ErrorCode::InvalidRequest)
        .with_message("The value specified in the x-amz-trailer header is not supported")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let json = r#"{
            "endpoints": {"path_style": ["localhost"]}, "regions": ["filter-region"],
            "store": {"host": "secret-store-host", "region": "store-region", "signing": "envoy"},
            "clients": [{"access_key_id": "C", "secret_access_key": "s",
                         "permissions": [{"buckets": ["*"], "actions": ["read"]}]}],
            "buckets": [{"name": "*", "class": "deny"}], "key_rings": {}, "key_services": {}
        }"#;
        Config::parse(json.as_bytes(), |_| None).unwrap()
    }

    /// Every variant once, with the answer of S3 and whose fault it is.
    fn table() -> Vec<(Error, &'static str, u16, Fault)> {
        use Fault::{Client, Filter, KeyService, Store};
        let region = Malformed::Region;
        vec![
            (
                Error::Refused(Refusal::MethodNotAllowed),
                "MethodNotAllowed",
                405,
                Client,
            ),
            (
                Error::Refused(Refusal::VendorExtension),
                "NotImplemented",
                501,
                Client,
            ),
            (
                Error::Refused(Refusal::ConflictingSubresources),
                "InvalidRequest",
                400,
                Client,
            ),
            (
                Error::Refused(Refusal::KeyTooLong { len: 1025 }),
                "KeyTooLongError",
                400,
                Client,
            ),
            (Error::Query(uri::InvalidEscape), "InvalidURI", 400, Client),
            (
                Error::HeadTooLarge { maximum: 1 },
                "RequestHeaderSectionTooLarge",
                400,
                Client,
            ),
            (Error::Anonymous, "AccessDenied", 403, Client),
            (Error::UnknownAccessKeyId, "InvalidAccessKeyId", 403, Client),
            (
                Error::Signature(sigv4::Error::SignatureDoesNotMatch),
                "SignatureDoesNotMatch",
                403,
                Client,
            ),
            (
                Error::Signature(sigv4::Error::Expired),
                "AccessDenied",
                403,
                Client,
            ),
            (
                Error::Signature(sigv4::Error::RequestTimeTooSkewed),
                "RequestTimeTooSkewed",
                403,
                Client,
            ),
            (
                Error::Signature(sigv4::Error::AuthorizationHeaderMalformed(region)),
                "AuthorizationHeaderMalformed",
                400,
                Client,
            ),
            (
                Error::Signature(sigv4::Error::AuthorizationQueryParameters(region)),
                "AuthorizationQueryParametersError",
                400,
                Client,
            ),
            (
                Error::HeadersNotSigned {
                    names: vec!["x-amz-acl".to_owned()],
                },
                "AccessDenied",
                403,
                Client,
            ),
            (Error::AccessDenied, "AccessDenied", 403, Client),
            (Error::CorsDisabled, "AccessForbidden", 403, Client),
            (Error::UnsignedPayload, "InvalidRequest", 400, Client),
            (
                Error::NotImplemented(Operation::CopyObject),
                "NotImplemented",
                501,
                Client,
            ),
            (
                Error::NotImplementedHeader("range"),
                "NotImplemented",
                501,
                Client,
            ),
            (
                Error::MissingContentLength,
                "MissingContentLength",
                411,
                Client,
            ),
            (Error::InvalidContentLength, "InvalidArgument", 400, Client),
            (Error::StreamingNotAllowed, "InvalidRequest", 400, Client),
            (
                Error::EntityTooLarge { proposed: 1 << 33 },
                "EntityTooLarge",
                400,
                Client,
            ),
            (
                Error::BodyTooLarge { maximum: 1 },
                "MaxMessageLengthExceeded",
                400,
                Client,
            ),
            (
                Error::MetadataTooLarge {
                    size: 2,
                    maximum: 1,
                },
                "MetadataTooLarge",
                400,
                Client,
            ),
            (Error::IncompleteBody, "IncompleteBody", 400, Client),
            (Error::Trailers, "InvalidRequest", 400, Client),
            (
                Error::AwsChunked(aws_chunked::Error::MissingTrailer),
                "MalformedTrailerError",
                400,
                Client,
            ),
            (
                Error::AwsChunked(aws_chunked::Error::EncodedLength),
                "InternalError",
                500,
                Filter,
            ),
            (
                Error::Checksum(checksum::Error::ChecksumMismatch(Algorithm::Crc32)),
                "BadDigest",
                400,
                Client,
            ),
            (
                Error::Checksum(checksum::Error::InvalidContentMd5),
                "InvalidDigest",
                400,
                Client,
            ),
            (
                Error::Checksum(checksum::Error::XAmzContentSha256Mismatch {
                    client: [1; 32],
                    computed: [2; 32],
                }),
                "XAmzContentSHA256Mismatch",
                400,
                Client,
            ),
            (
                Error::RangeNotSatisfiable {
                    plaintext_len: Some(1),
                },
                "InvalidRange",
                416,
                Client,
            ),
            (Error::RangeAndPart, "InvalidRequest", 400, Client),
            (
                Error::NoSuchPart { part_number: 2 },
                "InvalidPartNumber",
                416,
                Client,
            ),
            (Error::PreconditionFailed, "PreconditionFailed", 412, Client),
            (Error::UnencryptedObject, "AccessDenied", 403, Store),
            (Error::RepeatedEnvelope, "InternalError", 500, Store),
            (Error::UnknownKek, "InternalError", 500, Store),
            (
                Error::Envelope(envelope::Error::Unwrap),
                "InternalError",
                500,
                Store,
            ),
            (Error::StoredLength, "InternalError", 500, Store),
            (Error::MetadataDigest, "InternalError", 500, Store),
            (
                Error::Segment(segment::Error::Footer),
                "InternalError",
                500,
                Store,
            ),
            (
                Error::Segment(segment::Error::PlaintextLength),
                "InternalError",
                500,
                Filter,
            ),
            (Error::TruncatedResponse, "InternalError", 500, Store),
            (Error::StoreMisbehaves, "InternalError", 500, Store),
            (Error::StoreUnreachable, "ServiceUnavailable", 503, Store),
            (Error::StoreRefusesCredentials, "InternalError", 500, Filter),
            (Error::KeyUnavailable, "ServiceUnavailable", 503, KeyService),
            (Error::LengthMismatch, "InternalError", 500, Filter),
            (Error::OutOfOrder, "InternalError", 500, Filter),
        ]
    }

    #[test]
    fn every_error_has_its_answer_and_its_fault() {
        let config = config();
        for (error, code, status, fault) in table() {
            let answer = error.to_s3_error(&config);
            assert_eq!(
                (answer.code().as_str(), answer.status()),
                (code, status),
                "{error:?}"
            );
            assert_eq!(error.fault(), fault, "{error:?}");
        }
    }

    /// RSP-6: an answer leaks nothing of the store or of what was computed.
    #[test]
    fn rsp_6_answers_do_not_tell_of_the_store() {
        let config = config();
        for (error, ..) in table() {
            let document = error.to_s3_error(&config).to_xml("/bucket/key", "ID");
            for secret in [
                "secret-store-host",
                "store-region",
                "envelope",
                "segment",
                "KEK",
            ] {
                assert!(!document.contains(secret), "{error:?} {document}");
            }
        }
    }

    #[test]
    fn names_are_labels() {
        for (error, ..) in table() {
            let name = error.name();
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{name}"
            );
        }
    }
}
