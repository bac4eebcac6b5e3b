//! Percent-encoding and query strings, as S3 and SigV4 use them.
//!
//! S3 decodes a path or a query exactly once ([RFC 3986 §2.1]); `+` is data and never a space, `;`
//! is data and never a separator. SigV4 encodes every byte outside RFC 3986's unreserved set, with
//! upper-case hexadecimal digits.
//!
//! [RFC 3986 §2.1]: https://www.rfc-editor.org/rfc/rfc3986#section-2.1

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// Percent-decodes `text` once.
///
/// # Errors
///
/// [`InvalidEscape`] where a `%` is not followed by two hexadecimal digits.
pub fn decode(text: &str) -> Result<Vec<u8>, InvalidEscape> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = hex_digit(bytes.next())?;
            let low = hex_digit(bytes.next())?;
            decoded.push((high << 4) | low);
        } else {
            decoded.push(byte);
        }
    }
    Ok(decoded)
}

/// Percent-encodes every byte of `bytes` outside RFC 3986's unreserved set.
pub fn encode(bytes: &[u8]) -> String {
    percent_encode(bytes, &RESERVED).to_string()
}

/// Percent-encodes `bytes` as [`encode`] does, but keeps `/`: for paths.
pub fn encode_path(bytes: &[u8]) -> String {
    percent_encode(bytes, &RESERVED_BUT_SLASH).to_string()
}

/// A query string, split and decoded once, in the order it was received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    parameters: Vec<Parameter>,
}

impl Query {
    /// Splits `raw`, the text after `?`, at `&` and decodes each name and value once.
    ///
    /// Empty pieces (`a&&b`) are dropped.
    ///
    /// # Errors
    ///
    /// [`InvalidEscape`] for a bad percent-escape, or a name or value that is not UTF-8.
    pub fn parse(raw: &str) -> Result<Self, InvalidEscape> {
        let mut parameters = Vec::new();
        for piece in raw.split('&').filter(|piece| !piece.is_empty()) {
            let (name, value) = match piece.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (piece, None),
            };
            parameters.push(Parameter {
                name: decode_text(name)?,
                value: value.map(decode_text).transpose()?,
            });
        }
        Ok(Self { parameters })
    }

    /// Appends a parameter.
    pub fn push(&mut self, name: impl Into<String>, value: Option<String>) {
        self.parameters.push(Parameter {
            name: name.into(),
            value,
        });
    }

    /// All parameters, in the order they were received.
    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter()
    }

    /// Tells whether a parameter of exactly this name is present, with or without a value.
    pub fn contains(&self, name: &str) -> bool {
        self.parameters
            .iter()
            .any(|parameter| parameter.name == name)
    }

    /// The value of the first parameter of exactly this name; `""` where it has none.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|parameter| parameter.name == name)
            .map(Parameter::value)
    }

    /// Keeps the parameters for which `keep` answers true.
    pub fn retain(&mut self, keep: impl FnMut(&Parameter) -> bool) {
        self.parameters.retain(keep);
    }

    /// Tells whether there is no parameter.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// SigV4's canonical query string: encoded, sorted by encoded name and then by encoded value,
    /// `name=` where there is no value.
    pub fn canonical(&self) -> String {
        let mut pairs: Vec<(String, String)> = self
            .parameters
            .iter()
            .map(|parameter| {
                (
                    encode(parameter.name.as_bytes()),
                    encode(parameter.value().as_bytes()),
                )
            })
            .collect();
        pairs.sort();
        let mut text = String::new();
        for (name, value) in pairs {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(&name);
            text.push('=');
            text.push_str(&value);
        }
        text
    }
}

/// One `name` or `name=value` of a query string, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name, decoded once, compared byte for byte.
    pub name: String,
    /// The value, decoded once; `None` where there was no `=`.
    pub value: Option<String>,
}

impl Parameter {
    /// The value, `""` where there was none.
    pub fn value(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }
}

/// A percent-escape that is no escape, or text that is not UTF-8 once decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid percent-encoding")]
pub struct InvalidEscape;

fn decode_text(text: &str) -> Result<String, InvalidEscape> {
    String::from_utf8(decode(text)?).map_err(|_| InvalidEscape)
}

fn hex_digit(byte: Option<u8>) -> Result<u8, InvalidEscape> {
    byte.and_then(|byte| char::from(byte).to_digit(16))
        .and_then(|digit| u8::try_from(digit).ok())
        .ok_or(InvalidEscape)
}

/// What SigV4 encodes: all but `A-Z a-z 0-9 - _ . ~`.
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

const RESERVED_BUT_SLASH: AsciiSet = RESERVED.remove(b'/');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_is_data() {
        assert_eq!(decode("a+b%2B").unwrap(), b"a+b+");
        assert_eq!(encode(b"a+b c"), "a%2Bb%20c");
    }

    #[test]
    fn decoding_happens_once() {
        assert_eq!(decode("%2541").unwrap(), b"%41");
    }

    #[test]
    fn bad_escapes_are_refused() {
        for text in ["%", "%4", "%zz", "a%4", "%+1", "%-1"] {
            assert_eq!(decode(text), Err(InvalidEscape), "{text}");
        }
    }

    #[test]
    fn a_query_keeps_order_and_tells_no_value_from_an_empty_one() {
        let query = Query::parse("uploads&prefix=&a=b=c&&x;y=1").unwrap();
        let names: Vec<_> = query
            .iter()
            .map(|p| (p.name.as_str(), p.value.as_deref()))
            .collect();
        assert_eq!(
            names,
            [
                ("uploads", None),
                ("prefix", Some("")),
                ("a", Some("b=c")),
                ("x;y", Some("1"))
            ]
        );
        assert_eq!(query.canonical(), "a=b%3Dc&prefix=&uploads=&x%3By=1");
    }

    proptest::proptest! {
        #[test]
        fn encoding_round_trips(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            proptest::prop_assert_eq!(decode(&encode(&bytes)).unwrap(), bytes.clone());
            proptest::prop_assert_eq!(decode(&encode_path(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn parsing_never_panics(text in ".{0,200}") {
            let _ = Query::parse(&text);
            let _ = decode(&text);
        }
    }
}
