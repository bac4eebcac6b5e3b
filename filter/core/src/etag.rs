//! ETags as clients see them (ETG-1).
//!
//! The store's ETag of an object is the MD5 of its ciphertext, and clients that see 32 bare
//! hexadecimal digits compare them with the MD5 of the plaintext. So `h` is shown as `h-1`, which
//! every client takes for a multipart ETag and leaves alone; one that already has a `-` stays as
//! it is. PUT, GET, HEAD and listings show the same string.

/// An entity tag of the store, as the client is to see it, with quotes.
///
/// # Errors
///
/// [`InvalidEtag`] where it is not 1 to 128 characters of `0-9 A-Z a-z . _ -`, quoted or not.
pub fn client_etag(store_etag: &[u8]) -> Result<String, InvalidEtag> {
    let opaque = opaque_tag(store_etag)?;
    if opaque.contains('-') {
        Ok(format!("\"{opaque}\""))
    } else {
        Ok(format!("\"{opaque}-1\""))
    }
}

/// An ETag that no S3 store gives: an attack or not an S3 store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid ETag")]
pub struct InvalidEtag;

fn opaque_tag(etag: &[u8]) -> Result<&str, InvalidEtag> {
    let text = core::str::from_utf8(etag)
        .map_err(|_| InvalidEtag)?
        .trim_matches([' ', '\t']);
    let opaque = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if (1..=128).contains(&opaque.len()) && opaque.bytes().all(legal) {
        Ok(opaque)
    } else {
        Err(InvalidEtag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etg_1_a_bare_md5_gets_a_part_count_and_others_stay() {
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        assert_eq!(
            client_etag(format!("\"{md5}\"").as_bytes()).unwrap(),
            format!("\"{md5}-1\"")
        );
        assert_eq!(client_etag(md5.as_bytes()).unwrap(), format!("\"{md5}-1\""));
        assert_eq!(client_etag(b"\"abc-17\"").unwrap(), "\"abc-17\"");
    }

    #[test]
    fn an_etag_with_line_breaks_or_of_odd_length_is_refused() {
        let long = "a".repeat(129);
        for etag in [
            "",
            "\"\"",
            "a\r\nset-cookie: x",
            "\"a",
            "a b",
            long.as_str(),
        ] {
            assert_eq!(client_etag(etag.as_bytes()), Err(InvalidEtag), "{etag:?}");
        }
    }
}
