//! Who asks, and what they may, by the claims of a token.
//!
//! The claims are believed: whoever calls this has verified the token. A **machine** may what its token's scopes say: the issuer gives
//! a client no scope that it was not registered for. A **person** may what their groups may. A person's scopes can only take away:
//! whoever signs in can ask for any scope that the console's client may ask for. So to take a person for a machine would be to
//! let them choose their permissions, and whatever is not surely a machine's token is a person's; of no group, it may nothing.

use serde_json::{Map, Value};

use super::groups::RoleGroups;
use super::permission::{Permission, Permissions};

/// The longest subject taken, in bytes: what OpenID Connect allows.
///
/// <https://openid.net/specs/openid-connect-core-1_0.html#IDToken>
const MAX_SUBJECT_BYTES: usize = 255;

/// What stands before the scopes that Cognito gives out for a resource server: ours is named so.
pub const RESOURCE_SERVER: &str = "callvault";

/// Whether a person or a program asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActorKind {
    /// A person who has signed in.
    Person,
    /// A program with credentials of its own.
    Machine,
}

impl ActorKind {
    /// The kind's name in the access log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Machine => "machine",
        }
    }
}

/// Somebody who has shown who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The issuer's name for them; a machine's is its client's id.
    pub subject: String,
    /// Whether a person or a program.
    pub kind: ActorKind,
    /// What they may.
    pub permissions: Permissions,
}

/// A token names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token names no subject")]
pub struct NoSubject;

impl Actor {
    /// Who a token's claims name, and what they may.
    ///
    /// # Errors
    /// [`NoSubject`], where the claims have no usable `sub`, which every access token has to have (RFC 9068).
    pub fn of_claims(claims: &Map<String, Value>, roles: &RoleGroups) -> Result<Self, NoSubject> {
        let subject = text(claims, "sub").filter(|subject| is_subject(subject)).ok_or(NoSubject)?;
        let scopes = our_scopes(claims);
        let (kind, permissions) = match is_machine(claims, subject) {
            true => (ActorKind::Machine, scopes.unwrap_or_default()),
            false => {
                let of_groups = roles.permissions(groups(claims));
                (ActorKind::Person, scopes.map_or(of_groups, |scopes| of_groups.cut_to(scopes)))
            }
        };
        Ok(Self { subject: subject.to_owned(), kind, permissions })
    }

