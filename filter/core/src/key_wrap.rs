//! Key-encryption keys, data keys and how one wraps the other (FORMAT.md §3).
//!
//! ```text
//! KEK ──HKDF-SHA256(name of the object)──► wrapping key ──AES-256-KWP──► wrapped data key
//! DEK ──HKDF-SHA256(label)──► one subkey for each purpose
//! ```
//!
//! HKDF is [RFC 5869], the key wrap with padding (KWP) is that of [SP 800-38F] and [RFC 5649].
//! Neither a KEK nor a DEK is ever the key of anything but a derivation.
//!
//! [RFC 5869]: https://www.rfc-editor.org/rfc/rfc5869
//! [RFC 5649]: https://www.rfc-editor.org/rfc/rfc5649
//! [SP 800-38F]: https://csrc.nist.gov/pubs/sp/800/38/f/final

use aes_kw::{KeyInit as _, KwpAes256};
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// A key-encryption key: 32 bytes, never all zero.
#[derive(ZeroizeOnDrop)]
pub struct Kek([u8; 32]);

impl Kek {
    /// A KEK of these bytes.
    ///
    /// # Errors
    ///
    /// [`ZeroKek`] where all of them are zero: the predecessor of this filter shipped with such a
    /// key, which protects nothing.
    pub fn new(bytes: [u8; 32]) -> Result<Self, ZeroKek> {
        if bool::from(bytes.ct_eq(&[0; 32])) {
            return Err(ZeroKek);
        }
        Ok(Self(bytes))
    }

    /// The same KEK once more, for another owner.
    pub fn duplicate(&self) -> Self {
        Self(self.0)
    }

    /// Wraps `data_key` for the object that `context` names.
    ///
    /// # Errors
    ///
    /// [`Error::Context`] for a context that can't be one.
    pub fn wrap_key(&self, data_key: &DataKey, context: &Context<'_>) -> Result<WrappedKey, Error> {
        let wrapping_key = self.wrapping_key(context)?;
        let mut wrapped = [0; WRAPPED_KEY_LEN];
        KwpAes256::new((&*wrapping_key).into())
            .wrap_key(&data_key.0, &mut wrapped)
            .map_err(|_| Error::Context)?;
        Ok(WrappedKey(wrapped))
    }

    /// Unwraps the data key of the object that `context` names.
    ///
    /// # Errors
    ///
    /// [`Error::Unwrap`] where `wrapped` was not wrapped by this KEK for this context; it does not
    /// say which of the two differs. [`Error::Context`] for a context that can't be one.
    pub fn unwrap_key(
        &self,
        wrapped: &WrappedKey,
        context: &Context<'_>,
    ) -> Result<DataKey, Error> {
        let wrapping_key = self.wrapping_key(context)?;
        let mut bytes = Zeroizing::new([0; 32]);
        let unwrapped = KwpAes256::new((&*wrapping_key).into())
            .unwrap_key(&wrapped.0, &mut *bytes)
            .map_err(|_| Error::Unwrap)?;
        if unwrapped.len() != 32 {
            return Err(Error::Unwrap);
        }
        Ok(DataKey(*bytes))
    }

    fn wrapping_key(&self, context: &Context<'_>) -> Result<Zeroizing<[u8; 32]>, Error> {
        let (bucket, object_key) = match context.binding {
            Binding::BucketAndKey => (context.bucket, context.object_key),
            Binding::Key => ("", context.object_key),
            Binding::None => ("", ""),
        };
        let kek_id = context.kek_id.as_str();
        let mut info = b"s3-envelope/v1 wrap\0".to_vec();
        info.extend_from_slice(&[SUITE, context.kind, context.binding.id()]);
        info.push(u8::try_from(kek_id.len()).map_err(|_| Error::Context)?);
        info.extend_from_slice(kek_id.as_bytes());
        for name in [bucket, object_key] {
            let len = u16::try_from(name.len()).map_err(|_| Error::Context)?;
            info.extend_from_slice(&len.to_be_bytes());
            info.extend_from_slice(name.as_bytes());
        }
        derive(&self.0, &info)
    }
}

impl core::fmt::Debug for Kek {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Kek")
    }
}

