//! How people sign in: the authorization code flow with PKCE, by any OIDC issuer.
//!
//! Whoever begins gets a [`Begun`], which the caller keeps where nobody else can read or write it (a sealed cookie), and is sent to the
//! issuer. Who comes back with a code has to bring it: state, nonce and verifier are in it. What is signed in is an [`Actor`], with a
//! name for people; no token is kept.
//!
//! <https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth>, <https://www.rfc-editor.org/rfc/rfc7636>,
//! <https://www.rfc-editor.org/rfc/rfc9700>

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;
use url::form_urlencoded::Serializer;

use super::claims::{check, check_times, text};
use super::token::Unverified;
use super::{AuthError, Authenticator, Refusal};
use crate::outbound::document::DocumentError;
use crate::random;
use shared::access::{Actor, ActorKind};
use shared::model::Instant;

/// The longest name that is shown of somebody, in characters.
const MAX_NAME_CHARACTERS: usize = 80;

/// A sign-in that has begun: what has to come back with the code.
#[derive(Clone, Serialize, Deserialize)]
pub struct Begun {
    state: String,
    nonce: String,
    verifier: String,
    /// Where the issuer sends people back to.
    redirect_uri: String,
}

/// What the issuer sent somebody back with: the parameters of the query.
#[derive(Clone, Debug, Default)]
pub struct Returned<'a> {
    /// The code.
    pub code: Option<&'a str>,
    /// The state.
    pub state: Option<&'a str>,
    /// Who says so (RFC 9207), where it is told.
    pub issuer: Option<&'a str>,
    /// What went wrong there.
    pub error: Option<&'a str>,
}

/// Somebody who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Who, and what they may.
    pub actor: Actor,
    /// What to call them.
    pub name: String,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No client is set that people sign in by.
    #[error("OIDC_CLIENT_ID is not set")]
    NoClient,
    /// The answer does not belong to what was begun.
    #[error("the answer is not to this sign-in")]
    State,
    /// The issuer refused, or there is no code.
    #[error("the issuer refused")]
    Refused,
    /// The issuer takes the code for none.
    #[error("the issuer does not take the code")]
    Code,
    /// Its ID token is not as it has to be.
    #[error("the ID token: {0}")]
    Token(Refusal),
    /// The ID token is of another sign-in.
    #[error("the ID token is of another sign-in")]
    Nonce,
    /// The issuer can't be asked.
    #[error(transparent)]
    Unavailable(AuthError),
    /// The issuer can't be asked for tokens.
    #[error("the issuer's tokens can't be had: {0}")]
    NoTokens(#[from] DocumentError),
}

impl From<AuthError> for SignInError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Unauthenticated(refusal) => Self::Token(refusal),
            unavailable @ AuthError::Unavailable(_) => Self::Unavailable(unavailable),
        }
    }
}

impl SignInError {
    /// Names the reason, for metrics and logs.
    pub fn tag(&self) -> &'static str {
        match self {
            Self::NoClient => "no_client",
            Self::State => "state",
            Self::Refused => "refused",
            Self::Code => "code",
            Self::Token(refusal) => refusal.tag(),
            Self::Nonce => "nonce",
            Self::Unavailable(_) | Self::NoTokens(_) => "unavailable",
        }
    }

    /// Whether trying again later may do.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::NoTokens(_))
    }
}