    /// Whether they may.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(permission)
    }

    /// The name in the access log: `person:4f1c…`, `machine:warehouse`. A person can't be named like a machine.
    pub fn name(&self) -> String {
        format!("{}:{}", self.kind.as_str(), self.subject)
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

fn is_subject(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_SUBJECT_BYTES && !text.chars().any(char::is_control)
}

/// Claims that are told of people alone, by whichever issuer.
const OF_PEOPLE: [&str; 8] = [
    "username",
    "cognito:username",
    "cognito:groups",
    "groups",
    "email",
    "nonce",
    // The session that somebody signed in to.
    "sid",
    "amr",
];

/// Whether a token was surely given for a client's own credentials.
///
/// | issuer | a machine's token |
/// |---|---|
/// | Cognito, Okta, oidc-provider, most others (RFC 9068) | `sub` is the client's id: `client_id`, `cid`, `azp` |
/// | Auth0 | `gty` is `client-credentials`, `sub` is `<azp>@clients` |
///
/// A token without `sub` is nobody's: Keycloak leaves it out of people's tokens where it is told to keep them small.
fn is_machine(claims: &Map<String, Value>, subject: &str) -> bool {
    if OF_PEOPLE.iter().any(|name| claims.contains_key(*name)) {
        return false;
    }
    let clients = ["client_id", "cid", "azp"].into_iter().filter_map(|name| text(claims, name));
    match text(claims, "gty") {
        Some("client-credentials") => {
            let client = subject.strip_suffix("@clients").unwrap_or(subject);
            clients.into_iter().any(|id| id == client)
        }
        // Given for something else.
        Some(_) => false,
        None => {
            let mut named = false;
            let all_are = clients.into_iter().all(|id| {
                named = true;
                id == subject
            });
            named && all_are
        }
    }
}

/// The scopes of a token: `scope`, words in a text (RFC 8693), or `scp`, a list or a text (Okta, Entra).
pub fn scopes(claims: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let claims = ["scope", "scp"].into_iter().filter_map(|name| claims.get(name));
    claims.flat_map(texts).flat_map(str::split_ascii_whitespace)
}

/// The permissions among a token's scopes; `None` where it has no scope of ours at all.
fn our_scopes(claims: &Map<String, Value>) -> Option<Permissions> {
    let ours: Permissions = scopes(claims).filter_map(permission_of_scope).collect();
    (!ours.is_empty()).then_some(ours)
}

/// The permission that a scope stands for: `calls.read`, or Cognito's `callvault/calls.read`.
pub fn permission_of_scope(scope: &str) -> Option<Permission> {
    let own = scope.strip_prefix(RESOURCE_SERVER).and_then(|scope| scope.strip_prefix('/'));
    Permission::named(own.unwrap_or(scope))
}

/// The groups of a person: a list, or one by itself.
fn groups(claims: &Map<String, Value>) -> impl Iterator<Item = &str> {
    ["cognito:groups", "groups"].into_iter().filter_map(|name| claims.get(name)).flat_map(texts)
}

/// The texts of a list, or the text itself.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    value.as_str().into_iter().chain(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ROLES: &str = "reviewers=calls.read+recordings.listen,leads=calls.read+calls.pii";

    fn actor(claims: Value) -> Result<Actor, NoSubject> {
        Actor::of_claims(claims.as_object().unwrap(), &ROLES.parse().unwrap())
    }

    #[track_caller]
    fn check(claims: Value, kind: ActorKind, permissions: &str) {
        let actor = actor(claims).unwrap();
        assert_eq!((actor.kind, actor.permissions.to_string().as_str()), (kind, permissions));
    }

    #[test]
    fn a_machine_may_what_its_scopes_say() {
        let machine = ActorKind::Machine;
        // Cognito's.
        check(
            json!({"sub": "abc", "client_id": "abc", "token_use": "access", "auth_time": 1, "version": 2,
                   "scope": "callvault/calls.read callvault/recordings.listen other/calls.pii"}),
            machine,
            "calls.read recordings.listen",
        );
        // oidc-provider's, Okta's, Auth0's.
        check(json!({"sub": "m", "client_id": "m", "scope": "calls.read openid"}), machine, "calls.read");
        check(
            json!({"sub": "m", "cid": "m", "scp": ["calls.read", "calls.pii"]}),
            machine,
            "calls.read calls.pii",
        );
        check(
            json!({"sub": "m@clients", "azp": "m", "gty": "client-credentials", "scope": "calls.read"}),
            machine,
            "calls.read",
        );
        check(json!({"sub": "m", "client_id": "m"}), machine, "");
        check(json!({"sub": "m", "client_id": "m", "scope": ["calls.read", 7]}), machine, "calls.read");
        // Roles are people's.
        check(json!({"sub": "m", "client_id": "m", "roles": ["leads"]}), machine, "");
    }

    #[test]
    fn a_person_may_what_their_groups_may() {
        let person = ActorKind::Person;
        check(
            json!({"sub": "u", "client_id": "c", "cognito:groups": ["reviewers"], "scope": "openid profile"}),
            person,
            "calls.read recordings.listen",
        );
        check(json!({"sub": "u", "azp": "c", "groups": "leads"}), person, "calls.read calls.pii");
        check(
            json!({"sub": "u", "groups": ["leads", "reviewers", 5, "others"]}),
            person,
            "calls.read calls.pii recordings.listen",
        );
    }

    #[test]
    fn scopes_of_ours_only_take_away_from_a_person() {
        let person = ActorKind::Person;
        let every = Permissions::all().to_string();
        check(
            json!({"sub": "u", "client_id": "c", "groups": ["leads"], "scope": every}),
            person,
            "calls.read calls.pii",
        );
        check(
            json!({"sub": "u", "client_id": "c", "groups": ["leads"], "scp": ["callvault/calls.read"]}),
            person,
            "calls.read",
        );
        check(
            json!({"sub": "u", "client_id": "c", "groups": ["leads"], "scope": "operations.read"}),
            person,
            "",
        );
    }

    /// Whatever tells of a person, and whatever tells of nobody, is a person's, whose scopes give nothing.
    #[test]
    fn a_person_without_a_group_may_nothing_whatever_the_scopes() {
        let every = Permissions::all().to_string();
        for claims in [
            json!({"sub": "u", "client_id": "c"}),
            json!({"sub": "u"}),
            json!({"sub": "c", "client_id": "c", "username": "somebody"}),
            json!({"sub": "c", "client_id": "c", "groups": []}),
            json!({"sub": "c", "client_id": "c", "sid": "s"}),
            json!({"sub": "c", "client_id": "c", "email": "c"}),
            json!({"sub": "c", "client_id": "c", "azp": "d"}),
            json!({"sub": "u", "azp": "c", "gty": "client-credentials"}),
            json!({"sub": "u@clients", "azp": "c", "gty": "client-credentials"}),
            json!({"sub": "c", "client_id": "c", "gty": "password"}),
            json!({"sub": "u", "client_id": "c", "cognito:groups": ["others", "Leads", " leads"]}),
            json!({"sub": "u", "client_id": "c", "groups": {"leads": true}}),
            json!({"sub": "u", "client_id": ["u"]}),
        ] {
            let mut claims = claims;
            claims["scope"] = json!(every);
            check(claims, ActorKind::Person, "");
        }
    }

    #[test]
    fn who_is_not_named_is_nobody() {
        for sub in [json!(null), json!(""), json!(" "), json!(7), json!("a\nb"), json!("x".repeat(256))] {
            assert_eq!(
                actor(json!({"sub": sub, "client_id": "m", "scope": "calls.read"})),
                Err(NoSubject),
                "{sub}"
            );
        }
        assert_eq!(actor(json!({"client_id": "m", "scope": "calls.read"})), Err(NoSubject));
        assert_eq!(
            actor(json!({"sub": "x".repeat(255)})).unwrap().name(),
            format!("person:{}", "x".repeat(255))
        );
    }

    #[test]
    fn only_our_scopes_count() {
        for (scope, permission) in [
            ("calls.read", Some(Permission::ReadCalls)),
            ("callvault/calls.pii", Some(Permission::SeeNumbers)),
            ("callvault/", None),
            ("callvaultcalls.read", None),
            ("other/calls.read", None),
            ("calls.readers", None),
            ("callvault/callvault/calls.read", None),
        ] {
            assert_eq!(permission_of_scope(scope), permission, "{scope}");
        }
    }
}
