//! What a token has to claim, whoever signed it: that it is for us, lives, and opens doors rather than telling who somebody is.

use serde_json::{Map, Value};

use super::Refusal;
use super::config::{AuthConfig, IssuerUrl};
use super::token::Unverified;
use shared::access::actor::{RESOURCE_SERVER, permission_of_scope, scopes};
use shared::model::Instant;

/// By how much clocks may differ, in seconds.
const LEEWAY_S: f64 = 30.0;

/// Fails unless a token's claims are those of a living access token of this issuer for us.
pub(super) fn check(
    token: &Unverified<'_>,
    issuer: &IssuerUrl,
    config: &AuthConfig,
    now: Instant,
) -> Result<(), Refusal> {
    let claims = &token.claims;
    if text(claims, "iss") != Some(issuer.as_str()) {
        return Err(Refusal::Issuer);
    }
    if !is_access_token(token) {
        return Err(Refusal::Kind);
    }
    // Only whoever holds that key may use it (RFC 8705, RFC 9449), and nobody shows that here.
    if claims.contains_key("cnf") {
        return Err(Refusal::Bound);
    }
    if !is_for_us(claims, config) {
        return Err(Refusal::Audience);
    }
    check_times(claims, now)
}

/// Fails unless the claims live.
pub(super) fn check_times(claims: &Map<String, Value>, now: Instant) -> Result<(), Refusal> {
    let now_s = now.epoch_millis() as f64 / 1000.0;
    let expires_s = time(claims, "exp")?.ok_or(Refusal::Expired)?;
    if now_s >= expires_s + LEEWAY_S {
        return Err(Refusal::Expired);
    }
    if time(claims, "nbf")?.is_some_and(|from_s| now_s < from_s - LEEWAY_S) {
        return Err(Refusal::NotYetValid);
    }
    Ok(())
}

/// Whether it is no ID token, refresh token, or token for a logout, as far as a token tells.
///
/// | who | what tells |
/// |---|---|
/// | RFC 9068 | the header's `typ`: `at+jwt` |
/// | Cognito | `token_use`: `access` or `id` |
/// | Keycloak | the claim `typ`: `Bearer`, `ID`, `Refresh`, `Offline`, `Logout` |
/// | OpenID Connect | an ID token has `nonce`, `at_hash`, `c_hash` where these apply |
fn is_access_token(token: &Unverified<'_>) -> bool {
    let claims = &token.claims;
    let is_said = match (token.kind.as_deref(), text(claims, "token_use"), text(claims, "typ")) {
        (Some("at+jwt"), None | Some("access"), _) | (None | Some("jwt"), Some("access"), _) => true,
        (None | Some("jwt"), None, Some("Bearer")) => true,
        (None | Some("jwt"), None, Some("ID" | "Refresh" | "Offline" | "Logout" | "DPoP")) => return false,
        (None | Some("jwt"), None, _) => false,
        _ => return false,
    };
    // `token_use` that is no text, say.
    let is_odd = claims.get("token_use").is_some_and(|value| !value.is_string());
    let is_of_sign_in =
        ["nonce", "at_hash", "c_hash", "s_hash"].iter().any(|name| claims.contains_key(*name));
    !is_odd && (is_said || !is_of_sign_in)
}

/// Whether it was issued for us: by its audience; of Cognito, whose access tokens have none, by its client, or by a scope of the
/// resource server that is named like us, which Cognito gives only to whom it is allowed.
fn is_for_us(claims: &Map<String, Value>, config: &AuthConfig) -> bool {
    let is_ours = |name: &str| config.audiences.iter().any(|audience| audience == name);
    match claims.get("aud") {
        Some(Value::String(audience)) => is_ours(audience),
        Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).any(is_ours),
        Some(_) => false,
        None if text(claims, "token_use") == Some("access") => {
            let client = text(claims, "client_id");
            let of_console = client.is_some() && client == config.client_id.as_deref();
            of_console || scopes(claims).any(is_of_our_resource_server)
        }
        None => false,
    }
}

fn is_of_our_resource_server(scope: &str) -> bool {
    scope.starts_with(RESOURCE_SERVER) && scope.contains('/') && permission_of_scope(scope).is_some()
}

pub(super) fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

