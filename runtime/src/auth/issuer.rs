//! The issuer's keys: fetched when they are first needed, kept for an hour, and fetched anew when a token names one that is not known.
//!
//! Whoever sends tokens with made-up key ids makes this ask the issuer no more than twice a minute; what is signed by a known key does
//! not wait meanwhile. While the issuer can't be asked, the keys that were had last stay in use.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use url::Url;

use super::config::IssuerUrl;
use super::keys::{Algorithm, KeySet, PublicKey};
use super::{AuthError, Refusal};
use crate::outbound::document::{DocumentError, Documents, is_secure};
use shared::model::Instant;

/// For how long keys are believed to be all that there are, in milliseconds.
const FRESH_MS: u64 = 60 * 60 * 1000;
/// How long it is at least until the issuer is asked again, in milliseconds.
const PAUSE_MS: u64 = 30 * 1000;
/// The same while there are no keys yet: everybody waits for them.
const PAUSE_WITHOUT_KEYS_MS: u64 = 5 * 1000;
/// How long the issuer may take to tell its keys, both documents together.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the issuer's keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// Its description of itself could not be read.
    #[error("the issuer's description: {0}")]
    Description(#[source] DocumentError),
    /// It describes another issuer, or no place of keys.
    #[error("the issuer's description is not that of this issuer, or names no secure place of its keys")]
    Other,
    /// Its keys could not be read.
    #[error("the issuer's keys: {0}")]
    Keys(#[source] DocumentError),
    /// What stands in their place is none.
    #[error("the issuer's keys are not a set of keys")]
    NotKeys,
}

/// An issuer, and its keys as they are known.
#[derive(Debug)]
pub(super) struct Issuer {
    url: IssuerUrl,
    documents: Documents,
    known: Mutex<Known>,
    /// Held by whoever is asking the issuer.
    asking: tokio::sync::Mutex<()>,
}

/// Where people sign in by an issuer.
///
/// <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata>
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub(super) authorization: Url,
    pub(super) token: Url,
    /// Where they sign out, if it says so.
    pub(super) end_session: Option<Url>,
}

impl Endpoints {
    fn of(description: &serde_json::Value) -> Option<Self> {
        let url = |name: &str| {
            let text = description.get(name).and_then(serde_json::Value::as_str)?;
            Url::parse(text).ok().filter(is_secure)
        };
        Some(Self {
            authorization: url("authorization_endpoint")?,
            token: url("token_endpoint")?,
            end_session: url("end_session_endpoint"),
        })
    }
}

#[derive(Debug, Default)]
struct Known {
    keys: Option<KeySet>,
    /// Where people sign in by it, as far as it says.
    endpoints: Option<Endpoints>,
    /// When they were fetched.
    at: Option<Instant>,
    /// When the issuer was last asked.
    asked_at: Option<Instant>,
    /// Whether that failed.
    failed: bool,
}

/// Whether a time is less than so long ago. (It may be a moment ahead: another request's clock was read later.)
fn is_within(time: Option<Instant>, now: Instant, millis: u64) -> bool {
    time.is_some_and(|time| time.epoch_millis().abs_diff(now.epoch_millis()) < millis)
}

impl Known {
    /// Takes what the issuer said.
    fn learn(&mut self, keys: KeySet, endpoints: Option<Endpoints>, now: Instant) {
        (self.keys, self.endpoints, self.at, self.failed) = (Some(keys), endpoints, Some(now), false);
    }

    fn find(&self, id: &str, algorithm: Algorithm) -> Option<PublicKey> {
        self.keys.as_ref()?.find(id, algorithm).cloned()
    }

    fn is_fresh(&self, now: Instant) -> bool {
        is_within(self.at, now, FRESH_MS)
    }

    fn may_ask(&self, now: Instant) -> bool {
        let pause_ms = if self.keys.is_some() { PAUSE_MS } else { PAUSE_WITHOUT_KEYS_MS };
        !is_within(self.asked_at, now, pause_ms)
    }

    /// What there is to say without asking the issuer.
    fn settled(&self, id: &str, algorithm: Algorithm) -> Result<PublicKey, AuthError> {
        match self.find(id, algorithm) {
            Some(key) => Ok(key),
            // It may be one of those that could not be had.
            None if self.keys.is_none() || self.failed => Err(AuthError::Unavailable(None)),
            None => Err(Refusal::UnknownKey.into()),
        }
    }
}

