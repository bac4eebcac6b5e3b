//! Listings of objects, with the sizes and ETags that clients know them by (LST-1, LST-2).
//!
//! ```text
//! ListBucketResult / Contents          Size, ETag rewritten; ChecksumAlgorithm, ChecksumType dropped
//! ListVersionsResult / Version         the same
//! ```
//!
//! Everything else stays byte for byte. A size is a pure function of the stored one
//! ([`layout::plaintext_len`]); one that no object of this filter has stays as it is. A listing is
//! what the store says: nothing in it is authentic.
//!
//! The document may have no document type and no entities but XML's own five and character
//! references ([XML 1.0 §4.6]).
//!
//! [XML 1.0 §4.6]: https://www.w3.org/TR/xml/#sec-predefined-ent

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

use crate::etag::client_etag;
use crate::segment::layout;

/// Rewrites a whole listing.
///
/// # Errors
///
/// [`InvalidListing`] for a document that is no listing, or that uses what a listing does not need.
pub fn rewrite(document: &[u8]) -> Result<String, InvalidListing> {
    let text = core::str::from_utf8(document).map_err(|_| InvalidListing)?;
    let mut reader = Reader::from_str(text);
    let mut rewriter = Rewriter::new(text);
    loop {
        let start = position(&reader)?;
        let event = reader.read_event().map_err(|_| InvalidListing)?;
        let end = position(&reader)?;
        match event {
            Event::Start(element) => rewriter.start(element.name().as_ref(), start, end)?,
            Event::End(_) => rewriter.end(start, end)?,
            Event::Empty(element) => rewriter.empty(element.name().as_ref(), start, end)?,
            Event::Text(text) => rewriter.text(text.as_ref())?,
            Event::GeneralRef(reference) => rewriter.reference(&reference)?,
            Event::CData(_) | Event::DocType(_) | Event::PI(_) => return Err(InvalidListing),
            Event::Decl(_) | Event::Comment(_) => {}
            Event::Eof => return rewriter.finish(),
        }
    }
}

/// A document that is no listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid listing")]
pub struct InvalidListing;

/// Copies a document but for the fields that change.
struct Rewriter<'a> {
    document: &'a str,
    out: String,
    /// How much of `document` is in `out` or left out for good.
    copied: usize,
    /// How many elements are open.
    depth: usize,
    has_root: bool,
    /// Whether the element open at depth 2 is an object.
    in_entry: bool,
    field: Option<Field>,
}

/// A field of an object that does not stay as it is.
struct Field {
    kind: FieldKind,
    /// Where its element starts.
    start: usize,
    /// Where its content starts.
    content: usize,
    /// Its text, references resolved.
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldKind {
    Size,
    Etag,
    Checksum,
}

impl FieldKind {
    fn of(name: &str) -> Option<Self> {
        match name {
            "Size" => Some(Self::Size),
            "ETag" => Some(Self::Etag),
            "ChecksumAlgorithm" | "ChecksumType" => Some(Self::Checksum),
            _ => None,
        }
    }
}

impl<'a> Rewriter<'a> {
    fn new(document: &'a str) -> Self {
        Self {
            document,
            out: String::with_capacity(document.len()),
            copied: 0,
            depth: 0,
            has_root: false,
            in_entry: false,
            field: None,
        }
    }

    fn start(&mut self, name: &str, start: usize, end: usize) -> Result<(), InvalidListing> {
        match self.depth {
            0 if self.has_root || !matches!(name, "ListBucketResult" | "ListVersionsResult") => {
                return Err(InvalidListing);
            }
            0 => self.has_root = true,
            1 => self.in_entry = matches!(name, "Contents" | "Version"),
            2 if self.in_entry => {
                self.field = FieldKind::of(name).map(|kind| Field {
                    kind,
                    start,
                    content: end,
                    text: String::new(),
                });
            }
            // Neither a size nor an ETag has elements in it.
            _ if self.field.is_some() => return Err(InvalidListing),
            _ => {}
        }
        self.depth = self
            .depth
            .checked_add(1)
            .filter(|depth| *depth <= MAX_DEPTH)
            .ok_or(InvalidListing)?;
        Ok(())
    }

    fn end(&mut self, start: usize, end: usize) -> Result<(), InvalidListing> {
        self.depth = self.depth.checked_sub(1).ok_or(InvalidListing)?;
        let Some(field) = self.field.take() else {
            return Ok(());
        };
        match field.kind {
            FieldKind::Size => {
                let stored_len: u64 = field.text.trim().parse().map_err(|_| InvalidListing)?;
                let size = layout::plaintext_len(stored_len).unwrap_or(stored_len);
                self.copy(field.content)?;
                self.out.push_str(&size.to_string());
                self.copied = start;
            }
            FieldKind::Etag => {
                let etag = client_etag(field.text.as_bytes()).map_err(|_| InvalidListing)?;
                self.copy(field.content)?;
                self.out.push_str(&etag.replace('"', "&quot;"));
                self.copied = start;
            }
            FieldKind::Checksum => {
                self.copy(field.start)?;
                self.copied = end;
            }
        }
        Ok(())
    }