/// A time, in seconds since 1970, which may have a fraction (RFC 7519).
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().filter(|time| time.is_finite()).map(Some).ok_or(Refusal::NotAToken),
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Algorithm;
    use super::*;
    use crate::config::Environment;
    use serde_json::json;

    const NOW_S: i64 = 1_750_000_000;

    fn checked(kind: Option<&str>, claims: Value) -> Result<(), Refusal> {
        let look_up = |name: &str| match name {
            "OIDC_CLIENT_ID" => Some("console".to_owned()),
            "OIDC_AUDIENCE" => Some("callvault,https://calls.example".to_owned()),
            _ => None,
        };
        let config = AuthConfig::read(&Environment::new(&look_up)).unwrap();
        let mut all = json!({"iss": "https://id.example", "aud": "callvault", "exp": NOW_S + 60});
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        let mut all = all.as_object().unwrap().clone();
        all.retain(|_, value| !value.is_null());
        let token = Unverified {
            signed: "",
            signature: Vec::new(),
            algorithm: Algorithm::Es256,
            key_id: String::new(),
            kind: kind.map(str::to_owned),
            claims: all,
        };
        let issuer = IssuerUrl::new("https://id.example").unwrap();
        check(&token, &issuer, &config, Instant::from_epoch_seconds(NOW_S).unwrap())
    }

    #[test]
    fn a_token_lives_from_nbf_to_exp_and_a_little_beyond() {
        for (claims, expected) in [
            (json!({"exp": NOW_S - 29}), Ok(())),
            (json!({"exp": NOW_S - 30}), Err(Refusal::Expired)),
            (json!({"exp": null}), Err(Refusal::Expired)),
            (json!({"exp": NOW_S as f64 + 0.5}), Ok(())),
            (json!({"exp": "1850000000"}), Err(Refusal::NotAToken)),
            (json!({"exp": -1}), Err(Refusal::Expired)),
            (json!({"nbf": NOW_S + 30}), Ok(())),
            (json!({"nbf": NOW_S + 31}), Err(Refusal::NotYetValid)),
            (json!({"nbf": []}), Err(Refusal::NotAToken)),
        ] {
            assert_eq!(checked(None, claims.clone()), expected, "{claims}");
        }
        let huge: Value = serde_json::from_str(r#"{"exp": 1e999}"#).unwrap();
        assert_eq!(checked(None, huge), Err(Refusal::NotAToken));
    }

    #[test]
    fn the_issuer_is_the_same_to_the_letter() {
        for issuer in [
            json!(null),
            json!("https://id.example/"),
            json!("https://ID.example"),
            json!(["https://id.example"]),
        ] {
            assert_eq!(checked(None, json!({"iss": issuer})), Err(Refusal::Issuer), "{issuer}");
        }
    }

    #[test]
    fn the_audience_is_ours_or_of_cognitos_tokens_client_or_scope() {
        for (claims, expected) in [
            (json!({"aud": ["other", "https://calls.example"]}), Ok(())),
            (json!({"aud": "other"}), Err(Refusal::Audience)),
            (json!({"aud": "Callvault"}), Err(Refusal::Audience)),
            (json!({"aud": ["callvault/"]}), Err(Refusal::Audience)),
            (json!({"aud": {"callvault": true}}), Err(Refusal::Audience)),
            (json!({"aud": [], "token_use": "access", "client_id": "console"}), Err(Refusal::Audience)),
            (json!({"aud": null}), Err(Refusal::Audience)),
            (json!({"aud": null, "client_id": "console"}), Err(Refusal::Audience)),
            (json!({"aud": null, "token_use": "access", "client_id": "console"}), Ok(())),
            (json!({"aud": null, "token_use": "access", "client_id": "other"}), Err(Refusal::Audience)),
            (
                json!({"aud": null, "token_use": "access", "client_id": "other", "scope": "calls.read"}),
                Err(Refusal::Audience),
            ),
            (
                json!({"aud": null, "token_use": "access", "client_id": "m", "scope": "a callvault/calls.read"}),
                Ok(()),
            ),
            (
                json!({"aud": null, "token_use": "access", "client_id": "m", "scope": "callvault/other"}),
                Err(Refusal::Audience),
            ),
            (json!({"aud": null, "token_use": "access"}), Err(Refusal::Audience)),
        ] {
            assert_eq!(checked(None, claims.clone()), expected, "{claims}");
        }
    }

    #[test]
    fn an_id_token_opens_nothing_where_it_can_be_told() {
        for (kind, claims, is_taken) in [
            (None, json!({}), true),
            (Some("jwt"), json!({}), true),
            (Some("at+jwt"), json!({"nonce": "n"}), true),
            (Some("jwt"), json!({"nonce": "n", "typ": "Bearer"}), true),
            (Some("jwt"), json!({"token_use": "access"}), true),
            (Some("jwt"), json!({"nonce": "n"}), false),
            (None, json!({"at_hash": "h"}), false),
            (None, json!({"token_use": "id"}), false),
            (None, json!({"token_use": ["access"]}), false),
            (Some("at+jwt"), json!({"token_use": "id"}), false),
            (Some("jwt"), json!({"typ": "ID"}), false),
            (Some("jwt"), json!({"typ": "Refresh"}), false),
            (Some("id+jwt"), json!({}), false),
            (Some("logout+jwt"), json!({}), false),
            (Some("dpop+jwt"), json!({"token_use": "access"}), false),
            (Some(""), json!({}), false),
        ] {
            let expected = if is_taken { Ok(()) } else { Err(Refusal::Kind) };
            assert_eq!(checked(kind, claims.clone()), expected, "{kind:?} {claims}");
        }
        assert_eq!(checked(Some("at+jwt"), json!({"cnf": {"jkt": "k"}})), Err(Refusal::Bound));
    }
}