impl Issuer {
    pub(super) fn new(url: IssuerUrl) -> Self {
        Self {
            url,
            documents: Documents::new(),
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn url(&self) -> &IssuerUrl {
        &self.url
    }

    fn known<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The key of that id and algorithm.
    ///
    /// # Errors
    /// [`Refusal::UnknownKey`], where the issuer has no such key; [`AuthError::Unavailable`], where it could not be asked.
    pub(super) async fn key(
        &self,
        id: &str,
        algorithm: Algorithm,
        now: Instant,
    ) -> Result<PublicKey, AuthError> {
        // With it, whether there is no need to ask.
        let look = |known: &mut Known| {
            let found = known.find(id, algorithm);
            let settled = if found.is_some() { known.is_fresh(now) || !known.may_ask(now) } else { false };
            (found, settled)
        };
        let _asking = match self.known(look) {
            (Some(key), true) => return Ok(key),
            (Some(key), false) => match self.asking.try_lock() {
                Ok(asking) => asking,
                Err(_) => return Ok(key),
            },
            // Whoever is asking may bring it.
            (None, _) => self.asking.lock().await,
        };
        // Somebody else may have asked meanwhile.
        let settled = self.known(|known| {
            let fresh = known.find(id, algorithm).is_some() && known.is_fresh(now);
            if fresh || !known.may_ask(now) {
                return Some(known.settled(id, algorithm));
            }
            known.asked_at = Some(now);
            // Unless it succeeds; a request that goes away ends this in the midst.
            known.failed = true;
            None
        });
        if let Some(settled) = settled {
            return settled;
        }
        match self.fetch().await {
            Ok((keys, endpoints)) => self.known(|known| {
                known.learn(keys, endpoints, now);
                known.settled(id, algorithm)
            }),
            Err(error) => {
                tracing::warn!(error = %error, "issuer_unreachable");
                match self.known(|known| known.settled(id, algorithm)) {
                    Err(AuthError::Unavailable(_)) => Err(AuthError::Unavailable(Some(error))),
                    settled => settled,
                }
            }
        }
    }

    /// Where people sign in by it, and out.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`], where it could not be asked, or does not say.
    pub(super) async fn endpoints(&self, now: Instant) -> Result<Endpoints, AuthError> {
        let known = |known: &mut Known| known.endpoints.clone().filter(|_| known.is_fresh(now));
        if let Some(endpoints) = self.known(known) {
            return Ok(endpoints);
        }
        let _asking = self.asking.lock().await;
        let (fresh, stale, may_ask) =
            self.known(|inside| (known(inside), inside.endpoints.clone(), inside.may_ask(now)));
        if let Some(endpoints) = fresh {
            return Ok(endpoints);
        }
        if may_ask {
            self.known(|known| (known.asked_at, known.failed) = (Some(now), true));
            match self.fetch().await {
                Ok((keys, endpoints)) => self.known(|known| known.learn(keys, endpoints, now)),
                Err(error) => tracing::warn!(error = %error, "issuer_unreachable"),
            }
        }
        self.known(|known| known.endpoints.clone()).or(stale).ok_or(AuthError::Unavailable(None))
    }

    /// Sends a form to the issuer, and gives back status and answer.
    pub(super) async fn post(
        &self,
        url: &Url,
        form: String,
        authorization: Option<&str>,
    ) -> Result<(u16, serde_json::Value), DocumentError> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        self.documents.post_form(url, form, authorization, deadline).await
    }

    async fn fetch(&self) -> Result<(KeySet, Option<Endpoints>), IssuerError> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let place = self.url.description().ok_or(IssuerError::Other)?;
        let description = self.documents.read(&place, deadline).await.map_err(IssuerError::Description)?;
        let text = |name: &str| description.get(name).and_then(serde_json::Value::as_str);
        // So that nobody's description stands for another's.
        if text("issuer") != Some(self.url.as_str()) {
            return Err(IssuerError::Other);
        }
        let place = text("jwks_uri").and_then(|url| Url::parse(url).ok()).filter(is_secure);
        let place = place.ok_or(IssuerError::Other)?;
        let keys = self.documents.read(&place, deadline).await.map_err(IssuerError::Keys)?;
        let keys = KeySet::of_json(&keys).ok_or(IssuerError::NotKeys)?;
        Ok((keys, Endpoints::of(&description)))
    }
}
