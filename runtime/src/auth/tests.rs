//! The whole way of a token, with keys made here and an issuer on loopback.

use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use rsa::pkcs1::EncodeRsaPrivateKey;
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;
use crate::outbound::loopback::{Server, Step, send};
use shared::access::{ActorKind, Permissions};

const NOW_S: i64 = 1_750_000_000;

fn at(seconds: i64) -> Instant {
    Instant::from_epoch_seconds(NOW_S + seconds).unwrap()
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key that signs, and its id.
#[derive(Clone)]
struct TestKey {
    id: &'static str,
    pair: Arc<Pair>,
}

enum Pair {
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// Making an RSA key takes a while: it is the same for all of the tests.
static RSA: OnceLock<Vec<u8>> = OnceLock::new();

impl TestKey {
    fn p256(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self { id, pair: Arc::new(Pair::P256(pair)) }
    }

    fn rsa(id: &'static str) -> Self {
        let document = RSA.get_or_init(|| {
            let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
            key.to_pkcs1_der().unwrap().as_bytes().to_vec()
        });
        Self { id, pair: Arc::new(Pair::Rsa(RsaKeyPair::from_der(document).unwrap())) }
    }

    fn jwk(&self) -> Value {
        match &*self.pair {
            Pair::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kid": self.id, "kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y), "use": "sig"})
            }
            Pair::Rsa(pair) => {
                let key = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kid": self.id, "kty": "RSA", "n": encoded(key.n), "e": encoded(key.e), "alg": "RS256"})
            }
        }
    }

    fn algorithm(&self) -> &'static str {
        match &*self.pair {
            Pair::P256(_) => "ES256",
            Pair::Rsa(_) => "RS256",
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let random = SystemRandom::new();
        let signature = match &*self.pair {
            Pair::P256(pair) => pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        format!("{signed}.{}", encoded(signature))
    }

    fn header(&self) -> Value {
        json!({"alg": self.algorithm(), "kid": self.id, "typ": "at+jwt"})
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims)
    }
}

/// What the issuer says, and whether it says anything.
struct Sayings {
    issuer: Option<String>,
    keys: Value,
    is_up: bool,
}

/// An issuer on loopback.
struct TestIssuer {
    server: Server,
    says: Arc<Mutex<Sayings>>,
}

