//! Signing keys and signatures.

use core::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::credential_scope::{CredentialScope, TERMINAL};
use super::credentials::SecretAccessKey;
use super::string_to_sign::StringToSign;

/// A key that signs within one credential scope: 32 bytes, zeroised when dropped.
pub(super) struct SigningKey(Zeroizing<[u8; 32]>);

impl SigningKey {
    /// Derives the key of `scope` from the secret.
    pub(super) fn derive(secret: &SecretAccessKey, scope: &CredentialScope) -> Self {
        let mut key = Zeroizing::new(b"AWS4".to_vec());
        // Reserved, so that the vector does not leave a copy of the secret behind as it grows.
        key.reserve_exact(secret.as_bytes().len());
        key.extend_from_slice(secret.as_bytes());
        // signing_key = HMAC(HMAC(HMAC(HMAC("AWS4" secret, date), region), service), terminal)
        let key = hmac_sha256(&key, scope.time.to_basic_date().as_bytes());
        let key = hmac_sha256(key.as_slice(), scope.region.as_bytes());
        let key = hmac_sha256(key.as_slice(), scope.service.as_bytes());
        Self(hmac_sha256(key.as_slice(), TERMINAL.as_bytes()))
    }

    /// Signs.
    pub(super) fn sign(&self, string_to_sign: &StringToSign<'_>) -> Signature {
        let string_to_sign = string_to_sign.to_string();
        let mac = hmac_sha256(self.0.as_slice(), string_to_sign.as_bytes());
        Signature(hex::encode(mac.as_slice()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// A signature that was computed: 64 lower-case hexadecimal digits, never shown by `Debug`.
pub(super) struct Signature(String);

impl Signature {
    /// Tells whether `claimed` is this signature, in a time that depends on the lengths alone.
    pub(super) fn matches(&self, claimed: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(claimed).into()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature")
    }
}

fn hmac_sha256(key: &[u8], data: &[u8]) -> Zeroizing<[u8; 32]> {
    // RFC 2104 §2: a key longer than a block is hashed, a shorter one is padded with zeros.
    let mut block = Zeroizing::new([0; 64]);
    if key.len() > block.len() {
        let hashed = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(key)));
        block
            .iter_mut()
            .zip(hashed.iter())
            .for_each(|(to, from)| *to = *from);
    } else {
        block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    }
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(data);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, cases 2 and 6: a short key and one longer than a block.
    #[test]
    fn hmac_agrees_with_rfc_4231() {
        for (key, data, mac) in [
            (
                b"Jefe".to_vec(),
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex::encode(*hmac_sha256(&key, data.as_bytes())), mac);
        }
    }
}
