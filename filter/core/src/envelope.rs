//! The envelope: what is kept with an object to open it (FORMAT.md §4, §6).
//!
//! ```text
//! envelope = version ‖ suite ‖ kind ‖ binding ‖ len(kek_id) ‖ kek_id
//!            ‖ wrapped_dek(40) ‖ commitment(32) ‖ AES-256-GCM-SIV(facts)
//! facts    = plaintext_len(8) ‖ D ‖ metadata_digest(D) ‖ checksum_id ‖ checksum
//! ```
//!
//! It is one user-metadata field, base64url without padding.

use aes_gcm_siv::aead::AeadInOut as _;
use aes_gcm_siv::{Aes256GcmSiv, KeyInit as _, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::head::Headers;
use crate::key_wrap::{
    self, Binding, Context, DataKey, Kek, KekId, MAX_KEK_ID_LEN, Purpose, SUITE, WRAPPED_KEY_LEN,
    WrappedKey,
};
use crate::segment::layout::MAX_PLAINTEXT_LEN;

/// The HTTP field that carries the envelope.
pub const HEADER_NAME: &str = "x-amz-meta-s3-envelope";

/// The most bytes that the envelope takes of S3's budget for user metadata: 11 of name, 244 of
/// value.
pub const MAX_METADATA_LEN: u64 = 255;

/// What the envelope says of an object besides its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The length of the plaintext in bytes.
    pub plaintext_len: u64,
    /// The digest of system and user metadata, see [`metadata_digest`].
    pub metadata_digest: Option<[u8; 16]>,
    /// The plaintext's checksum: one byte of algorithm id and the value, at most 32 bytes.
    pub checksum: Option<Vec<u8>>,
}

/// Seals the envelope of a single object: wraps `data_key` for the bucket and key of `name` and
/// seals `facts` under it.
///
/// # Errors
///
/// [`Error::Malformed`] for facts that FORMAT.md has no bytes for, [`Error::Unwrap`] for a name
/// that is too long.
pub fn seal(
    kek: &Kek,
    kek_id: &KekId,
    data_key: &DataKey,
    name: &Name<'_>,
    facts: &Facts,
) -> Result<String, Error> {
    let wrapped = kek.wrap_key(data_key, &name.context(kek_id))?;
    let mut envelope = vec![VERSION, SUITE, KIND_SINGLE, name.binding.id()];
    envelope.push(u8::try_from(kek_id.as_str().len()).map_err(|_| Error::Malformed)?);
    envelope.extend_from_slice(kek_id.as_str().as_bytes());
    envelope.extend_from_slice(&wrapped.0);
    envelope.extend_from_slice(&*data_key.subkey(Purpose::Commitment)?);
    let mut sealed = facts.to_bytes()?;
    let tag = facts_cipher(data_key)?
        .encrypt_inout_detached(&FACTS_NONCE.into(), &envelope, sealed.as_mut_slice().into())
        .map_err(|_| Error::Malformed)?;
    envelope.extend_from_slice(&sealed);
    envelope.extend_from_slice(&tag);
    Ok(URL_SAFE_NO_PAD.encode(envelope))
}

/// The name that a data key is wrapped for.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    /// What of the name counts.
    pub binding: Binding,
    /// The bucket's logical name.
    pub bucket: &'a str,
    /// The object key, decoded.
    pub object_key: &'a str,
}

