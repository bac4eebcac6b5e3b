//! The canonical request: the text of a request that is signed.

use core::fmt;

use sha2::{Digest as _, Sha256};

use super::error::Error;
use crate::head::RequestHead;
use crate::uri::{self, InvalidEscape};

/// What of a request is signed; `Display` is the text, but for field values that are not UTF-8,
/// which are signed as the bytes they are.
pub(super) struct CanonicalRequest<'a> {
    pub(super) method: &'a str,
    pub(super) canonical_uri: &'a str,
    pub(super) canonical_query_string: &'a str,
    pub(super) canonical_headers: &'a CanonicalHeaders,
    pub(super) signed_headers: &'a SignedHeaders,
    pub(super) hashed_payload: &'a str,
}

impl CanonicalRequest<'_> {
    /// SHA-256 of the text.
    pub(super) fn sha256(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for piece in self.pieces() {
            hasher.update(piece);
        }
        hasher.finalize().into()
    }

    fn pieces(&self) -> [&[u8]; 11] {
        [
            self.method.as_bytes(),
            b"\n",
            self.canonical_uri.as_bytes(),
            b"\n",
            self.canonical_query_string.as_bytes(),
            b"\n",
            &self.canonical_headers.text,
            b"\n",
            self.signed_headers.text.as_bytes(),
            b"\n",
            self.hashed_payload.as_bytes(),
        ]
    }
}

impl fmt::Display for CanonicalRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces()
            .iter()
            .try_for_each(|piece| f.write_str(&String::from_utf8_lossy(piece)))
    }
}

/// The canonical URI of a raw path: each segment decoded once and encoded again, nothing
/// normalised; `/` where there is none (AUT-4).
///
/// # Errors
///
/// [`InvalidEscape`] for a bad percent-escape.
pub(super) fn canonical_uri(raw_path: &str) -> Result<String, InvalidEscape> {
    if raw_path.is_empty() {
        return Ok("/".to_owned());
    }
    let segments: Vec<String> = raw_path
        .split('/')
        .map(|segment| Ok(uri::encode(&uri::decode(segment)?)))
        .collect::<Result<_, InvalidEscape>>()?;
    Ok(segments.join("/"))
}

/// The names of the fields that are signed: lower case, sorted, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedHeaders {
    /// Joined by `;`.
    text: String,
}

impl SignedHeaders {
    /// Parses lower-case names, separated by `;`.
    ///
    /// Answers `None` where a name is not a lower-case field name or is there twice.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut names: Vec<&str> = text.split(';').collect();
        names.sort_unstable();
        let total = names.len();
        names.dedup();
        let valid = names.len() == total
            && names.iter().all(|name| {
                !name.is_empty()
                    && name
                        .bytes()
                        .all(|byte| is_token(byte) && !byte.is_ascii_uppercase())
            });
        valid.then(|| Self {
            text: names.join(";"),
        })
    }

    /// `host` and the given names.
    pub(super) fn with_host<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut names: Vec<&str> = names.chain([HOST]).collect();
        names.sort_unstable();
        names.dedup();
        Self {
            text: names.join(";"),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.text.split(';')
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.iter().any(|signed| signed == name)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

/// The fields that are signed, `name:value` LF each.
pub(super) struct CanonicalHeaders {
    text: Vec<u8>,
}

impl CanonicalHeaders {
    /// Collects the fields of `head` that are signed.
    ///
    /// A field that was signed and is not there has the value that Envoy is known to have removed
    /// (AUT-6), or else none.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidHead`] for a value with a line break, which could pass for another field.
    pub(super) fn new(head: &RequestHead, signed_headers: &SignedHeaders) -> Result<Self, Error> {
        let mut text = Vec::new();
        for name in signed_headers.iter() {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            if name == HOST {
                append_value(&mut text, head.authority.as_bytes())?;
            } else if head.headers.contains(name) {
                let mut first = true;
                for value in head.headers.values(name) {
                    if !first {
                        text.push(b',');
                    }
                    first = false;
                    append_value(&mut text, value)?;
                }
            } else {
                text.extend_from_slice(value_before_envoy(name));
            }
            text.push(b'\n');
        }
        Ok(Self { text })
    }
}

/// Tells whether `byte` may be in a method or field name ([RFC 9110 §5.6.2]).
///
/// [RFC 9110 §5.6.2]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Appends `value` without surrounding space, each run of space within made one space character.
fn append_value(text: &mut Vec<u8>, value: &[u8]) -> Result<(), Error> {
    if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Err(Error::InvalidHead);
    }
    let mut first = true;
    for word in value
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty())
    {
        if !first {
            text.push(b' ');
        }
        first = false;
        text.extend_from_slice(word);
    }
    Ok(())
}

