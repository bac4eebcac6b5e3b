//! S3's errors: codes, status codes, messages and documents.
//!
//! ```xml
//! <?xml version="1.0" encoding="UTF-8"?>
//! <Error><Code>NoSuchKey</Code><Message>…</Message>…<Resource>/b/k</Resource><RequestId>…</RequestId></Error>
//! ```
//!
//! Codes, status codes and messages are those of the [list of error codes]. A store's error is
//! never copied: its code, where it is one that concerns the client, chooses one of these
//! ([`recreate`], RSP-3); a fault of the filter's own requests is not the client's (RSP-4).
//!
//! [list of error codes]: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::Event;

/// An error as a client of S3 sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Error {
    code: ErrorCode,
    message: Cow<'static, str>,
    details: Vec<(&'static str, String)>,
}

impl S3Error {
    /// The error `code` with S3's own message.
    pub const fn new(code: ErrorCode) -> Self {
        Self {
            code,
            message: Cow::Borrowed(code.message()),
            details: Vec::new(),
        }
    }

    /// Replaces the message. It must hold nothing secret and nothing of the store's (RSP-6).
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// Adds an element behind the message, such as `HeadersNotSigned`.
    #[must_use]
    pub fn with_detail(mut self, element: &'static str, value: impl Into<String>) -> Self {
        self.details.push((element, value.into()));
        self
    }

    /// The value of an extra element.
    pub fn detail(&self, element: &str) -> Option<&str> {
        let mut details = self.details.iter();
        let (_, value) = details.find(|(name, _)| *name == element)?;
        Some(value)
    }

    /// The code.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The HTTP status code.
    pub const fn status(&self) -> u16 {
        self.code.status()
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The error document, for the path that the client asked for and the id of its request.
    pub fn to_xml(&self, resource: &str, request_id: &str) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
        push_element(&mut xml, "Code", self.code.as_str());
        push_element(&mut xml, "Message", &self.message);
        for (element, value) in &self.details {
            push_element(&mut xml, element, value);
        }
        push_element(&mut xml, "Resource", resource);
        push_element(&mut xml, "RequestId", request_id);
        xml.push_str("</Error>");
        xml
    }
}

/// Makes a store's error anew from its `status` and, where its document names one, its `code`.
///
/// 304 stays what it is; any other 3xx is an answer that a store has no business to give (RSP-1).
/// A code that the client may see chooses the error; one that blames the request that the filter
/// made is an [`ErrorCode::InternalError`] (RSP-4); for any other, the status decides.
pub fn recreate(status: u16, code: Option<&str>) -> S3Error {
    if status == 304 {
        return S3Error::new(ErrorCode::NotModified);
    }
    if (300..400).contains(&status) {
        return S3Error::new(ErrorCode::InternalError);
    }
    let code = match code {
        Some(code) if is_credential_fault(code) => ErrorCode::InternalError,
        Some(code) => match ErrorCode::from_code(code) {
            Some(known) if known.concerns_the_client() => known,
            Some(_) => ErrorCode::InternalError,
            None => of_status(status),
        },
        None => of_status(status),
    };
    S3Error::new(code)
}

/// Finds the code in a store's error `document`: the text of `Code` in `Error`, which is the root
/// or in `ErrorResponse`.
///
/// `None` for a document that is not well-formed up to there, that has a document type or an
/// entity reference there, whose code is not 1…64 ASCII letters, digits and dots, or that does not
/// name one in its first 64 KiB.
pub fn error_code(document: &[u8]) -> Option<String> {
    let document = document.get(..MAX_DOCUMENT_LEN).unwrap_or(document);
    let mut reader = Reader::from_str(valid_utf8(document));
    let mut path = Path::default();
    let mut code = String::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => path.enter(element.name().as_ref())?,
            Event::End(_) => {
                if path.is_code() {
                    return Some(code.trim().to_owned()).filter(|code| is_code(code));
                }
                path.leave();
                // What follows the root is not the document.
                if path.depth == 0 {
                    return None;
                }
            }
            Event::Text(text) => {
                if path.is_code() {
                    code.push_str(text.as_ref());
                }
            }
            Event::CData(_) | Event::GeneralRef(_) => {
                if path.is_code() {
                    return None;
                }
            }
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) => {}
            Event::DocType(_) | Event::Eof => return None,
        }
    }
}