impl TestIssuer {
    async fn start(keys: &[&TestKey]) -> Self {
        let says = Arc::new(Mutex::new(Sayings { issuer: None, keys: Value::Null, is_up: true }));
        let said = Arc::clone(&says);
        let server = Server::start("127.0.0.1:0", move |path| {
            let says = said.lock().unwrap();
            let body = match path {
                _ if !says.is_up => return vec![Step::Close],
                "/.well-known/openid-configuration" => {
                    let issuer = says.issuer.clone().unwrap_or_else(|| "http://127.0.0.1:PORT".to_owned());
                    json!({"issuer": issuer, "jwks_uri": "http://127.0.0.1:PORT/keys"})
                }
                "/keys" => says.keys.clone(),
                other => panic!("{other}"),
            };
            vec![send(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}")), Step::Close]
        })
        .await;
        let issuer = Self { server, says };
        issuer.has(keys);
        issuer
    }

    fn has(&self, keys: &[&TestKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        self.says.lock().unwrap().keys = json!({"keys": keys});
    }

    fn is_up(&self, is_up: bool) {
        self.says.lock().unwrap().is_up = is_up;
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }

    /// How often its keys were asked for.
    fn fetches(&self) -> usize {
        self.server.requests().iter().filter(|request| request.starts_with("GET /keys ")).count()
    }

    /// How often anything was.
    fn requests(&self) -> usize {
        self.server.requests().len()
    }

    fn authenticator(&self) -> Authenticator {
        let url = self.url();
        let look_up = |name: &str| match name {
            "OIDC_ISSUER" => Some(url.clone()),
            "OIDC_CLIENT_ID" => Some("console".to_owned()),
            "ROLE_GROUPS" => Some("leads=calls.read+calls.pii".to_owned()),
            _ => None,
        };
        Authenticator::new(&Environment::new(&look_up)).unwrap()
    }

    /// A person's claims, with these in addition or in their place; what is `null` is left out.
    fn claims(&self, changed: Value) -> Value {
        let mut claims = json!({
            "iss": self.url(), "aud": "callvault", "sub": "u", "client_id": "console", "groups": ["leads"],
            "iat": NOW_S, "exp": NOW_S + 7200,
        });
        for (name, value) in changed.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    fn token(&self, key: &TestKey) -> String {
        key.token(&self.claims(json!({})))
    }
}

async fn try_with(authenticator: &Authenticator, token: &str, now: Instant) -> Result<Actor, AuthError> {
    authenticator.authenticate(Some(&format!("Bearer {token}")), now).await
}

#[track_caller]
fn refusal(result: Result<Actor, AuthError>) -> Refusal {
    match result {
        Err(AuthError::Unauthenticated(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_of_either_algorithm_says_who_asks() {
    let (p256, rsa) = (TestKey::p256("e"), TestKey::rsa("r"));
    let issuer = TestIssuer::start(&[&p256, &rsa]).await;
    let authenticator = issuer.authenticator();
    for key in [&p256, &rsa] {
        let person = try_with(&authenticator, &issuer.token(key), at(0)).await.unwrap();
        assert_eq!(
            (person.name().as_str(), person.permissions.to_string().as_str()),
            ("person:u", "calls.read calls.pii")
        );
        let claims =
            json!({"sub": "m", "client_id": "m", "groups": null, "scope": "callvault/recordings.listen"});
        let machine = try_with(&authenticator, &key.token(&issuer.claims(claims)), at(0)).await.unwrap();
        assert_eq!(
            (machine.kind, machine.permissions.to_string().as_str()),
            (ActorKind::Machine, "recordings.listen")
        );
    }
    let lost = issuer.claims(json!({"groups": null, "scope": Permissions::all().to_string()}));
    let nobody = try_with(&authenticator, &p256.token(&lost), at(0)).await.unwrap();
    assert_eq!((nobody.kind, nobody.permissions), (ActorKind::Person, Permissions::NONE));
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_told_apart() {
    let (p256, rsa, other) = (TestKey::p256("e"), TestKey::rsa("r"), TestKey::p256("e"));
    let issuer = TestIssuer::start(&[&p256, &rsa]).await;
    let authenticator = issuer.authenticator();
    let claims = issuer.claims(json!({}));
    let sound = p256.token(&claims);
    let with = |changed: Value| p256.token(&issuer.claims(changed));
    // The public key as the secret of an HMAC, in whatever form.
    let forged = |secret: &[u8]| {
        let header = json!({"alg": "HS256", "kid": "r"});
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let mut code = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        code.update(signed.as_bytes());
        format!("{signed}.{}", encoded(code.finalize().into_bytes()))
    };
    let modulus = URL_SAFE_NO_PAD.decode(rsa.jwk()["n"].as_str().unwrap()).unwrap();
    let unsigned =
        |header: Value| format!("{}.{}.", encoded(header.to_string()), encoded(claims.to_string()));
    let mut parts = sound.split('.');
    let [header, body, signature] = [(); 3].map(|()| parts.next().unwrap());
    let altered = encoded(issuer.claims(json!({"sub": "somebody else"})).to_string());
    let flipped = {
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        signature[40] ^= 1;
        encoded(signature)
    };
    for (what, token, expected) in [
        ("none", unsigned(json!({"alg": "none"})), Refusal::Algorithm),
        ("none with a key's id", unsigned(json!({"alg": "none", "kid": "e"})), Refusal::Algorithm),
        ("no signature", unsigned(json!({"alg": "ES256", "kid": "e"})), Refusal::Signature),
        ("the modulus as a secret", forged(&modulus), Refusal::Algorithm),
        ("the key as a secret", forged(rsa.jwk().to_string().as_bytes()), Refusal::Algorithm),
        ("another issuer", with(json!({"iss": "https://id.example"})), Refusal::Issuer),
        ("another audience", with(json!({"aud": "other"})), Refusal::Audience),
        ("no audience", with(json!({"aud": null})), Refusal::Audience),
        ("expired", with(json!({"exp": NOW_S - 31})), Refusal::Expired),
        ("without end", with(json!({"exp": null})), Refusal::Expired),
        ("too early", with(json!({"nbf": NOW_S + 60})), Refusal::NotYetValid),
        (
            "an ID token",
            p256.sign(&json!({"alg": "ES256", "kid": "e"}), &issuer.claims(json!({"nonce": "n"}))),
            Refusal::Kind,
        ),
        ("Cognito's ID token", with(json!({"token_use": "id"})), Refusal::Kind),
        ("bound", with(json!({"cnf": {"jkt": "k"}})), Refusal::Bound),
        ("nobody's", with(json!({"sub": null})), Refusal::NoSubject),
        ("of another key with the same id", other.token(&claims), Refusal::Signature),
        (
            "of a key for the other algorithm",
            p256.sign(&json!({"alg": "ES256", "kid": "r"}), &claims),
            Refusal::UnknownKey,
        ),
        (
            "of a key that says it is for the other",
            p256.sign(&json!({"alg": "RS256", "kid": "r"}), &claims),
            Refusal::Signature,
        ),
        ("of an unknown key", p256.sign(&json!({"alg": "ES256", "kid": "x"}), &claims), Refusal::UnknownKey),
        ("without a key's id", p256.sign(&json!({"alg": "ES256"}), &claims), Refusal::UnknownKey),
        ("with other claims", format!("{header}.{altered}.{signature}"), Refusal::Signature),
        ("with a flipped bit", format!("{header}.{body}.{flipped}"), Refusal::Signature),
        ("cut off", sound[..sound.len() - 10].to_owned(), Refusal::Signature),
    ] {
        assert_eq!(refusal(try_with(&authenticator, &token, at(0)).await), expected, "{what}");
    }
    assert!(try_with(&authenticator, &sound, at(0)).await.is_ok());
    for (header, expected) in [
        (None, Refusal::NoToken),
        (Some("Basic YTpi"), Refusal::NotBearer),
        (Some("Bearer x"), Refusal::NotAToken),
    ] {
        assert_eq!(refusal(authenticator.authenticate(header, at(0)).await), expected, "{header:?}");
    }
}

#[tokio::test]
async fn what_is_plainly_wrong_asks_the_issuer_for_nothing() {
    let key = TestKey::p256("e");
    let issuer = TestIssuer::start(&[&key]).await;
    let authenticator = issuer.authenticator();
    for token in [
        "x".to_owned(),
        key.sign(&json!({"alg": "none", "kid": "e"}), &issuer.claims(json!({}))),
        key.sign(&json!({"alg": "HS256", "kid": "e"}), &issuer.claims(json!({}))),
        key.token(&issuer.claims(json!({"iss": "https://id.example"}))),
        key.token(&issuer.claims(json!({"aud": "other"}))),
        key.token(&issuer.claims(json!({"exp": NOW_S - 100}))),
        key.token(&issuer.claims(json!({"token_use": "id"}))),
    ] {
        refusal(try_with(&authenticator, &token, at(0)).await);
    }
    assert_eq!(issuer.requests(), 0);
}

#[tokio::test]
async fn keys_are_kept_for_an_hour_and_fetched_anew_on_rotation() {
    let (old, new) = (TestKey::p256("old"), TestKey::p256("new"));
    let issuer = TestIssuer::start(&[&old]).await;
    let authenticator = issuer.authenticator();
    for second in 0..100 {
        try_with(&authenticator, &issuer.token(&old), at(second)).await.unwrap();
    }
    assert_eq!(issuer.fetches(), 1, "not for each request");
    issuer.has(&[&new, &old]);
    try_with(&authenticator, &issuer.token(&new), at(101)).await.unwrap();
    try_with(&authenticator, &issuer.token(&old), at(102)).await.unwrap();
    assert_eq!(issuer.fetches(), 2, "a key that was not known is asked for");
    // Whose key was taken away is not let in for longer than an hour.
    issuer.has(&[&new]);
    try_with(&authenticator, &issuer.token(&old), at(101 + 3599)).await.unwrap();
    assert_eq!(
        refusal(try_with(&authenticator, &issuer.token(&old), at(101 + 3600)).await),
        Refusal::UnknownKey
    );
    assert_eq!(issuer.fetches(), 3);
}

#[tokio::test]
async fn made_up_key_ids_make_it_ask_no_more_than_twice_a_minute() {
    let (key, new) = (TestKey::p256("e"), TestKey::p256("new"));
    let issuer = TestIssuer::start(&[&key]).await;
    let authenticator = issuer.authenticator();
    for second in 0..120 {
        for id in 0..5 {
            let header = json!({"alg": "ES256", "kid": format!("made-up-{second}-{id}")});
            let token = key.sign(&header, &issuer.claims(json!({})));
            assert_eq!(refusal(try_with(&authenticator, &token, at(second)).await), Refusal::UnknownKey);
        }
        try_with(&authenticator, &issuer.token(&key), at(second)).await.unwrap();
    }
    assert_eq!(issuer.fetches(), 4);
    // And a rotation is still seen, within half a minute.
    issuer.has(&[&new]);
    let mut seen = None;
    for second in 120..160 {
        if try_with(&authenticator, &issuer.token(&new), at(second)).await.is_ok() {
            seen.get_or_insert(second);
        }
    }
    assert_eq!(seen, Some(120));
}

#[tokio::test]
async fn while_the_issuer_is_down_the_last_keys_stay_in_use() {
    let (key, new) = (TestKey::p256("e"), TestKey::p256("new"));
    let issuer = TestIssuer::start(&[&key]).await;
    let authenticator = issuer.authenticator();
    try_with(&authenticator, &issuer.token(&key), at(0)).await.unwrap();
    issuer.is_up(false);
    issuer.has(&[&new]);
    for second in (3600..7200).step_by(10) {
        try_with(&authenticator, &issuer.token(&key), at(second)).await.unwrap();
    }
    // What can't be found out is not taken for wrong.
    let unknown = try_with(&authenticator, &issuer.token(&new), at(7200)).await;
    assert!(matches!(unknown, Err(AuthError::Unavailable(_))), "{unknown:?}");
    assert!(issuer.requests() < 2 + 2 * 122, "{}: no more than twice a minute", issuer.requests());
    issuer.is_up(true);
    let token = |key: &TestKey| key.token(&issuer.claims(json!({"exp": NOW_S + 9000})));
    try_with(&authenticator, &token(&new), at(7240)).await.unwrap();
    assert_eq!(refusal(try_with(&authenticator, &token(&key), at(7240)).await), Refusal::UnknownKey);
}

#[tokio::test]
async fn without_any_keys_nobody_is_told_that_their_token_is_wrong() {
    let key = TestKey::p256("e");
    let issuer = TestIssuer::start(&[&key]).await;
    let authenticator = issuer.authenticator();
    issuer.is_up(false);
    for second in 0..5 {
        let result = try_with(&authenticator, &issuer.token(&key), at(second)).await;
        assert!(matches!(result, Err(AuthError::Unavailable(_))), "{result:?}");
    }
    let while_down = issuer.requests();
    issuer.is_up(true);
    try_with(&authenticator, &issuer.token(&key), at(5)).await.unwrap();
    assert_eq!(issuer.requests() - while_down, 2, "its description, and its keys");
}

#[tokio::test]
async fn another_issuers_description_and_what_are_no_keys_are_not_believed() {
    let key = TestKey::p256("e");
    let issuer = TestIssuer::start(&[&key]).await;
    for (who, keys) in [
        (Some("https://id.example".to_owned()), None),
        (Some(format!("{}/", issuer.url())), None),
        (None, Some(json!({"error": "no"}))),
        (None, Some(json!([key.jwk()]))),
    ] {
        {
            let mut says = issuer.says.lock().unwrap();
            says.issuer = who;
            says.keys = keys.unwrap_or_else(|| json!({"keys": [key.jwk()]}));
        }
        let result = try_with(&issuer.authenticator(), &issuer.token(&key), at(0)).await;
        assert!(matches!(result, Err(AuthError::Unavailable(Some(_)))), "{result:?}");
    }
}

#[tokio::test]
async fn many_at_once_ask_once() {
    let key = TestKey::p256("e");
    let issuer = TestIssuer::start(&[&key]).await;
    let authenticator = issuer.authenticator();
    let token = issuer.token(&key);
    let all = (0..50).map(|_| try_with(&authenticator, &token, at(0)));
    assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn without_an_issuer_nobody_is_known() {
    let authenticator = Authenticator::new(&Environment::new(&|_| None)).unwrap();
    let key = TestKey::p256("e");
    let result = try_with(&authenticator, &key.token(&json!({"sub": "u"})), at(0)).await;
    assert_eq!(refusal(result), Refusal::NoIssuer);
}

#[test]
fn a_challenge_is_a_header_and_a_reason_has_a_name_of_its_own() {
    assert_eq!(Refusal::NoToken.challenge(), "Bearer");
    assert_eq!(
        Refusal::Expired.challenge(),
        r#"Bearer error="invalid_token", error_description="the token has expired""#
    );
    for refusal in [Refusal::Signature, Refusal::UnknownKey, Refusal::NoSubject, Refusal::Kind] {
        let challenge = refusal.challenge();
        assert_eq!(challenge.matches('"').count(), 4, "{challenge}");
        assert!(http::HeaderValue::from_str(&challenge).is_ok());
        assert!(refusal.tag().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
    }
}
