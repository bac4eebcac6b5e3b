//! The vectors of `tests/vectors/format-v1`, which an implementation that shares no code with this
//! one wrote from FORMAT.md.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::as_conversions,
    reason = "a test"
)]

use std::collections::BTreeMap;

use base64::Engine as _;
use s3_envelope::envelope::{self, Envelope, Facts, Name};
use s3_envelope::head::Headers;
use s3_envelope::key_wrap::{Binding, DataKey, Kek, KekId};
use s3_envelope::segment::{Opener, Sealer, layout};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

#[derive(Deserialize)]
struct Vector {
    kek: String,
    kek_id: String,
    readable_kek_ids: Vec<String>,
    bucket: String,
    object_key: String,
    demanded_binding: String,
    headers: BTreeMap<String, String>,
    body_base64: String,
    expect: String,
    step: serde_json::Value,
    releasable: usize,
    releasable_sha256: String,
    plaintext_len: Option<usize>,
    dek: Option<String>,
    part_salt: Option<String>,
    binding: Option<String>,
    sealed_bucket: Option<String>,
    sealed_object_key: Option<String>,
    sealed_headers: Option<BTreeMap<String, String>>,
    checksum: Option<VectorChecksum>,
    digest: Option<bool>,
}

#[derive(Deserialize)]
struct VectorChecksum {
    id: u8,
    value: String,
}

/// What reading came to, in the words of the vectors.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    expect: String,
    step: serde_json::Value,
    released: Vec<u8>,
}

#[test]
fn every_vector_reads_as_it_says_in_pieces_of_any_size() {
    let mut seen = BTreeMap::new();
    for (name, vector) in vectors() {
        for piece in [1, 1000, 8228, usize::MAX] {
            let outcome = read(&vector, piece);
            assert_eq!(
                (&outcome.expect, &outcome.step),
                (&vector.expect, &vector.step),
                "{name}"
            );
            assert!(outcome.released.len() <= vector.releasable, "{name}");
            assert_eq!(
                outcome.released,
                plaintext(outcome.released.len()),
                "{name}"
            );
            if piece == 1 {
                assert_eq!(outcome.released.len(), vector.releasable, "{name}");
                let sha256 = hex::encode(Sha256::digest(&outcome.released));
                assert_eq!(sha256, vector.releasable_sha256, "{name}");
            }
        }
        *seen.entry(vector.expect).or_insert(0) += 1;
    }
    assert!(
        seen["success"] > 20 && seen["refused_at_head"] > 80 && seen["fails_in_body"] > 80,
        "{seen:?}"
    );
}

#[test]
fn every_good_vector_is_written_to_the_byte() {
    for (name, vector) in vectors()
        .into_iter()
        .filter(|(_, vector)| vector.expect == "success")
    {
        let bytes = |text: &Option<String>| hex::decode(text.as_deref().unwrap()).unwrap();
        let data_key = DataKey::from_bytes(bytes(&vector.dek).try_into().unwrap());
        let headers: Headers = vector
            .sealed_headers
            .as_ref()
            .unwrap()
            .iter()
            .map(pair)
            .collect();
        let plaintext = plaintext(vector.plaintext_len.unwrap());
        let checksum = vector.checksum.as_ref().filter(|checksum| checksum.id != 0);
        let facts = Facts {
            plaintext_len: plaintext.len() as u64,
            metadata_digest: if vector.digest.unwrap() {
                envelope::metadata_digest(&data_key, &headers).unwrap()
            } else {
                None
            },
            checksum: checksum.map(|checksum| {
                [vec![checksum.id], hex::decode(&checksum.value).unwrap()].concat()
            }),
        };
        let sealed_name = Name {
            binding: binding(vector.binding.as_deref().unwrap()),
            bucket: vector.sealed_bucket.as_deref().unwrap(),
            object_key: vector.sealed_object_key.as_deref().unwrap(),
        };
        let kek_id = KekId::new(&vector.kek_id).unwrap();
        let envelope =
            envelope::seal(&kek(&vector), &kek_id, &data_key, &sealed_name, &facts).unwrap();
        assert_eq!(&envelope, &vector.headers[envelope::HEADER_NAME], "{name}");
        let salt = bytes(&vector.part_salt).try_into().unwrap();
        let mut sealer = Sealer::new(&data_key, plaintext.len() as u64, salt).unwrap();
        let mut body = Vec::new();
        sealer.push(&plaintext, &mut body).unwrap();
        sealer.finish(&mut body).unwrap();
        assert_eq!(body, vector.body(), "{name}");
    }
}

