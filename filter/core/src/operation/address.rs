//! Which bucket and which object an address names (RTE-1 to RTE-3).
//!
//! ```text
//! path style     https://host/bucket/key       host is configured, or an IP address
//! virtual host   https://bucket.suffix/key     suffix is configured; the longest one counts
//! ```
//!
//! The key is what follows, percent-decoded once, and nothing else is done to it: `a//b`, `a/./b`
//! and `a+b` are keys of their own.

use core::net::{Ipv4Addr, Ipv6Addr};

use serde::Deserialize;

use crate::uri;

use super::Refusal;
use super::table::Level;

/// The host names under which clients reach the filter.
#[derive(Clone, Debug)]
pub struct Addressing {
    path_style: Vec<String>,
    /// Each with a leading dot.
    virtual_host_suffixes: Vec<String>,
}

impl Addressing {
    /// Hosts that are followed by `/bucket/key`, and suffixes that follow `bucket.`, both compared
    /// without port and without regard to case. An IP address is always a host of the first kind.
    pub fn new(path_style: Vec<String>, virtual_host_suffixes: Vec<String>) -> Self {
        let path_style = path_style
            .iter()
            .filter_map(|host| host_name(host))
            .collect();
        let virtual_host_suffixes = virtual_host_suffixes
            .iter()
            .filter_map(|suffix| host_name(suffix.strip_prefix('.').unwrap_or(suffix)))
            .map(|suffix| format!(".{suffix}"))
            .collect();
        Self {
            path_style,
            virtual_host_suffixes,
        }
    }

    /// What a request to `authority` for the raw `path` is about.
    ///
    /// # Errors
    ///
    /// An unknown host, or a path that names no bucket or no key that S3 could have.
    pub(super) fn resource(&self, authority: &str, path: &str) -> Result<Resource, Refusal> {
        let host = host_name(authority).ok_or(Refusal::UnknownHost)?;
        let path = path.strip_prefix('/').ok_or(Refusal::InvalidUri)?;
        if self.path_style.contains(&host) || is_ip_address(&host) {
            if path.is_empty() {
                return Ok(Resource::default());
            }
            let (bucket, raw_key) = path.split_once('/').unwrap_or((path, ""));
            return Ok(Resource {
                bucket: Some(bucket_name(decode_text(bucket)?)?),
                object_key: optional_key(raw_key)?,
            });
        }
        let bucket = self
            .virtual_host_suffixes
            .iter()
            .filter_map(|suffix| host.strip_suffix(suffix.as_str()))
            .min_by_key(|bucket| bucket.len())
            .ok_or(Refusal::UnknownHost)?;
        Ok(Resource {
            bucket: Some(bucket_name(bucket.to_owned())?),
            object_key: optional_key(path)?,
        })
    }
}

/// How the store's buckets are addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreAddressing {
    /// `https://host/bucket/key`.
    Path,
    /// `https://bucket.host/key`.
    VirtualHost,
}

/// What an address names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) bucket: Option<String>,
    pub(super) object_key: Option<String>,
}

impl Resource {
    pub(super) fn level(&self) -> Level {
        match (&self.bucket, &self.object_key) {
            (None, _) => Level::Service,
            (Some(_), None) => Level::Bucket,
            (Some(_), Some(_)) => Level::Object,
        }
    }
}

/// Checks a bucket's name: 3 to 255 of `A-Z a-z 0-9 . _ -`, the first one a letter or a digit.
///
/// Looser than S3's rules for new buckets, so that old ones can be reached; strict enough for a
/// host name and for a path segment.
pub(super) fn bucket_name(name: String) -> Result<String, Refusal> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let starts_well = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    if (3..=255).contains(&name.len()) && starts_well && name.bytes().all(legal) {
        Ok(name)
    } else {
        Err(Refusal::InvalidBucketName)
    }
}

