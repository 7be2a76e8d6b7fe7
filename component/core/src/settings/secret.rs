//! Secrets of the operator.

use std::fmt;

use crate::settings::error::SettingsError;

/// A secret, at least 16 bytes as the operator gave it; derived to 32 for each purpose.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Fewer bytes could be guessed.
    pub const MIN_BYTES: usize = 16;

    /// The secret for making digest keys.
    ///
    /// # Errors
    /// If it is too short.
    pub fn for_keys(secret: &[u8]) -> Result<Secret, SettingsError> {
        Secret::derive("foretold digest keys, version 1", "the key secret", secret)
    }

    /// The secret for authenticating entries.
    ///
    /// # Errors
    /// If it is too short.
    pub fn for_entries(secret: &[u8]) -> Result<Secret, SettingsError> {
        Secret::derive("foretold entry MAC, version 1", "the MAC secret", secret)
    }

    fn derive(purpose: &str, name: &'static str, secret: &[u8]) -> Result<Secret, SettingsError> {
        if secret.len() < Secret::MIN_BYTES {
            return Err(SettingsError::ShortSecret {
                name,
                bytes: secret.len(),
                least: Secret::MIN_BYTES,
            });
        }
        Ok(Secret(blake3::derive_key(purpose, secret)))
    }

    /// A hasher keyed with it.
    pub(crate) fn hasher(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.0)
    }
}

/// Never the secret itself.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
