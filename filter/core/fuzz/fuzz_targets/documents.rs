//! Whatever a store sends as a document: a listing is rewritten or refused, an error has a code or
//! has none.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| {
    let _ = s3_envelope::s3_error::error_code(document);
    if let Ok(listing) = s3_envelope::listing::rewrite(document) {
        assert!(!listing.contains("<!DOCTYPE"));
    }
});