/// Tells whether a store's error of this code says that it does not accept the filter's
/// credentials or signature (RSP-4).
pub fn is_credential_fault(code: &str) -> bool {
    CREDENTIAL_FAULTS.contains(&code)
}

macro_rules! error_codes {
    ($($(#[$attribute:meta])* $variant:ident $blame:ident $status:literal $message:literal)+) => {
        /// S3's error codes, as far as the filter answers with them or lets a store's pass.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are S3's, and the messages are the documentation")]
        pub enum ErrorCode {
            $($(#[$attribute])* $variant,)+
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code, as documents name it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)+
                }
            }

            /// The HTTP status code.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)+
                }
            }

            /// S3's message.
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$variant => $message,)+
                }
            }

            /// Tells whether a store that answers with this code may mean what the client asked
            /// for; where not, it means the filter's credentials or what the filter made of the
            /// body.
            const fn concerns_the_client(self) -> bool {
                match self {
                    $(Self::$variant => blame!($blame),)+
                }
            }
        }
    };
}

macro_rules! blame {
    (client) => {
        true
    };
    (filter) => {
        false
    };
}

error_codes! {
    AccessControlListNotSupported client 400 "The bucket does not allow ACLs"
    AccessDenied client 403 "Access Denied"
    AccessForbidden client 403 "CORSResponse: This CORS request is not allowed."
    AuthorizationHeaderMalformed filter 400 "The authorization header is malformed"
    AuthorizationQueryParametersError filter 400 "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
    BadDigest filter 400 "The Content-MD5 or checksum value you specified did not match what we received."
    BadRequest client 400 "Bad Request"
    BucketAlreadyExists client 409 "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."
    BucketAlreadyOwnedByYou client 409 "Your previous request to create the named bucket succeeded and you already own it."
    BucketNotEmpty client 409 "The bucket you tried to delete is not empty"
    ConditionalRequestConflict client 409 "The conditional request cannot succeed due to a conflicting operation against this resource."
    EntityTooLarge client 400 "Your proposed upload exceeds the maximum allowed size"
    EntityTooSmall client 400 "Your proposed upload is smaller than the minimum allowed size"
    ExpiredToken filter 400 "The provided token has expired."
    IllegalLocationConstraintException client 400 "The specified location constraint is not valid for this endpoint."
    IncompleteBody filter 400 "You did not provide the number of bytes specified by the Content-Length HTTP header"
    InsufficientStorage client 507 "There is not enough space to complete your request"
    InternalError client 500 "We encountered an internal error. Please try again."
    InvalidAccessKeyId filter 403 "The AWS Access Key Id you provided does not exist in our records."
    InvalidArgument client 400 "Invalid Argument"
    InvalidBucketName client 400 "The specified bucket is not valid."
    InvalidBucketState client 409 "The request is not valid for the current state of the bucket."
    InvalidChunkSizeError filter 403 "Only the last chunk is allowed to have a size less than 8192 bytes"
    InvalidDigest filter 400 "The Content-MD5 or checksum value that you specified is not valid."
    InvalidEncryptionAlgorithmError client 400 "The encryption request that you specified is not valid. The valid value is AES256."
    InvalidLocationConstraint client 400 "The specified location constraint is not valid."
    InvalidObjectState client 403 "The operation is not valid for the object's storage class"
    InvalidPart client 400 "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
    InvalidPartNumber client 416 "The requested partnumber is not satisfiable"
    InvalidPartOrder client 400 "The list of parts was not in ascending order. Parts must be ordered by part number."
    InvalidPolicyDocument client 400 "The content of the form does not meet the conditions specified in the policy document."
    InvalidRange client 416 "The requested range is not satisfiable"
    InvalidRequest client 400 "Invalid Request"
    InvalidSecurity filter 403 "The provided security credentials are not valid."
    InvalidStorageClass client 400 "The storage class you specified is not valid"
    InvalidTag client 400 "The tag provided was not a valid tag."
    InvalidToken filter 400 "The provided token is malformed or otherwise not valid."
    InvalidURI client 400 "Couldn't parse the specified URI."
    KeyTooLongError client 400 "Your key is too long"
    MalformedACLError client 400 "The XML you provided was not well-formed or did not validate against our published schema"
    MalformedPolicy client 400 "Policies must be valid JSON and the first byte must be '{'"
    MalformedTrailerError filter 400 "The request contained trailing data that was not well-formed or did not conform to our published schema."
    MalformedXML client 400 "The XML you provided was not well-formed or did not validate against our published schema"
    MaxMessageLengthExceeded client 400 "Your request was too big."
    MetadataTooLarge client 400 "Your metadata headers exceed the maximum allowed metadata size"
    MethodNotAllowed client 405 "The specified method is not allowed against this resource."
    MissingContentLength filter 411 "You must provide the Content-Length HTTP header."
    MissingRequestBodyError client 400 "Request Body is empty"
    MissingSecurityHeader filter 400 "Your request was missing a required header"
    NoSuchBucket client 404 "The specified bucket does not exist"
    NoSuchBucketPolicy client 404 "The bucket policy does not exist"
    NoSuchCORSConfiguration client 404 "The CORS configuration does not exist"
    NoSuchConfiguration client 404 "The specified configuration does not exist."
    NoSuchKey client 404 "The specified key does not exist."
    NoSuchLifecycleConfiguration client 404 "The lifecycle configuration does not exist"
    NoSuchObjectLockConfiguration client 404 "The specified object does not have a ObjectLock configuration"
    NoSuchPublicAccessBlockConfiguration client 404 "The public access block configuration was not found"
    NoSuchTagSet client 404 "The TagSet does not exist"
    NoSuchUpload client 404 "The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload might have been aborted or completed."
    NoSuchVersion client 404 "The specified version does not exist."
    NoSuchWebsiteConfiguration client 404 "The specified bucket does not have a website configuration"
    NotImplemented client 501 "A header you provided implies functionality that is not implemented"
    /// A status rather than an error: it has no document.
    NotModified client 304 "Not Modified"
    ObjectLockConfigurationNotFoundError client 404 "Object Lock configuration does not exist for this bucket"
    ObjectNotAppendable client 409 "The object is not appendable"
    OperationAborted client 409 "A conflicting conditional operation is currently in progress against this resource. Try again."
    OwnershipControlsNotFoundError client 404 "The bucket ownership controls were not found"
    PreconditionFailed client 412 "At least one of the pre-conditions you specified did not hold"
    QuotaExceeded client 403 "The quota of the bucket or its owner is exceeded"
    ReplicationConfigurationNotFoundError client 404 "The replication configuration was not found"
    RequestHeaderSectionTooLarge client 400 "Your request header section exceeds the maximum allowed size."
    RequestTimeTooSkewed filter 403 "The difference between the request time and the server's time is too large."
    RequestTimeout client 400 "Your socket connection to the server was not read from or written to within the timeout period."
    RestoreAlreadyInProgress client 409 "Object restore is already in progress"
    ServerSideEncryptionConfigurationNotFoundError client 404 "The server side encryption configuration was not found"
    ServiceUnavailable client 503 "Service is unable to handle request."
    SignatureDoesNotMatch filter 403 "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    SlowDown client 503 "Please reduce your request rate."
    TooManyBuckets client 400 "You have attempted to create more buckets than allowed"
    TooManyParts client 400 "You have attempted to upload more parts than allowed"
    UnexpectedContent client 400 "This request does not support content"
    XAmzContentChecksumMismatch filter 400 "The provided checksum does not match what was computed."
    XAmzContentSHA256Mismatch filter 400 "The provided 'x-amz-content-sha256' header does not match what was computed."
}