/// The value that a field had before Envoy removed it, where there is but one that it can have had
/// in a request that Envoy lets pass; else nothing.
fn value_before_envoy(name: &str) -> &'static [u8] {
    match name {
        "expect" => b"100-continue",
        "transfer-encoding" => b"chunked",
        "connection" => b"keep-alive",
        _ => b"",
    }
}

/// The name under which the authority is signed.
pub(super) const HOST: &str = "host";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Headers;

    fn canonical_headers(fields: &[(&str, &[u8])], signed_headers: &str) -> Result<Vec<u8>, Error> {
        let head = RequestHead {
            method: "GET".to_owned(),
            target: "/".to_owned(),
            authority: "store:9000".to_owned(),
            headers: fields
                .iter()
                .map(|(name, value)| (*name, *value))
                .collect::<Headers>(),
        };
        CanonicalHeaders::new(&head, &SignedHeaders::parse(signed_headers).unwrap())
            .map(|headers| headers.text)
    }

    #[test]
    fn aut_4_a_path_is_decoded_and_encoded_once_and_not_normalised() {
        for (raw_path, canonical) in [
            ("", "/"),
            ("/", "/"),
            ("//", "//"),
            ("/b//a/./../c/", "/b//a/./../c/"),
            ("/b/a b+c", "/b/a%20b%2Bc"),
            ("/b/a%20b%2bc", "/b/a%20b%2Bc"),
            ("/b/a%2Fb", "/b/a%2Fb"),
            ("/b/%2520", "/b/%2520"),
            ("/b/%41%7e*'()!", "/b/A~%2A%27%28%29%21"),
            ("/b/\u{1234}%ff", "/b/%E1%88%B4%FF"),
        ] {
            assert_eq!(canonical_uri(raw_path).unwrap(), canonical, "{raw_path}");
        }
        assert_eq!(canonical_uri("/b/%4"), Err(InvalidEscape));
    }

    #[test]
    fn aut_4_values_are_trimmed_collapsed_and_joined() {
        assert_eq!(
            canonical_headers(
                &[
                    ("b", b" x  y\t z "),
                    ("a", b""),
                    ("b", b"\t2"),
                    ("c", b"unsigned")
                ],
                "a;b;host"
            )
            .unwrap(),
            b"a:\nb:x y z,2\nhost:store:9000\n"
        );
    }

    #[test]
    fn values_that_are_not_utf_8_are_signed_as_they_are() {
        assert_eq!(
            canonical_headers(&[("a", b"caf\xe9\xff")], "a").unwrap(),
            b"a:caf\xe9\xff\n"
        );
    }

    #[test]
    fn a_line_break_in_a_value_is_refused() {
        for value in [b"a\nb:c".as_slice(), b"a\rb", b"a\0"] {
            assert_eq!(
                canonical_headers(&[("a", value)], "a"),
                Err(Error::InvalidHead)
            );
        }
    }

    #[test]
    fn aut_6_fields_that_envoy_removes_are_reconstructed() {
        let names = "connection;content-length;expect;te;transfer-encoding";
        assert_eq!(
            canonical_headers(&[], names).unwrap(),
            b"connection:keep-alive\ncontent-length:\nexpect:100-continue\nte:\n\
              transfer-encoding:chunked\n"
        );
        assert_eq!(
            canonical_headers(
                &[("expect", b"100-Continue"), ("content-length", b"3")],
                names
            )
            .unwrap(),
            b"connection:keep-alive\ncontent-length:3\nexpect:100-Continue\nte:\n\
              transfer-encoding:chunked\n"
        );
    }

    #[test]
    fn signed_headers_are_lower_case_names_each_once() {
        assert_eq!(
            SignedHeaders::parse("x-amz-date;host").unwrap().as_str(),
            "host;x-amz-date"
        );
        for text in [
            "",
            ";",
            "host;",
            "host;host",
            "Host",
            "host ;x",
            "ho:st",
            "host,x",
            "hóst",
            "a\nb",
        ] {
            assert_eq!(SignedHeaders::parse(text), None, "{text}");
        }
    }
}
