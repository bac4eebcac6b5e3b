//! Heads of requests and responses: raw bytes as received, order kept.
//!
//! Field names are lower case ([RFC 9113 §8.2.1]), which Envoy guarantees and [`Headers::push`]
//! enforces; values are bytes, for a client may send any byte above 0x20 ([RFC 9110 §5.5]).
//!
//! [RFC 9113 §8.2.1]: https://www.rfc-editor.org/rfc/rfc9113#section-8.2.1
//! [RFC 9110 §5.5]: https://www.rfc-editor.org/rfc/rfc9110#section-5.5

/// The fields of a head, without pseudo-header fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<Field>,
}

impl Headers {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a field; the name is made lower case.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        let mut name = name.into();
        name.make_ascii_lowercase();
        self.fields.push(Field {
            name,
            value: value.into(),
        });
    }

    /// Removes every field of this name and appends one.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.remove(name);
        self.push(name, value);
    }

    /// Removes every field of this name.
    pub fn remove(&mut self, name: &str) {
        self.fields.retain(|field| field.name != name);
    }

    /// Keeps the fields for which `keep` answers true.
    pub fn retain(&mut self, keep: impl FnMut(&Field) -> bool) {
        self.fields.retain(keep);
    }

    /// All fields, in the order they were received.
    pub fn iter(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter()
    }

    /// The values of every field of this (lower-case) name, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(move |field| field.name == name)
            .map(|field| field.value.as_slice())
    }

    /// The value of the first field of this (lower-case) name.
    ///
    /// That single-valued fields are not repeated is checked when the request is classified.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.fields
            .iter()
            .find(|field| field.name == name)
            .map(|field| field.value.as_slice())
    }

    /// The value of the first field of this name where it is UTF-8, without surrounding space.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name)
            .and_then(|value| core::str::from_utf8(value).ok())
            .map(|text| text.trim_matches([' ', '\t']))
    }

    /// Tells whether a field of this (lower-case) name is present.
    pub fn contains(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }

    /// How many fields of this (lower-case) name there are.
    pub fn count(&self, name: &str) -> usize {
        self.values(name).count()
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Tells whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl<N: Into<String>, V: Into<Vec<u8>>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut headers = Self::new();
        for (name, value) in fields {
            headers.push(name, value);
        }
        headers
    }
}

/// One field of a head.
#[derive(Clone, PartialEq, Eq)]
pub struct Field {
    /// The name, lower case.
    pub name: String,
    /// The value as received.
    pub value: Vec<u8>,
}

impl core::fmt::Debug for Field {
    /// Leaves out the values that let whoever reads them act as somebody else.
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let is_secret = ["authorization", "token", "customer-key", "cookie"]
            .iter()
            .any(|part| self.name.contains(part));
        let value = if is_secret {
            "…".into()
        } else {
            String::from_utf8_lossy(&self.value)
        };
        write!(formatter, "{}: {value:?}", self.name)
    }
}

/// The head of a request: method, target and fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// The method, as received.
    pub method: String,
    /// The origin-form target ([RFC 9112 §3.2.1](https://www.rfc-editor.org/rfc/rfc9112#section-3.2.1)):
    /// raw path, and raw query after `?`.
    pub target: String,
    /// Host and optional port (`Host`, `:authority`).
    pub authority: String,
    /// The fields, without pseudo-header fields and without `host`.
    pub headers: Headers,
}

impl RequestHead {
    /// The raw path: the target up to `?`.
    pub fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The raw query: the target after `?`, `""` where there is none.
    pub fn raw_query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// Assembles a head from the name-value pairs that a host hands over, pseudo-header fields
    /// included.
    ///
    /// The target is empty where there is none: that of CONNECT is an authority alone.
    ///
    /// # Errors
    ///
    /// [`InvalidHead`] where another pseudo-header field is missing, or one is repeated or not
    /// ASCII, or a name is not UTF-8.
    pub fn from_pairs(
        pairs: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<Self, InvalidHead> {
        let (mut method, mut target, mut authority) = (None, None, None);
        let mut headers = Headers::new();
        for (name, value) in pairs {
            let name = String::from_utf8(name).map_err(|_| InvalidHead)?;
            match name.as_str() {
                ":method" => set_once(&mut method, value)?,
                ":path" => set_once(&mut target, value)?,
                ":authority" | "host" => set_once(&mut authority, value)?,
                _ if name.starts_with(':') => {}
                _ => headers.push(name, value),
            }
        }
        Ok(Self {
            method: method.ok_or(InvalidHead)?,
            target: target.unwrap_or_default(),
            authority: authority.ok_or(InvalidHead)?,
            headers,
        })
    }
}

/// The head of a response: status and fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status code.
    pub status: u16,
    /// The fields, without pseudo-header fields.
    pub headers: Headers,
}