impl<'a> Name<'a> {
    fn context(&self, kek_id: &'a KekId) -> Context<'a> {
        Context {
            kind: KIND_SINGLE,
            kek_id,
            binding: self.binding,
            bucket: self.bucket,
            object_key: self.object_key,
        }
    }
}

/// An envelope that has been read but not opened: nothing in it is authentic yet.
#[derive(Clone, Debug)]
pub struct Envelope {
    binding: Binding,
    kek_id: KekId,
    wrapped: WrappedKey,
    commitment: [u8; 32],
    /// Every byte before the sealed facts.
    aad: Vec<u8>,
    sealed: Vec<u8>,
    tag: [u8; TAG_LEN],
}

impl Envelope {
    /// Reads the value of the field [`HEADER_NAME`].
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for anything that FORMAT.md §4 does not describe.
    pub fn parse(value: &[u8]) -> Result<Self, Error> {
        if value.len() > MAX_VALUE_LEN {
            return Err(Error::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(value)
            .map_err(|_| Error::Malformed)?;
        let mut rest = bytes.as_slice();
        let [version, suite, kind, binding, id_len] = take(&mut rest)?;
        if (version, suite, kind) != (VERSION, SUITE, KIND_SINGLE) {
            return Err(Error::Malformed);
        }
        let binding = Binding::from_id(binding).ok_or(Error::Malformed)?;
        let (id, behind) = rest
            .split_at_checked(usize::from(id_len))
            .ok_or(Error::Malformed)?;
        rest = behind;
        let kek_id = core::str::from_utf8(id)
            .ok()
            .and_then(|text| KekId::new(text).ok())
            .ok_or(Error::Malformed)?;
        let wrapped = WrappedKey(take::<WRAPPED_KEY_LEN>(&mut rest)?);
        let commitment = take::<32>(&mut rest)?;
        let (sealed, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(Error::Malformed)?;
        if !(MIN_FACTS_LEN..=MAX_FACTS_LEN).contains(&sealed.len()) {
            return Err(Error::Malformed);
        }
        let aad_len = bytes.len().saturating_sub(rest.len());
        Ok(Self {
            binding,
            kek_id,
            wrapped,
            commitment,
            aad: bytes.get(..aad_len).ok_or(Error::Malformed)?.to_vec(),
            sealed: sealed.to_vec(),
            tag: *tag,
        })
    }

    /// The KEK that the data key is wrapped under, as the store says.
    pub fn kek_id(&self) -> &KekId {
        &self.kek_id
    }

    /// Opens the envelope of the object that was asked for as `name`, whose binding is the weakest
    /// that is accepted.
    ///
    /// # Errors
    ///
    /// [`Error`], which says at which step of FORMAT.md §7 the envelope failed.
    pub fn open(&self, kek: &Kek, name: &Name<'_>) -> Result<(DataKey, Facts), Error> {
        if self.binding < name.binding {
            return Err(Error::Binding);
        }
        let bound = Name {
            binding: self.binding,
            ..*name
        };
        let data_key = kek.unwrap_key(&self.wrapped, &bound.context(&self.kek_id))?;
        let commitment = data_key.subkey(Purpose::Commitment)?;
        if !bool::from(commitment.ct_eq(&self.commitment)) {
            return Err(Error::Commitment);
        }
        let mut facts = self.sealed.clone();
        facts_cipher(&data_key)?
            .decrypt_inout_detached(
                &FACTS_NONCE.into(),
                &self.aad,
                facts.as_mut_slice().into(),
                &Tag::from(self.tag),
            )
            .map_err(|_| Error::Facts)?;
        let facts = Facts::parse(&facts)?;
        Ok((data_key, facts))
    }
}

impl Facts {
    fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = self.plaintext_len.to_be_bytes().to_vec();
        match &self.metadata_digest {
            Some(digest) => {
                bytes.push(DIGEST_LEN);
                bytes.extend_from_slice(digest);
            }
            None => bytes.push(0),
        }
        match &self.checksum {
            Some(checksum) if is_checksum(checksum) => bytes.extend_from_slice(checksum),
            Some(_) => return Err(Error::Malformed),
            None => bytes.push(0),
        }
        Ok(bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut rest = bytes;
        let plaintext_len = u64::from_be_bytes(take(&mut rest)?);
        if plaintext_len > MAX_PLAINTEXT_LEN {
            return Err(Error::Malformed);
        }
        let metadata_digest = match take(&mut rest)? {
            [0] => None,
            [DIGEST_LEN] => Some(take(&mut rest)?),
            [_] => return Err(Error::Malformed),
        };
        let checksum = match rest {
            [0] => None,
            checksum if is_checksum(checksum) => Some(checksum.to_vec()),
            _ => return Err(Error::Malformed),
        };
        Ok(Self {
            plaintext_len,
            metadata_digest,
            checksum,
        })
    }
}

/// The digest of an object's system and user metadata (FORMAT.md §6); `None` where a name occurs
/// twice.
///
/// # Errors
///
/// [`Error::Unwrap`], never in practice: where the subkey can't be derived.
pub fn metadata_digest(data_key: &DataKey, headers: &Headers) -> Result<Option<[u8; 16]>, Error> {
    let mut fields: Vec<(&str, Value)> = headers
        .iter()
        .filter(|field| is_digested(&field.name))
        .filter_map(|field| Some((field.name.as_str(), Value::new(&field.name, &field.value)?)))
        .collect();
    fields.sort();
    let names = fields.iter().map(|(name, _)| name);
    if names
        .clone()
        .zip(names.skip(1))
        .any(|(name, next)| name == next)
    {
        return Ok(None);
    }
    let key = data_key.subkey(Purpose::Metadata)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&*key).map_err(|_| Error::Facts)?;
    for (name, value) in &fields {
        let Ok(name_len) = u16::try_from(name.len()) else {
            return Ok(None);
        };
        mac.update(&name_len.to_be_bytes());
        mac.update(name.as_bytes());
        match value {
            Value::Text(text) => {
                let Ok(value_len) = u32::try_from(text.len()) else {
                    return Ok(None);
                };
                mac.update(&value_len.to_be_bytes());
                mac.update(text.as_bytes());
            }
            Value::Opaque => mac.update(&u32::MAX.to_be_bytes()),
        }
    }
    let digest = mac.finalize().into_bytes();
    Ok(digest.first_chunk::<16>().copied())
}

/// Tells whether a digest of `headers` would hold when they come back: not where a value contains
/// `=?`, the beginning of an encoded word ([RFC 2047 §2]), which a store may decode to plain text.
///
/// [RFC 2047 §2]: https://www.rfc-editor.org/rfc/rfc2047#section-2
pub fn is_digestible(headers: &Headers) -> bool {
    !headers
        .iter()
        .any(|field| is_digested(&field.name) && field.value.windows(2).any(|pair| pair == b"=?"))
}

/// A value in the one form that is digested.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Text(String),
    /// Stores re-code it, each in its own way.
    Opaque,
}

impl Value {
    /// Steps 1 to 3 of FORMAT.md §6; `None` for a value that is empty.
    fn new(name: &str, value: &[u8]) -> Option<Self> {
        let Ok(text) = core::str::from_utf8(value) else {
            return Some(Self::Opaque);
        };
        let text = if name == "content-encoding" {
            text.split(',')
                .map(|element| element.trim_matches([' ', '\t']))
                .filter(|element| {
                    !element.is_empty() && !element.eq_ignore_ascii_case("aws-chunked")
                })
                .collect::<Vec<_>>()
                .join(",")
        } else {
            text.trim_matches([' ', '\t']).to_owned()
        };
        if text.is_empty() {
            None
        } else if text.contains("=?") || !text.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
            Some(Self::Opaque)
        } else {
            Some(Self::Text(text))
        }
    }
}

/// Why an envelope can't be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not what FORMAT.md describes.
    #[error("the envelope is malformed")]
    Malformed,
    /// Its binding is weaker than the bucket's.
    #[error("the envelope's binding is weaker than the bucket demands")]
    Binding,
    /// The data key does not unwrap: another KEK, another name, or altered.
    #[error("the data key does not unwrap")]
    Unwrap,
    /// The data key is not the one that was committed to.
    #[error("the data key does not fit its commitment")]
    Commitment,
    /// The sealed facts do not verify.
    #[error("the sealed facts do not verify")]
    Facts,
}

