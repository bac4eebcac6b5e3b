//! The source of a copy: `x-amz-copy-source` (RTE-4).
//!
//! ```text
//! copy-source = [ "/" ] bucket "/" key [ "?versionId=" version-id ]
//! ```
//!
//! Bucket and key are percent-decoded together, once: some clients encode the slash between them,
//! some encode nothing.

use crate::uri;

use super::Refusal;
use super::address;

/// The object that a copy reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// The bucket.
    pub bucket: String,
    /// The object key, decoded.
    pub object_key: String,
    /// The version, where one is named.
    pub version_id: Option<String>,
}

impl CopySource {
    /// Parses the value of `x-amz-copy-source`.
    ///
    /// # Errors
    ///
    /// [`Refusal::CopySourceArn`] for an access point, else what is wrong with the value.
    pub fn parse(value: &[u8]) -> Result<Self, Refusal> {
        let text = core::str::from_utf8(value)
            .map_err(|_| Refusal::InvalidCopySource)?
            .trim_matches([' ', '\t']);
        // Before decoding: an encoded `?` belongs to the key.
        let (path, version_id) = match text.rsplit_once("?versionId=") {
            Some((path, version_id)) => (path, Some(decode(version_id)?)),
            None => (text, None),
        };
        let path = decode(path)?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        if path
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("arn:"))
        {
            return Err(Refusal::CopySourceArn);
        }
        let (bucket, object_key) = path.split_once('/').ok_or(Refusal::InvalidCopySource)?;
        if object_key.is_empty() || version_id.as_ref().is_some_and(String::is_empty) {
            return Err(Refusal::InvalidCopySource);
        }
        Ok(Self {
            bucket: address::bucket_name(bucket.to_owned())?,
            object_key: address::object_key(object_key.as_bytes().to_vec())?,
            version_id,
        })
    }

    /// The value of `x-amz-copy-source` that names this source, encoded canonically.
    pub fn header_value(&self) -> String {
        let path = uri::encode_path(self.object_key.as_bytes());
        match &self.version_id {
            Some(version_id) => {
                let version_id = uri::encode(version_id.as_bytes());
                format!("{}/{path}?versionId={version_id}", self.bucket)
            }
            None => format!("{}/{path}", self.bucket),
        }
    }
}

fn decode(text: &str) -> Result<String, Refusal> {
    uri::decode(text)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or(Refusal::InvalidCopySource)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(bucket: &str, key: &str, version_id: Option<&str>) -> CopySource {
        CopySource {
            bucket: bucket.to_owned(),
            object_key: key.to_owned(),
            version_id: version_id.map(str::to_owned),
        }
    }

    #[test]
    fn rte_4_every_clients_spelling_is_understood() {
        for (value, expected) in [
            ("bucket/key", source("bucket", "key", None)),
            ("/bucket/key", source("bucket", "key", None)),
            ("%2Fbucket%2Fa%2Fb", source("bucket", "a/b", None)),
            (
                "bucket%2Fkey?versionId=abc%2B",
                source("bucket", "key", Some("abc+")),
            ),
            (
                "bucket/k%3FversionId=x",
                source("bucket", "k?versionId=x", None),
            ),
            (
                "bucket/k%3FversionId=x?versionId=null",
                source("bucket", "k?versionId=x", Some("null")),
            ),
            ("bucket/a?b", source("bucket", "a?b", None)),
            ("bucket/a+b%252B", source("bucket", "a+b%2B", None)),
            ("bucket//key", source("bucket", "/key", None)),
            ("bucket/ü", source("bucket", "ü", None)),
        ] {
            let parsed = CopySource::parse(value.as_bytes()).unwrap();
            assert_eq!(parsed, expected, "{value}");
            assert_eq!(
                CopySource::parse(parsed.header_value().as_bytes()),
                Ok(parsed)
            );
        }
    }

    #[test]
    fn rte_4_anything_else_is_refused() {
        for value in [
            "",
            "/",
            "bucket",
            "bucket/",
            "/bucket/",
            "bucket/%zz",
            "bucket/%ff",
            "bucket/k?versionId=",
        ] {
            assert_eq!(
                CopySource::parse(value.as_bytes()),
                Err(Refusal::InvalidCopySource),
                "{value}"
            );
        }
        assert_eq!(
            CopySource::parse(b"bucket/\xff"),
            Err(Refusal::InvalidCopySource)
        );
        assert_eq!(CopySource::parse(b"b/key"), Err(Refusal::InvalidBucketName));
        assert_eq!(
            CopySource::parse(b"bucket/../other/key"),
            Err(Refusal::InvalidUri)
        );
        for value in [
            "arn:aws:s3:eu-west-1:1:accesspoint/ap/object/k",
            "ARN%3Aaws:s3:::b/k",
        ] {
            assert_eq!(
                CopySource::parse(value.as_bytes()),
                Err(Refusal::CopySourceArn),
                "{value}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics_and_the_canonical_value_names_the_same_source(text in "/?[ab.%]{0,6}(/|%2F)?.{0,40}") {
            if let Ok(source) = CopySource::parse(text.as_bytes()) {
                proptest::prop_assert_eq!(CopySource::parse(source.header_value().as_bytes()), Ok(source));
            }
        }
    }
}