/// FORMAT.md §7, step by step.
fn read(vector: &Vector, piece: usize) -> Outcome {
    let refused = |step: u8| Outcome {
        expect: "refused_at_head".to_owned(),
        step: step.into(),
        released: Vec::new(),
    };
    let headers: Headers = vector.headers.iter().map(pair).collect();
    let mut envelopes = headers.values(envelope::HEADER_NAME);
    let (Some(value), None) = (envelopes.next(), envelopes.next()) else {
        return refused(1);
    };
    let Ok(envelope) = Envelope::parse(value) else {
        return refused(1);
    };
    if !vector
        .readable_kek_ids
        .iter()
        .any(|id| id == envelope.kek_id().as_str())
    {
        return refused(1);
    }
    let name = Name {
        binding: binding(&vector.demanded_binding),
        bucket: &vector.bucket,
        object_key: &vector.object_key,
    };
    let (data_key, facts) = match envelope.open(&kek(vector), &name) {
        Ok(opened) => opened,
        Err(envelope::Error::Binding) => return refused(2),
        Err(envelope::Error::Unwrap) => return refused(3),
        Err(envelope::Error::Commitment) => return refused(4),
        Err(envelope::Error::Facts | envelope::Error::Malformed) => return refused(5),
    };
    let Some(stored_len) = layout::stored_len(facts.plaintext_len) else {
        return refused(6);
    };
    let known = headers
        .text("content-length")
        .map(|text| text.parse::<u64>().unwrap());
    if known.is_some_and(|known| known != stored_len) || stored_len > layout::MAX_STORED_LEN {
        return refused(6);
    }
    if facts.metadata_digest.is_some()
        && envelope::metadata_digest(&data_key, &headers).unwrap() != facts.metadata_digest
    {
        return refused(7);
    }
    let mut opener = Opener::new(&data_key, facts.plaintext_len).unwrap();
    let mut released = Vec::new();
    let good = vector
        .body()
        .chunks(piece)
        .all(|piece| opener.push(piece, &mut released).is_ok());
    if good && opener.is_complete() {
        Outcome {
            expect: "success".to_owned(),
            step: serde_json::Value::Null,
            released,
        }
    } else {
        Outcome {
            expect: "fails_in_body".to_owned(),
            step: "body".into(),
            released,
        }
    }
}

fn vectors() -> Vec<(String, Vector)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/format-v1");
    let mut vectors: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let vector =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                vector,
            )
        })
        .collect();
    vectors.sort_by(|(name, _), (other, _)| name.cmp(other));
    vectors
}

impl Vector {
    fn body(&self) -> Vec<u8> {
        base64::engine::general_purpose::STANDARD
            .decode(&self.body_base64)
            .unwrap()
    }
}

fn kek(vector: &Vector) -> Kek {
    Kek::new(hex::decode(&vector.kek).unwrap().try_into().unwrap()).unwrap()
}

fn binding(name: &str) -> Binding {
    match name {
        "bucket-and-key" => Binding::BucketAndKey,
        "key" => Binding::Key,
        "none" => Binding::None,
        other => panic!("binding {other}"),
    }
}

fn pair<'a>((name, value): (&'a String, &'a String)) -> (&'a str, &'a str) {
    (name, value)
}

fn plaintext(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}
