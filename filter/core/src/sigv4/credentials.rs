//! Access keys and their secrets.

use core::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// An access key: its id, its secret, and the session token of temporary credentials.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The access key id, which requests name.
    pub access_key_id: String,
    /// The secret, which requests are signed with.
    pub secret_access_key: SecretAccessKey,
    /// The token that requests must carry, for temporary credentials.
    pub session_token: Option<SessionToken>,
}

/// The secret of an access key; zeroised when dropped, never shown.
#[derive(Clone)]
pub struct SecretAccessKey(Zeroizing<String>);

impl SecretAccessKey {
    /// Takes the secret over.
    pub fn new(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for SecretAccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretAccessKey")
    }
}

/// The token of temporary credentials; zeroised when dropped, never shown.
#[derive(Clone)]
pub struct SessionToken(Zeroizing<String>);

impl SessionToken {
    /// Takes the token over.
    pub fn new(token: String) -> Self {
        Self(Zeroizing::new(token))
    }

    /// Tells whether `claimed` is this token, in a time that depends on the lengths alone.
    pub(super) fn matches(&self, claimed: &[u8]) -> bool {
        self.as_bytes().ct_eq(claimed).into()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let credentials = Credentials {
            access_key_id: "AKID".to_owned(),
            secret_access_key: SecretAccessKey::new("hush".to_owned()),
            session_token: Some(SessionToken::new("shush".to_owned())),
        };
        let shown = format!("{credentials:?}");
        assert!(shown.contains("AKID") && !shown.contains("hush"), "{shown}");
    }
}
