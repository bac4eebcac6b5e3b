//! Signature Version 4 against vectors of others, rule by rule, and by properties.

use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::authorization::Authorization;
use super::canonical_request::{CanonicalHeaders, CanonicalRequest, SignedHeaders, canonical_uri};
use super::credential_scope::CredentialScope;
use super::signature::SigningKey;
use super::string_to_sign::{StringToSign, Subject};
use super::*;
use crate::head::{Headers, RequestHead};
use crate::time::UnixTime;
use crate::uri::Query;

mod vectors {
    use super::*;

    /// The AWS suite: see its README for what S3 does otherwise.
    #[test]
    fn the_aws_suite_agrees_text_by_text() {
        let mut checked = 0;
        for directory in std::fs::read_dir(vectors("aws-sig-v4")).unwrap() {
            let directory = directory.unwrap().path();
            if !directory.is_dir() {
                continue;
            }
            for form in ["header", "query"] {
                let read = |name: &str| {
                    std::fs::read_to_string(directory.join(format!("{form}-{name}.txt"))).ok()
                };
                let Some(signed_request) = read("signed-request") else {
                    continue;
                };
                let canonical_request = read("canonical-request").unwrap();
                let context: Value = serde_json::from_str(
                    &std::fs::read_to_string(directory.join("context.json")).unwrap(),
                )
                .unwrap();
                let head = parse_request(&signed_request);
                let mut query = Query::parse(&encode_non_ascii(head.raw_query())).unwrap();
                query.retain(|parameter| parameter.name != "X-Amz-Signature");
                let (before_payload, hashed_payload) = canonical_request.rsplit_once('\n').unwrap();
                let signed_headers =
                    SignedHeaders::parse(before_payload.rsplit_once('\n').unwrap().1).unwrap();
                let secret = context["credentials"]["secret_access_key"]
                    .as_str()
                    .unwrap();
                let scope = CredentialScope {
                    service: "service",
                    ..CredentialScope::s3(
                        UnixTime::parse_basic("20150830T123600Z").unwrap(),
                        context["region"].as_str().unwrap(),
                    )
                };
                let texts = sign_texts(
                    &head,
                    &query,
                    &signed_headers,
                    hashed_payload,
                    &scope,
                    &SecretAccessKey::new(secret.to_owned()),
                );
                let shown = directory.display();
                assert_eq!(texts.canonical_request, canonical_request, "{shown} {form}");
                assert_eq!(
                    texts.string_to_sign,
                    read("string-to-sign").unwrap(),
                    "{shown} {form}"
                );
                assert_eq!(
                    texts.signature,
                    read("signature").unwrap(),
                    "{shown} {form}"
                );
                checked += 1;
            }
        }
        assert_eq!(checked, 63);
    }

    #[test]
    fn requests_of_botocore_verify_and_agree_text_by_text() {
        let file: Value = serde_json::from_str(
            &std::fs::read_to_string(vectors("botocore").join("requests.json")).unwrap(),
        )
        .unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let now = UnixTime::parse_basic(file["time"].as_str().unwrap()).unwrap();
        let requests = file["requests"].as_array().unwrap();
        assert_eq!(requests.len(), 40);
        for request in requests {
            let head = RequestHead {
                method: text(&request["method"]),
                target: text(&request["target"]),
                authority: text(&request["authority"]),
                headers: request["headers"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|field| (text(&field[0]), text(&field[1])))
                    .collect(),
            };
            let credentials = Credentials {
                access_key_id: text(&file["access_key_id"]),
                secret_access_key: SecretAccessKey::new(text(&file["secret_access_key"])),
                session_token: request["session_token"]
                    .as_str()
                    .map(|token| SessionToken::new(token.to_owned())),
            };
            let canonical_request = text(&request["canonical_request"]);
            let query = Query::parse(head.raw_query()).unwrap();
            let authorization = Authorization::from_request(&head, &query).unwrap().unwrap();
            let texts = sign_texts(
                &head,
                &{
                    let mut query = query.clone();
                    query.retain(|parameter| parameter.name != "X-Amz-Signature");
                    query
                },
                &authorization.signed_headers,
                canonical_request.rsplit_once('\n').unwrap().1,
                &authorization.scope,
                &credentials.secret_access_key,
            );
            assert_eq!(
                texts.canonical_request, canonical_request,
                "{}",
                request["name"]
            );
            assert_eq!(
                texts.string_to_sign,
                text(&request["string_to_sign"]),
                "{}",
                request["name"]
            );
            let verified = authorization.verify(&head, &query, &credentials, &regions(), now);
            assert!(verified.is_ok(), "{}: {verified:?}", request["name"]);
        }
    }

    /// [Examples: Signature Calculations][header].
    ///
    /// [header]: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    #[test]
    fn the_header_examples_of_the_documentation_agree() {
        let host = "examplebucket.s3.amazonaws.com";
        let put_sha256 = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        for (
            method,
            target,
            fields,
            hashed_payload,
            canonical_request,
            canonical_request_sha256,
            signature,
        ) in [
            (
                "GET",
                "/test.txt",
                &[("range", "bytes=0-9")][..],
                EMPTY_SHA256,
                "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n\
                 x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
                 x-amz-date:20130524T000000Z\n\nhost;range;x-amz-content-sha256;x-amz-date\n\
                 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                "PUT",
                "/test$file.text",
                &[
                    ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ],
                put_sha256,
                "PUT\n/test%24file.text\n\ndate:Fri, 24 May 2013 00:00:00 GMT\n\
                 host:examplebucket.s3.amazonaws.com\n\
                 x-amz-content-sha256:44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\n\
                 x-amz-date:20130524T000000Z\nx-amz-storage-class:REDUCED_REDUNDANCY\n\n\
                 date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class\n\
                 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
                "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            (
                "GET",
                "/?lifecycle",
                &[],
                EMPTY_SHA256,
                "GET\n/\nlifecycle=\nhost:examplebucket.s3.amazonaws.com\n\
                 x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
                 x-amz-date:20130524T000000Z\n\nhost;x-amz-content-sha256;x-amz-date\n\
                 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "GET",
                "/?max-keys=2&prefix=J",
                &[],
                EMPTY_SHA256,
                "GET\n/\nmax-keys=2&prefix=J\nhost:examplebucket.s3.amazonaws.com\n\
                 x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
                 x-amz-date:20130524T000000Z\n\nhost;x-amz-content-sha256;x-amz-date\n\
                 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            let mut headers: Headers = fields.iter().map(|(name, value)| (*name, *value)).collect();
            headers.push("x-amz-content-sha256", hashed_payload);
            headers.push("x-amz-date", TIME);
            let mut head = RequestHead {
                method: method.to_owned(),
                target: target.to_owned(),
                authority: host.to_owned(),
                headers,
            };
            let signed_headers =
                SignedHeaders::with_host(head.headers.iter().map(|field| field.name.as_str()));
            let query = Query::parse(head.raw_query()).unwrap();
            let texts = sign_texts(
                &head,
                &query,
                &signed_headers,
                hashed_payload,
                &CredentialScope::s3(now(), "us-east-1"),
                &credentials().secret_access_key,
            );
            assert_eq!(texts.canonical_request, canonical_request);
            assert_eq!(
                texts.string_to_sign,
                format!(
                    "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n{canonical_request_sha256}"
                )
            );
            assert_eq!(texts.signature, signature);
            head.headers.push(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                     SignedHeaders={},Signature={signature}",
                    signed_headers.as_str()
                ),
            );
            assert_eq!(
                verify(&head, now()).unwrap().payload,
                Payload::parse(hashed_payload).unwrap()
            );

            head.headers.remove("authorization");
            sign(
                &mut head,
                &credentials(),
                "us-east-1",
                now(),
                hashed_payload,
            )
            .unwrap();
            assert!(
                head.headers
                    .text("authorization")
                    .unwrap()
                    .ends_with(signature)
            );
        }
    }