impl ResponseHead {
    /// Assembles a head from the name-value pairs that a host hands over, pseudo-header fields
    /// included.
    ///
    /// # Errors
    ///
    /// [`InvalidHead`] where `:status` is missing or not a number, or a name is not UTF-8.
    pub fn from_pairs(
        pairs: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<Self, InvalidHead> {
        let mut status = None;
        let mut headers = Headers::new();
        for (name, value) in pairs {
            let name = String::from_utf8(name).map_err(|_| InvalidHead)?;
            if name == ":status" {
                set_once(&mut status, value)?;
            } else if !name.starts_with(':') {
                headers.push(name, value);
            }
        }
        let status = status
            .and_then(|text| text.parse().ok())
            .ok_or(InvalidHead)?;
        Ok(Self { status, headers })
    }
}

/// A head that is not HTTP: a pseudo-header field missing, repeated or not ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid head")]
pub struct InvalidHead;

fn set_once(slot: &mut Option<String>, value: Vec<u8>) -> Result<(), InvalidHead> {
    if slot.is_some() || !value.is_ascii() {
        return Err(InvalidHead);
    }
    *slot = Some(String::from_utf8(value).map_err(|_| InvalidHead)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &[u8])]) -> Vec<(Vec<u8>, Vec<u8>)> {
        list.iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
            .collect()
    }

    #[test]
    fn connect_has_no_target() {
        let list = pairs(&[(":method", b"CONNECT".as_slice()), (":authority", b"h:1")]);
        let head = RequestHead::from_pairs(list).unwrap();
        assert_eq!((head.path(), head.raw_query()), ("", ""));
    }

    #[test]
    fn pseudo_header_fields_are_set_apart() {
        let head = RequestHead::from_pairs(pairs(&[
            (":method", b"GET"),
            (":path", b"/b/k?x=1"),
            (":authority", b"h:1"),
            (":scheme", b"http"),
            ("X-Amz-Date", b"now"),
            ("x-bin", b"caf\xe9\xff"),
        ]))
        .unwrap();
        assert_eq!((head.path(), head.raw_query()), ("/b/k", "x=1"));
        assert_eq!(head.authority, "h:1");
        assert_eq!(head.headers.text("x-amz-date"), Some("now"));
        assert_eq!(head.headers.value("x-bin"), Some(b"caf\xe9\xff".as_slice()));
        assert_eq!(head.headers.text("x-bin"), None);
        assert_eq!(head.headers.len(), 2);
    }

    #[test]
    fn secrets_do_not_print() {
        let headers: Headers = [
            ("authorization", "AWS4 xyz"),
            ("x-amz-security-token", "xyz"),
            ("etag", "\"a\""),
        ]
        .into_iter()
        .collect();
        let text = format!("{headers:?}");
        assert!(!text.contains("xyz") && text.contains("etag"), "{text}");
    }

    #[test]
    fn repeated_or_missing_pseudo_header_fields_are_refused() {
        for list in [
            &[(":method", b"GET".as_slice()), (":path", b"/")][..],
            &[
                (":method", b"GET"),
                (":method", b"PUT"),
                (":path", b"/"),
                (":authority", b"h"),
            ],
            &[
                (":method", b"GET"),
                (":path", b"/\xff"),
                (":authority", b"h"),
            ],
            &[
                (":method", b"GET"),
                (":path", b"/"),
                (":authority", b"h"),
                ("host", b"i"),
            ],
        ] {
            assert_eq!(RequestHead::from_pairs(pairs(list)), Err(InvalidHead));
        }
        assert_eq!(
            ResponseHead::from_pairs(pairs(&[(":status", b"2x0")])),
            Err(InvalidHead)
        );
    }
}