impl Authenticator {
    /// Begins a sign-in: what to keep, and where to send whoever signs in. `scope` has `openid` among its words.
    ///
    /// # Errors
    /// [`SignInError::NoClient`], [`SignInError::Unavailable`].
    pub async fn begin_sign_in(
        &self,
        redirect_uri: &str,
        scope: &str,
        now: Instant,
    ) -> Result<(Begun, String), SignInError> {
        let issuer = self.issuer.as_ref().ok_or(SignInError::Token(Refusal::NoIssuer))?;
        let client = self.config.client_id.as_deref().ok_or(SignInError::NoClient)?;
        let mut url = issuer.endpoints(now).await?.authorization;
        let begun = Begun {
            state: random::name(),
            nonce: random::name(),
            // 43 characters at least.
            verifier: random::name() + &random::name(),
            redirect_uri: redirect_uri.to_owned(),
        };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&begun.verifier));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", client)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", scope)
            .append_pair("state", &begun.state)
            .append_pair("nonce", &begun.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok((begun, url.into()))
    }

    /// Ends a sign-in: takes the code to the issuer, and holds what it gives for it to what was begun. `secret` is the client's, where it
    /// has one.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn end_sign_in(
        &self,
        begun: &Begun,
        returned: &Returned<'_>,
        secret: Option<&str>,
        now: Instant,
    ) -> Result<SignedIn, SignInError> {
        let issuer = self.issuer.as_ref().ok_or(SignInError::Token(Refusal::NoIssuer))?;
        let client = self.config.client_id.as_deref().ok_or(SignInError::NoClient)?;
        let state = returned.state.unwrap_or_default();
        if !bool::from(state.as_bytes().ct_eq(begun.state.as_bytes())) {
            return Err(SignInError::State);
        }
        if returned.issuer.is_some_and(|told| told != issuer.url().as_str()) {
            return Err(SignInError::State);
        }
        let code = returned.code.filter(|_| returned.error.is_none()).ok_or(SignInError::Refused)?;
        let endpoints = issuer.endpoints(now).await?;
        let form = Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &begun.redirect_uri)
            .append_pair("client_id", client)
            .append_pair("code_verifier", &begun.verifier)
            .finish();
        let basic = secret.map(|secret| basic(client, secret));
        let (status, answer) = issuer.post(&endpoints.token, form, basic.as_deref()).await?;
        match status {
            200 => {}
            400..=499 => return Err(SignInError::Code),
            other => return Err(DocumentError::Status(other).into()),
        }
        let token = |name: &str| answer.get(name).and_then(Value::as_str);
        let id_token = token("id_token").ok_or(SignInError::Token(Refusal::NoToken))?;
        let mut claims = self.id_token(id_token, client, &begun.nonce, now).await?;
        // Groups stand in either token, or in both.
        if let Some(of_access) = self.access_claims(token("access_token"), now).await
            && text(&of_access, "sub") == text(&claims, "sub")
        {
            for name in ["groups", "cognito:groups", "scope", "scp"] {
                if let Some(value) = of_access.get(name) {
                    claims.entry(name).or_insert_with(|| value.clone());
                }
            }
        }
        let actor = Actor::of_claims(&claims, &self.config.roles);
        let actor = actor.map_err(|_| SignInError::Token(Refusal::NoSubject))?;
        // It says `nonce`, by which it is a person's.
        debug_assert_eq!(actor.kind, ActorKind::Person);
        let name = name_of(&claims).unwrap_or_else(|| actor.subject.clone());
        Ok(SignedIn { actor, name })
    }

    /// Where to send whoever signs out, if the issuer says so. `back` is where they come to afterwards.
    pub async fn sign_out_url(&self, back: &str, now: Instant) -> Option<String> {
        let client = self.config.client_id.as_deref()?;
        let mut url = self.issuer.as_ref()?.endpoints(now).await.ok()?.end_session?;
        // Cognito's own names beside the standard's.
        url.query_pairs_mut()
            .append_pair("client_id", client)
            .append_pair("post_logout_redirect_uri", back)
            .append_pair("logout_uri", back);
        Some(url.into())
    }

    /// The claims of an ID token for this sign-in.
    ///
    /// <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>
    async fn id_token(
        &self,
        token: &str,
        client: &str,
        nonce: &str,
        now: Instant,
    ) -> Result<Map<String, Value>, SignInError> {
        let issuer = self.issuer.as_ref().ok_or(SignInError::Token(Refusal::NoIssuer))?;
        let token = Unverified::read(token).map_err(SignInError::Token)?;
        let key = issuer.key(&token.key_id, token.algorithm, now).await?;
        if !key.verifies(token.signed, &token.signature) {
            return Err(SignInError::Token(Refusal::Signature));
        }
        let claims = token.claims;
        if text(&claims, "iss") != Some(issuer.url().as_str()) {
            return Err(SignInError::Token(Refusal::Issuer));
        }
        if !is_for(&claims, client) {
            return Err(SignInError::Token(Refusal::Audience));
        }
        if claims.get("token_use").is_some_and(|used| used != "id") {
            return Err(SignInError::Token(Refusal::Kind));
        }
        check_times(&claims, now).map_err(SignInError::Token)?;
        let told = text(&claims, "nonce").unwrap_or_default();
        match bool::from(told.as_bytes().ct_eq(nonce.as_bytes())) {
            true => Ok(claims),
            false => Err(SignInError::Nonce),
        }
    }

    /// The claims of the access token, where it is one that the API would take. Many issuers' are no tokens that tell anything.
    async fn access_claims(&self, token: Option<&str>, now: Instant) -> Option<Map<String, Value>> {
        let issuer = self.issuer.as_ref()?;
        let token = Unverified::read(token?).ok()?;
        check(&token, issuer.url(), &self.config, now).ok()?;
        let key = issuer.key(&token.key_id, token.algorithm, now).await.ok()?;
        key.verifies(token.signed, &token.signature).then_some(token.claims)
    }
}