    /// [Authenticating Requests: Using Query Parameters][query].
    ///
    /// [query]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    #[test]
    fn the_presigned_example_of_the_documentation_agrees() {
        let head = presigned_example();
        let verified = verify(&head, now()).unwrap();
        assert_eq!(verified.payload, Payload::Unsigned);
        assert!(verified.chunk_signatures.is_none());

        let mut query = Query::parse(head.raw_query()).unwrap();
        query.retain(|parameter| parameter.name != "X-Amz-Signature");
        let texts = sign_texts(
            &head,
            &query,
            &SignedHeaders::parse("host").unwrap(),
            "UNSIGNED-PAYLOAD",
            &CredentialScope::s3(now(), "us-east-1"),
            &credentials().secret_access_key,
        );
        assert_eq!(
            texts.canonical_request,
            "GET\n/test.txt\n\
             X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\n\
             host:examplebucket.s3.amazonaws.com\n\nhost\nUNSIGNED-PAYLOAD"
        );
        assert_eq!(
            texts.string_to_sign,
            "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
             3bfa292879f6447bbcda7001decf97f4a54dc650c8942174ae0a9121cf58ad04"
        );
    }

    /// [Signature Calculations: Transferring Payload in Multiple Chunks][chunks].
    ///
    /// [chunks]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
    #[test]
    fn put_9_the_signed_chunks_of_the_documentation_agree() {
        let head = chunked_example(
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            &[("content-length", "66824")],
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        );
        let verified = verify(&head, now()).unwrap();
        assert_eq!(verified.payload, Payload::StreamingSigned);
        let mut signatures = verified.chunk_signatures.unwrap();
        for (length, signature) in [
            (
                65_536,
                "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            ),
            (
                1024,
                "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            ),
            (
                0,
                "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
            ),
        ] {
            signatures
                .verify_chunk(&sha256(&vec![b'a'; length]), &claimed(signature))
                .unwrap();
        }
    }

    /// [Signature Calculations: Including Trailing Headers][trailers].
    ///
    /// [trailers]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
    #[test]
    fn put_9_the_signed_trailer_of_the_documentation_agrees() {
        let head = chunked_example(
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            &[("x-amz-trailer", "x-amz-checksum-crc32c")],
            "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        );
        let verified = verify(&head, now()).unwrap();
        assert_eq!(verified.payload, Payload::StreamingSignedTrailer);
        let mut signatures = verified.chunk_signatures.unwrap();
        for (length, signature) in [
            (
                65_536,
                "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            ),
            (
                1024,
                "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            ),
            (
                0,
                "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
            ),
        ] {
            signatures
                .verify_chunk(&sha256(&vec![b'a'; length]), &claimed(signature))
                .unwrap();
        }
        signatures
            .verify_trailer(
                &sha256(b"x-amz-checksum-crc32c:sOO8/Q==\n"),
                &claimed("d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"),
            )
            .unwrap();
    }

    #[test]
    fn put_9_the_texts_of_chunks_and_trailers_are_those_of_the_documentation() {
        let scope = CredentialScope::s3(now(), "us-east-1");
        let text = |subject| {
            StringToSign {
                scope: &scope,
                subject,
            }
            .to_string()
        };
        assert_eq!(
            text(Subject::Chunk {
                previous_signature: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
                data_sha256: sha256(&[b'a'; 65_536]),
            }),
            "AWS4-HMAC-SHA256-PAYLOAD\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
             4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9\n\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
             bf718b6f653bebc184e1479f1935b8da974d701b893afcf49e701f3e2f9f9c5a"
        );
        assert_eq!(
            text(Subject::Trailer {
                previous_signature: "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
                trailers_sha256: sha256(b"x-amz-checksum-crc32c:sOO8/Q==\n"),
            }),
            "AWS4-HMAC-SHA256-TRAILER\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
             2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\n\
             1e376db7e1a34a8ef1c4bcee131a2d60a1cb62503747488624e10995f448d774"
        );
    }

    fn vectors(set: &str) -> std::path::PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "tests", "vectors", set]
            .iter()
            .collect()
    }

    fn parse_request(text: &str) -> RequestHead {
        let (head, _body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let (method, rest) = lines.next().unwrap().split_once(' ').unwrap();
        let target = rest.strip_suffix(" HTTP/1.1").unwrap();
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in lines {
            match line.split_once(':') {
                Some((name, value)) if !line.starts_with(' ') => {
                    fields.push((name.to_owned(), value.to_owned()));
                }
                // obs-fold, RFC 9112 §5.2: an HTTP parser makes it space.
                _ => {
                    let value = &mut fields.last_mut().unwrap().1;
                    value.push(' ');
                    value.push_str(line);
                }
            }
        }
        let mut headers: Headers = fields.into_iter().collect();
        let authority = headers.text("host").unwrap().to_owned();
        headers.remove("host");
        RequestHead {
            method: method.to_owned(),
            target: target.to_owned(),
            authority,
            headers,
        }
    }

    fn encode_non_ascii(text: &str) -> String {
        text.chars()
            .map(|char| {
                if char.is_ascii() {
                    char.to_string()
                } else {
                    crate::uri::encode(char.to_string().as_bytes())
                }
            })
            .collect()
    }

    fn chunked_example(
        hashed_payload: &str,
        fields: &[(&str, &str)],
        signature: &str,
    ) -> RequestHead {
        let mut headers: Headers = fields.iter().map(|(name, value)| (*name, *value)).collect();
        headers.push("x-amz-date", TIME);
        headers.push("x-amz-storage-class", "REDUCED_REDUNDANCY");
        headers.push("x-amz-content-sha256", hashed_payload);
        headers.push("content-encoding", "aws-chunked");
        headers.push("x-amz-decoded-content-length", "66560");
        let signed_headers =
            SignedHeaders::with_host(headers.iter().map(|field| field.name.as_str()));
        headers.push(
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                 SignedHeaders={},Signature={signature}",
                signed_headers.as_str()
            ),
        );
        RequestHead {
            method: "PUT".to_owned(),
            target: "/examplebucket/chunkObject.txt".to_owned(),
            authority: "s3.amazonaws.com".to_owned(),
            headers,
        }
    }
}

mod mechanisms {
    use super::*;

    #[test]
    fn aut_1_a_request_without_a_claim_is_anonymous() {
        for target in [
            "/b/k",
            "/b/k?Expires=1&X-Amz-Date=1&X-Amz-Expires=1&x-id=GetObject",
        ] {
            assert!(claim(&head("GET", target, &[])).unwrap().is_none());
        }
    }

    #[test]
    fn aut_1_more_than_one_claim_is_refused() {
        let signed = signed(&[]);
        let field = signed.headers.text("authorization").unwrap();
        for (target, fields) in [
            ("/b/k?X-Amz-Signature=0", &[("authorization", field)][..]),
            ("/b/k?x-amz-signature=0", &[("authorization", field)]),
            ("/b/k?X-Amz-Credential", &[("authorization", field)]),
            ("/b/k?Signature=0", &[("authorization", field)]),
            ("/b/k?AWSAccessKeyId=0", &[("authorization", "")]),
            ("/b/k?AWSAccessKeyId=0&X-Amz-Algorithm=0", &[]),
            (
                "/b/k",
                &[("authorization", field), ("authorization", field)],
            ),
        ] {
            let error = claim(&head("GET", target, fields)).unwrap_err();
            assert_eq!(error, Error::MultipleMechanisms, "{target}");
        }
    }

    #[test]
    fn aut_2_components_are_parsed_with_and_without_space_and_in_any_order() {
        for field in [
            "AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range,Signature=00",
            "AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range, Signature=00",
            "AWS4-HMAC-SHA256  Signature=00 ,\tSignedHeaders=range;host , Credential=A/20130524/us-east-1/s3/aws4_request",
        ] {
            let authorization = with_authorization(field).unwrap().unwrap();
            assert_eq!(authorization.access_key_id(), "A");
            assert_eq!(authorization.scope, CredentialScope::s3(now(), "us-east-1"));
            assert_eq!(authorization.signed_headers.as_str(), "host;range");
            assert_eq!(authorization.signature.as_bytes(), b"00");
        }
        let slashed = "AWS4-HMAC-SHA256 Credential=A/B/20130524/r/s3/aws4_request,SignedHeaders=host,Signature=0";
        assert_eq!(
            with_authorization(slashed)
                .unwrap()
                .unwrap()
                .access_key_id(),
            "A/B"
        );
    }

    #[test]
    fn aut_2_malformed_fields_are_refused() {
        let field = |credential: &str, rest: &str| {
            format!("AWS4-HMAC-SHA256 Credential={credential},{rest}")
        };
        let good = "A/20130524/us-east-1/s3/aws4_request";
        let rest = "SignedHeaders=host,Signature=0";
        for (field, malformed) in [
            ("AWS4-HMAC-SHA256".to_owned(), Malformed::Components),
            ("AWS4-HMAC-SHA256 ".to_owned(), Malformed::Components),
            (format!("AWS4-HMAC-SHA256 {rest}"), Malformed::Components),
            (field(good, "SignedHeaders=host"), Malformed::Components),
            (
                field(good, "SignedHeaders=host,Signature"),
                Malformed::Components,
            ),
            (
                field(good, "SignedHeaders=host,Signature="),
                Malformed::Components,
            ),
            (
                field(good, "SignedHeaders=,Signature=0"),
                Malformed::Components,
            ),
            (
                field(good, "SignedHeaders=host,Signature=0,"),
                Malformed::Components,
            ),
            (
                field(good, "SignedHeaders=host,Signature=0,Signature=0"),
                Malformed::Components,
            ),
            (
                field(good, "SignedHeaders=host,Signature=0,Other=0"),
                Malformed::Components,
            ),
            (
                field(good, "signedheaders=host,Signature=0"),
                Malformed::Components,
            ),
            (
                field("A/20130524/us-east-1/s3", rest),
                Malformed::Credential,
            ),
            (
                field("/20130524/us-east-1/s3/aws4_request", rest),
                Malformed::Credential,
            ),
            (field("A", rest), Malformed::Credential),
            (
                field("A/20130524//s3/aws4_request", rest),
                Malformed::Credential,
            ),
            (
                field("A/2013524/us-east-1/s3/aws4_request", rest),
                Malformed::CredentialDate,
            ),
            (
                field("A/2013-5-4/us-east-1/s3/aws4_request", rest),
                Malformed::CredentialDate,
            ),
            (
                field("A/20130525/us-east-1/s3/aws4_request", rest),
                Malformed::CredentialDateDiffers,
            ),
            (
                field("A/20130524/us-east-1/sts/aws4_request", rest),
                Malformed::Service,
            ),
            (
                field("A/20130524/us-east-1/s3express/aws4_request", rest),
                Malformed::Service,
            ),
            (
                field("A/20130524/us-east-1/s3/aws5_request", rest),
                Malformed::Terminal,
            ),
            (
                field(good, "SignedHeaders=Host,Signature=0"),
                Malformed::SignedHeaders,
            ),
            (
                field(good, "SignedHeaders=host;host,Signature=0"),
                Malformed::SignedHeaders,
            ),
        ] {
            let error = with_authorization(&field).unwrap_err();
            assert_eq!(
                error,
                Error::AuthorizationHeaderMalformed(malformed),
                "{field}"
            );
        }
    }

    #[test]
    fn aut_2_other_schemes_are_refused() {
        for field in [
            "",
            "Basic YTpi",
            "Bearer x",
            "AWS4-HMAC-SHA512 x",
            "aws4-hmac-sha256 x",
            "caf\u{e9} x",
        ] {
            assert_eq!(
                with_authorization(field).unwrap_err(),
                Error::UnsupportedScheme,
                "{field}"
            );
        }
        let mut head = head("GET", "/", &[]);
        head.headers
            .push("authorization", b"AWS4-HMAC-SHA256 \xff".as_slice());
        assert_eq!(claim(&head).unwrap_err(), Error::UnsupportedScheme);
    }

    #[test]
    fn aut_2_another_region_is_refused() {
        let mut head = head("GET", "/b/k", &[]);
        sign(
            &mut head,
            &credentials(),
            "eu-west-1",
            now(),
            "UNSIGNED-PAYLOAD",
        )
        .unwrap();
        assert_eq!(
            verify(&head, now()).unwrap_err(),
            Error::AuthorizationHeaderMalformed(Malformed::Region)
        );
        let query = Query::parse("").unwrap();
        let authorization = claim(&head).unwrap().unwrap();
        let regions = ["us-east-1".to_owned(), "eu-west-1".to_owned()];
        assert!(
            authorization
                .verify(&head, &query, &credentials(), &regions, now())
                .is_ok()
        );

        let head = presigned_with("us-east-1", "eu-west-1");
        assert_eq!(
            verify(&head, now()).unwrap_err(),
            Error::AuthorizationQueryParameters(Malformed::Region)
        );
    }

    #[test]
    fn aut_8_signature_version_2_is_recognised_and_refused() {
        for (target, fields) in [
            ("/b/k?AWSAccessKeyId=A&Expires=1&Signature=x", &[][..]),
            ("/b/k?awsaccesskeyid=A", &[]),
            ("/b/k", &[("authorization", "AWS A:x")]),
        ] {
            let error = claim(&head("GET", target, fields)).unwrap_err();
            assert_eq!(error, Error::SignatureVersion2, "{target}");
        }
    }

    #[test]
    fn aut_8_signature_version_4a_is_recognised_and_refused() {
        for (target, fields) in [
            (
                "/b/k?X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Signature=x",
                &[][..],
            ),
            (
                "/b/k",
                &[("authorization", "AWS4-ECDSA-P256-SHA256 Credential=x")],
            ),
        ] {
            let error = claim(&head("GET", target, fields)).unwrap_err();
            assert_eq!(error, Error::SignatureVersion4A, "{target}");
        }
    }
}

mod times {
    use super::*;

    #[test]
    fn aut_3_a_clock_may_be_fifteen_minutes_off() {
        let head = signed(&[]);
        for (now, expected) in [
            (now().saturating_add(900), None),
            (now().saturating_sub(900), None),
            (now().saturating_add(901), Some(Error::RequestTimeTooSkewed)),
            (now().saturating_sub(901), Some(Error::RequestTimeTooSkewed)),
            (UnixTime::EPOCH, Some(Error::RequestTimeTooSkewed)),
            (UnixTime::MAX, Some(Error::RequestTimeTooSkewed)),
        ] {
            assert_eq!(verify(&head, now).err(), expected);
        }
    }

    #[test]
    fn aut_3_a_date_stands_in_for_x_amz_date() {
        for date in ["Fri, 24 May 2013 00:00:00 GMT", TIME] {
            let head = signed_by_hand(
                "GET",
                "/b/k",
                &[("date", date), SIGNED_EMPTY],
                "date;host;x-amz-content-sha256",
            );
            assert!(verify(&head, now()).is_ok(), "{date}");
        }
    }

    #[test]
    fn aut_3_without_a_valid_date_there_is_no_access() {
        for fields in [
            &[][..],
            &[("x-amz-date", "Fri, 24 May 2013 00:00:00 GMT")],
            &[("x-amz-date", ""), ("date", TIME)],
            &[("x-amz-date", TIME), ("x-amz-date", TIME)],
            &[("date", "yesterday")],
        ] {
            let mut head = head("GET", "/b/k", fields);
            head.headers.push("authorization", AUTHORIZATION);
            assert_eq!(claim(&head).unwrap_err(), Error::InvalidDate);
        }
    }

    #[test]
    fn aut_7_all_six_parameters_are_required_once() {
        let example = presigned_example();
        let parameters: Vec<&str> = example.raw_query().split('&').collect();
        for index in 0..parameters.len() {
            let mut missing = parameters.clone();
            let removed = missing.remove(index);
            let mut repeated = parameters.clone();
            repeated.push(removed);
            let mut lower = parameters.clone();
            let lowered = removed.replacen("X-Amz", "x-amz", 1);
            lower[index] = &lowered;
            for parameters in [missing, repeated, lower] {
                let head = head("GET", &format!("/test.txt?{}", parameters.join("&")), &[]);
                assert_eq!(
                    claim(&head).unwrap_err(),
                    Error::AuthorizationQueryParameters(Malformed::Components),
                    "{}",
                    head.target
                );
            }
        }
    }

    #[test]
    fn aut_7_parameters_are_parsed_strictly() {
        for (from, to, malformed) in [
            ("Expires=86400", "Expires=604801", Malformed::ExpiresTooLong),
            (
                "Expires=86400",
                "Expires=99999999999999999999999",
                Malformed::ExpiresTooLong,
            ),
            ("Expires=86400", "Expires=-1", Malformed::ExpiresNegative),
            (
                "Expires=86400",
                "Expires=%2B1",
                Malformed::ExpiresNotANumber,
            ),
            ("Expires=86400", "Expires=-", Malformed::ExpiresNotANumber),
            ("Expires=86400", "Expires=1.5", Malformed::ExpiresNotANumber),
            ("Expires=86400", "Expires=day", Malformed::ExpiresNotANumber),
            ("Date=20130524T000000Z", "Date=20130524", Malformed::Date),
            (
                "Date=20130524T000000Z",
                "Date=20130525T000000Z",
                Malformed::CredentialDateDiffers,
            ),
            ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", Malformed::Algorithm),
            (
                "SignedHeaders=host",
                "SignedHeaders=Host",
                Malformed::SignedHeaders,
            ),
            ("%2Fs3%2F", "%2Fsqs%2F", Malformed::Service),
            ("%2Faws4_request", "", Malformed::Credential),
        ] {
            let mut head = presigned_example();
            assert!(head.target.contains(from));
            head.target = head.target.replacen(from, to, 1);
            assert_eq!(
                claim(&head).unwrap_err(),
                Error::AuthorizationQueryParameters(malformed),
                "{to}"
            );
        }
    }

    #[test]
    fn aut_7_a_presigned_request_is_valid_from_before_its_date_until_it_expires() {
        let head = presigned_example();
        for (now, expected) in [
            (now().saturating_sub(901), Some(Error::NotValidYet)),
            (now().saturating_sub(900), None),
            (now().saturating_add(86_400), None),
            (now().saturating_add(86_401), Some(Error::Expired)),
        ] {
            assert_eq!(verify(&head, now).err(), expected);
        }
    }

    #[test]
    fn aut_7_zero_and_a_week_are_good_expiries() {
        for expires in [0, 604_800] {
            let head = presigned("GET", "/b/k", "", &[], "host", expires, None);
            assert!(verify(&head, now().saturating_add(expires)).is_ok());
            assert_eq!(
                verify(&head, now().saturating_add(expires).saturating_add(1)).unwrap_err(),
                Error::Expired
            );
        }
    }

    const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=0";
}

mod canonicalisation {
    use super::*;

    #[test]
    fn aut_4_a_path_signed_as_it_is_sent_is_accepted() {
        let path = "/b/a!b*c(d)'e@f:g$h&i,j;k=l+m%2fn";
        for canonical_uri in [canonical_uri(path).unwrap().as_str(), path] {
            let mut head = head("GET", path, &[("x-amz-date", TIME), SIGNED_EMPTY]);
            push_authorization(
                &mut head,
                canonical_uri,
                "host;x-amz-content-sha256;x-amz-date",
            );
            assert!(verify(&head, now()).is_ok(), "{canonical_uri}");
        }
        let mut head = head("GET", path, &[("x-amz-date", TIME), SIGNED_EMPTY]);
        push_authorization(
            &mut head,
            "/b/other",
            "host;x-amz-content-sha256;x-amz-date",
        );
        assert_eq!(
            verify(&head, now()).unwrap_err(),
            Error::SignatureDoesNotMatch
        );
    }

    #[test]
    fn aut_4_a_bad_escape_in_the_path_is_refused() {
        let mut head = head("GET", "/b/%zz", &[("x-amz-date", TIME), SIGNED_EMPTY]);
        push_authorization(&mut head, "/b/%zz", "host;x-amz-content-sha256;x-amz-date");
        assert_eq!(verify(&head, now()).unwrap_err(), Error::InvalidUri);
    }

    #[test]
    fn aut_4_the_order_and_encoding_of_a_query_do_not_matter_but_its_content_does() {
        let mut head = signed_by_hand(
            "GET",
            "/b?prefix=a%20b&delimiter=%2F&uploads",
            &[("x-amz-date", TIME), SIGNED_EMPTY],
            "host;x-amz-content-sha256;x-amz-date",
        );
        for (target, good) in [
            ("/b?uploads=&delimiter=/&prefix=%61%20b", true),
            (
                "/b?uploads&delimiter=/&prefix=a%20b&x-id=ListMultipartUploads",
                false,
            ),
            ("/b?uploads&delimiter=/&prefix=a+b", false),
            ("/b?uploads&delimiter=/", false),
        ] {
            head.target = target.to_owned();
            assert_eq!(verify(&head, now()).is_ok(), good, "{target}");
        }
    }

    #[test]
    fn aut_4_the_payload_hash_is_required_in_the_header_form() {
        let head = signed_by_hand("GET", "/b/k", &[("x-amz-date", TIME)], "host;x-amz-date");
        assert_eq!(
            verify(&head, now()).unwrap_err(),
            Error::MissingContentSha256
        );
        let head = signed_by_hand(
            "GET",
            "/b/k",
            &[("x-amz-date", TIME), SIGNED_EMPTY, SIGNED_EMPTY],
            "host;x-amz-date",
        );
        assert_eq!(
            verify(&head, now()).unwrap_err(),
            Error::InvalidContentSha256
        );
    }

    #[test]
    fn aut_4_the_payload_hash_of_a_presigned_request_comes_from_query_or_header_or_is_unsigned() {
        let sha256 = Payload::Sha256(sha256(b""));
        let in_query = format!("X-Amz-Content-Sha256={EMPTY_SHA256}");
        for (query, fields, hashed_payload, payload) in [
            ("", &[][..], "UNSIGNED-PAYLOAD", Payload::Unsigned),
            (
                "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD",
                &[],
                "UNSIGNED-PAYLOAD",
                Payload::Unsigned,
            ),
            (&in_query, &[], EMPTY_SHA256, sha256),
            ("", &[SIGNED_EMPTY], EMPTY_SHA256, sha256),
            (&in_query, &[SIGNED_EMPTY], EMPTY_SHA256, sha256),
        ] {
            let head = presigned(
                "PUT",
                "/b/k",
                query,
                fields,
                "host",
                60,
                Some(hashed_payload),
            );
            assert_eq!(verify(&head, now()).unwrap().payload, payload);
        }
        let head = presigned(
            "PUT",
            "/b/k",
            "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD",
            &[SIGNED_EMPTY],
            "host",
            60,
            Some("UNSIGNED-PAYLOAD"),
        );
        assert_eq!(
            verify(&head, now()).unwrap_err(),
            Error::InvalidContentSha256
        );
    }

    #[test]
    fn aut_4_a_presigned_payload_hash_that_was_not_signed_is_refused() {
        let mut head = presigned("PUT", "/b/k", "", &[], "host", 60, None);
        head.headers.push("x-amz-content-sha256", EMPTY_SHA256);
        assert_eq!(
            verify(&head, now()).unwrap_err(),
            Error::SignatureDoesNotMatch
        );
    }

    #[test]
    fn aut_5_host_must_be_signed() {
        let head = signed_by_hand(
            "GET",
            "/b/k",
            &[("x-amz-date", TIME), SIGNED_EMPTY],
            "x-amz-content-sha256;x-amz-date",
        );
        assert_eq!(verify(&head, now()).unwrap_err(), Error::HeadersNotSigned);
        assert_eq!(
            claim(&head).unwrap().unwrap().headers_not_signed(&head),
            ["host"]
        );
    }

    #[test]
    fn aut_5_every_x_amz_header_must_be_signed() {
        for name in [
            "x-amz-copy-source",
            "x-amz-acl",
            "x-amz-meta-a",
            "x-amz-storage-class",
            "x-amz-user-agent",
            "x-amz-security-token-2",
        ] {
            let mut by_header = signed(&[]);
            let mut by_query = presigned_example();
            for head in [&mut by_header, &mut by_query] {
                head.headers.push(name, "x");
                assert_eq!(
                    verify(head, now()).unwrap_err(),
                    Error::HeadersNotSigned,
                    "{name}"
                );
                assert_eq!(
                    claim(head).unwrap().unwrap().headers_not_signed(head),
                    [name]
                );
            }
        }
    }

    #[test]
    fn aut_5_headers_of_proxies_and_sdks_need_not_be_signed() {
        let mut head = signed(&[]);
        for name in [
            "x-amzn-trace-id",
            "amz-sdk-request",
            "x-forwarded-for",
            "user-agent",
        ] {
            head.headers.push(name, "x");
        }
        assert!(verify(&head, now()).is_ok());
        let unsigned_hash = signed_by_hand(
            "GET",
            "/b/k",
            &[("x-amz-date", TIME), SIGNED_EMPTY],
            "host;x-amz-date",
        );
        assert!(verify(&unsigned_hash, now()).is_ok());
    }

    #[test]
    fn aut_5_parameters_hoisted_into_the_query_are_signed_with_it() {
        let head = presigned(
            "PUT",
            "/b/k",
            "x-amz-acl=private&x-amz-meta-a=1",
            &[],
            "host",
            60,
            None,
        );
        assert!(verify(&head, now()).is_ok());
        let mut changed = head.clone();
        changed.target = head
            .target
            .replacen("x-amz-acl=private", "x-amz-acl=public-read", 1);
        assert_eq!(
            verify(&changed, now()).unwrap_err(),
            Error::SignatureDoesNotMatch
        );
        let mut added = head;
        added.target.push_str("&x-amz-copy-source=/other/key");
        assert_eq!(
            verify(&added, now()).unwrap_err(),
            Error::SignatureDoesNotMatch
        );
    }

    #[test]
    fn aut_6_an_expect_that_was_signed_and_removed_is_reconstructed() {
        let signed_headers = "accept-encoding;expect;host;x-amz-content-sha256;x-amz-date";
        let mut head = signed_by_hand(
            "PUT",
            "/b/k",
            &[
                ("expect", "100-continue"),
                ("accept-encoding", "identity"),
                ("x-amz-date", TIME),
                SIGNED_EMPTY,
            ],
            signed_headers,
        );
        assert!(verify(&head, now()).is_ok());
        head.headers.remove("expect");
        assert!(verify(&head, now()).is_ok());
        head.headers.remove("accept-encoding");
        assert_eq!(
            verify(&head, now()).unwrap_err(),
            Error::SignatureDoesNotMatch
        );
    }

    #[test]
    fn aut_6_a_transfer_encoding_that_was_signed_and_removed_is_reconstructed() {
        let mut head = signed_by_hand(
            "PUT",
            "/b/k",
            &[
                ("transfer-encoding", "chunked"),
                ("x-amz-date", TIME),
                SIGNED_EMPTY,
            ],
            "host;transfer-encoding;x-amz-content-sha256;x-amz-date",
        );
        head.headers.remove("transfer-encoding");
        assert!(verify(&head, now()).is_ok());
    }

    #[test]
    fn aut_6_a_content_length_that_was_signed_is_compared_as_received() {
        let mut head = signed_by_hand(
            "PUT",
            "/b/k",
            &[("content-length", "4"), ("x-amz-date", TIME), SIGNED_EMPTY],
            "content-length;host;x-amz-content-sha256;x-amz-date",
        );
        assert!(verify(&head, now()).is_ok());
        head.headers.set("content-length", "5");
        assert_eq!(
            verify(&head, now()).unwrap_err(),
            Error::SignatureDoesNotMatch
        );
        head.headers.remove("content-length");
        assert_eq!(
            verify(&head, now()).unwrap_err(),
            Error::SignatureDoesNotMatch
        );
    }

    #[test]
    fn the_host_is_signed_as_received_with_its_port() {
        for authority in [
            "s3.example.com",
            "s3.example.com:443",
            "s3.example.com:80",
            "[::1]:9000",
        ] {
            let mut head = head("GET", "/b/k", &[]);
            head.authority = authority.to_owned();
            sign(
                &mut head,
                &credentials(),
                "us-east-1",
                now(),
                "UNSIGNED-PAYLOAD",
            )
            .unwrap();
            assert!(verify(&head, now()).is_ok());
            head.authority.push('0');
            assert_eq!(
                verify(&head, now()).unwrap_err(),
                Error::SignatureDoesNotMatch
            );
        }
    }

    #[test]
    fn line_breaks_can_not_pass_for_other_lines() {
        let mut head = signed(&[("x-amz-meta-a", "1"), ("x-amz-meta-b", "2")]);
        head.headers.set("x-amz-meta-a", "1\nx-amz-meta-b:2");
        assert_eq!(verify(&head, now()).unwrap_err(), Error::InvalidHead);
        let mut head = signed(&[]);
        head.method = "GET\n/b/k".to_owned();
        assert_eq!(verify(&head, now()).unwrap_err(), Error::InvalidHead);
    }
}

mod secrets {
    use super::*;

    #[test]
    fn aut_9_a_token_must_be_exactly_the_configured_one() {
        let with_token = temporary_credentials("token");
        let mut head = head("GET", "/b/k", &[]);
        sign(
            &mut head,
            &with_token,
            "us-east-1",
            now(),
            "UNSIGNED-PAYLOAD",
        )
        .unwrap();
        let in_query = presigned(
            "GET",
            "/b/k",
            "X-Amz-Security-Token=token",
            &[],
            "host",
            60,
            None,
        );
        for head in [&head, &in_query] {
            assert!(verify_with(head, &with_token).is_ok());
            assert_eq!(
                verify_with(head, &credentials()).unwrap_err(),
                Error::InvalidToken
            );
            for token in ["", "toke", "token2", "TOKEN"] {
                assert_eq!(
                    verify_with(head, &temporary_credentials(token)).unwrap_err(),
                    Error::InvalidToken
                );
            }
        }
        assert_eq!(
            verify_with(&signed(&[]), &with_token).unwrap_err(),
            Error::InvalidToken
        );
        assert_eq!(
            verify_with(&presigned_example(), &with_token).unwrap_err(),
            Error::InvalidToken
        );
        let mut two = head;
        two.headers.push("x-amz-security-token", "other");
        assert_eq!(
            verify_with(&two, &with_token).unwrap_err(),
            Error::InvalidToken
        );
    }

    #[test]
    fn aut_10_another_secret_does_not_match() {
        let other = Credentials {
            secret_access_key: SecretAccessKey::new("other".to_owned()),
            ..credentials()
        };
        for head in [signed(&[]), presigned_example()] {
            assert_eq!(
                verify_with(&head, &other).unwrap_err(),
                Error::SignatureDoesNotMatch
            );
        }
    }

    #[test]
    fn aut_10_credentials_of_another_key_do_not_match() {
        let other = Credentials {
            access_key_id: "OTHER".to_owned(),
            ..credentials()
        };
        assert_eq!(
            verify_with(&signed(&[]), &other).unwrap_err(),
            Error::SignatureDoesNotMatch
        );
    }

    #[test]
    fn aut_10_a_signature_of_another_form_does_not_match() {
        let head = signed(&[]);
        let field = head.headers.text("authorization").unwrap().to_owned();
        let (start, signature) = field.rsplit_once('=').unwrap();
        for signature in [
            &signature[..63],
            &format!("{signature}0"),
            &signature.to_ascii_uppercase(),
            &"0".repeat(64),
        ] {
            let mut head = head.clone();
            head.headers
                .set("authorization", format!("{start}={signature}"));
            assert_eq!(
                verify(&head, now()).unwrap_err(),
                Error::SignatureDoesNotMatch
            );
        }
    }

    #[test]
    fn aut_12_the_payload_that_was_signed_is_handed_on() {
        let sha256 = sha256(b"body");
        for (hashed_payload, payload, chunked) in [
            ("UNSIGNED-PAYLOAD", Payload::Unsigned, false),
            (hex::encode(sha256).as_str(), Payload::Sha256(sha256), false),
            (
                "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
                Payload::StreamingSigned,
                true,
            ),
            (
                "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
                Payload::StreamingSignedTrailer,
                true,
            ),
            (
                "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                Payload::StreamingUnsignedTrailer,
                false,
            ),
        ] {
            let mut head = head("PUT", "/b/k", &[]);
            sign(
                &mut head,
                &credentials(),
                "us-east-1",
                now(),
                hashed_payload,
            )
            .unwrap();
            let verified = verify(&head, now()).unwrap();
            assert_eq!(verified.payload, payload);
            assert_eq!(verified.chunk_signatures.is_some(), chunked);
        }
    }

    #[test]
    fn put_9_after_a_signature_that_does_not_match_nothing_verifies() {
        let signature = "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648";
        let mut head = head("PUT", "/b/k", &[]);
        let streaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
        sign(&mut head, &credentials(), "us-east-1", now(), streaming).unwrap();
        let field = head.headers.text("authorization").unwrap();
        let scope = CredentialScope::s3(now(), "us-east-1");
        let first =
            SigningKey::derive(&credentials().secret_access_key, &scope).sign(&StringToSign {
                scope: &scope,
                subject: Subject::Chunk {
                    previous_signature: field.rsplit_once('=').unwrap().1,
                    data_sha256: sha256(b"data"),
                },
            });
        let mut signatures = verify(&head, now()).unwrap().chunk_signatures.unwrap();
        assert!(
            signatures
                .verify_chunk(&sha256(b"data"), &claimed(first.as_str()))
                .is_ok()
        );
        let mut signatures = verify(&head, now()).unwrap().chunk_signatures.unwrap();
        for claim in [signature, first.as_str()] {
            assert_eq!(
                signatures.verify_chunk(&sha256(b"data"), &claimed(claim)),
                Err(Error::SignatureDoesNotMatch)
            );
            assert_eq!(
                signatures.verify_trailer(&sha256(b"data"), &claimed(claim)),
                Err(Error::SignatureDoesNotMatch)
            );
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let mut head = head("PUT", "/b/k", &[]);
        let streaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
        sign(&mut head, &credentials(), "us-east-1", now(), streaming).unwrap();
        let signature = head
            .headers
            .text("authorization")
            .unwrap()
            .rsplit_once('=')
            .unwrap()
            .1;
        let shown = format!(
            "{:?} {:?}",
            claim(&head).unwrap(),
            verify(&head, now()).unwrap()
        );
        assert!(
            !shown.contains(signature) && !shown.contains("EXAMPLEKEY"),
            "{shown}"
        );
    }

    /// The order in which S3 complains, of a request of which everything is wrong.
    #[test]
    fn checks_come_in_the_order_of_s3() {
        let wrong = temporary_credentials("token");
        let mut head = head("GET", "/b/k", &[]);
        sign(
            &mut head,
            &credentials(),
            "nowhere",
            UnixTime::EPOCH,
            "wrong",
        )
        .unwrap();
        head.headers.push("x-amz-acl", "x");
        let verify = |head: &RequestHead, region: &str, now| {
            let query = Query::parse(head.raw_query()).unwrap();
            claim(head)
                .unwrap()
                .unwrap()
                .verify(head, &query, &wrong, &[region.to_owned()], now)
                .unwrap_err()
        };
        assert_eq!(
            verify(&head, "us-east-1", now()),
            Error::AuthorizationHeaderMalformed(Malformed::Region)
        );
        assert_eq!(verify(&head, "nowhere", now()), Error::InvalidContentSha256);
        head.headers.remove("x-amz-content-sha256");
        assert_eq!(verify(&head, "nowhere", now()), Error::MissingContentSha256);
        head.headers.push("x-amz-content-sha256", EMPTY_SHA256);
        assert_eq!(verify(&head, "nowhere", now()), Error::RequestTimeTooSkewed);
        assert_eq!(
            verify(&head, "nowhere", UnixTime::EPOCH),
            Error::InvalidToken
        );
        head.headers.push("x-amz-security-token", "token");
        assert_eq!(
            verify(&head, "nowhere", UnixTime::EPOCH),
            Error::HeadersNotSigned
        );
        head.headers.remove("x-amz-acl");
        let field = head
            .headers
            .text("authorization")
            .unwrap()
            .replace("x-amz-date,", "x-amz-date;x-amz-security-token,");
        head.headers.set("authorization", field);
        assert_eq!(
            verify(&head, "nowhere", UnixTime::EPOCH),
            Error::SignatureDoesNotMatch
        );
    }
}

mod signing {
    use super::*;

    #[test]
    fn sgn_1_all_that_must_arrive_unchanged_is_signed() {
        let mut head = head(
            "PUT",
            "/b/k",
            &[
                ("content-type", "text/plain"),
                ("content-md5", "x"),
                ("content-encoding", "gzip"),
                ("content-length", "4"),
                ("cache-control", "no-cache"),
                ("range", "bytes=0-"),
                ("if-match", "\"e\""),
                ("x-amz-meta-a", "1"),
                ("user-agent", "x"),
                ("te", "trailers"),
                ("connection", "close"),
                ("transfer-encoding", "chunked"),
                ("expect", "100-continue"),
                ("traceparent", "x"),
                ("x-forwarded-for", "x"),
                ("x-envoy-original-path", "x"),
                ("x-request-id", "x"),
            ],
        );
        sign(
            &mut head,
            &temporary_credentials("token"),
            "us-east-1",
            now(),
            EMPTY_SHA256,
        )
        .unwrap();
        assert_eq!(
            claim(&head).unwrap().unwrap().signed_headers.as_str(),
            "cache-control;content-encoding;content-md5;content-type;host;if-match;range;\
             x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-security-token"
        );
    }

    #[test]
    fn sgn_1_a_client_s_authentication_is_replaced() {
        let mut head = head(
            "GET",
            "/b/k",
            &[
                ("authorization", "AWS A:b"),
                ("Authorization", "AWS A:c"),
                ("x-amz-date", "x"),
                ("x-amz-content-sha256", "x"),
                ("x-amz-security-token", "x"),
            ],
        );
        sign(&mut head, &credentials(), "us-east-1", now(), EMPTY_SHA256).unwrap();
        assert!(verify(&head, now()).is_ok());
        assert_eq!(head.headers.len(), 3);
        assert_eq!(head.headers.text("x-amz-date"), Some(TIME));
        assert_eq!(
            head.headers.text("x-amz-content-sha256"),
            Some(EMPTY_SHA256)
        );
    }

    #[test]
    fn a_head_that_can_not_be_signed_is_refused() {
        let sign = |mut head: RequestHead| {
            sign(&mut head, &credentials(), "us-east-1", now(), EMPTY_SHA256)
        };
        assert_eq!(sign(head("GET", "/b/%zz", &[])), Err(Error::InvalidUri));
        assert_eq!(sign(head("GET", "/b?a=%ff", &[])), Err(Error::InvalidUri));
        assert_eq!(sign(head("G T", "/b", &[])), Err(Error::InvalidHead));
        assert_eq!(
            sign(head("GET", "/b", &[("a", "b\nc")])),
            Err(Error::InvalidHead)
        );
    }
}

mod properties {
    use super::*;

    fn any_head() -> impl Strategy<Value = RequestHead> {
        let value = prop::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..=0xff], 0..12);
        (
            "GET|PUT|HEAD|POST|DELETE",
            "(/([a-zA-Z0-9._~!$&'()*+,;=:@ -]|%20|%2F|%e1%88%B4){0,8}){1,4}",
            prop::option::of("([a-zA-Z0-9!'()*+,;:@/-]|%26|%3D|=|&){0,20}"),
            "[a-z0-9.-]{1,12}(:[0-9]{1,5})?",
            prop::collection::vec(("(x-amz-meta-|if-|content-)[a-z0-9]{1,5}", value), 0..5),
        )
            .prop_map(|(method, path, query, authority, fields)| RequestHead {
                method,
                target: match query {
                    Some(query) => format!("{path}?{query}"),
                    None => path,
                },
                authority,
                headers: fields.into_iter().collect(),
            })
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies(head in any_head(), seconds in 0..UnixTime::MAX.seconds()) {
            let mut head = head;
            let now = UnixTime::from_seconds(seconds);
            let fields = head.headers.len();
            sign(&mut head, &credentials(), "us-east-1", now, "UNSIGNED-PAYLOAD").unwrap();
            prop_assert_eq!(head.headers.len().saturating_sub(fields), 3);
            prop_assert_eq!(verify(&head, now).unwrap().payload, Payload::Unsigned);
        }

        #[test]
        fn any_change_to_what_is_signed_is_noticed(
            head in any_head(),
            change in 0_usize..9,
            index in any::<prop::sample::Index>(),
        ) {
            let mut head = head;
            head.headers.push("x-amz-meta-fixed", "value");
            sign(&mut head, &credentials(), "us-east-1", now(), "UNSIGNED-PAYLOAD").unwrap();
            let mut changed = head.clone();
            match change {
                0 => changed.method.push('X'),
                1 => changed.target.insert(1, 'x'),
                2 => changed.target.push_str(if head.target.contains('?') { "&zz" } else { "?zz" }),
                3 => changed.authority.push('x'),
                4 => changed.headers.push("x-amz-meta-fixed", "value"),
                5 => changed.headers.push("x-amz-added", ""),
                6 => changed.headers.set("x-amz-content-sha256", EMPTY_SHA256),
                7 => changed.headers.set("x-amz-date", "20130524T000001Z"),
                _ => {
                    let mut fields: Vec<_> = head.headers.iter().cloned().collect();
                    let field = index.get(&fields).clone();
                    fields.retain(|other| *other != field);
                    changed.headers = fields.into_iter().map(|field| (field.name, field.value)).collect();
                    // The last copy of an empty field can't be told from its absence, and without
                    // a claim there is nothing to verify.
                    let empty = field.value.trim_ascii().is_empty() && !changed.headers.contains(&field.name);
                    let equal = head.headers.count(&field.name) > 1
                        && head.headers.values(&field.name).all(|value| value == field.value)
                        && field.value.trim_ascii().is_empty();
                    prop_assume!(!empty && !equal && field.name != "authorization");
                }
            }
            prop_assert!(verify(&changed, now()).is_err(), "{changed:?}");
        }

        #[test]
        fn a_bit_flipped_in_the_signature_is_noticed(
            head in any_head(),
            index in 0_usize..64,
            bit in 0_u32..7,
        ) {
            let mut head = head;
            sign(&mut head, &credentials(), "us-east-1", now(), "UNSIGNED-PAYLOAD").unwrap();
            let mut field = head.headers.value("authorization").unwrap().to_vec();
            field.iter_mut().rev().nth(index).into_iter().for_each(|byte| *byte ^= 1 << bit);
            head.headers.set("authorization", field);
            prop_assert!(verify(&head, now()).is_err());
        }

        #[test]
        fn arbitrary_requests_never_panic(
            target in "/.{0,40}",
            field in prop_oneof![
                ".{0,80}".prop_map(String::into_bytes),
                "AWS4-HMAC-SHA256 .{0,80}".prop_map(String::into_bytes),
                "AWS4-HMAC-SHA256 (Credential=|SignedHeaders=|Signature=|A|/|20130524|us-east-1|s3|aws4_request|host|;|, ?){0,24}"
                    .prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..80),
            ],
            date in prop_oneof![Just(TIME.as_bytes().to_vec()), prop::collection::vec(any::<u8>(), 0..20)],
            hashed_payload in prop_oneof![Just(EMPTY_SHA256.as_bytes().to_vec()), prop::collection::vec(any::<u8>(), 0..70)],
        ) {
            let mut head = head("GET", &target, &[]);
            head.headers.push("authorization", field);
            head.headers.push("x-amz-date", date);
            head.headers.push("x-amz-content-sha256", hashed_payload);
            try_to_verify(&head);
        }

        #[test]
        fn arbitrary_queries_never_panic(
            query in "((X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature|Security-Token|Content-Sha256)|Signature|.{0,4})(=(AWS4-HMAC-SHA256|A/20130524/us-east-1/s3/aws4_request|20130524T000000Z|60|host|.{0,8}))?&?){0,9}",
        ) {
            try_to_verify(&head("GET", &format!("/b/k?{query}"), &[]));
        }
    }

    fn try_to_verify(head: &RequestHead) {
        let Ok(query) = Query::parse(head.raw_query()) else {
            return;
        };
        if let Ok(Some(authorization)) = Authorization::from_request(head, &query) {
            let credentials = Credentials {
                access_key_id: authorization.access_key_id().to_owned(),
                ..credentials()
            };
            assert!(
                authorization
                    .verify(head, &query, &credentials, &regions(), now())
                    .is_err()
            );
        }
    }
}

/// What a request's signature is made of.
struct Texts {
    canonical_request: String,
    string_to_sign: String,
    signature: String,
}

fn sign_texts(
    head: &RequestHead,
    query: &Query,
    signed_headers: &SignedHeaders,
    hashed_payload: &str,
    scope: &CredentialScope,
    secret: &SecretAccessKey,
) -> Texts {
    sign_texts_of_path(
        head,
        &canonical_uri(head.path()).unwrap(),
        query,
        signed_headers,
        hashed_payload,
        scope,
        secret,
    )
}

fn sign_texts_of_path(
    head: &RequestHead,
    canonical_uri: &str,
    query: &Query,
    signed_headers: &SignedHeaders,
    hashed_payload: &str,
    scope: &CredentialScope,
    secret: &SecretAccessKey,
) -> Texts {
    let canonical_request = CanonicalRequest {
        method: &head.method,
        canonical_uri,
        canonical_query_string: &query.canonical(),
        canonical_headers: &CanonicalHeaders::new(head, signed_headers).unwrap(),
        signed_headers,
        hashed_payload,
    };
    assert_eq!(
        canonical_request.sha256(),
        sha256(canonical_request.to_string().as_bytes())
    );
    let string_to_sign = StringToSign {
        scope,
        subject: Subject::Request {
            canonical_request_sha256: canonical_request.sha256(),
        },
    };
    Texts {
        canonical_request: canonical_request.to_string(),
        string_to_sign: string_to_sign.to_string(),
        signature: SigningKey::derive(secret, scope)
            .sign(&string_to_sign)
            .as_str()
            .to_owned(),
    }
}

fn head(method: &str, target: &str, fields: &[(&str, &str)]) -> RequestHead {
    RequestHead {
        method: method.to_owned(),
        target: target.to_owned(),
        authority: "s3.example.com".to_owned(),
        headers: fields.iter().map(|(name, value)| (*name, *value)).collect(),
    }
}

/// A GET with `fields`, signed as this crate signs.
fn signed(fields: &[(&str, &str)]) -> RequestHead {
    let mut head = head("GET", "/b/k", fields);
    sign(&mut head, &credentials(), "us-east-1", now(), EMPTY_SHA256).unwrap();
    head
}

/// A request of which exactly `signed_headers` are signed.
fn signed_by_hand(
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    signed_headers: &str,
) -> RequestHead {
    let mut head = head(method, target, fields);
    let canonical_uri = canonical_uri(head.path()).unwrap();
    push_authorization(&mut head, &canonical_uri, signed_headers);
    head
}

fn push_authorization(head: &mut RequestHead, canonical_uri: &str, signed_headers: &str) {
    let scope = CredentialScope::s3(now(), "us-east-1");
    let texts = sign_texts_of_path(
        head,
        canonical_uri,
        &Query::parse(head.raw_query()).unwrap(),
        &SignedHeaders::parse(signed_headers).unwrap(),
        EMPTY_SHA256,
        &scope,
        &credentials().secret_access_key,
    );
    head.headers.push(
        "authorization",
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/{scope}, SignedHeaders={signed_headers}, Signature={}",
            texts.signature
        ),
    );
}