impl From<key_wrap::Error> for Error {
    fn from(error: key_wrap::Error) -> Self {
        match error {
            key_wrap::Error::Unwrap | key_wrap::Error::Context => Self::Unwrap,
        }
    }
}

fn facts_cipher(data_key: &DataKey) -> Result<Aes256GcmSiv, Error> {
    let key = data_key.subkey(Purpose::Facts)?;
    Ok(Aes256GcmSiv::new((&*key).into()))
}

/// Tells whether `checksum` is an algorithm's id and as many bytes as the algorithm has.
fn is_checksum(checksum: &[u8]) -> bool {
    let len = match checksum.first() {
        Some(1 | 2) => 4,
        Some(3 | 8 | 9) => 8,
        Some(4) => 20,
        Some(5) => 32,
        Some(7 | 10) => 16,
        Some(_) | None => return false,
    };
    checksum.len().checked_sub(1) == Some(len)
}

fn is_digested(name: &str) -> bool {
    SYSTEM_METADATA.contains(&name)
        || (name.starts_with("x-amz-meta-") && !name.starts_with(HEADER_NAME))
}

fn take<const LEN: usize>(rest: &mut &[u8]) -> Result<[u8; LEN], Error> {
    let (taken, behind) = rest.split_first_chunk::<LEN>().ok_or(Error::Malformed)?;
    *rest = behind;
    Ok(*taken)
}