/// Whether a token is for a client: it alone, or it among others and as the one that asked.
fn is_for(claims: &Map<String, Value>, client: &str) -> bool {
    let asked = text(claims, "azp");
    match claims.get("aud") {
        Some(Value::String(audience)) => audience == client && asked.is_none_or(|asked| asked == client),
        Some(Value::Array(audiences)) => {
            audiences.iter().any(|audience| audience == client)
                && (audiences.len() == 1 || asked.is_some())
                && asked.is_none_or(|asked| asked == client)
        }
        _ => false,
    }
}

/// The header by which a client shows its secret: both are form-encoded first (RFC 6749, 2.3.1).
fn basic(client: &str, secret: &str) -> String {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client), encoded(secret))))
}

/// What people call somebody, by the claims of their token.
fn name_of(claims: &Map<String, Value>) -> Option<String> {
    let names = ["name", "preferred_username", "nickname", "email", "cognito:username", "username"];
    let name =
        names.into_iter().filter_map(|name| text(claims, name)).find(|name| !name.trim().is_empty())?;
    Some(name.chars().filter(|character| !character.is_control()).take(MAX_NAME_CHARACTERS).collect())
}

/// Whether a text is a URL that a sign-in may come back to.
pub fn is_redirect(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| crate::outbound::document::is_secure(&url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_id_token_is_for_the_client_that_asked() {
        for (claims, is) in [
            (json!({"aud": "console"}), true),
            (json!({"aud": ["console"]}), true),
            (json!({"aud": ["console", "other"], "azp": "console"}), true),
            (json!({"aud": ["console", "other"]}), false),
            (json!({"aud": ["console", "other"], "azp": "other"}), false),
            (json!({"aud": "console", "azp": "other"}), false),
            (json!({"aud": "other"}), false),
            (json!({}), false),
        ] {
            assert_eq!(is_for(claims.as_object().unwrap(), "console"), is, "{claims}");
        }
    }

    #[test]
    fn a_secret_is_encoded_before_it_is_sent() {
        assert_eq!(basic("a:b", "c d"), format!("Basic {}", STANDARD.encode("a%3Ab:c+d")));
    }

    #[test]
    fn somebody_is_called_by_the_best_name_that_there_is() {
        let name = |claims: Value| name_of(claims.as_object().unwrap());
        assert_eq!(name(json!({"email": "a@b", "name": " "})).as_deref(), Some("a@b"));
        assert_eq!(name(json!({"name": "x\u{0}y"})).as_deref(), Some("xy"));
        assert_eq!(name(json!({"sub": "1"})), None);
    }
}