fn presigned(
    method: &str,
    path: &str,
    query: &str,
    fields: &[(&str, &str)],
    signed_headers: &str,
    expires: u64,
    hashed_payload: Option<&str>,
) -> RequestHead {
    let scope = CredentialScope::s3(now(), "us-east-1");
    let mut head = head(method, path, fields);
    let query = format!(
        "{query}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={TIME}&X-Amz-Expires={expires}&X-Amz-SignedHeaders={}",
        crate::uri::encode(format!("AKIAIOSFODNN7EXAMPLE/{scope}").as_bytes()),
        crate::uri::encode(signed_headers.as_bytes()),
    );
    let texts = sign_texts(
        &head,
        &Query::parse(&query).unwrap(),
        &SignedHeaders::parse(signed_headers).unwrap(),
        hashed_payload.unwrap_or("UNSIGNED-PAYLOAD"),
        &scope,
        &credentials().secret_access_key,
    );
    head.target = format!("{path}?{query}&X-Amz-Signature={}", texts.signature);
    head
}

fn presigned_with(from: &str, to: &str) -> RequestHead {
    let mut head = presigned_example();
    head.target = head.target.replacen(from, to, 1);
    head
}

/// The example of the documentation of presigned URLs.
fn presigned_example() -> RequestHead {
    let mut head = head(
        "GET",
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        &[],
    );
    head.authority = "examplebucket.s3.amazonaws.com".to_owned();
    head
}

