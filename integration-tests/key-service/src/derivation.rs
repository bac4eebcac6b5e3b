//! Constellation's derivation of data keys: HKDF-SHA256 ([RFC 5869]) with the master secret as input key material and
//! `"key-" || data_key_id` as info. Nothing is stored; the same secret, salt and id always give the same key.
//!
//! [RFC 5869]: https://www.rfc-editor.org/rfc/rfc5869

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;

/// The master secret and salt, extracted to HKDF's pseudorandom key.
pub(crate) struct MasterSecret {
    pseudorandom_key: Hkdf<Sha256>,
}

/// Why a master secret or a data key cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    MasterSecretTooShort,
    SaltTooShort,
    KeyTooLong,
}

impl MasterSecret {
    /// # Errors
    /// If the master secret has fewer than 16 bytes or the salt fewer than 32, as Constellation demands.
    pub(crate) fn new(master_secret: &[u8], salt: &[u8]) -> Result<Self, Error> {
        if master_secret.len() < MIN_MASTER_SECRET_LEN {
            return Err(Error::MasterSecretTooShort);
        }
        if salt.len() < MIN_SALT_LEN {
            return Err(Error::SaltTooShort);
        }
        Ok(Self {
            pseudorandom_key: Hkdf::new(Some(salt), master_secret),
        })
    }

    /// Derives the data key of `length` bytes that `data_key_id` names.
    ///
    /// # Errors
    /// If `length` is more than HKDF-SHA256 yields, which is 8160 bytes.
    pub(crate) fn data_key(&self, data_key_id: &str, length: u32) -> Result<Vec<u8>, Error> {
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= MAX_KEY_LEN)
            .ok_or(Error::KeyTooLong)?;
        let mut data_key = vec![0; length];
        self.pseudorandom_key
            .expand_multi_info(&[INFO_PREFIX, data_key_id.as_bytes()], &mut data_key)
            .map_err(|_| Error::KeyTooLong)?;
        Ok(data_key)
    }
}

impl fmt::Debug for MasterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterSecret")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MasterSecretTooShort => "the master secret has fewer than 16 bytes",
            Self::SaltTooShort => "the salt has fewer than 32 bytes",
            Self::KeyTooLong => "hkdf: entropy limit reached",
        })
    }
}

impl std::error::Error for Error {}

const INFO_PREFIX: &[u8] = b"key-";
const MIN_MASTER_SECRET_LEN: usize = 16;
const MIN_SALT_LEN: usize = 32;
/// 255 blocks of SHA-256 (RFC 5869 §2.3); checked before the key's buffer is allocated.
const MAX_KEY_LEN: usize = 255 * 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_vectors() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../tests/vectors/get_data_key.json")).unwrap();
        for vector in vectors["derivations"].as_array().unwrap() {
            let bytes = |name: &str| hex::decode(vector[name].as_str().unwrap()).unwrap();
            let secret = MasterSecret::new(&bytes("master_secret"), &bytes("salt")).unwrap();
            let length = u32::try_from(vector["length"].as_u64().unwrap()).unwrap();
            let data_key = secret
                .data_key(vector["data_key_id"].as_str().unwrap(), length)
                .unwrap();
            assert_eq!(hex::encode(data_key), vector["data_key"].as_str().unwrap());
        }
    }

    #[test]
    fn short_secrets_are_refused() {
        assert_eq!(
            MasterSecret::new(&[0; 15], &[0; 32]).unwrap_err(),
            Error::MasterSecretTooShort
        );
        assert_eq!(
            MasterSecret::new(&[0; 16], &[0; 31]).unwrap_err(),
            Error::SaltTooShort
        );
        assert!(MasterSecret::new(&[0; 16], &[0; 32]).is_ok());
    }

    #[test]
    fn the_longest_key_has_8160_bytes() {
        let secret = MasterSecret::new(&[0; 16], &[0; 32]).unwrap();
        assert_eq!(secret.data_key("id", 8160).unwrap().len(), 8160);
        assert_eq!(secret.data_key("id", 8161).unwrap_err(), Error::KeyTooLong);
        assert_eq!(
            secret.data_key("id", u32::MAX).unwrap_err(),
            Error::KeyTooLong
        );
    }

    #[test]
    fn data_key_ids_are_case_sensitive() {
        let secret = MasterSecret::new(&[0; 16], &[0; 32]).unwrap();
        assert_ne!(
            secret.data_key("id", 32).unwrap(),
            secret.data_key("ID", 32).unwrap()
        );
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(
            format!("{:?}", MasterSecret::new(&[7; 16], &[7; 32]).unwrap()),
            "MasterSecret"
        );
    }
}
