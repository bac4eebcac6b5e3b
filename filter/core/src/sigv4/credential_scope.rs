//! The credential scope: what a signing key may sign.

use core::fmt;

use crate::time::UnixTime;

/// Day, region and service that a signature is good for.
///
/// `Display` is the text that is signed, `20130524/us-east-1/s3/aws4_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CredentialScope {
    /// The request's time, of which the scope has the date.
    pub(super) time: UnixTime,
    pub(super) region: String,
    pub(super) service: &'static str,
}

impl CredentialScope {
    /// The scope of S3 in `region`, on the day of `time`.
    pub(super) fn s3(time: UnixTime, region: impl Into<String>) -> Self {
        Self {
            time,
            region: region.into(),
            service: S3,
        }
    }
}

impl fmt::Display for CredentialScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            time,
            region,
            service,
        } = self;
        write!(f, "{}/{region}/{service}/{TERMINAL}", time.to_basic_date())
    }
}

/// The service that every scope names.
pub(super) const S3: &str = "s3";

/// The last piece of every scope.
pub(super) const TERMINAL: &str = "aws4_request";