fn claim(head: &RequestHead) -> Result<Option<Authorization>, Error> {
    Authorization::from_request(head, &query_of(head))
}

fn with_authorization(field: &str) -> Result<Option<Authorization>, Error> {
    claim(&head(
        "GET",
        "/b/k",
        &[("x-amz-date", TIME), ("authorization", field)],
    ))
}

fn verify(head: &RequestHead, now: UnixTime) -> Result<Verified, Error> {
    verify_at(head, &credentials(), now)
}

fn verify_with(head: &RequestHead, credentials: &Credentials) -> Result<Verified, Error> {
    verify_at(head, credentials, now())
}

fn verify_at(
    head: &RequestHead,
    credentials: &Credentials,
    now: UnixTime,
) -> Result<Verified, Error> {
    claim(head)?.map_or_else(
        || panic!("no claim in {head:?}"),
        |claim| claim.verify(head, &query_of(head), credentials, &regions(), now),
    )
}

fn query_of(head: &RequestHead) -> Query {
    Query::parse(head.raw_query()).unwrap()
}

/// The credentials of AWS's documentation.
fn credentials() -> Credentials {
    Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret_access_key: SecretAccessKey::new(
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        ),
        session_token: None,
    }
}

fn temporary_credentials(token: &str) -> Credentials {
    Credentials {
        session_token: Some(SessionToken::new(token.to_owned())),
        ..credentials()
    }
}

fn regions() -> [String; 1] {
    ["us-east-1".to_owned()]
}

fn now() -> UnixTime {
    UnixTime::parse_basic(TIME).unwrap()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn claimed(signature: &str) -> [u8; 64] {
    signature.as_bytes().try_into().unwrap()
}

const TIME: &str = "20130524T000000Z";
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const SIGNED_EMPTY: (&str, &str) = ("x-amz-content-sha256", EMPTY_SHA256);
