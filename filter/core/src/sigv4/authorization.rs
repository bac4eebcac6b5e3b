//! A claim to be somebody: the `Authorization` field, or the query parameters in its place.
//!
//! ```text
//! Authorization = "AWS4-HMAC-SHA256" 1*SP component *( OWS "," OWS component )
//! component     = "Credential=" credential | "SignedHeaders=" names | "Signature=" signature
//! credential    = access-key-id "/" date "/" region "/s3/aws4_request"
//! names         = name *( ";" name )
//!
//! query         = X-Amz-Algorithm, X-Amz-Credential, X-Amz-Date, X-Amz-Expires,
//!                 X-Amz-SignedHeaders, X-Amz-Signature
//!                 [, X-Amz-Security-Token ] [, X-Amz-Content-Sha256 ]
//! ```

use core::fmt;

use super::canonical_request::{HOST, SignedHeaders};
use super::credential_scope::{CredentialScope, S3, TERMINAL};
use super::error::{Error, Malformed};
use super::string_to_sign::ALGORITHM;
use crate::head::RequestHead;
use crate::time::UnixTime;
use crate::uri::Query;

/// What a request says of who sent it; nothing of it is verified.
#[derive(Clone, Debug)]
pub struct Authorization {
    pub(super) mechanism: Mechanism,
    pub(super) access_key_id: String,
    pub(super) scope: CredentialScope,
    pub(super) signed_headers: SignedHeaders,
    pub(super) signature: ClaimedSignature,
}

/// Where the signature was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    /// In the `Authorization` field.
    Header,
    /// In the query: a presigned URL.
    Query {
        /// Seconds that the request stays valid, 604 800 at most.
        expires: u64,
    },
}

/// A signature as claimed. Never shown by `Debug`: that of a presigned URL is good until it
/// expires.
#[derive(Clone)]
pub(super) struct ClaimedSignature(String);

impl ClaimedSignature {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for ClaimedSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimedSignature")
    }
}

impl Authorization {
    /// Finds the one claim that a request makes; `None` where it is anonymous (AUT-1).
    ///
    /// `query` is the head's query, decoded.
    ///
    /// # Errors
    ///
    /// More than one claim, one by a mechanism that is not supported, or one that is malformed.
    pub fn from_request(head: &RequestHead, query: &Query) -> Result<Option<Self>, Error> {
        let in_header = head.headers.count(AUTHORIZATION);
        let version_4 = has_any(query, &[X_AMZ_ALGORITHM, X_AMZ_CREDENTIAL, X_AMZ_SIGNATURE]);
        let version_2 = has_any(query, &["AWSAccessKeyId", "Signature"]);
        match (in_header, version_4, version_2) {
            (0, false, false) => Ok(None),
            (1, false, false) => Self::from_header(head).map(Some),
            (0, true, false) => Self::from_query(query).map(Some),
            (0, false, true) => Err(Error::SignatureVersion2),
            (_, _, _) => Err(Error::MultipleMechanisms),
        }
    }

    /// The id of the access key whose secret the request claims to be signed with.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The names of the fields that had to be signed and were not: `host`, and every `x-amz-*`
    /// that is present (AUT-5).
    ///
    /// `x-amz-content-sha256` need not be: its value is part of what is signed in any case.
    pub fn headers_not_signed<'a>(&self, head: &'a RequestHead) -> Vec<&'a str> {
        let mut names: Vec<&str> = head
            .headers
            .iter()
            .map(|field| field.name.as_str())
            .filter(|name| name.starts_with("x-amz-") && *name != X_AMZ_CONTENT_SHA256)
            .chain([HOST])
            .filter(|name| !self.signed_headers.contains(name))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn from_header(head: &RequestHead) -> Result<Self, Error> {
        let text = head.headers.text(AUTHORIZATION).unwrap_or_default();
        let (scheme, components) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        match scheme {
            ALGORITHM => {}
            ECDSA_ALGORITHM => return Err(Error::SignatureVersion4A),
            "AWS" => return Err(Error::SignatureVersion2),
            _ => return Err(Error::UnsupportedScheme),
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for component in components.split(',') {
            let (name, value) = component
                .trim_matches([' ', '\t'])
                .split_once('=')
                .ok_or(MALFORMED_COMPONENTS)?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(MALFORMED_COMPONENTS),
            };
            if value.is_empty() || slot.replace(value).is_some() {
                return Err(MALFORMED_COMPONENTS);
            }
        }
        let (Some(credential), Some(signed_headers), Some(signature)) =
            (credential, signed_headers, signature)
        else {
            return Err(MALFORMED_COMPONENTS);
        };
        let credential =
            Credential::parse(credential).map_err(Error::AuthorizationHeaderMalformed)?;
        let time = request_time(head)?;
        Self::new(
            Mechanism::Header,
            credential,
            time,
            signed_headers,
            signature,
        )
        .map_err(Error::AuthorizationHeaderMalformed)
    }

    fn from_query(query: &Query) -> Result<Self, Error> {
        Self::from_parameters(query).map_err(|error| match error {
            ParameterError::Malformed(malformed) => Error::AuthorizationQueryParameters(malformed),
            ParameterError::Ecdsa => Error::SignatureVersion4A,
        })
    }

    fn from_parameters(query: &Query) -> Result<Self, ParameterError> {
        match single(query, X_AMZ_ALGORITHM)? {
            ALGORITHM => {}
            ECDSA_ALGORITHM => return Err(ParameterError::Ecdsa),
            _ => return Err(Malformed::Algorithm.into()),
        }
        let credential = single(query, X_AMZ_CREDENTIAL)?;
        let date = single(query, X_AMZ_DATE)?;
        let expires = single(query, X_AMZ_EXPIRES)?;
        let signed_headers = single(query, X_AMZ_SIGNED_HEADERS)?;
        let signature = single(query, X_AMZ_SIGNATURE)?;
        let credential = Credential::parse(credential)?;
        let time = UnixTime::parse_basic(date).map_err(|_| Malformed::Date)?;
        let mechanism = Mechanism::Query {
            expires: parse_expires(expires)?,
        };
        Ok(Self::new(
            mechanism,
            credential,
            time,
            signed_headers,
            signature,
        )?)
    }

    fn new(
        mechanism: Mechanism,
        credential: Credential<'_>,
        time: UnixTime,
        signed_headers: &str,
        signature: &str,
    ) -> Result<Self, Malformed> {
        if credential.date != time.to_basic_date() {
            return Err(Malformed::CredentialDateDiffers);
        }
        Ok(Self {
            mechanism,
            access_key_id: credential.access_key_id.to_owned(),
            scope: CredentialScope::s3(time, credential.region),
            signed_headers: SignedHeaders::parse(signed_headers).ok_or(Malformed::SignedHeaders)?,
            signature: ClaimedSignature(signature.to_owned()),
        })
    }
}