impl ErrorCode {
    /// The code that documents name `code`.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == code)
    }
}

/// What a store's status says where its code does not help.
const fn of_status(status: u16) -> ErrorCode {
    match status {
        400 => ErrorCode::InvalidRequest,
        403 => ErrorCode::AccessDenied,
        404 => ErrorCode::NoSuchKey,
        405 => ErrorCode::MethodNotAllowed,
        408 => ErrorCode::RequestTimeout,
        409 => ErrorCode::OperationAborted,
        412 => ErrorCode::PreconditionFailed,
        413 => ErrorCode::EntityTooLarge,
        416 => ErrorCode::InvalidRange,
        429 => ErrorCode::SlowDown,
        501 => ErrorCode::NotImplemented,
        // A gateway's word, Envoy's own included (RSP-5).
        502..=504 => ErrorCode::ServiceUnavailable,
        507 => ErrorCode::InsufficientStorage,
        // 401 and 411 blame the filter's request; 1xx and 2xx are no errors; the others are not
        // S3's.
        _ => ErrorCode::InternalError,
    }
}

/// Where in a document the reader is; only depths and the way to `Code` matter.
#[derive(Debug, Default)]
struct Path {
    depth: usize,
    /// How many of the open elements, from the root on, lie on the way to `Code`.
    matched: usize,
    /// 1 where the root is `ErrorResponse`.
    wrapped: usize,
}