/// The name of a KEK: 1 to 32 of `A-Z a-z 0-9 . _ : / -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KekId(String);

impl KekId {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`InvalidKekId`] for text that is no name.
    pub fn new(text: &str) -> Result<Self, InvalidKekId> {
        let legal = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'/' | b'-')
        };
        if (1..=MAX_KEK_ID_LEN).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidKekId)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A data-encryption key: 32 random bytes, one for each object.
#[derive(ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);

impl DataKey {
    /// The key of these bytes, which must be fresh random ones.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The subkey for one purpose (FORMAT.md §3.3).
    ///
    /// # Errors
    ///
    /// [`Error::Context`], which HKDF gives for outputs of more than 8160 bytes: never here.
    pub(crate) fn subkey(&self, purpose: Purpose) -> Result<Zeroizing<[u8; 32]>, Error> {
        let mut info = b"s3-envelope/v1 ".to_vec();
        info.extend_from_slice(purpose.label());
        info.extend_from_slice(&[0, SUITE]);
        derive(&self.0, &info)
    }
}

impl core::fmt::Debug for DataKey {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("DataKey")
    }
}

/// What a subkey of a data key is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// The key of the segments.
    Segments,
    /// The key of the footer's HMAC.
    Footer,
    /// The key of the sealed facts.
    Facts,
    /// The key of the metadata digest.
    Metadata,
    /// Not a key: the public value that commits to the data key.
    Commitment,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Segments => b"segments",
            Self::Footer => b"footer",
            Self::Facts => b"facts",
            Self::Metadata => b"metadata",
            Self::Commitment => b"commitment",
        }
    }
}

/// A data key under AES-256-KWP: 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrappedKey(pub [u8; WRAPPED_KEY_LEN]);

/// What a wrapped key is bound to, from the strongest to the weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Binding {
    /// Nothing: the stored object opens under every name.
    None,
    /// The object key.
    Key,
    /// The bucket's logical name and the object key.
    BucketAndKey,
}

impl Binding {
    /// The binding of this id (FORMAT.md §3.2).
    pub fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::BucketAndKey),
            2 => Some(Self::Key),
            3 => Some(Self::None),
            _ => None,
        }
    }

    /// The id that is stored.
    pub fn id(self) -> u8 {
        match self {
            Self::BucketAndKey => 1,
            Self::Key => 2,
            Self::None => 3,
        }
    }
}

/// The object that a data key is wrapped for.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The kind of the object's body (FORMAT.md §4).
    pub kind: u8,
    /// The KEK that wraps.
    pub kek_id: &'a KekId,
    /// What of the name counts.
    pub binding: Binding,
    /// The bucket's logical name.
    pub bucket: &'a str,
    /// The object key, decoded.
    pub object_key: &'a str,
}

/// Why a key can't be wrapped or unwrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The wrapped key was made by another KEK or for another object, or was altered.
    #[error("the data key does not unwrap")]
    Unwrap,
    /// A name is longer than a name of S3 can be.
    #[error("the object's name is too long")]
    Context,
}

/// A KEK of 32 zero bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an all-zero KEK protects nothing")]
pub struct ZeroKek;

/// Text that is no [`KekId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a KEK id is 1 to 32 of A-Z a-z 0-9 . _ : / -")]
pub struct InvalidKekId;

/// HKDF-SHA256 with an empty salt and 32 bytes of output.
fn derive(key: &[u8; 32], info: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
    let mut derived = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, key)
        .expand(info, &mut *derived)
        .map_err(|_| Error::Context)?;
    Ok(derived)
}

/// The length of a [`KekId`], at most.
pub const MAX_KEK_ID_LEN: usize = 32;
/// The length of a [`WrappedKey`]: 32 bytes, one semiblock for the AIV.
pub const WRAPPED_KEY_LEN: usize = 40;
/// The suite of FORMAT.md §3.1.
pub(crate) const SUITE: u8 = 0x01;

#[cfg(test)]
mod tests {
    use super::*;

    fn kek() -> Kek {
        Kek::new([7; 32]).unwrap()
    }

