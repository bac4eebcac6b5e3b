//! Conditions on an ETag, as clients see ETags (ETG-4).
//!
//! The store can't judge them, for it knows other ETags; so the filter does, on the head of the
//! store's answer. Conditions on dates are the store's to judge, but for those that a condition on
//! the ETag stands above ([RFC 9110 §13.2.2]):
//!
//! ```text
//! If-Match false                              412
//! If-Match true                               If-Unmodified-Since does not count
//! If-None-Match matches                       304
//! If-None-Match does not match                If-Modified-Since does not count
//! ```
//!
//! [RFC 9110 §13.2.2]: https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2

use crate::head::Headers;

/// The conditions of a read on the ETag.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
}

impl Conditions {
    /// The conditions in `headers`.
    pub fn from_headers(headers: &Headers) -> Self {
        let text = |name| headers.text(name).map(str::to_owned);
        Self {
            if_match: text("if-match"),
            if_none_match: text("if-none-match"),
        }
    }

    /// Removes from what goes to the store the conditions that it can't judge or that don't count.
    pub fn strip(&self, upstream: &mut Headers) {
        upstream.remove("if-match");
        upstream.remove("if-none-match");
        if self.if_match.is_some() {
            upstream.remove("if-unmodified-since");
        }
        if self.if_none_match.is_some() {
            upstream.remove("if-modified-since");
        }
    }

    /// Judges the conditions on an object whose ETag is `etag`, quoted.
    pub fn evaluate(&self, etag: &str) -> Verdict {
        if self
            .if_match
            .as_deref()
            .is_some_and(|list| !matches(list, etag))
        {
            return Verdict::PreconditionFailed;
        }
        if self
            .if_none_match
            .as_deref()
            .is_some_and(|list| matches(list, etag))
        {
            return Verdict::NotModified;
        }
        Verdict::Proceed
    }
}

/// What the conditions of a read come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The object is to be served.
    Proceed,
    /// 412: `If-Match` names other objects.
    PreconditionFailed,
    /// 304: `If-None-Match` names this object.
    NotModified,
}

/// Tells whether `etag` is in `list`: `*`, or entity tags separated by commas. S3 takes tags
/// without quotes, and does not tell weak from strong.
pub fn matches(list: &str, etag: &str) -> bool {
    if list.trim() == "*" {
        return true;
    }
    let wanted = opaque(etag);
    // No ETag of S3 has a comma in it.
    list.split(',').any(|tag| opaque(tag) == wanted)
}

fn opaque(tag: &str) -> &str {
    let tag = tag.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(fields: &[(&str, &str)]) -> Verdict {
        let headers: Headers = fields.iter().copied().collect();
        Conditions::from_headers(&headers).evaluate("\"abc-1\"")
    }

    #[test]
    fn etg_4_the_etag_is_compared_as_s3_compares_it() {
        for tag in [
            "\"abc-1\"",
            "abc-1",
            "W/\"abc-1\"",
            "*",
            "\"x\", \"abc-1\"",
            " \"abc-1\" ",
        ] {
            assert_eq!(verdict(&[("if-match", tag)]), Verdict::Proceed, "{tag}");
            assert_eq!(
                verdict(&[("if-none-match", tag)]),
                Verdict::NotModified,
                "{tag}"
            );
        }
        for tag in ["\"abc\"", "abc", "\"ABC-1\"", "", "\"x\", \"y\"", "\"abc-1"] {
            assert_eq!(
                verdict(&[("if-match", tag)]),
                Verdict::PreconditionFailed,
                "{tag}"
            );
            assert_eq!(
                verdict(&[("if-none-match", tag)]),
                Verdict::Proceed,
                "{tag}"
            );
        }
        assert_eq!(verdict(&[]), Verdict::Proceed);
        let both = [("if-match", "x"), ("if-none-match", "abc-1")];
        assert_eq!(verdict(&both), Verdict::PreconditionFailed);
    }

    #[test]
    fn etg_4_a_condition_on_the_etag_stands_above_one_on_the_date() {
        let fields = [
            ("if-match", "x"),
            ("if-unmodified-since", "a"),
            ("if-modified-since", "b"),
        ];
        let mut headers: Headers = fields.into_iter().collect();
        Conditions::from_headers(&headers.clone()).strip(&mut headers);
        assert!(!headers.contains("if-unmodified-since") && headers.contains("if-modified-since"));
        assert!(!headers.contains("if-match"));
        let mut headers: Headers = [("if-none-match", "x"), ("if-modified-since", "b")]
            .into_iter()
            .collect();
        Conditions::from_headers(&headers.clone()).strip(&mut headers);
        assert!(headers.is_empty());
    }
}
