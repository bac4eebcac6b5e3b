//! Whole exchanges without a network: a client that signs, the filter, and a store that verifies
//! what reaches it, keeps objects, and can be made to lie.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::type_complexity,
    clippy::wildcard_enum_match_arm,
    reason = "a test"
)]

use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use proptest::prelude::*;
use s3_envelope::callout::CalloutReply;
use s3_envelope::config::Config;
use s3_envelope::exchange::{BodyAction, Exchange, HeadAction, Reply, Resumption, Seed, Wait};
use s3_envelope::head::{Headers, RequestHead, ResponseHead};
use s3_envelope::key_cache::KeyCache;
use s3_envelope::segment::layout;
use s3_envelope::sigv4::{self, Authorization, Credentials, SecretAccessKey};
use s3_envelope::time::UnixTime;
use s3_envelope::uri::Query;
use sha2::{Digest as _, Sha256};

const NOW: UnixTime = UnixTime::from_seconds(1_790_000_000);

#[test]
fn an_object_comes_back_and_the_store_holds_ciphertext() {
    for len in [0, 1, 8191, 8192, 8193, 16384, 100_000] {
        for framing in Framing::ALL {
            for integrity in ["unsigned", "trailer"] {
                let mut world = World::new(integrity);
                let plaintext = pattern(len);
                let put = world.put("/bucket/some/key", &plaintext, framing);
                assert_eq!(put.status, 200, "{len} {framing:?} {put:?}");
                assert!(put.headers.text("etag").unwrap().ends_with("-1\""));
                assert_eq!(
                    put.headers.text("x-amz-server-side-encryption"),
                    Some("aws:kms")
                );
                let stored = &world.store.objects["/bucket/some/key"];
                assert_eq!(
                    stored.body.len() as u64,
                    layout::stored_len(len as u64).unwrap()
                );
                assert!(!contains_run_of(&stored.body, &plaintext));
                let get = world.get("/bucket/some/key");
                assert_eq!((get.status, get.reset), (200, false));
                assert_eq!(get.body, plaintext, "{len} {framing:?}");
                assert_eq!(
                    get.headers.text("content-length"),
                    Some(len.to_string().as_str())
                );
                assert_eq!(get.headers.text("x-amz-meta-color"), Some("blue"));
                assert!(!get.headers.contains("x-amz-meta-s3-envelope"));
                let head = world.head("/bucket/some/key");
                assert_eq!(
                    head.headers.text("content-length"),
                    get.headers.text("content-length")
                );
                assert_eq!(head.headers.text("etag"), put.headers.text("etag"));
                assert!(head.body.is_empty());
            }
        }
    }
}

#[test]
fn a_body_that_is_not_what_was_signed_leaves_the_store_as_it_was() {
    for len in [0, 5, 8192, 30_000] {
        for (framing, fault) in [
            (Framing::Sha256, Fault::FlippedBit),
            (Framing::Sha256, Fault::Short),
            (Framing::Unsigned, Fault::Short),
            (Framing::Md5, Fault::FlippedBit),
            (Framing::SignedChunks, Fault::FlippedBit),
            (Framing::SignedChunks, Fault::Short),
            (Framing::SignedChunks, Fault::Surplus),
            (Framing::UnsignedTrailer, Fault::FlippedBit),
            (Framing::UnsignedTrailer, Fault::Short),
            (Framing::UnsignedTrailer, Fault::Surplus),
        ] {
            if len == 0 && fault != Fault::Surplus {
                continue;
            }
            for integrity in ["unsigned", "trailer"] {
                let mut world = World::new(integrity);
                assert_eq!(
                    world
                        .put("/bucket/k", b"the version before", Framing::Sha256)
                        .status,
                    200
                );
                let before = world.store.objects["/bucket/k"].clone();
                let put = world.put_with_fault("/bucket/k", &pattern(len), framing, Some(fault));
                assert!(
                    (400..500).contains(&put.status) || put.reset,
                    "{len} {framing:?} {fault:?} {put:?}"
                );
                assert_eq!(
                    world.store.objects["/bucket/k"], before,
                    "{len} {framing:?} {fault:?}"
                );
            }
        }
    }
}

#[test]
fn what_the_store_alters_is_not_released() {
    let plaintext = pattern(20_000);
    let mut world = World::new("unsigned");
    world.put("/bucket/k", &plaintext, Framing::Sha256);
    world.put("/bucket/other", &pattern(20_000), Framing::Sha256);
    let original = world.store.objects["/bucket/k"].clone();
    let other = world.store.objects["/bucket/other"].clone();
    let lies: Vec<(&str, Box<dyn Fn(&mut Object)>)> = vec![
        ("first segment", Box::new(|object| object.body[100] ^= 1)),
        ("second segment", Box::new(|object| object.body[8300] ^= 1)),
        (
            "footer",
            Box::new(|object| *object.body.last_mut().unwrap() ^= 1),
        ),
        ("cut", Box::new(|object| object.body.truncate(8228))),
        (
            "cut quietly",
            Box::new(|object| {
                object
                    .headers
                    .set("content-length", object.body.len().to_string());
                object.body.truncate(8228);
            }),
        ),
        (
            "without length",
            Box::new(|object| {
                object.headers.set("content-length", "");
                object.body.truncate(16456);
            }),
        ),
        ("surplus", Box::new(|object| object.body.push(0))),
        ("empty", Box::new(|object| object.body.clear())),
        (
            "envelope removed",
            Box::new(|object| object.headers.remove("x-amz-meta-s3-envelope")),
        ),
        (
            "another body",
            Box::new({
                let other = other.clone();
                move |object| object.body = other.body.clone()
            }),
        ),
        (
            "another object",
            Box::new({
                let other = other.clone();
                move |object| *object = other.clone()
            }),
        ),
        (
            "content type",
            Box::new(|object| object.headers.set("content-type", "text/html")),
        ),
        (
            "user metadata",
            Box::new(|object| object.headers.set("x-amz-meta-color", "red")),
        ),
        (
            "content encoding",
            Box::new(|object| object.headers.set("content-encoding", "gzip")),
        ),
        ("no etag", Box::new(|object| object.headers.remove("etag"))),
        (
            "bad etag",
            Box::new(|object| object.headers.set("etag", "\"a b\"")),
        ),
    ];
    for (name, lie) in lies {
        let mut altered = original.clone();
        lie(&mut altered);
        world.store.objects.insert("/bucket/k".to_owned(), altered);
        let get = world.get("/bucket/k");
        let clean =
            get.status >= 400 && get.headers.text("content-type") == Some("application/xml");
        assert!(get.reset || clean, "{name} {get:?}");
        if get.reset {
            assert!(
                plaintext.starts_with(&get.body) && get.body.len() < plaintext.len(),
                "{name}"
            );
        }
    }
}