    fn context<'a>(
        kek_id: &'a KekId,
        binding: Binding,
        bucket: &'a str,
        object_key: &'a str,
    ) -> Context<'a> {
        Context {
            kind: 1,
            kek_id,
            binding,
            bucket,
            object_key,
        }
    }

    #[test]
    fn a_key_unwraps_under_its_own_name_only() {
        let id = KekId::new("k1").unwrap();
        let other_id = KekId::new("k2").unwrap();
        let name = context(&id, Binding::BucketAndKey, "bucket", "key");
        let wrapped = kek()
            .wrap_key(&DataKey::from_bytes([3; 32]), &name)
            .unwrap();
        assert_eq!(kek().unwrap_key(&wrapped, &name).unwrap().0, [3; 32]);
        for other in [
            context(&other_id, Binding::BucketAndKey, "bucket", "key"),
            context(&id, Binding::Key, "bucket", "key"),
            context(&id, Binding::None, "bucket", "key"),
            context(&id, Binding::BucketAndKey, "bucke", "tkey"),
            context(&id, Binding::BucketAndKey, "bucket", "key2"),
            Context { kind: 2, ..name },
        ] {
            assert_eq!(
                kek().unwrap_key(&wrapped, &other).err(),
                Some(Error::Unwrap)
            );
        }
        assert_eq!(
            Kek::new([8; 32]).unwrap().unwrap_key(&wrapped, &name).err(),
            Some(Error::Unwrap)
        );
    }

    #[test]
    fn a_weaker_binding_leaves_parts_of_the_name_out() {
        let id = KekId::new("k1").unwrap();
        let data_key = DataKey::from_bytes([3; 32]);
        let wrap = |binding, bucket, key| {
            kek()
                .wrap_key(&data_key, &context(&id, binding, bucket, key))
                .unwrap()
        };
        assert_eq!(wrap(Binding::Key, "a", "k"), wrap(Binding::Key, "b", "k"));
        assert_ne!(wrap(Binding::Key, "a", "k"), wrap(Binding::Key, "a", "l"));
        assert_eq!(wrap(Binding::None, "a", "k"), wrap(Binding::None, "b", "l"));
        assert!(Binding::BucketAndKey > Binding::Key && Binding::Key > Binding::None);
    }

    #[test]
    fn any_flipped_bit_of_a_wrapped_key_is_noticed() {
        let id = KekId::new("k1").unwrap();
        let name = context(&id, Binding::BucketAndKey, "bucket", "key");
        let wrapped = kek()
            .wrap_key(&DataKey::from_bytes([3; 32]), &name)
            .unwrap();
        for bit in 0..WRAPPED_KEY_LEN * 8 {
            let mut altered = wrapped;
            altered.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(kek().unwrap_key(&altered, &name).err(), Some(Error::Unwrap));
        }
    }

    #[test]
    fn an_all_zero_kek_is_refused() {
        assert_eq!(Kek::new([0; 32]).err(), Some(ZeroKek));
    }

    #[test]
    fn a_kek_id_is_short_and_plain() {
        let long = "a".repeat(33);
        for text in ["", "a b", "a\n", "ä", long.as_str()] {
            assert_eq!(KekId::new(text), Err(InvalidKekId), "{text:?}");
        }
        assert!(KekId::new(&"a".repeat(32)).is_ok());
    }

    #[test]
    fn keys_do_not_print() {
        assert_eq!(
            format!("{:?} {:?}", kek(), DataKey::from_bytes([3; 32])),
            "Kek DataKey"
        );
    }

    /// A key that the predecessor wrapped, checked there against two other implementations.
    #[test]
    fn kwp_is_that_of_the_standard() {
        let kek: [u8; 32] =
            hex::decode("abb6abad69c0ca6f216e518cdb681185377706f78993b556d088ee7e311cd08a")
                .unwrap()
                .try_into()
                .unwrap();
        let dek: Vec<u8> = (0x40..0x60).collect();
        let mut wrapped = [0; 40];
        KwpAes256::new((&kek).into())
            .wrap_key(&dek, &mut wrapped)
            .unwrap();
        assert_eq!(
            hex::encode(wrapped),
            "8de6e69380d469b724e5dec35b5e4c26f0050f8abdce44731d46d054fa6e43807b308906e18b581b"
        );
    }
}
