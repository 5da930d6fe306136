//! What a browser keeps of somebody's sign-in: sealed, so that nobody else can read it, nor anybody alter it.
//!
//! The keys come from a secret, `{"session_key":"…","previous_session_key":"…"}`, or from a variable where that is for local use. What is
//! sealed by either is opened; new seals are made by the first. So a key is replaced by setting the old one as the previous, and nobody has
//! to sign in again. The secret is read anew now and then.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::Deserialize;
use sha2::Sha256;
use tokio::sync::Mutex;

use crate::aws::Account;
use crate::config::{ConfigError, Environment};
use crate::credentials::{self, CredentialsError};
use shared::model::Instant;
use shared::reading::Ties;

/// The least characters that a key has.
const MIN_KEY_BYTES: usize = 32;
/// For how long what was read of a secret is taken for what it holds, in milliseconds.
const FRESH_MS: u64 = 5 * 60 * 1000;
/// The longest text that is opened, in bytes: a browser keeps no more than 4 KB in a cookie.
const MAX_SEALED_BYTES: usize = 8 * 1024;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SessionKeyError {
    /// None is set.
    #[error("neither SESSION_SECRET_ARN nor SESSION_KEY is set")]
    NoKey,
    /// The secret can't be read, or is not as it should be.
    #[error(transparent)]
    Secret(#[from] CredentialsError),
    /// A key could be guessed.
    #[error("a session key is shorter than {MIN_KEY_BYTES} characters")]
    Short,
}

#[derive(Deserialize)]
struct Secret {
    session_key: String,
    #[serde(default)]
    previous_session_key: Option<String>,
}

/// What seals and opens. `Debug` shows no key.
#[derive(Clone)]
pub struct Sealer {
    /// The first seals, each opens.
    keys: Vec<LessSafeKey>,
    ties: Ties,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({} keys)", self.keys.len())
    }
}

impl Sealer {
    /// By these keys, the first of which seals.
    ///
    /// # Errors
    /// [`SessionKeyError::Short`], [`SessionKeyError::NoKey`].
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<Self, SessionKeyError> {
        let keys: Vec<_> = keys.into_iter().collect();
        let ties = keys.first().ok_or(SessionKeyError::NoKey).and_then(|key| code(key, TIES))?;
        let keys = keys.into_iter().map(derived).collect::<Result<_, _>>()?;
        Ok(Self { keys, ties: Ties::under(&ties) })
    }

    /// By a key that nobody else will ever have.
    pub(super) fn made() -> Self {
        let key = [(); 2].map(|()| crate::random::name()).concat();
        let ties = code(&key, TIES).map_or_else(|_| Ties::by_key(), |ties| Ties::under(&ties));
        Self { keys: derived(&key).into_iter().collect(), ties }
    }

    /// By what calls of the same time are ordered, whose ids may be hidden: under the first key.
    pub fn ties(&self) -> Ties {
        self.ties.clone()
    }

    /// Seals bytes for a purpose: what is sealed for one is not opened for another. Letters that a cookie may have.
    pub fn seal(&self, purpose: &str, bytes: &[u8]) -> String {
        let mut nonce = [0; NONCE_LEN];
        // Who seals more than 2^32 times by one key might repeat one; keys are replaced before that.
        nonce.copy_from_slice(&random_bytes()[..NONCE_LEN]);
        let mut sealed = bytes.to_vec();
        let done = self.keys.first().is_some_and(|key| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            key.seal_in_place_append_tag(nonce, Aad::from(purpose.as_bytes()), &mut sealed).is_ok()
        });
        match done {
            true => URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()),
            // Too long for the cipher, which nothing is that fits a cookie. It opens nothing.
            false => String::new(),
        }
    }

    /// Opens what was sealed for a purpose, by either key; `None` for anything else.
    pub fn open(&self, purpose: &str, text: &str) -> Option<Vec<u8>> {
        if text.len() > MAX_SEALED_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        self.keys.iter().find_map(|key| {
            let mut sealed = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let opened = key.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut sealed).ok()?;
            Some(opened.to_vec())
        })
    }
}

fn derived(key: &str) -> Result<LessSafeKey, SessionKeyError> {
    let key = UnboundKey::new(&AES_256_GCM, &code(key, SESSIONS)?);
    key.map(LessSafeKey::new).map_err(|_| SessionKeyError::Short)
}

/// For what keys are derived of one that is set.
const SESSIONS: &str = "callvault: the console's sessions, 1";
const TIES: &str = "callvault: order within a time, 1";

fn code(key: &str, purpose: &str) -> Result<[u8; 32], SessionKeyError> {
    if key.len() < MIN_KEY_BYTES {
        return Err(SessionKeyError::Short);
    }
    let mut code = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|_| SessionKeyError::Short)?;
    code.update(purpose.as_bytes());
    Ok(code.finalize().into_bytes().into())
}

fn random_bytes() -> Vec<u8> {
    hex::decode(crate::random::name()).unwrap_or_default()
}

/// Where the keys come from.
#[derive(Debug)]
pub struct SessionKeys(Origin);

