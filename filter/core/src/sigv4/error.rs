//! Why a request is not authenticated, in S3's own cases.

/// Why a request is not authenticated, or can't be signed.
///
/// Each variant names the HTTP status, code and message of S3's error document. None carries what
/// was computed: a signature that was expected is a signature that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// 400 `InvalidArgument`: "Only one auth mechanism allowed; only the X-Amz-Algorithm query
    /// parameter, Signature query string parameter or the Authorization header should be
    /// specified".
    #[error("more than one authentication mechanism")]
    MultipleMechanisms,
    /// 400 `InvalidArgument`: "Unsupported Authorization Type".
    #[error("unsupported authorization type")]
    UnsupportedScheme,
    /// 400 `InvalidRequest`: "The authorization mechanism you have provided is not supported.
    /// Please use AWS4-HMAC-SHA256."
    ///
    /// boto3 presigns with Signature Version 2 unless it is told `signature_version='s3v4'`.
    #[error("signature version 2 is not supported")]
    SignatureVersion2,
    /// 501 `NotImplemented`: the asymmetric `AWS4-ECDSA-P256-SHA256`.
    #[error("signature version 4A is not supported")]
    SignatureVersion4A,
    /// 400 `AuthorizationHeaderMalformed`: "The authorization header is malformed; …".
    ///
    /// For [`Malformed::Region`] the document has the expected region in `<Region>`.
    #[error("malformed authorization header: {0}")]
    AuthorizationHeaderMalformed(Malformed),
    /// 400 `AuthorizationQueryParametersError`.
    ///
    /// For [`Malformed::Region`] the document has the expected region in `<Region>`.
    #[error("malformed authorization query parameters: {0}")]
    AuthorizationQueryParameters(Malformed),
    /// 403 `AccessDenied`: "AWS authentication requires a valid Date or x-amz-date header".
    #[error("missing or invalid date")]
    InvalidDate,
    /// 400 `InvalidRequest`: "Missing required header for this request: x-amz-content-sha256".
    #[error("missing x-amz-content-sha256")]
    MissingContentSha256,
    /// 400 `InvalidArgument`: "x-amz-content-sha256 must be UNSIGNED-PAYLOAD,
    /// STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD,
    /// STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
    #[error("invalid x-amz-content-sha256")]
    InvalidContentSha256,
    /// 501 `NotImplemented`: "The chunk encoding algorithm … is not supported."
    #[error("payload signed by ECDSA is not supported")]
    EcdsaPayload,
    /// 403 `RequestTimeTooSkewed`: "The difference between the request time and the server's time
    /// is too large."
    #[error("request time too skewed")]
    RequestTimeTooSkewed,
    /// 403 `AccessDenied`: "Request is not valid yet".
    #[error("request is not valid yet")]
    NotValidYet,
    /// 403 `AccessDenied`: "Request has expired".
    #[error("request has expired")]
    Expired,
    /// 400 `InvalidToken`: "The provided token is malformed or otherwise invalid."
    #[error("invalid session token")]
    InvalidToken,
    /// 403 `AccessDenied`: "There were headers present in the request which were not signed", with
    /// [`Authorization::headers_not_signed`](super::Authorization::headers_not_signed) in
    /// `<HeadersNotSigned>`.
    #[error("headers not signed")]
    HeadersNotSigned,
    /// 400 `InvalidURI`: "Couldn't parse the specified URI."
    #[error("invalid target")]
    InvalidUri,
    /// 400 `InvalidRequest`: a method, host or field that would break the lines of the text that
    /// is signed.
    #[error("invalid head")]
    InvalidHead,
    /// 403 `SignatureDoesNotMatch`: "The request signature we calculated does not match the
    /// signature you provided. Check your key and signing method."
    #[error("signature does not match")]
    SignatureDoesNotMatch,
}

/// What is wrong with an `Authorization` field, or with the query parameters in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Header: "the authorization header requires three components: Credential, SignedHeaders, and
    /// Signature." Query: "Query-string authentication version 4 requires the X-Amz-Algorithm,
    /// X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires
    /// parameters."
    #[error("components missing, repeated or unknown")]
    Components,
    /// "X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"".
    #[error("unknown algorithm")]
    Algorithm,
    /// `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`
    #[error("malformed credential")]
    Credential,
    /// "incorrect terminal …. This endpoint uses "aws4_request"."
    #[error("incorrect terminal in the credential")]
    Terminal,
    /// "incorrect service …. This endpoint belongs to "s3"."
    #[error("incorrect service in the credential")]
    Service,
    /// "the region … is wrong; expecting …".
    #[error("incorrect region in the credential")]
    Region,
    /// "incorrect date format …. This date in the credential must be in the format "yyyyMMdd"."
    #[error("malformed date in the credential")]
    CredentialDate,
    /// "Invalid credential date …. This date is not the same as X-Amz-Date: …."
    #[error("date in the credential is not the request's")]
    CredentialDateDiffers,
    /// A list that is not lower-case field names, each once, separated by `;`.
    #[error("malformed signed headers")]
    SignedHeaders,
    /// "X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"".
    #[error("malformed date")]
    Date,
    /// "X-Amz-Expires should be a number".
    #[error("expires is not a number")]
    ExpiresNotANumber,
    /// "X-Amz-Expires must be non-negative".
    #[error("expires is negative")]
    ExpiresNegative,
    /// "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must
    /// be less than 604800 seconds".
    #[error("expires is more than a week")]
    ExpiresTooLong,
}