impl Path {
    fn enter(&mut self, name: &str) -> Option<()> {
        let error_depth = self.wrapped;
        let matches = self.matched == self.depth;
        if self.depth == 0 && name == "ErrorResponse" {
            self.wrapped = 1;
            self.matched = 1;
        } else if matches
            && ((self.depth == error_depth && name == "Error")
                || (self.depth == error_depth.checked_add(1)? && name == "Code"))
        {
            self.matched = self.matched.checked_add(1)?;
        }
        self.depth = self.depth.checked_add(1)?;
        Some(())
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.matched = self.matched.min(self.depth);
    }

    /// Tells whether the innermost open element is the `Code` looked for.
    fn is_code(&self) -> bool {
        self.matched == self.depth && self.depth == self.wrapped.saturating_add(2)
    }
}

/// The part of `bytes` up to the first that is not UTF-8.
fn valid_utf8(bytes: &[u8]) -> &str {
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

fn is_code(text: &str) -> bool {
    (1..=MAX_CODE_LEN).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

fn push_element(xml: &mut String, name: &str, text: &str) {
    xml.push('<');
    xml.push_str(name);
    xml.push('>');
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&#39;"),
            // A reader would make a line feed of the first; the others are kept from its eyes too.
            '\r' => xml.push_str("&#13;"),
            '\n' => xml.push_str("&#10;"),
            '\t' => xml.push_str("&#9;"),
            // XML 1.0 §2.2 has no way to write these.
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            _ => xml.push(character),
        }
    }
    xml.push_str("</");
    xml.push_str(name);
    xml.push('>');
}

const MAX_DOCUMENT_LEN: usize = 64 * 1024;
const MAX_CODE_LEN: usize = 64;