#[derive(Debug)]
enum Origin {
    None,
    Known(Sealer),
    Secret { client: aws_sdk_secretsmanager::Client, arn: String, read: Mutex<Option<(Instant, Sealer)>> },
}

impl SessionKeys {
    /// The secret that `SESSION_SECRET_ARN` names, else `SESSION_KEY`: one key, or two with a comma between, the new one first.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn read(environment: &Environment<'_>, account: &Account) -> Result<Self, ConfigError> {
        Ok(Self(match credentials::secret(environment, account, "SESSION_SECRET_ARN")? {
            Some((client, arn)) => Origin::Secret { client, arn, read: Mutex::default() },
            None => environment.parse("SESSION_KEY", Origin::None, |keys| {
                let sealer = Sealer::new(keys.split(',').map(str::trim));
                sealer.map(Origin::Known).map_err(|_| format!("shorter than {MIN_KEY_BYTES} characters"))
            })?,
        }))
    }

    /// What seals and opens, now.
    ///
    /// # Errors
    /// [`SessionKeyError`]. A secret that was read before stays in use while it can't be read.
    pub async fn sealer(&self, now: Instant) -> Result<Sealer, SessionKeyError> {
        let (client, arn, read) = match &self.0 {
            Origin::None => return Err(SessionKeyError::NoKey),
            Origin::Known(sealer) => return Ok(sealer.clone()),
            Origin::Secret { client, arn, read } => (client, arn, read),
        };
        let mut read = read.lock().await;
        if let Some((at, sealer)) = &*read
            && at.epoch_millis().abs_diff(now.epoch_millis()) < FRESH_MS
        {
            return Ok(sealer.clone());
        }
        let fresh = async {
            let text = credentials::secret_text(client, arn).await?;
            let Secret { session_key, previous_session_key } = credentials::of_json(&text)?;
            Sealer::new(
                [Some(&session_key), previous_session_key.as_ref()].into_iter().flatten().map(String::as_str),
            )
        };
        match (fresh.await, &*read) {
            (Ok(sealer), _) => {
                *read = Some((now, sealer.clone()));
                Ok(sealer)
            }
            (Err(_), Some((_, known))) => Ok(known.clone()),
            (Err(error), None) => Err(error),
        }
    }
}

/// The secret of the client that people sign in by, where it has one.
#[derive(Debug)]
pub struct ClientSecret(Option<(aws_sdk_secretsmanager::Client, String)>);

#[derive(Deserialize)]
struct OfClient {
    client_secret: String,
}

impl ClientSecret {
    /// The secret that `OIDC_CLIENT_SECRET_ARN` names: `{"client_secret":"…"}`.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn read(environment: &Environment<'_>, account: &Account) -> Result<Self, ConfigError> {
        Ok(Self(credentials::secret(environment, account, "OIDC_CLIENT_SECRET_ARN")?))
    }

    /// The secret as it is now; `None` where the client has none. It is asked for at sign-ins alone.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub async fn get(&self) -> Result<Option<String>, CredentialsError> {
        let Some((client, arn)) = &self.0 else { return Ok(None) };
        let text = credentials::secret_text(client, arn).await?;
        Ok(Some(credentials::of_json::<OfClient>(&text)?.client_secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "the old key, of thirty-two characters";
    const NEW: &str = "the new key, of thirty-two characters";

    #[test]
    fn what_is_sealed_is_opened_by_whoever_has_the_key_and_for_its_purpose() {
        let sealer = Sealer::new([NEW]).unwrap();
        let sealed = sealer.seal("session", b"somebody");
        assert_eq!(sealer.open("session", &sealed).as_deref(), Some(&b"somebody"[..]));
        assert_eq!(sealer.open("sign-in", &sealed), None);
        assert_eq!(Sealer::new([OLD]).unwrap().open("session", &sealed), None);
        assert_ne!(sealed, sealer.seal("session", b"somebody"));
        assert!(!format!("{sealer:?}").contains("key,"));
    }

    #[test]
    fn a_key_can_be_replaced_while_people_are_signed_in() {
        let sealed = Sealer::new([OLD]).unwrap().seal("session", b"x");
        let both = Sealer::new([NEW, OLD]).unwrap();
        assert!(both.open("session", &sealed).is_some());
        let fresh = both.seal("session", b"x");
        assert!(Sealer::new([NEW]).unwrap().open("session", &fresh).is_some());
        assert!(Sealer::new([OLD]).unwrap().open("session", &fresh).is_none());
    }

    #[test]
    fn nothing_that_was_altered_is_opened() {
        let sealer = Sealer::new([NEW]).unwrap();
        let sealed = sealer.seal("session", b"somebody");
        for at in 0..sealed.len() {
            let mut altered = sealed.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            // The last letter has bits that say nothing: a strict decoder takes none but zeros there.
            assert_eq!(sealer.open("session", &altered), None, "{at}");
        }
        for none in ["", "A", "====", &"A".repeat(9_000)] {
            assert_eq!(sealer.open("session", none), None);
        }
        assert!(Sealer::new(["short"]).is_err() && Sealer::new([]).is_err());
    }
}
