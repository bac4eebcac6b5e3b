//! Whatever a client sends as a head: it is classified or refused, and what is classified means the
//! same once it has been made anew for the store.

#![no_main]

use libfuzzer_sys::fuzz_target;
use s3_envelope::head::{Headers, RequestHead};
use s3_envelope::operation::{Addressing, StoreAddressing, classify};
use s3_envelope::sigv4::Authorization;
use s3_envelope::uri::Query;

fuzz_target!(|input: (&str, &str, Vec<(&str, &[u8])>)| {
    let (method, target, fields) = input;
    let head = RequestHead {
        method: method.to_owned(),
        target: target.to_owned(),
        authority: "127.0.0.1".to_owned(),
        headers: fields.into_iter().collect(),
    };
    if let Ok(query) = Query::parse(head.raw_query()) {
        let _ = Authorization::from_request(&head, &query);
    }
    let addressing = Addressing::new(vec!["127.0.0.1".to_owned()], Vec::new());
    if let Ok(request) = classify(&head, &addressing) {
        let anew = RequestHead {
            target: request.upstream_target(StoreAddressing::Path),
            headers: Headers::new(),
            ..head
        };
        if let Ok(again) = classify(&anew, &addressing) {
            assert_eq!(again.bucket, request.bucket);
            assert_eq!(again.object_key, request.object_key);
        }
    }
});