/// An access key and the scope in which its signing key signs.
struct Credential<'a> {
    access_key_id: &'a str,
    /// `yyyymmdd`.
    date: &'a str,
    region: &'a str,
}

impl<'a> Credential<'a> {
    fn parse(text: &'a str) -> Result<Self, Malformed> {
        // From the right: an access key id may contain a slash.
        let mut pieces = text.rsplitn(5, '/');
        let mut piece = || pieces.next().filter(|piece| !piece.is_empty());
        let (Some(terminal), Some(service), Some(region), Some(date), Some(access_key_id)) =
            (piece(), piece(), piece(), piece(), piece())
        else {
            return Err(Malformed::Credential);
        };
        if date.len() != 8 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Malformed::CredentialDate);
        }
        if service != S3 {
            return Err(Malformed::Service);
        }
        if terminal != TERMINAL {
            return Err(Malformed::Terminal);
        }
        Ok(Self {
            access_key_id,
            date,
            region,
        })
    }
}

/// What is wrong with the query parameters.
enum ParameterError {
    Malformed(Malformed),
    Ecdsa,
}

impl From<Malformed> for ParameterError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// The time of a request that is signed in its `Authorization` field (AUT-3).
fn request_time(head: &RequestHead) -> Result<UnixTime, Error> {
    let name = if head.headers.contains("x-amz-date") {
        "x-amz-date"
    } else {
        "date"
    };
    if head.headers.count(name) != 1 {
        return Err(Error::InvalidDate);
    }
    let text = head.headers.text(name).ok_or(Error::InvalidDate)?;
    UnixTime::parse_basic(text)
        .or_else(|invalid| match name {
            "date" => UnixTime::parse_http_date(text),
            _ => Err(invalid),
        })
        .map_err(|_| Error::InvalidDate)
}

fn parse_expires(text: &str) -> Result<u64, Malformed> {
    let (negative, digits) = text
        .strip_prefix('-')
        .map_or((false, text), |digits| (true, digits));
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Malformed::ExpiresNotANumber);
    }
    if negative {
        return Err(Malformed::ExpiresNegative);
    }
    // Digits that are too many for a number are more than a week.
    digits
        .parse()
        .ok()
        .filter(|expires| *expires <= SECONDS_IN_WEEK)
        .ok_or(Malformed::ExpiresTooLong)
}

/// Tells whether a parameter has one of these names. Case is no matter, so that no spelling that a
/// store might know passes for anonymous here.
fn has_any(query: &Query, names: &[&str]) -> bool {
    query.iter().any(|parameter| {
        names
            .iter()
            .any(|name| parameter.name.eq_ignore_ascii_case(name))
    })
}

/// The value of the one parameter of this name.
fn single<'a>(query: &'a Query, name: &str) -> Result<&'a str, Malformed> {
    let mut found = query
        .iter()
        .filter(|parameter| parameter.name.eq_ignore_ascii_case(name));
    match (found.next(), found.next()) {
        (Some(parameter), None) if parameter.name == name && !parameter.value().is_empty() => {
            Ok(parameter.value())
        }
        (_, _) => Err(Malformed::Components),
    }
}

const MALFORMED_COMPONENTS: Error = Error::AuthorizationHeaderMalformed(Malformed::Components);

const AUTHORIZATION: &str = "authorization";
pub(super) const X_AMZ_CONTENT_SHA256: &str = "x-amz-content-sha256";

const X_AMZ_ALGORITHM: &str = "X-Amz-Algorithm";
const X_AMZ_CREDENTIAL: &str = "X-Amz-Credential";
const X_AMZ_DATE: &str = "X-Amz-Date";
const X_AMZ_EXPIRES: &str = "X-Amz-Expires";
const X_AMZ_SIGNED_HEADERS: &str = "X-Amz-SignedHeaders";
pub(super) const X_AMZ_SIGNATURE: &str = "X-Amz-Signature";

const ECDSA_ALGORITHM: &str = "AWS4-ECDSA-P256-SHA256";

/// The longest that a presigned URL stays valid.
const SECONDS_IN_WEEK: u64 = 604_800;
