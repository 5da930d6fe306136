//! Who a reader is: by the access token of an OIDC issuer, verified here, whatever stands before the function.
//!
//! - [`Authenticator::authenticate`] makes an [`Actor`] of the header `Authorization`, or says why not.
//! - `token` reads a token, `claims` holds it to what it has to be, `keys` and `issuer` know whose signature it has to bear.
//! - [`sign_in`]: how people sign in, by the authorization code flow.
//! - [`session`]: what a browser keeps of a sign-in, sealed; and the console's secrets.
//! - [`callee_id`]: the key by which callees get ids. [`cursor`]: the one that seals cursors of lists.
//!
//! What is wrong with a token is a [`Refusal`], which is the reader's to mend: 401. That the issuer's keys can't be had is
//! [`AuthError::Unavailable`], and nobody's fault who asks: 503.
//!
//! What is plainly wrong is refused before the issuer is asked for anything.

pub mod callee_id;
mod claims;
pub mod config;
pub mod cursor;
mod issuer;
mod keys;
pub mod session;
pub mod sign_in;
mod token;

use crate::config::{ConfigError, Environment};
use config::AuthConfig;
use issuer::Issuer;
pub use issuer::IssuerError;
use shared::access::Actor;
use shared::model::Instant;
use token::{Unverified, bearer};

#[cfg(test)]
mod tests;

/// Why a token opens nothing. None says anything of the token itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// Nobody is known here.
    #[error("no issuer of tokens is configured")]
    NoIssuer,
    /// There is none.
    #[error("there is no access token")]
    NoToken,
    /// The header has another scheme.
    #[error("the header Authorization is not of the scheme Bearer")]
    NotBearer,
    /// It can't be read as one.
    #[error("this is no JSON Web Token")]
    NotAToken,
    /// It is signed by an algorithm that is not taken, or by none.
    #[error("tokens have to be signed by RS256 or ES256")]
    Algorithm,
    /// It is an ID token, or of another kind.
    #[error("this is no access token")]
    Kind,
    /// Only whoever holds a certain key may use it.
    #[error("the token is bound to a key")]
    Bound,
    /// Somebody else issued it.
    #[error("the token is of another issuer")]
    Issuer,
    /// It is for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// It is over, or has no end.
    #[error("the token has expired")]
    Expired,
    /// It has not begun.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It names no key of the issuer's.
    #[error("the token names no key of its issuer")]
    UnknownKey,
    /// Its signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
    /// It says not who uses it.
    #[error("the token names no subject")]
    NoSubject,
}

impl Refusal {
    /// Names the reason, for metrics and logs.
    pub fn tag(self) -> &'static str {
        match self {
            Self::NoIssuer => "no_issuer",
            Self::NoToken => "no_token",
            Self::NotBearer => "not_bearer",
            Self::NotAToken => "not_a_token",
            Self::Algorithm => "algorithm",
            Self::Kind => "kind",
            Self::Bound => "bound",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::NoSubject => "no_subject",
        }
    }

    /// The header `WWW-Authenticate` of the answer.
    ///
    /// <https://www.rfc-editor.org/rfc/rfc6750#section-3>
    pub fn challenge(self) -> String {
        match self {
            Self::NoIssuer | Self::NoToken | Self::NotBearer => "Bearer".to_owned(),
            other => format!(r#"Bearer error="invalid_token", error_description="{other}""#),
        }
    }
}

/// Why it is not known who asks.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Their token opens nothing.
    #[error(transparent)]
    Unauthenticated(#[from] Refusal),
    /// The issuer's keys can't be had; `None` where that was found out a moment ago.
    #[error("the issuer's keys can't be had")]
    Unavailable(#[source] Option<IssuerError>),
}

/// Knows readers by their tokens.
#[derive(Debug)]
pub struct Authenticator {
    config: AuthConfig,
    issuer: Option<Issuer>,
}

impl Authenticator {
    /// By the settings `OIDC_ISSUER`, `OIDC_CLIENT_ID`, `OIDC_AUDIENCE` and `ROLE_GROUPS`. Where the first is not set, nobody is known.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn new(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let config = AuthConfig::read(environment)?;
        Ok(Self { issuer: config.issuer.clone().map(Issuer::new), config })
    }

    /// The settings.
    pub fn config(&self) -> &AuthConfig {
        &self.config
    }

    /// Who sends a request with this header `Authorization`, and what they may.
    ///
    /// # Errors
    /// [`AuthError`]: 401 or 503.
    pub async fn authenticate(&self, authorization: Option<&str>, now: Instant) -> Result<Actor, AuthError> {
        let issuer = self.issuer.as_ref().ok_or(Refusal::NoIssuer)?;
        let token = Unverified::read(bearer(authorization)?)?;
        claims::check(&token, issuer.url(), &self.config, now)?;
        let key = issuer.key(&token.key_id, token.algorithm, now).await?;
        if !key.verifies(token.signed, &token.signature) {
            return Err(Refusal::Signature.into());
        }
        Ok(Actor::of_claims(&token.claims, &self.config.roles).map_err(|_| Refusal::NoSubject)?)
    }
}