/// RSP-4, and the names that stores beside S3 and S3's own siblings have for the same.
const CREDENTIAL_FAULTS: &[&str] = &[
    "AuthorizationHeaderMalformed",
    "AuthorizationQueryParametersError",
    "ExpiredToken",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingSecurityHeader",
    "NotSignedUp",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnauthorizedAccess",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_document_has_the_elements_in_s3s_order() {
        let error = S3Error::new(ErrorCode::AccessDenied)
            .with_message("There were headers present in the request which were not signed")
            .with_detail("HeadersNotSigned", "x-amz-acl");
        assert_eq!(
            error.to_xml("/b/k", "0A"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code>\
             <Message>There were headers present in the request which were not signed</Message>\
             <HeadersNotSigned>x-amz-acl</HeadersNotSigned>\
             <Resource>/b/k</Resource><RequestId>0A</RequestId></Error>"
        );
        assert_eq!(error.status(), 403);
    }

    #[test]
    fn everything_in_a_document_is_escaped() {
        let xml = S3Error::new(ErrorCode::InvalidArgument)
            .with_message("<&>")
            .to_xml("/b/</Resource>\"'\r\n\0\u{ffff}", "]]>");
        assert!(xml.contains("<Message>&lt;&amp;&gt;</Message>"));
        assert!(xml.contains(
            "<Resource>/b/&lt;/Resource&gt;&quot;&#39;&#13;&#10;\u{fffd}\u{fffd}</Resource>"
        ));
        assert!(xml.contains("<RequestId>]]&gt;</RequestId>"));
    }

    #[test]
    fn every_code_has_a_name_a_status_and_a_message() {
        for code in ErrorCode::ALL.iter().copied() {
            assert!(is_code(code.as_str()), "{code:?}");
            assert_eq!(ErrorCode::from_code(code.as_str()), Some(code));
            assert!(
                code.status() == 304 || (400..600).contains(&code.status()),
                "{code:?}"
            );
            assert!(!code.message().is_empty(), "{code:?}");
        }
        assert_eq!(ErrorCode::from_code("nosuchkey"), None);
    }

    #[test]
    fn rsp_1_a_redirect_is_an_internal_error() {
        for status in [300, 301, 302, 307, 308, 399] {
            for code in [None, Some("PermanentRedirect"), Some("NoSuchKey")] {
                assert_eq!(
                    recreate(status, code),
                    S3Error::new(ErrorCode::InternalError)
                );
            }
        }
        assert_eq!(recreate(304, None).status(), 304);
    }

    #[test]
    fn rsp_3_a_known_code_chooses_the_error() {
        for (status, code) in [
            (404, "NoSuchKey"),
            (404, "NoSuchBucket"),
            (409, "BucketNotEmpty"),
            (412, "PreconditionFailed"),
            (403, "AccessDenied"),
            (503, "SlowDown"),
            (200, "InternalError"),
        ] {
            let error = recreate(status, Some(code));
            assert_eq!(error.code().as_str(), code);
            assert_eq!(error.message(), error.code().message());
        }
    }

    #[test]
    fn rsp_3_an_unknown_code_leaves_the_choice_to_the_status() {
        for (status, code) in [
            (400, ErrorCode::InvalidRequest),
            (401, ErrorCode::InternalError),
            (403, ErrorCode::AccessDenied),
            (404, ErrorCode::NoSuchKey),
            (409, ErrorCode::OperationAborted),
            (412, ErrorCode::PreconditionFailed),
            (416, ErrorCode::InvalidRange),
            (418, ErrorCode::InternalError),
            (429, ErrorCode::SlowDown),
            (500, ErrorCode::InternalError),
            (200, ErrorCode::InternalError),
            (0, ErrorCode::InternalError),
        ] {
            assert_eq!(recreate(status, None).code(), code, "{status}");
            assert_eq!(recreate(status, Some("XMinioOdd")).code(), code, "{status}");
        }
    }

    #[test]
    fn rsp_4_a_fault_of_the_filters_credentials_is_an_internal_error() {
        for code in CREDENTIAL_FAULTS {
            assert!(is_credential_fault(code));
            assert_eq!(recreate(403, Some(code)).code(), ErrorCode::InternalError);
        }
        assert!(!is_credential_fault("AccessDenied"));
        assert_eq!(recreate(403, Some("AccessDenied")).status(), 403);
    }

    #[test]
    fn rsp_4_a_fault_of_the_filters_body_is_an_internal_error() {
        for code in [
            "XAmzContentSHA256Mismatch",
            "BadDigest",
            "IncompleteBody",
            "MissingContentLength",
        ] {
            assert_eq!(recreate(400, Some(code)).code(), ErrorCode::InternalError);
        }
    }

    #[test]
    fn rsp_5_a_gateways_refusal_is_unavailability() {
        for status in [502, 503, 504] {
            assert_eq!(recreate(status, None).code(), ErrorCode::ServiceUnavailable);
        }
    }

    #[test]
    fn the_code_of_a_document_is_found() {
        for document in [
            "<Error><Code>NoSuchKey</Code></Error>",
            "<?xml version='1.0'?>\n<!-- c -->\n<Error xmlns='u'><Message>a &amp; b</Message><Code> NoSuchKey\n</Code>",
            "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchKey</Code></Error></ErrorResponse>",
            "<Error><A><Code>Other</Code></A><Error><Code>Other</Code></Error><Code a='b'>NoSuchKey</Code></Error>",
            "<Error><Code>NoSuch<!-- c -->Key</Code></Error>",
        ] {
            assert_eq!(
                error_code(document.as_bytes()).as_deref(),
                Some("NoSuchKey"),
                "{document}"
            );
        }
    }

    #[test]
    fn rsp_3_a_document_that_is_odd_has_no_code() {
        let long = format!("<Error><Code>{}</Code></Error>", "A".repeat(65));
        for document in [
            "",
            "<html><body>404</body></html>",
            "<Code>NoSuchKey</Code>",
            "<Error></Error><Error><Code>NoSuchKey</Code></Error>",
            "<Errors><Code>NoSuchKey</Code></Errors>",
            "<Error><Code/></Error>",
            "<Error><Code></Code></Error>",
            "<Error><Code>No Such Key</Code></Error>",
            "<Error><Code>No&#83;uchKey</Code></Error>",
            "<Error><Code><![CDATA[NoSuchKey]]></Code></Error>",
            "<Error><Code><b>NoSuchKey</b></Code></Error>",
            "<Error><Code>NoSuchKey</Key></Error>",
            "<!DOCTYPE Error [<!ENTITY x 'y'>]><Error><Code>NoSuchKey</Code></Error>",
            long.as_str(),
        ] {
            assert_eq!(error_code(document.as_bytes()), None, "{document}");
        }
        assert_eq!(
            error_code(b"<Error>\xff<Code>NoSuchKey</Code></Error>"),
            None
        );
    }

    #[test]
    fn rsp_3_a_document_is_read_up_to_a_bound() {
        let mut document = b"<Error><Message>".to_vec();
        document.resize(MAX_DOCUMENT_LEN, b'x');
        document.extend_from_slice(b"</Message><Code>NoSuchKey</Code></Error>");
        assert_eq!(error_code(&document), None);
        let mut document = b"<Error><Code>NoSuchKey</Code>".to_vec();
        document.resize(10 * MAX_DOCUMENT_LEN, b'<');
        assert_eq!(error_code(&document).as_deref(), Some("NoSuchKey"));
    }

    proptest! {
        #[test]
        fn no_document_panics(document in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = error_code(&document);
        }

        #[test]
        fn no_markup_panics(pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "<Error>", "</Error>", "<Code>", "</Code>", "<ErrorResponse>", "</ErrorResponse>",
                "<", ">", "/", "&amp;", "&x;", "<![CDATA[", "]]>", "<!--", "-->", "<?", "?>",
                "<!DOCTYPE", "NoSuchKey", " ", "\u{e9}",
            ]),
            0..24,
        )) {
            if let Some(code) = error_code(pieces.concat().as_bytes()) {
                prop_assert!(is_code(&code));
            }
        }

        #[test]
        fn no_status_or_code_panics(status in any::<u16>(), code in proptest::option::of(".{0,70}")) {
            let error = recreate(status, code.as_deref());
            prop_assert!(error.code().concerns_the_client());
        }

        #[test]
        fn a_document_is_well_formed_and_gives_back_what_was_put_in(
            index in 0..ErrorCode::ALL.len(),
            message in any::<String>(),
            resource in any::<String>(),
            request_id in any::<String>(),
        ) {
            let error = S3Error::new(ErrorCode::ALL[index]).with_message(message.clone()).with_detail("Key", message);
            let xml = error.to_xml(&resource, &request_id);
            let found = error_code(xml.as_bytes());
            prop_assert_eq!(found.as_deref().and_then(ErrorCode::from_code), Some(error.code()));
            prop_assert_eq!(text_of(&xml, "Resource"), visible(&resource));
            prop_assert_eq!(text_of(&xml, "RequestId"), visible(&request_id));
        }
    }

    /// The unescaped text of the element; fails for a document that is not well-formed.
    fn text_of(xml: &str, element: &str) -> String {
        let mut reader = Reader::from_str(xml);
        let mut inside = false;
        let mut text = String::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) => inside = start.name().as_ref() == element,
                Event::End(_) => inside = false,
                Event::Text(piece) if inside => text.push_str(piece.as_ref()),
                Event::GeneralRef(reference) if inside => {
                    let name: &str = reference.as_ref();
                    let escaped = format!("&{name};");
                    text.push_str(&quick_xml::escape::unescape(&escaped).unwrap());
                }
                Event::Eof => return text,
                Event::Decl(_) | Event::Text(_) | Event::GeneralRef(_) => {}
                Event::Empty(_)
                | Event::CData(_)
                | Event::Comment(_)
                | Event::PI(_)
                | Event::DocType(_) => panic!("not of an error document"),
            }
        }
    }

    fn visible(text: &str) -> String {
        text.chars()
            .map(|character| match character {
                '\r' | '\n' | '\t' => character,
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
                _ => character,
            })
            .collect()
    }
}