#[test]
fn get_6_a_range_is_the_slice_of_the_plaintext_in_one_request() {
    for n in [0_usize, 1, 8191, 8192, 8193, 16384, 30_007] {
        let plaintext = pattern(n);
        for ignores_ranges in [false, true] {
            let mut world = World::new("unsigned");
            world.put("/bucket/k", &plaintext, Framing::Sha256);
            world.store.ignores_ranges = ignores_ranges;
            let offsets = [
                0,
                1,
                8191,
                8192,
                8193,
                16383,
                n.saturating_sub(1),
                n,
                n + 1,
                n + 9000,
            ];
            let mut cases = Vec::new();
            for first in offsets {
                let end = n.saturating_sub(1);
                cases.push((
                    format!("bytes={first}-"),
                    (first < n).then_some((first, end)),
                ));
                cases.push((
                    format!("bytes=-{first}"),
                    (first > 0 && n > 0).then_some((n.saturating_sub(first), end)),
                ));
                for last in offsets.into_iter().filter(|last| *last >= first) {
                    let span = (first < n).then_some((first, last.min(end)));
                    cases.push((format!("bytes={first}-{last}"), span));
                }
            }
            for (range, span) in cases {
                for method in ["GET", "HEAD"] {
                    let seen = world.store.seen;
                    let get = world.request(
                        method,
                        "/bucket/k",
                        &[("range", &range)],
                        b"",
                        Framing::Sha256,
                    );
                    assert_eq!(world.store.seen, seen + 1, "{n} {range}");
                    let Some((first, last)) = span else {
                        assert_eq!(get.status, 416, "{method} {n} {range} {get:?}");
                        if method == "GET" {
                            assert_eq!(get.code(), "InvalidRange");
                            let document = String::from_utf8(get.body).unwrap();
                            assert!(
                                document.contains(&format!("<ActualObjectSize>{n}<")),
                                "{document}"
                            );
                        }
                        let content_range = get.headers.text("content-range").map(str::to_owned);
                        assert_eq!(content_range, Some(format!("bytes */{n}")));
                        continue;
                    };
                    assert_eq!(
                        (get.status, get.reset),
                        (206, false),
                        "{method} {n} {range} {get:?}"
                    );
                    let content_range = format!("bytes {first}-{last}/{n}");
                    assert_eq!(
                        get.headers.text("content-range"),
                        Some(content_range.as_str())
                    );
                    let length = (last + 1 - first).to_string();
                    assert_eq!(get.headers.text("content-length"), Some(length.as_str()));
                    if method == "GET" {
                        assert!(get.body == plaintext[first..=last], "{n} {range}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_range_that_s3_does_not_understand_is_ignored() {
    let mut world = World::new("unsigned");
    world.put("/bucket/k", &pattern(100), Framing::Sha256);
    for range in [
        "bytes=10-5",
        "bytes=abc",
        "bytes=-",
        "bytes= -1",
        "foo=0-1",
        "0-5",
        "bytes=0-0,1-2",
    ] {
        let get = world.request(
            "GET",
            "/bucket/k",
            &[("range", range)],
            b"",
            Framing::Sha256,
        );
        assert_eq!((get.status, get.body.len()), (200, 100), "{range}");
        assert!(!get.headers.contains("content-range"));
    }
    let fields = [("range", "bytes=0-1"), ("if-range", "\"other\"")];
    let get = world.request("GET", "/bucket/k", &fields, b"", Framing::Sha256);
    assert_eq!((get.status, get.body.len()), (200, 100), "If-Range");
}

#[test]
fn get_13_an_object_that_was_put_has_one_part() {
    let mut world = World::new("unsigned");
    world.put("/bucket/k", &pattern(9000), Framing::Sha256);
    world.put("/bucket/empty", b"", Framing::Sha256);
    let get = world.get("/bucket/k?partNumber=1");
    assert_eq!((get.status, get.body.len()), (206, 9000));
    assert_eq!(get.headers.text("content-range"), Some("bytes 0-8999/9000"));
    assert_eq!(world.head("/bucket/k?partNumber=1").status, 206);
    let get = world.get("/bucket/empty?partNumber=1");
    assert_eq!(
        (get.status, get.headers.contains("content-range")),
        (200, false)
    );
    assert_eq!(
        world.get("/bucket/k?partNumber=2").code(),
        "InvalidPartNumber"
    );
    assert_eq!(world.get("/bucket/k?partNumber=0").status, 400);
    let both = world.request(
        "GET",
        "/bucket/k?partNumber=1",
        &[("range", "bytes=0-1")],
        b"",
        Framing::Sha256,
    );
    assert_eq!(both.code(), "InvalidRequest");
}

#[test]
fn get_8_a_store_that_serves_another_range_is_not_believed() {
    let plaintext = pattern(60_000);
    let mut world = World::new("unsigned");
    world.put("/bucket/k", &plaintext, Framing::Sha256);
    let original = world.store.objects["/bucket/k"].clone();
    for range in ["bytes=20000-30000", "bytes=-9000", "bytes=20000-"] {
        for shift in [1, 36, 8192, 8228, 16456] {
            world.store.shifts_ranges = shift;
            let get = world.request(
                "GET",
                "/bucket/k",
                &[("range", range)],
                b"",
                Framing::Sha256,
            );
            assert!(get.reset && get.body.is_empty(), "{range} {shift} {get:?}");
        }
        world.store.shifts_ranges = 0;
        // A cut object, whose range would be within the whole.
        world
            .store
            .objects
            .get_mut("/bucket/k")
            .unwrap()
            .body
            .truncate(5 * 8228);
        let get = world.request(
            "GET",
            "/bucket/k",
            &[("range", range)],
            b"",
            Framing::Sha256,
        );
        assert_eq!(get.status, 500, "{range}");
        world
            .store
            .objects
            .insert("/bucket/k".to_owned(), original.clone());
    }
    for status in [206, 304] {
        world.store.answer = Some(status);
        assert_eq!(
            world.get("/bucket/k").status,
            500,
            "{status} to a plain read"
        );
    }
}

#[test]
fn etg_4_conditions_are_on_the_etag_that_clients_see() {
    let mut world = World::new("unsigned");
    let put = world.put("/bucket/k", &pattern(100), Framing::Sha256);
    let etag = put.headers.text("etag").unwrap().to_owned();
    let bare = world.store.objects["/bucket/k"]
        .headers
        .text("etag")
        .unwrap()
        .to_owned();
    for (method, fields, status) in [
        ("GET", vec![("if-match", etag.as_str())], 200),
        ("GET", vec![("if-match", "*")], 200),
        ("GET", vec![("if-match", bare.as_str())], 412),
        ("HEAD", vec![("if-match", "\"x\"")], 412),
        ("GET", vec![("if-none-match", etag.as_str())], 304),
        ("HEAD", vec![("if-none-match", etag.as_str())], 304),
        ("GET", vec![("if-none-match", bare.as_str())], 200),
        (
            "GET",
            vec![("if-match", etag.as_str()), ("range", "bytes=0-9")],
            206,
        ),
        (
            "GET",
            vec![("if-none-match", etag.as_str()), ("range", "bytes=0-9")],
            304,
        ),
        ("GET", vec![("if-match", "x"), ("range", "bytes=900-")], 412),
    ] {
        let get = world.request(method, "/bucket/k", &fields, b"", Framing::Sha256);
        assert_eq!(get.status, status, "{method} {fields:?} {get:?}");
        if status == 304 {
            assert_eq!(get.headers.text("etag"), Some(etag.as_str()));
            assert!(get.body.is_empty());
        }
    }
    world.store.answer = Some(304);
    let since = [("if-modified-since", "Wed, 21 Oct 2099 07:28:00 GMT")];
    let get = world.request("GET", "/bucket/k", &since, b"", Framing::Sha256);
    assert_eq!(get.status, 500, "an answer 304 without ETag");
}

#[test]
fn lst_2_a_listing_has_the_sizes_and_etags_of_the_plaintext() {
    let listing = |size: u64, etag: &str| {
        format!(
            "<ListBucketResult><Contents><Key>k</Key><Size>{size}</Size><ETag>{etag}</ETag></Contents></ListBucketResult>"
        )
    };
    for piece in [1, 50, 10_000] {
        let mut world = World::new("unsigned");
        world.store.piece = piece;
        let stored = listing(layout::stored_len(100_000).unwrap(), "\"abc\"");
        world.store.page = Some(stored.into_bytes());
        for target in [
            "/bucket",
            "/bucket?list-type=2&prefix=a",
            "/bucket?versions",
        ] {
            let list = world.get(target);
            assert_eq!((list.status, list.reset), (200, false), "{target} {list:?}");
            let document = String::from_utf8(list.body).unwrap();
            assert_eq!(document, listing(100_000, "&quot;abc-1&quot;"));
            assert!(!list.headers.contains("content-length"), "it has changed");
        }
        for page in [
            &b"<Error><Code>X</Code></Error>"[..],
            b"<html>",
            &[b' '; 5 << 20],
        ] {
            if page.len() > 1000 && piece < 1000 {
                continue;
            }
            world.store.page = Some(page.to_vec());
            let list = world.get("/bucket");
            assert!(list.reset && list.body.is_empty(), "{list:?}");
        }
    }
}

#[test]
fn a_delete_of_many_goes_through_without_conditions_on_what_the_store_knows_otherwise() {
    let mut world = World::new("unsigned");
    let document = "<Delete><Object><Key>Size</Key></Object></Delete>";
    let delete = world.request(
        "POST",
        "/bucket?delete",
        &[],
        document.as_bytes(),
        Framing::Md5,
    );
    assert_eq!(
        delete.status, 404,
        "the store of this test has no such operation"
    );
    assert_eq!(world.store.seen, 1);
    for element in ["ETag", "Size", "LastModifiedTime"] {
        let document =
            format!("<Delete><Object><Key>k</Key><{element}>1</{element}></Object></Delete>");
        for piece in [1, 7, 1000] {
            world.piece = piece;
            let delete = world.request(
                "POST",
                "/bucket?delete",
                &[],
                document.as_bytes(),
                Framing::Md5,
            );
            assert_eq!(delete.status, 501, "{element} {piece}");
        }
    }
}

#[test]
fn headers_that_a_store_invents_do_not_pass() {
    let mut world = World::new("unsigned");
    world.put("/bucket/k", b"abc", Framing::Sha256);
    let object = world.store.objects.get_mut("/bucket/k").unwrap();
    for name in [
        "set-cookie",
        "location",
        "strict-transport-security",
        "x-amz-checksum-crc32",
        "link",
    ] {
        object.headers.set(name, "evil");
    }
    let get = world.get("/bucket/k");
    assert_eq!(get.status, 200);
    for name in [
        "set-cookie",
        "location",
        "strict-transport-security",
        "x-amz-checksum-crc32",
        "link",
    ] {
        assert!(!get.headers.contains(name), "{name}");
    }
}

#[test]
fn a_store_that_answers_before_the_object_is_whole_is_not_believed() {
    let mut world = World::new("unsigned");
    let (head, _) = world
        .client
        .put("/bucket/k", &pattern(50_000), Framing::Sha256);
    let mut exchange = world.exchange();
    let HeadAction::Forward(_) = exchange.request_head(head, false, false, &mut world.keys, NOW)
    else {
        panic!("not forwarded");
    };
    let early = ResponseHead {
        status: 200,
        headers: [("etag", "\"abc\"")].into_iter().collect(),
    };
    let HeadAction::Reply(reply) = exchange.response_head(early, true, &mut world.keys, NOW) else {
        panic!("believed");
    };
    assert_eq!(reply.status, 500);
}

#[test]
fn an_answer_before_an_empty_object_has_been_checked_is_final_but_no_success() {
    for (status, expected) in [(200, 500), (204, 500), (301, 500), (404, 404), (503, 503)] {
        let mut world = World::new("unsigned");
        let (head, body) = world.client.put("/bucket/k", b"", Framing::UnsignedTrailer);
        let mut exchange = world.exchange();
        let HeadAction::Forward(_) =
            exchange.request_head(head, false, false, &mut world.keys, NOW)
        else {
            panic!("not forwarded");
        };
        let early = ResponseHead {
            status,
            headers: [("etag", "\"abc\"")].into_iter().collect(),
        };
        let HeadAction::Reply(reply) = exchange.response_head(early, true, &mut world.keys, NOW)
        else {
            panic!("{status} not answered");
        };
        assert_eq!(reply.status, expected, "{status}");
        let action = exchange.request_body(&body, true, &mut Vec::new(), NOW);
        assert!(
            !matches!(action, BodyAction::Call(_)),
            "{status} {action:?}"
        );
    }
}

#[test]
fn errors_of_the_store_are_made_anew() {
    let mut world = World::new("unsigned");
    let missing = world.get("/bucket/nothing");
    assert_eq!(missing.status, 404);
    let document = String::from_utf8(missing.body).unwrap();
    assert!(document.contains("<Code>NoSuchKey</Code>"), "{document}");
    let request_id = missing.headers.text("x-amz-request-id").unwrap();
    assert!(
        document.contains(&format!("<RequestId>{request_id}</RequestId>")),
        "{document}"
    );
    assert!(!document.contains("secret-host"), "{document}");
    assert_eq!(world.head("/bucket/nothing").status, 404);
    for status in [301, 302, 307, 206, 500, 418] {
        world.store.answer = Some(status);
        let get = world.get("/bucket/nothing");
        assert!(
            get.status >= 500 || get.status == 418 || get.status == 400,
            "{status} {get:?}"
        );
        assert!(!get.headers.contains("location"));
    }
}

#[test]
fn an_error_code_of_another_status_is_not_passed_on() {
    let mut world = World::new("unsigned");
    let (mut exchange, _) = refused_get(&mut world, 404);
    let mut out = Vec::new();
    let action = exchange.response_body(b"<Error><Code>SlowDown</Code></Error>", true, &mut out);
    assert!(matches!(action, BodyAction::Replace));
    let document = String::from_utf8(out).unwrap();
    assert!(document.contains("<Code>NoSuchKey</Code>"), "{document}");
}

#[test]
fn an_answer_without_end_is_not_read_for_ever() {
    let mut world = World::new("unsigned");
    let (mut exchange, status) = refused_get(&mut world, 404);
    assert_eq!(status, 404);
    assert!(ends_in_a_reset(&mut exchange));

    let (head, body) = world.client.put("/bucket/k", b"abc", Framing::Sha256);
    let mut exchange = world.exchange();
    let HeadAction::Forward(_) = exchange.request_head(head, false, false, &mut world.keys, NOW)
    else {
        panic!("not forwarded");
    };
    exchange.request_body(&body, true, &mut Vec::new(), NOW);
    let stored = ResponseHead {
        status: 200,
        headers: [("etag", "\"abc\"")].into_iter().collect(),
    };
    let HeadAction::Forward(_) = exchange.response_head(stored, false, &mut world.keys, NOW) else {
        panic!("not forwarded");
    };
    assert!(ends_in_a_reset(&mut exchange));
}

/// A GET whose answer has this status, up to the end of the answer's head.
fn refused_get(world: &mut World, status: u16) -> (Exchange, u16) {
    let head = world.client.head("GET", "/bucket/k", &[]);
    let (head, _) = world.client.framed(head, b"", Framing::Sha256);
    let mut exchange = world.exchange();
    let HeadAction::Forward(_) = exchange.request_head(head, true, false, &mut world.keys, NOW)
    else {
        panic!("not forwarded");
    };
    let refusal = ResponseHead {
        status,
        headers: Headers::new(),
    };
    match exchange.response_head(refusal, false, &mut world.keys, NOW) {
        HeadAction::Forward(head) => (exchange, head.status),
        action => panic!("{action:?}"),
    }
}

/// Feeds an answer's body until the stream is reset; gives up after 16 MiB.
fn ends_in_a_reset(exchange: &mut Exchange) -> bool {
    let mut out = Vec::new();
    let reset = (0..256).any(|_| {
        matches!(
            exchange.response_body(&[b' '; 65536], false, &mut out),
            BodyAction::Reset
        )
    });
    reset && out.is_empty()
}

#[test]
fn a_refusal_of_the_filters_credentials_is_not_the_clients() {
    let mut world = World::new("unsigned");
    world.put("/bucket/k", b"abc", Framing::Sha256);
    world.store.accepts = false;
    assert_eq!(world.get("/bucket/k").status, 500);
    assert_eq!(world.put("/bucket/k", b"abc", Framing::Sha256).status, 500);
    assert_eq!(
        world.put("/bucket/k", b"", Framing::UnsignedTrailer).status,
        500
    );
}

#[test]
fn what_is_not_known_is_refused_and_never_forwarded() {
    let mut world = World::new("unsigned");
    for (method, target, status) in [
        ("PATCH", "/bucket/k", 405),
        ("PUT", "/bucket/k?append&position=0", 501),
        ("PUT", "/bucket/k?acl&uploadId=x&partNumber=1", 400),
        ("PUT", "/bucket/k?ACL", 400),
        ("POST", "/bucket/k?select&select-type=2", 501),
        ("GET", "/bucket/k?torrent", 501),
        ("PUT", "/bucket/k?partNumber=1&uploadId=x", 501),
        ("POST", "/bucket/k?uploads", 501),
        ("PUT", "/denied/k", 403),
        ("GET", "/elsewhere/k", 403),
    ] {
        let outcome = world.request(method, target, &[], b"", Framing::Sha256);
        assert_eq!(outcome.status, status, "{method} {target} {outcome:?}");
        assert_eq!(world.store.seen, 0, "{method} {target}");
    }
    for (name, status) in [
        ("x-amz-meta-s3-envelope", 400),
        ("x-amz-write-offset-bytes", 501),
        ("x-amz-unheard-of", 501),
        ("x-minio-source-etag", 501),
    ] {
        let outcome = world.request("PUT", "/bucket/k", &[(name, "1")], b"abc", Framing::Sha256);
        assert_eq!(outcome.status, status, "{name} {outcome:?}");
    }
    assert_eq!(world.store.seen, 0);
}

#[test]
fn a_head_that_is_no_request_for_an_object_is_the_clients_fault() {
    let mut world = World::new("unsigned");
    let mut exchange = world.exchange();
    let outcome = Outcome::from(exchange.invalid_request_head());
    assert_eq!(
        (outcome.status, outcome.code().as_str()),
        (400, "BadRequest")
    );
    assert_eq!(exchange.summary().error, Some("invalid_head"));
    let mut connect = world.client.head("GET", "/", &[]);
    connect.method = "CONNECT".to_owned();
    connect.target = String::new();
    let outcome = world.run(connect, b"");
    assert_eq!(
        (outcome.status, outcome.code().as_str()),
        (405, "MethodNotAllowed")
    );
    assert_eq!(world.store.seen, 0);
}

#[test]
fn an_unsigned_or_unknown_request_is_denied() {
    let mut world = World::new("unsigned");
    let (mut head, _) = world.client.put("/bucket/k", b"abc", Framing::Sha256);
    head.headers.remove("authorization");
    let outcome = world.run(head, b"abc");
    assert_eq!(
        (outcome.status, outcome.code().as_str()),
        (403, "AccessDenied")
    );
    let (mut head, _) = world.client.put("/bucket/k", b"abc", Framing::Sha256);
    head.headers.push("x-amz-acl", "public-read");
    let outcome = world.run(head, b"abc");
    assert_eq!(
        (outcome.status, outcome.code().as_str()),
        (403, "AccessDenied")
    );
    assert!(
        String::from_utf8(outcome.body)
            .unwrap()
            .contains("<HeadersNotSigned>x-amz-acl<")
    );
    let stranger = Client {
        credentials: credentials("STRANGER", "x"),
    };
    let (head, _) = stranger.put("/bucket/k", b"abc", Framing::Sha256);
    let outcome = world.run(head, b"abc");
    assert_eq!(
        (outcome.status, outcome.code().as_str()),
        (403, "InvalidAccessKeyId")
    );
    let thief = Client {
        credentials: credentials("CLIENT", "wrong"),
    };
    let (head, _) = thief.put("/bucket/k", b"abc", Framing::Sha256);
    let outcome = world.run(head, b"abc");
    assert_eq!(
        (outcome.status, outcome.code().as_str()),
        (403, "SignatureDoesNotMatch")
    );
    assert_eq!(world.store.seen, 0);
}

#[test]
fn a_body_that_is_no_object_goes_through_but_for_its_last_byte_until_it_is_checked() {
    let document = b"<Tagging><TagSet/></Tagging>";
    let mut world = World::new("unsigned");
    for framing in [Framing::Sha256, Framing::Unsigned, Framing::Md5] {
        let put = world.request("PUT", "/bucket/k?tagging", &[], document, framing);
        assert_eq!(put.status, 200, "{framing:?} {put:?}");
        let stored = world.store.objects.remove("/bucket/k").unwrap();
        assert_eq!(stored.body, document);
    }
    for fault in [Fault::FlippedBit, Fault::Short, Fault::Surplus] {
        let head = world.client.head("PUT", "/bucket/k?tagging", &[]);
        let (head, mut body) = world.client.framed(head, document, Framing::Sha256);
        match fault {
            Fault::FlippedBit => body[0] ^= 1,
            Fault::Short => drop(body.pop()),
            Fault::Surplus => body.push(b'x'),
        }
        let put = world.run(head, &body);
        assert_eq!(put.status, 400, "{fault:?} {put:?}");
        assert!(world.store.objects.is_empty(), "{fault:?}");
    }
    let put = world.request(
        "PUT",
        "/bucket/k?tagging",
        &[],
        document,
        Framing::SignedChunks,
    );
    assert_eq!(put.code(), "InvalidRequest");
    let long = vec![b'x'; 2 * 1024 * 1024 + 1];
    let put = world.request("PUT", "/bucket/k?tagging", &[], &long, Framing::Sha256);
    assert_eq!(put.code(), "MaxMessageLengthExceeded");
}

#[test]
fn a_signed_body_can_not_be_taken_away() {
    let mut world = World::new("unsigned");
    for target in ["/bucket/k?tagging", "/bucket"] {
        let mut head = world.client.head("PUT", target, &[("content-length", "0")]);
        world.client.sign(&mut head, &"ab".repeat(32));
        let outcome = world.run(head, b"");
        assert!(
            outcome.status == 403 || outcome.code() == "XAmzContentSHA256Mismatch",
            "{outcome:?}"
        );
    }
    assert_eq!(world.store.seen, 0);
}

/// Envoy drops the rest of a body once its request has been answered, so nothing must wait for it.
#[test]
fn an_early_answer_to_a_head_that_never_completes_is_the_clients_at_once() {
    for (status, expected) in [(503, 503), (404, 404), (200, 500), (301, 500)] {
        let mut world = World::new("unsigned");
        let (head, body) = world.client.put("/bucket/k", b"", Framing::UnsignedTrailer);
        let mut exchange = world.exchange();
        let HeadAction::Forward(doomed) =
            exchange.request_head(head, false, false, &mut world.keys, NOW)
        else {
            panic!("not forwarded");
        };
        assert_eq!(doomed.headers.text("content-length"), Some("1"));
        let early = ResponseHead {
            status,
            headers: [("etag", "\"abc\"")].into_iter().collect(),
        };
        let action = exchange.response_head(early.clone(), true, &mut world.keys, NOW);
        let HeadAction::Reply(reply) = action else {
            panic!("{action:?}");
        };
        assert_eq!(reply.status, expected);
        // Where the callout is on its way, it has the answer.
        let mut exchange = world.exchange();
        let (head, _) = world.client.put("/bucket/k", b"", Framing::UnsignedTrailer);
        exchange.request_head(head, false, false, &mut world.keys, NOW);
        let mut out = Vec::new();
        let action = exchange.request_body(&body, true, &mut out, NOW);
        assert!(matches!(action, BodyAction::Call(_)) && out.is_empty());
        let action = exchange.response_head(early, true, &mut world.keys, NOW);
        assert!(
            matches!(action, HeadAction::Await(Wait::CalloutInFlight)),
            "{action:?}"
        );
    }
}

#[test]
fn a_head_that_never_completes_asks_for_nothing_that_a_store_could_do_at_once() {
    let mut world = World::new("trailer");
    let fields = [
        ("if-none-match", "*"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-acl", "private"),
    ];
    let head = world.client.head("PUT", "/bucket/k", &fields);
    let (head, _) = world.client.framed(head, b"", Framing::UnsignedTrailer);
    let mut exchange = world.exchange();
    let action = exchange.request_head(head, false, false, &mut world.keys, NOW);
    let HeadAction::Forward(doomed) = action else {
        panic!("{action:?}");
    };
    for (name, _) in fields {
        assert!(!doomed.headers.contains(name), "{name}");
    }
    let action = exchange.request_body(
        b"0\r\nx-amz-checksum-sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\r\n\r\n",
        true,
        &mut Vec::new(),
        NOW,
    );
    let BodyAction::Call(callout) = action else {
        panic!("{action:?}");
    };
    for (name, value) in fields {
        assert_eq!(callout.head.headers.text(name), Some(value));
    }
}

#[test]
fn a_virtual_host_store_gets_no_bucket_whose_case_it_would_lose() {
    let mut world = World::new("unsigned");
    let json = config_json("unsigned").replace(
        r#""host": "store:9000","#,
        r#""host": "store.example", "addressing": "virtual-host","#,
    );
    let json = json.replace(r#""name": "bucket""#, r#""name": "*""#);
    world.config = Rc::new(Config::parse(json.as_bytes(), |_| None).unwrap());
    for (target, status) in [
        ("/Denied/k", 400),
        ("/under_score/k", 400),
        ("/bucket/minio/admin/v3/info", 501),
    ] {
        let outcome = world.request("DELETE", target, &[], b"", Framing::Sha256);
        assert_eq!(outcome.status, status, "{target} {outcome:?}");
    }
    assert_eq!(world.store.seen, 0);
}

#[test]
fn a_query_of_a_thousand_parameters_is_not_looked_at() {
    let mut world = World::new("unsigned");
    let many: Vec<String> = (0..1000).map(|i| format!("p{i}")).collect();
    let outcome = world.request(
        "GET",
        &format!("/bucket/k?{}", many.join("&")),
        &[],
        b"",
        Framing::Sha256,
    );
    assert_eq!(outcome.code(), "InvalidRequest");
}

#[test]
fn only_a_grant_for_everything_lists_the_buckets() {
    let mut world = World::new("unsigned");
    assert_ne!(world.get("/").status, 403);
    let json = config_json("unsigned").replace(r#""buckets": ["*"]"#, r#""buckets": ["bucket"]"#);
    world.config = Rc::new(Config::parse(json.as_bytes(), |_| None).unwrap());
    assert_eq!(world.get("/").status, 403);
}

#[test]
fn user_metadata_leaves_room_for_the_envelope() {
    let mut world = World::new("unsigned");
    let fits = "x".repeat(2048 - 255 - "color".len() - "blue".len() - "long".len());
    let put = world.request(
        "PUT",
        "/bucket/k",
        &[("x-amz-meta-long", &fits)],
        b"abc",
        Framing::Sha256,
    );
    assert_eq!(put.status, 200, "{put:?}");
    let long = format!("{fits}x");
    let put = world.request(
        "PUT",
        "/bucket/k",
        &[("x-amz-meta-long", &long)],
        b"abc",
        Framing::Sha256,
    );
    assert_eq!(put.code(), "MetadataTooLarge");
}

#[test]
fn an_object_beyond_five_gibibytes_is_refused_at_its_head() {
    let mut world = World::new("unsigned");
    let mut head = world
        .client
        .head("PUT", "/bucket/k", &[("content-length", "5345219337")]);
    world.client.sign(&mut head, "UNSIGNED-PAYLOAD");
    let outcome = world.run(head, b"");
    assert_eq!(outcome.code(), "EntityTooLarge");
}

#[test]
fn a_key_service_that_is_down_means_503() {
    let mut world = World::new("unsigned");
    let json = config_json("unsigned").replace(
        r#""type": "static", "keks": {"kek-1": "1111111111111111111111111111111111111111111111111111111111111111"}"#,
        r#""type": "constellation", "cluster": "key-service""#,
    );
    world.config = Rc::new(Config::parse(json.as_bytes(), |_| None).unwrap());
    world.keys = KeyCache::new(&world.config);
    let (head, _) = world.client.put("/bucket/k", b"abc", Framing::Sha256);
    let mut exchange = world.exchange();
    let action = exchange.request_head(head, false, false, &mut world.keys, NOW);
    let HeadAction::Await(Wait::Key(name)) = action else {
        panic!("{action:?}");
    };
    assert_eq!(world.keys.due(NOW), vec![name.clone()]);
    assert!(
        world.keys.due(NOW).is_empty(),
        "concurrent requests share one call"
    );
    world.keys.reply(
        &name,
        Err(s3_envelope::key_service::Error::Unreachable),
        NOW,
    );
    let Resumption::Reply(reply) = exchange.key_settled(&mut world.keys, NOW) else {
        panic!("not refused");
    };
    assert_eq!(reply.status, 503);
    assert!(reply.headers.iter().any(|(name, _)| name == "retry-after"));
    // The next request does not wait for a call that has just failed.
    let (head, _) = world.client.put("/bucket/k", b"abc", Framing::Sha256);
    let mut exchange = world.exchange();
    let action = exchange.request_head(head, false, false, &mut world.keys, NOW);
    assert!(matches!(action, HeadAction::Reply(reply) if reply.status == 503));
}

#[test]
fn errors_are_final() {
    let mut world = World::new("unsigned");
    let (head, body) = world
        .client
        .put("/bucket/k", &pattern(20_000), Framing::Sha256);
    let mut exchange = world.exchange();
    exchange.request_head(head, false, false, &mut world.keys, NOW);
    let mut out = Vec::new();
    let first = exchange.request_body(&body[..100], true, &mut out, NOW);
    assert!(matches!(first, BodyAction::Reply(reply) if reply.status == 400));
    for _ in 0..3 {
        assert!(matches!(
            exchange.request_body(&body, true, &mut out, NOW),
            BodyAction::Replace
        ));
        assert!(out.is_empty());
    }
    let head = ResponseHead {
        status: 400,
        headers: Headers::new(),
    };
    let action = exchange.response_head(head, true, &mut world.keys, NOW);
    assert!(
        matches!(action, HeadAction::Pass),
        "the filter's own answer passes"
    );
}

#[test]
fn http_trailers_end_an_upload_without_commit() {
    let mut world = World::new("unsigned");
    let (head, body) = world
        .client
        .put("/bucket/k", &pattern(20_000), Framing::Sha256);
    let mut exchange = world.exchange();
    exchange.request_head(head, false, false, &mut world.keys, NOW);
    let mut out = Vec::new();
    exchange.request_body(&body, false, &mut out, NOW);
    assert_eq!(out.len(), 2 * 8228);
    assert!(matches!(exchange.request_trailers(), BodyAction::Reply(reply) if reply.status == 400));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pieces_do_not_matter(len in 0_usize..40_000, up in 1_usize..20_000, down in 1_usize..20_000, framing in 0_usize..6) {
        let mut world = World::new("trailer");
        (world.piece, world.store.piece) = (up, down);
        let plaintext = pattern(len);
        prop_assert_eq!(world.put("/bucket/k", &plaintext, Framing::ALL[framing]).status, 200);
        let get = world.get("/bucket/k");
        prop_assert_eq!(get.status, 200);
        prop_assert!(get.body == plaintext);
    }

    #[test]
    fn no_flipped_bit_is_ever_released(position in any::<prop::sample::Index>(), bit in 0_u32..8, len in 1_usize..20_000) {
        let mut world = World::new("unsigned");
        let plaintext = pattern(len);
        world.put("/bucket/k", &plaintext, Framing::Sha256);
        let body = &mut world.store.objects.get_mut("/bucket/k").unwrap().body;
        let position = position.index(body.len());
        body[position] ^= 1_u8 << bit;
        let get = world.get("/bucket/k");
        prop_assert!(get.reset && get.body.len() < len && plaintext.starts_with(&get.body));
    }

    #[test]
    fn no_head_makes_it_panic(
        method in "GET|PUT|POST|DELETE|HEAD|OPTIONS|[A-Z]{1,8}",
        target in "/bucket/k[?&=a-zA-Z0-9%+-]{0,40}|.{0,60}",
        fields in prop::collection::vec(("[a-z-]{1,20}|x-amz-[a-z0-9-]{1,20}|authorization", prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        end in any::<bool>(),
    ) {
        let mut world = World::new("unsigned");
        let mut head = RequestHead { method, target, authority: "127.0.0.1".to_owned(), headers: fields.into_iter().collect() };
        let _ = world.exchange().request_head(head.clone(), end, false, &mut world.keys, NOW);
        // Signed, so that it gets further.
        if sigv4::sign(&mut head, &world.client.credentials, "us-east-1", NOW, "UNSIGNED-PAYLOAD").is_ok() {
            let mut exchange = world.exchange();
            let _ = exchange.request_head(head, end, true, &mut world.keys, NOW);
            let _ = exchange.request_body(b"xyz", true, &mut Vec::new(), NOW);
        }
    }
}

/// How a client sends a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Sha256,
    Unsigned,
    Md5,
    SignedChunks,
    SignedChunksTrailer,
    UnsignedTrailer,
}

impl Framing {
    const ALL: [Self; 6] = [
        Self::Sha256,
        Self::Unsigned,
        Self::Md5,
        Self::SignedChunks,
        Self::SignedChunksTrailer,
        Self::UnsignedTrailer,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    FlippedBit,
    Short,
    Surplus,
}

struct Client {
    credentials: Credentials,
}

impl Client {
    fn head(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> RequestHead {
        RequestHead {
            method: method.to_owned(),
            target: target.to_owned(),
            authority: "127.0.0.1:1234".to_owned(),
            headers: fields.iter().copied().collect(),
        }
    }

    fn sign(&self, head: &mut RequestHead, hashed_payload: &str) {
        sigv4::sign(head, &self.credentials, "us-east-1", NOW, hashed_payload).unwrap();
    }

    fn put(&self, target: &str, plaintext: &[u8], framing: Framing) -> (RequestHead, Vec<u8>) {
        let head = self.head(
            "PUT",
            target,
            &[("x-amz-meta-color", "blue"), ("content-type", "text/plain")],
        );
        self.framed(head, plaintext, framing)
    }

    /// Signs `head` and frames `plaintext`.
    fn framed(
        &self,
        mut head: RequestHead,
        plaintext: &[u8],
        framing: Framing,
    ) -> (RequestHead, Vec<u8>) {
        let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        match framing {
            Framing::Sha256 | Framing::Unsigned | Framing::Md5 => {
                head.headers
                    .set("content-length", plaintext.len().to_string());
                if framing == Framing::Md5 {
                    use md5::Digest as _;
                    head.headers
                        .set("content-md5", base64(&md5::Md5::digest(plaintext)));
                }
                let hash = hex::encode(Sha256::digest(plaintext));
                self.sign(
                    &mut head,
                    if framing == Framing::Sha256 {
                        &hash
                    } else {
                        "UNSIGNED-PAYLOAD"
                    },
                );
                (head, plaintext.to_vec())
            }
            Framing::SignedChunks | Framing::SignedChunksTrailer | Framing::UnsignedTrailer => {
                head.headers
                    .set("x-amz-decoded-content-length", plaintext.len().to_string());
                let checksum = base64(&Sha256::digest(plaintext));
                let (hashed_payload, signed, trailer) = match framing {
                    Framing::SignedChunks => ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", true, false),
                    Framing::SignedChunksTrailer => {
                        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", true, true)
                    }
                    Framing::UnsignedTrailer
                    | Framing::Sha256
                    | Framing::Unsigned
                    | Framing::Md5 => ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", false, true),
                };
                if trailer {
                    head.headers.set("x-amz-trailer", "x-amz-checksum-sha256");
                }
                self.sign(&mut head, hashed_payload);
                let mut signer = ChunkSigner::new(&head, &self.credentials);
                let mut body = Vec::new();
                for chunk in plaintext.chunks(9000).chain([&[][..]]) {
                    body.extend(format!("{:x}", chunk.len()).into_bytes());
                    if signed {
                        body.extend(
                            format!(";chunk-signature={}", signer.chunk(chunk)).into_bytes(),
                        );
                    }
                    body.extend(b"\r\n");
                    body.extend(chunk);
                    if !chunk.is_empty() {
                        body.extend(b"\r\n");
                    }
                }
                if trailer {
                    body.extend(format!("x-amz-checksum-sha256:{checksum}\r\n").into_bytes());
                    if signed {
                        let text = format!("x-amz-checksum-sha256:{checksum}\n");
                        body.extend(
                            format!("x-amz-trailer-signature:{}\r\n", signer.trailer(&text))
                                .into_bytes(),
                        );
                    }
                }
                body.extend(b"\r\n");
                (head, body)
            }
        }
    }
}

/// Signs chunks as the documentation of S3 says, written apart from what verifies them.
struct ChunkSigner {
    key: Vec<u8>,
    scope: String,
    date: String,
    previous: String,
}

impl ChunkSigner {
    fn new(head: &RequestHead, credentials: &Credentials) -> Self {
        let _ = credentials;
        let date = head.headers.text("x-amz-date").unwrap().to_owned();
        let day = date[..8].to_owned();
        let mut key = b"AWS4client-secret".to_vec();
        for part in [day.as_str(), "us-east-1", "s3", "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        let authorization = head.headers.text("authorization").unwrap();
        Self {
            key,
            scope: format!("{day}/us-east-1/s3/aws4_request"),
            date,
            previous: authorization.rsplit('=').next().unwrap().to_owned(),
        }
    }

    fn chunk(&mut self, data: &[u8]) -> String {
        let empty = hex::encode(Sha256::digest(b""));
        let hash = hex::encode(Sha256::digest(data));
        self.sign("AWS4-HMAC-SHA256-PAYLOAD", &format!("{empty}\n{hash}"))
    }

    fn trailer(&mut self, text: &str) -> String {
        let hash = hex::encode(Sha256::digest(text));
        self.sign("AWS4-HMAC-SHA256-TRAILER", &hash)
    }

    fn sign(&mut self, algorithm: &str, rest: &str) -> String {
        let text = format!(
            "{algorithm}\n{}\n{}\n{}\n{rest}",
            self.date, self.scope, self.previous
        );
        self.previous = hex::encode(hmac(&self.key, text.as_bytes()));
        self.previous.clone()
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Object {
    headers: Headers,
    body: Vec<u8>,
}

struct Store {
    credentials: Credentials,
    objects: BTreeMap<String, Object>,
    /// Requests that reached it.
    seen: usize,
    accepts: bool,
    /// Answers everything with this status.
    answer: Option<u16>,
    /// Answers a read of the bucket with this.
    page: Option<Vec<u8>>,
    /// Answers with all of the object.
    ignores_ranges: bool,
    /// Answers with bytes from so much before the range.
    shifts_ranges: usize,
    piece: usize,
}

impl Store {
    fn serve(&mut self, head: &RequestHead, body: &[u8]) -> (ResponseHead, Vec<u8>) {
        self.seen += 1;
        let query = Query::parse(head.raw_query()).unwrap();
        let authorization = Authorization::from_request(head, &query).unwrap().unwrap();
        authorization
            .verify(
                head,
                &query,
                &self.credentials,
                &["store-region".to_owned()],
                NOW,
            )
            .unwrap();
        // What the client said of its plaintext is not true of what is stored; of a body that goes
        // through it is.
        let is_object = head.raw_query().is_empty();
        assert!(
            !is_object
                || !head.headers.contains("content-md5")
                    && !head.headers.contains("x-amz-checksum-sha256")
        );
        if let Some(status) = self.answer {
            return error(status, "Whatever");
        }
        if !self.accepts {
            return error(403, "InvalidAccessKeyId");
        }
        let path = head.path().to_owned();
        match head.method.as_str() {
            "PUT" => {
                let declared: usize = head
                    .headers
                    .text("content-length")
                    .unwrap()
                    .parse()
                    .unwrap();
                assert!(body.len() <= declared, "request smuggling");
                if body.len() < declared {
                    return error(400, "IncompleteBody");
                }
                let body = decode(head, body);
                let etag = format!(
                    "\"{}\"",
                    hex::encode({
                        use md5::Digest as _;
                        md5::Md5::digest(&body)
                    })
                );
                let mut headers: Headers = head
                    .headers
                    .iter()
                    .filter(|field| {
                        field.name.starts_with("x-amz-meta-")
                            || field.name.starts_with("content-type")
                    })
                    .map(|field| (field.name.clone(), field.value.clone()))
                    .collect();
                headers.set("etag", etag.clone());
                self.objects.insert(path, Object { headers, body });
                let headers = [
                    ("etag", etag.as_str()),
                    ("x-amz-checksum-crc64nvme", "AAAA"),
                ]
                .into_iter()
                .collect();
                (
                    ResponseHead {
                        status: 200,
                        headers,
                    },
                    Vec::new(),
                )
            }
            "GET" if path == "/bucket" && self.page.is_some() => {
                let page = self.page.clone().unwrap_or_default();
                let headers = [("content-length", page.len().to_string())];
                let head = ResponseHead {
                    status: 200,
                    headers: headers.into_iter().collect(),
                };
                (head, page)
            }
            _ => match self.objects.get(&path) {
                Some(object) => self.object(head, object),
                None => error(404, "NoSuchKey"),
            },
        }
    }
}

impl Store {
    /// The object, or the range of it that is asked for.
    fn object(&self, head: &RequestHead, object: &Object) -> (ResponseHead, Vec<u8>) {
        let mut headers = object.headers.clone();
        let len = object.body.len();
        let range = head.headers.text("range").filter(|_| !self.ignores_ranges);
        let Some(range) = range else {
            match headers.text("content-length") {
                Some("") => headers.remove("content-length"),
                Some(_) => {}
                None => headers.set("content-length", len.to_string()),
            }
            return (
                ResponseHead {
                    status: 200,
                    headers,
                },
                object.body.clone(),
            );
        };
        // Read apart from the filter's own reader.
        let (first, last) = range
            .strip_prefix("bytes=")
            .unwrap()
            .split_once('-')
            .unwrap();
        let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(first), Ok(last)) => (first, last.min(len.wrapping_sub(1))),
            (Ok(first), Err(_)) => (first, len.wrapping_sub(1)),
            (Err(_), Ok(suffix)) => (len.saturating_sub(suffix), len.wrapping_sub(1)),
            (Err(_), Err(_)) => panic!("{range}"),
        };
        if first >= len {
            let (mut head, body) = error(416, "InvalidRange");
            head.headers.set("content-range", format!("bytes */{len}"));
            return (head, body);
        }
        let shift = self.shifts_ranges;
        headers.set("content-range", format!("bytes {first}-{last}/{len}"));
        headers.set("content-length", (last + 1 - first).to_string());
        let body = object.body[first - shift.min(first)..=last - shift.min(first)].to_vec();
        (
            ResponseHead {
                status: 206,
                headers,
            },
            body,
        )
    }
}

/// The object in what the filter sends: framed in the trailer mode, whose checksum must hold.
fn decode(head: &RequestHead, body: &[u8]) -> Vec<u8> {
    if head.headers.text("x-amz-content-sha256") != Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER") {
        return body.to_vec();
    }
    let (mut decoded, mut rest) = (Vec::new(), body);
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let len = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        rest = &rest[end + 2..];
        if len == 0 {
            break;
        }
        decoded.extend(&rest[..len]);
        assert_eq!(&rest[len..len + 2], b"\r\n");
        rest = &rest[len + 2..];
    }
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&decoded);
    let crc = base64::engine::general_purpose::STANDARD.encode(crc.to_be_bytes());
    assert_eq!(
        rest,
        format!("x-amz-checksum-crc32c:{crc}\r\n\r\n").as_bytes()
    );
    assert_eq!(
        head.headers.text("x-amz-decoded-content-length"),
        Some(decoded.len().to_string().as_str())
    );
    decoded
}

fn error(status: u16, code: &str) -> (ResponseHead, Vec<u8>) {
    let headers = [
        ("content-type", "application/xml"),
        ("location", "http://evil/"),
    ];
    let document = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>secret-host</Message></Error>"
    );
    let head = ResponseHead {
        status,
        headers: headers.into_iter().collect(),
    };
    (head, document.into_bytes())
}

/// What a client sees.
#[derive(Debug)]
struct Outcome {
    status: u16,
    headers: Headers,
    body: Vec<u8>,
    reset: bool,
}

impl Outcome {
    fn code(&self) -> String {
        let document = String::from_utf8_lossy(&self.body);
        let code = document
            .split("<Code>")
            .nth(1)
            .and_then(|rest| rest.split("</Code>").next());
        code.unwrap_or_default().to_owned()
    }
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self {
            status: reply.status,
            headers: reply.headers.into_iter().collect(),
            body: reply.body,
            reset: false,
        }
    }
}

struct World {
    config: Rc<Config>,
    keys: KeyCache,
    client: Client,
    store: Store,
    /// How many bytes come at once.
    piece: usize,
    exchanges: u8,
}

impl World {
    fn new(payload_integrity: &str) -> Self {
        let config = Config::parse(config_json(payload_integrity).as_bytes(), |_| None).unwrap();
        Self {
            keys: KeyCache::new(&config),
            config: Rc::new(config),
            client: Client {
                credentials: credentials("CLIENT", "client-secret"),
            },
            store: Store {
                credentials: credentials("STORE", "store-secret"),
                objects: BTreeMap::new(),
                seen: 0,
                accepts: true,
                answer: None,
                page: None,
                ignores_ranges: false,
                shifts_ranges: 0,
                piece: 7000,
            },
            piece: 5000,
            exchanges: 0,
        }
    }

    fn exchange(&mut self) -> Exchange {
        self.exchanges += 1;
        let seed = Seed {
            data_key: [self.exchanges; 32],
            part_salt: [self.exchanges; 8],
            request_id: [self.exchanges; 8],
        };
        Exchange::new(Rc::clone(&self.config), seed)
    }

    fn put(&mut self, target: &str, plaintext: &[u8], framing: Framing) -> Outcome {
        self.put_with_fault(target, plaintext, framing, None)
    }

    fn put_with_fault(
        &mut self,
        target: &str,
        plaintext: &[u8],
        framing: Framing,
        fault: Option<Fault>,
    ) -> Outcome {
        let (head, mut body) = self.client.put(target, plaintext, framing);
        match fault {
            // In the data: the last byte of the plaintext, wherever the framing has put it.
            Some(Fault::FlippedBit) => {
                let last = plaintext.last().unwrap();
                let tail = body.iter().rposition(|byte| byte == last).unwrap();
                let start = tail.min(body.len() - 1);
                let position = if framing == Framing::Sha256 || framing == Framing::Md5 {
                    start
                } else {
                    body.len() / 2
                };
                body[position] ^= 1;
            }
            Some(Fault::Short) => {
                body.pop();
            }
            Some(Fault::Surplus) => body.push(b'x'),
            None => {}
        }
        self.run(head, &body)
    }

    fn get(&mut self, target: &str) -> Outcome {
        self.request("GET", target, &[], b"", Framing::Sha256)
    }

    fn head(&mut self, target: &str) -> Outcome {
        self.request("HEAD", target, &[], b"", Framing::Sha256)
    }

    fn request(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
        framing: Framing,
    ) -> Outcome {
        let mut head = self.client.head(method, target, fields);
        if method == "PUT" {
            head.headers.push("x-amz-meta-color", "blue");
        }
        let (head, body) = self.client.framed(head, body, framing);
        self.run(head, &body)
    }

    /// One exchange from end to end.
    fn run(&mut self, head: RequestHead, body: &[u8]) -> Outcome {
        let mut exchange = self.exchange();
        let is_head = head.method == "HEAD";
        let end = body.is_empty();
        let upstream = match exchange.request_head(head, end, false, &mut self.keys, NOW) {
            HeadAction::Forward(upstream) => upstream,
            HeadAction::Reply(reply) => return reply.into(),
            action => panic!("{action:?}"),
        };
        let mut sent = Vec::new();
        // As Envoy does over HTTP/1.1: the end comes alone.
        let pieces = body.chunks(self.piece).map(|piece| (piece, false));
        for (piece, end) in pieces.chain((!end).then_some((&[][..], true))) {
            let mut out = Vec::new();
            match exchange.request_body(piece, end, &mut out, NOW) {
                BodyAction::Replace => sent.extend(out),
                BodyAction::Reply(reply) => return reply.into(),
                BodyAction::Call(callout) => {
                    assert!(
                        sent.is_empty(),
                        "the head that was released never completes"
                    );
                    let (head, body) = self.store.serve(&callout.head, &callout.body);
                    let reply = CalloutReply::Response {
                        head,
                        body: body.into(),
                        trailers: Headers::new(),
                    };
                    let Resumption::Reply(reply) = exchange.callout_reply(reply) else {
                        panic!("no answer");
                    };
                    return reply.into();
                }
                action @ (BodyAction::Keep | BodyAction::Reset) => panic!("{action:?}"),
            }
        }
        let (head, body) = self.store.serve(&upstream, &sent);
        let body = if is_head { Vec::new() } else { body };
        self.respond(&mut exchange, head, &body)
    }

    fn respond(&mut self, exchange: &mut Exchange, head: ResponseHead, body: &[u8]) -> Outcome {
        let end = body.is_empty();
        let head = match exchange.response_head(head, end, &mut self.keys, NOW) {
            HeadAction::Forward(head) => head,
            HeadAction::Reply(reply) => return reply.into(),
            HeadAction::Await(Wait::Callout(callout)) => {
                let (head, body) = self.store.serve(&callout.head, &callout.body);
                let reply = CalloutReply::Response {
                    head,
                    body: body.into(),
                    trailers: Headers::new(),
                };
                match exchange.callout_reply(reply) {
                    Resumption::Response(head) => head,
                    Resumption::Reply(reply) => return reply.into(),
                    action => panic!("{action:?}"),
                }
            }
            action => panic!("{action:?}"),
        };
        let mut outcome = Outcome {
            status: head.status,
            headers: head.headers,
            body: Vec::new(),
            reset: false,
        };
        let pieces = body.chunks(self.store.piece).map(|piece| (piece, false));
        for (piece, end) in pieces.chain((!end).then_some((&[][..], true))) {
            let mut out = Vec::new();
            match exchange.response_body(piece, end, &mut out) {
                BodyAction::Replace => outcome.body.extend(out),
                BodyAction::Keep => outcome.body.extend(piece),
                BodyAction::Reset => {
                    outcome.reset = true;
                    return outcome;
                }
                action @ (BodyAction::Reply(_) | BodyAction::Call(_)) => panic!("{action:?}"),
            }
        }
        outcome
    }
}

fn credentials(access_key_id: &str, secret: &str) -> Credentials {
    Credentials {
        access_key_id: access_key_id.to_owned(),
        secret_access_key: SecretAccessKey::new(secret.to_owned()),
        session_token: None,
    }
}

fn config_json(payload_integrity: &str) -> String {
    r#"{
        "endpoints": {"path_style": ["127.0.0.1"]},
        "regions": ["us-east-1"],
        "store": {"host": "store:9000", "region": "store-region", "signing": "filter",
                  "access_key_id": "STORE", "secret_access_key": "store-secret",
                  "payload_integrity": "PAYLOAD_INTEGRITY"},
        "clients": [{"access_key_id": "CLIENT", "secret_access_key": "client-secret",
                     "permissions": [{"buckets": ["*"], "actions": ["read", "write", "delete", "list", "config"]}]}],
        "unsigned_payload": "always",
        "buckets": [{"name": "bucket", "class": "encrypted", "key_ring": "default"},
                    {"name": "denied", "class": "deny"}],
        "key_rings": {"default": {"active": "kek-1", "service": "dev"}},
        "key_services": {"dev": {"type": "static", "keks": {"kek-1": "1111111111111111111111111111111111111111111111111111111111111111"}}}
    }"#
    .replace("PAYLOAD_INTEGRITY", payload_integrity)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

/// Tells whether 16 bytes in a row of `plaintext` are in `stored`.
fn contains_run_of(stored: &[u8], plaintext: &[u8]) -> bool {
    let runs: std::collections::HashSet<&[u8]> = plaintext.windows(16).collect();
    stored.windows(16).any(|window| runs.contains(window))
}