/// Checks a decoded object key: 1 to 1024 bytes of UTF-8, no way out of the bucket.
pub(super) fn object_key(key: Vec<u8>) -> Result<String, Refusal> {
    let key = String::from_utf8(key).map_err(|_| Refusal::InvalidUri)?;
    if key.is_empty() || leaves_the_bucket(&key) {
        return Err(Refusal::InvalidUri);
    }
    if key.len() > MAX_KEY_LEN {
        return Err(Refusal::KeyTooLong { len: key.len() });
    }
    Ok(key)
}

fn optional_key(raw: &str) -> Result<Option<String>, Refusal> {
    if raw.is_empty() {
        return Ok(None);
    }
    object_key(uri::decode(raw)?).map(Some)
}

fn decode_text(raw: &str) -> Result<String, Refusal> {
    String::from_utf8(uri::decode(raw)?).map_err(|_| Refusal::InvalidUri)
}

/// Tells whether `..` outnumbers, from left to right, the segments before it.
///
/// S3 refuses such keys ([Naming objects], "relative path elements"); a store that normalises
/// paths would find another bucket there, with the filter's credentials.
///
/// [Naming objects]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
fn leaves_the_bucket(key: &str) -> bool {
    let mut depth = 0_usize;
    for segment in key.split('/') {
        match segment {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(parent) => depth = parent,
                None => return true,
            },
            _ => depth = depth.saturating_add(1),
        }
    }
    false
}

/// The host of `authority`, lower case, without port.
fn host_name(authority: &str) -> Option<String> {
    let (host, port) = if authority.starts_with('[') {
        let (host, rest) = authority.split_once(']')?;
        let port = match rest {
            "" => None,
            _ => Some(rest.strip_prefix(':')?),
        };
        (format!("{host}]"), port)
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (authority.to_owned(), None),
        }
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if host.is_empty() || !port.is_none_or(is_port) {
        return None;
    }
    Some(host.to_ascii_lowercase())
}