const SYSTEM_METADATA: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];
const VERSION: u8 = 0x01;
/// A body written by one PutObject.
const KIND_SINGLE: u8 = 0x01;
const TAG_LEN: usize = 16;
const DIGEST_LEN: u8 = 16;
/// The mode is misuse-resistant, and the key is the object's own.
const FACTS_NONCE: [u8; 12] = [0; 12];
const MIN_FACTS_LEN: usize = 10;
const MAX_FACTS_LEN: usize = 58;
/// base64url of `5 + kek_id + 40 + 32 + facts + 16` bytes.
const MAX_VALUE_LEN: usize =
    (5 + MAX_KEK_ID_LEN + WRAPPED_KEY_LEN + 32 + MAX_FACTS_LEN + TAG_LEN).div_ceil(3) * 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kek() -> Kek {
        Kek::new([7; 32]).unwrap()
    }

    fn kek_id() -> KekId {
        KekId::new("s3proxy-kek").unwrap()
    }

    fn data_key() -> DataKey {
        DataKey::from_bytes([5; 32])
    }

    fn name() -> Name<'static> {
        Name {
            binding: Binding::BucketAndKey,
            bucket: "bucket",
            object_key: "some/key",
        }
    }

    fn facts() -> Facts {
        Facts {
            plaintext_len: 12_345,
            metadata_digest: Some([3; 16]),
            checksum: Some([vec![5], vec![8; 32]].concat()),
        }
    }

    fn sealed() -> String {
        seal(&kek(), &kek_id(), &data_key(), &name(), &facts()).unwrap()
    }

    #[test]
    fn an_envelope_opens_under_its_own_name_only() {
        let envelope = Envelope::parse(sealed().as_bytes()).unwrap();
        assert_eq!(envelope.kek_id(), &kek_id());
        let (_, opened) = envelope.open(&kek(), &name()).unwrap();
        assert_eq!(opened, facts());
        for (bucket, object_key) in [("bucke", "some/key"), ("bucket", "some/key2"), ("", "")] {
            let other = Name {
                bucket,
                object_key,
                ..name()
            };
            assert_eq!(envelope.open(&kek(), &other).err(), Some(Error::Unwrap));
        }
    }

    #[test]
    fn a_weaker_binding_than_demanded_is_refused_and_a_stronger_one_is_not() {
        let weak = Name {
            binding: Binding::None,
            ..name()
        };
        let envelope = seal(&kek(), &kek_id(), &data_key(), &weak, &facts()).unwrap();
        let envelope = Envelope::parse(envelope.as_bytes()).unwrap();
        assert_eq!(envelope.open(&kek(), &name()).err(), Some(Error::Binding));
        assert!(envelope.open(&kek(), &weak).is_ok());
        let strong = Envelope::parse(sealed().as_bytes()).unwrap();
        assert!(strong.open(&kek(), &weak).is_ok());
    }

    #[test]
    fn the_longest_envelope_stays_within_its_budget() {
        let long_id = KekId::new(&"k".repeat(32)).unwrap();
        let value = seal(&kek(), &long_id, &data_key(), &name(), &facts()).unwrap();
        assert_eq!(value.len(), MAX_VALUE_LEN);
        assert_eq!(
            "s3-envelope".len() + value.len(),
            usize::try_from(MAX_METADATA_LEN).unwrap()
        );
        assert!(
            Envelope::parse(value.as_bytes())
                .unwrap()
                .open(&kek(), &name())
                .is_ok()
        );
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let value = sealed();
        let bytes = URL_SAFE_NO_PAD.decode(&value).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let opened = Envelope::parse(URL_SAFE_NO_PAD.encode(&altered).as_bytes())
                .and_then(|envelope| envelope.open(&kek(), &name()).map(|_| ()));
            assert!(opened.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn text_that_is_no_canonical_base64url_is_refused() {
        let value = sealed();
        for altered in [
            format!("{value}="),
            format!("{value} "),
            format!("{value}A"),
            value.replace('_', "/").replace('-', "+") + "=",
            String::new(),
            "A".repeat(10_000),
        ] {
            assert_eq!(
                Envelope::parse(altered.as_bytes()).err(),
                Some(Error::Malformed)
            );
        }
    }

    #[test]
    fn facts_without_digest_and_checksum_are_ten_bytes() {
        let bare = Facts {
            plaintext_len: 0,
            metadata_digest: None,
            checksum: None,
        };
        assert_eq!(bare.to_bytes().unwrap(), [0; 10]);
        for bytes in [
            &[0; 9][..],
            &[0; 11],
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 6],
            &[0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(Facts::parse(bytes), Err(Error::Malformed));
        }
    }

    #[test]
    fn the_metadata_digest_sees_values_and_not_their_dress() {
        let digest = |fields: &[(&str, &str)]| {
            let headers: Headers = fields.iter().copied().collect();
            metadata_digest(&data_key(), &headers).unwrap()
        };
        let reference = digest(&[("content-type", "text/plain"), ("x-amz-meta-a", "b c")]);
        assert!(reference.is_some());
        for same in [
            &[("X-Amz-Meta-A", " b c\t"), ("Content-Type", "text/plain")][..],
            &[
                ("content-type", "text/plain"),
                ("x-amz-meta-a", "b c"),
                ("content-encoding", "AWS-chunked, "),
            ],
            &[
                ("content-type", "text/plain"),
                ("x-amz-meta-a", "b c"),
                ("etag", "x"),
                ("x-amz-meta-s3-envelope", "y"),
                ("expires", ""),
            ],
        ] {
            assert_eq!(digest(same), reference);
        }
        for other in [
            &[("content-type", "text/html"), ("x-amz-meta-a", "b c")][..],
            &[("content-type", "text/plain")],
            &[("content-type", "text/plain"), ("x-amz-meta-a", "b  c")],
            &[
                ("content-type", "text/plain"),
                ("x-amz-meta-a", "b c"),
                ("x-amz-meta-b", "d"),
            ],
            &[
                ("content-type", "text/plain"),
                ("x-amz-meta-a", "b c"),
                ("content-encoding", "gzip"),
            ],
        ] {
            assert_ne!(digest(other), reference);
        }
        // Of values that stores re-code, only that they are such is digested.
        let opaque = digest(&[("content-type", "text/plain"), ("x-amz-meta-a", "ü")]);
        assert_eq!(
            digest(&[
                ("content-type", "text/plain"),
                ("x-amz-meta-a", "=?UTF-8?Q?=C3=BC?=")
            ]),
            opaque
        );
        assert_ne!(
            digest(&[("content-type", "text/plain"), ("x-amz-meta-a", "u")]),
            opaque
        );
        assert_ne!(
            digest(&[("content-type", "text/plain"), ("x-amz-meta-b", "ü")]),
            opaque
        );
        assert_ne!(
            digest(&[("content-type", "text/html"), ("x-amz-meta-a", "ü")]),
            opaque
        );
        assert_eq!(
            digest(&[("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")]),
            None
        );
    }

    #[test]
    fn an_encoded_word_may_come_back_decoded_so_its_writer_makes_no_digest() {
        let headers = |value: &str| {
            [("x-amz-meta-a", value), ("x-other", "=?")]
                .into_iter()
                .collect()
        };
        assert!(is_digestible(&headers("plain = ? ü")));
        assert!(!is_digestible(&headers("=?UTF-8?Q?plain?=")));
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic(value in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Envelope::parse(&value);
            let _ = Envelope::parse(URL_SAFE_NO_PAD.encode(&value).as_bytes());
        }

        #[test]
        fn facts_come_back(len in 0..=MAX_PLAINTEXT_LEN, digest in any::<Option<[u8; 16]>>(), crc in any::<Option<[u8; 4]>>()) {
            let facts = Facts {
                plaintext_len: len,
                metadata_digest: digest,
                checksum: crc.map(|crc| [&[2][..], &crc].concat()),
            };
            let envelope = seal(&kek(), &kek_id(), &data_key(), &name(), &facts).unwrap();
            let opened = Envelope::parse(envelope.as_bytes()).unwrap().open(&kek(), &name()).unwrap().1;
            prop_assert_eq!(opened, facts);
        }
    }
}