    fn empty(&mut self, name: &str, start: usize, end: usize) -> Result<(), InvalidListing> {
        if self.depth == 0 || self.field.is_some() {
            return Err(InvalidListing);
        }
        if self.depth == 2 && self.in_entry && FieldKind::of(name) == Some(FieldKind::Checksum) {
            self.copy(start)?;
            self.copied = end;
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), InvalidListing> {
        if self.depth == 0 && !text.trim().is_empty() {
            return Err(InvalidListing);
        }
        if let Some(field) = &mut self.field {
            field.text.push_str(text);
        }
        Ok(())
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), InvalidListing> {
        if self.depth == 0 {
            return Err(InvalidListing);
        }
        let character = reference.resolve_char_ref().map_err(|_| InvalidListing)?;
        let text = match character {
            Some(character) => character.to_string(),
            None => resolve_predefined_entity(reference.as_ref())
                .ok_or(InvalidListing)?
                .to_owned(),
        };
        if let Some(field) = &mut self.field {
            field.text.push_str(&text);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<String, InvalidListing> {
        if self.depth > 0 || !self.has_root {
            return Err(InvalidListing);
        }
        self.copy(self.document.len())?;
        Ok(self.out)
    }

    /// Copies what is not copied yet, up to `end`.
    fn copy(&mut self, end: usize) -> Result<(), InvalidListing> {
        let piece = self.document.get(self.copied..end).ok_or(InvalidListing)?;
        self.out.push_str(piece);
        self.copied = end;
        Ok(())
    }
}

fn position(reader: &Reader<&[u8]>) -> Result<usize, InvalidListing> {
    usize::try_from(reader.buffer_position()).map_err(|_| InvalidListing)
}

/// No listing has more than four.
const MAX_DEPTH: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const V2: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>a&amp;b&#x20AC;</Prefix><KeyCount>2</KeyCount><Size>8228</Size>
<Contents><Key>a&lt;b &amp;c</Key><LastModified>2026-11-24T00:00:00.000Z</LastModified><ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>73</Size><StorageClass>STANDARD</StorageClass><Owner><ID>Size</ID></Owner></Contents>
<Contents><Key>d</Key><ETag>"abc-2"</ETag><Size>0</Size><ChecksumAlgorithm/></Contents><CommonPrefixes><Prefix>x/</Prefix></CommonPrefixes></ListBucketResult>"#;

    #[test]
    fn lst_2_sizes_and_etags_of_objects_change_and_nothing_else() {
        let expected = V2
            .replace("&quot;d41d8cd98f00b204e9800998ecf8427e&quot;", "&quot;d41d8cd98f00b204e9800998ecf8427e-1&quot;")
            .replace("<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>", "")
            .replace("<Size>73</Size>", "<Size>1</Size>")
            .replace("\"abc-2\"", "&quot;abc-2&quot;")
            .replace("<ChecksumAlgorithm/>", "");
        assert_eq!(rewrite(V2.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn lst_2_versions_change_and_delete_markers_do_not() {
        let document = "<ListVersionsResult><Version><ETag>\"a\"</ETag><Size>8264</Size></Version><DeleteMarker><Key>k</Key><ETag>\"a\"</ETag></DeleteMarker></ListVersionsResult>";
        let expected = "<ListVersionsResult><Version><ETag>&quot;a-1&quot;</ETag><Size>8192</Size></Version><DeleteMarker><Key>k</Key><ETag>\"a\"</ETag></DeleteMarker></ListVersionsResult>";
        assert_eq!(rewrite(document.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn a_size_that_no_object_of_the_filter_has_stays() {
        for size in [1, 20, 37, 8300] {
            let document = format!(
                "<ListBucketResult><Contents><Size>{size}</Size></Contents></ListBucketResult>"
            );
            assert_eq!(rewrite(document.as_bytes()).unwrap(), document);
        }
    }

    #[test]
    fn what_is_no_listing_is_refused() {
        for document in [
            "",
            " ",
            "<Error><Code>NoSuchBucket</Code></Error>",
            "<html></html>",
            "<ListBucketResult>",
            "<ListBucketResult></ListBucketResult><ListBucketResult></ListBucketResult>",
            "<ListBucketResult></ListBucketResult>text",
            "<ListBucketResult></ListVersionsResult>",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult>&a;</ListBucketResult>",
            "<ListBucketResult>&a;</ListBucketResult>",
            "<ListBucketResult><?php x?></ListBucketResult>",
            "<ListBucketResult><![CDATA[x]]></ListBucketResult>",
            "<ListBucketResult><Contents><Size>x</Size></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Size>-1</Size></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Size></Size></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Size>1<b/></Size></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><ETag>a b</ETag></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><ETag>&#13;</ETag></Contents></ListBucketResult>",
            &format!("<ListBucketResult>{}", "<a>".repeat(100)),
        ] {
            assert_eq!(
                rewrite(document.as_bytes()),
                Err(InvalidListing),
                "{document}"
            );
        }
        assert_eq!(
            rewrite(b"<ListBucketResult>\xff</ListBucketResult>"),
            Err(InvalidListing)
        );
    }

    proptest! {
        #[test]
        fn no_document_makes_it_panic(
            document in "(<ListBucketResult>|<Contents>|</Contents>|<Size>|</Size>|<ETag>|</ETag>|[0-9a-z\"&;#<>/é]{0,4}){0,30}",
        ) {
            let _ = rewrite(document.as_bytes());
            let _ = rewrite(format!("<ListBucketResult><Contents>{document}</Contents></ListBucketResult>").as_bytes());
        }

        #[test]
        fn any_key_and_any_size_come_through(key in "\\PC{0,40}", len in 0_u64..1 << 40) {
            let key = quick_xml::escape::escape(key.as_str()).into_owned();
            let entry = |size: u64| format!("<ListBucketResult><Contents><Key>{key}</Key><Size>{size}</Size></Contents></ListBucketResult>");
            let stored = layout::stored_len(len).unwrap();
            prop_assert_eq!(rewrite(entry(stored).as_bytes()), Ok(entry(len)));
        }
    }
}