fn is_ip_address(host: &str) -> bool {
    match host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

/// The longest object key, in bytes of UTF-8.
pub(super) const MAX_KEY_LEN: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn addressing() -> Addressing {
        Addressing::new(
            vec!["s3.example.com".to_owned(), "LocalHost:9000".to_owned()],
            vec![
                "s3.example.com".to_owned(),
                ".eu.s3.example.com".to_owned(),
                String::new(),
            ],
        )
    }

    fn resource(authority: &str, path: &str) -> Result<(Option<String>, Option<String>), Refusal> {
        addressing()
            .resource(authority, path)
            .map(|resource| (resource.bucket, resource.object_key))
    }

    fn named(bucket: &str, key: Option<&str>) -> Result<(Option<String>, Option<String>), Refusal> {
        Ok((Some(bucket.to_owned()), key.map(str::to_owned)))
    }

    #[test]
    fn rte_1_configured_hosts_and_ip_addresses_are_path_style() {
        for host in [
            "s3.example.com",
            "S3.Example.COM:443",
            "localhost",
            "localhost:1",
            "127.0.0.1:9000",
            "10.0.0.1",
            "[::1]",
            "[2001:db8::1]:9000",
        ] {
            assert_eq!(
                resource(host, "/bucket/a/key"),
                named("bucket", Some("a/key")),
                "{host}"
            );
            assert_eq!(resource(host, "/bucket"), named("bucket", None), "{host}");
            assert_eq!(resource(host, "/bucket/"), named("bucket", None), "{host}");
            assert_eq!(resource(host, "/"), Ok((None, None)), "{host}");
        }
    }

    #[test]
    fn rte_1_the_longest_suffix_gives_the_bucket() {
        assert_eq!(
            resource("b.b.s3.example.com:80", "/k"),
            named("b.b", Some("k"))
        );
        assert_eq!(
            resource("bucket.eu.s3.example.com", "/"),
            named("bucket", None)
        );
        assert_eq!(
            resource("My-Bucket.S3.example.com", "/K"),
            named("my-bucket", Some("K"))
        );
    }

    #[test]
    fn rte_1_any_other_host_is_refused() {
        for host in [
            "",
            "example.com",
            "eu.s3.example.com.evil.com",
            "s3.example.com.",
            "s3.example.com@evil",
            "xs3.example.com",
            "s3.example.com:80:80",
            "s3.example.com:http",
            "[::1",
            "[::1]x",
            "[s3.example.com]",
            "bucket.127.0.0.1",
            ":80",
        ] {
            assert_eq!(
                resource(host, "/bucket/key"),
                Err(Refusal::UnknownHost),
                "{host}"
            );
        }
        for host in [
            ".s3.example.com",
            "-.s3.example.com",
            "a b.s3.example.com",
            "a@b.s3.example.com",
        ] {
            assert_eq!(
                resource(host, "/key"),
                Err(Refusal::InvalidBucketName),
                "{host}"
            );
        }
    }

    #[test]
    fn rte_2_the_path_is_not_normalised() {
        for key in [
            "a//b",
            "/",
            "//",
            "a/../b",
            "a/./b",
            "a/b/../../c",
            "..a",
            "a/...",
            "dir/",
        ] {
            let path = format!("/bucket/{key}");
            assert_eq!(resource("localhost", &path), named("bucket", Some(key)));
            assert_eq!(
                resource("bucket.s3.example.com", &format!("/{key}")),
                named("bucket", Some(key))
            );
        }
    }

    #[test]
    fn rte_2_a_key_that_leaves_the_bucket_is_refused() {
        for key in [
            "..",
            "../b/k",
            "a/../../b",
            "%2e%2e/b",
            "..%2Fb",
            "a/..//../b",
            "./../b",
            "/../b",
        ] {
            let path = format!("/bucket/{key}");
            assert_eq!(
                resource("localhost", &path),
                Err(Refusal::InvalidUri),
                "{key}"
            );
        }
    }

    #[test]
    fn rte_3_the_key_is_decoded_once_and_a_plus_is_a_plus() {
        assert_eq!(
            resource("localhost", "/bucket/a%2Fb"),
            named("bucket", Some("a/b"))
        );
        assert_eq!(
            resource("localhost", "/bucket/a%252Fb"),
            named("bucket", Some("a%2Fb"))
        );
        assert_eq!(
            resource("localhost", "/bucket/a+b%20c"),
            named("bucket", Some("a+b c"))
        );
        assert_eq!(
            resource("localhost", "/bucket/%C3%BC"),
            named("bucket", Some("ü"))
        );
        assert_eq!(
            resource("localhost", "/%62ucket/k"),
            named("bucket", Some("k"))
        );
    }

    #[test]
    fn rte_3_keys_that_s3_can_not_have_are_refused() {
        assert_eq!(
            resource("localhost", "/bucket/%ff"),
            Err(Refusal::InvalidUri)
        );
        assert_eq!(
            resource("localhost", "/bucket/%zz"),
            Err(Refusal::InvalidUri)
        );
        let longest = "k".repeat(MAX_KEY_LEN);
        assert_eq!(
            resource("localhost", &format!("/bucket/{longest}")),
            named("bucket", Some(&longest))
        );
        assert_eq!(
            resource("localhost", &format!("/bucket/{longest}k")),
            Err(Refusal::KeyTooLong { len: 1025 })
        );
    }

    #[test]
    fn a_path_without_a_bucket_that_s3_can_have_is_refused() {
        for path in [
            "//bucket/key",
            "/b%2Fk",
            "/bu",
            "/..",
            "/.../k",
            "/buck%00et",
            "/bu:cket",
            "/%ff",
        ] {
            let refusal = resource("localhost", path).unwrap_err();
            assert!(
                matches!(refusal, Refusal::InvalidBucketName | Refusal::InvalidUri),
                "{path}: {refusal:?}"
            );
        }
        for path in ["", "*", "bucket/key", "http://localhost/bucket/key"] {
            assert_eq!(
                resource("localhost", path),
                Err(Refusal::InvalidUri),
                "{path}"
            );
        }
    }
}
