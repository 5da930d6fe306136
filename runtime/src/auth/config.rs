//! The settings by which readers are known.

use url::Url;

use crate::config::{ConfigError, Environment};
use crate::outbound::document::is_secure;
use shared::access::RoleGroups;
use shared::access::actor::RESOURCE_SERVER;

/// The longest name of a client or an audience, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Who issues tokens. Its text is kept as it is set: `iss` has to be the same to the letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerUrl(String);

impl IssuerUrl {
    /// Takes an `https` URL, or an `http` URL on this machine, without user, query and fragment.
    pub fn new(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let sound = is_secure(&url)
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        sound.then(|| Self(text.to_owned()))
    }

    /// As it is set.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it describes itself.
    ///
    /// <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig>
    pub(super) fn description(&self) -> Option<Url> {
        Url::parse(&format!("{}/.well-known/openid-configuration", self.0.trim_end_matches('/'))).ok()
    }
}

/// The settings by which readers are known.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// `OIDC_ISSUER`: who issues tokens; nobody is known where it is not set.
    pub issuer: Option<IssuerUrl>,
    /// `OIDC_CLIENT_ID`: the client that people sign in by.
    pub client_id: Option<String>,
    /// `OIDC_AUDIENCE`: what tokens are for; one of these.
    pub audiences: Vec<String>,
    /// `ROLE_GROUPS`: which groups of people may what; none where it is not set.
    pub roles: RoleGroups,
}

impl AuthConfig {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            issuer: environment.parse("OIDC_ISSUER", None, |text| match IssuerUrl::new(text) {
                Some(issuer) => Ok(Some(issuer)),
                None => Err("not an https URL without user, query and fragment".to_owned()),
            })?,
            client_id: environment.parse("OIDC_CLIENT_ID", None, |text| name(text).map(Some))?,
            audiences: environment.parse("OIDC_AUDIENCE", vec![RESOURCE_SERVER.to_owned()], |list| {
                list.split(',').map(|text| name(text.trim())).collect()
            })?,
            roles: environment.parse("ROLE_GROUPS", RoleGroups::default(), |text| {
                text.parse().map_err(|error: shared::access::groups::InvalidRoleGroups| error.to_string())
            })?,
        })
    }
}

fn name(text: &str) -> Result<String, String> {
    let sound =
        (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    match sound {
        true => Ok(text.to_owned()),
        false => Err(format!("not a name of 1 to {MAX_NAME_BYTES} visible ASCII characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::access::Permissions;

    fn read(settings: &[(&str, &str)]) -> Result<AuthConfig, String> {
        let look_up = |name: &str| {
            settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        AuthConfig::read(&Environment::new(&look_up)).map_err(|error| error.to_string())
    }

    #[test]
    fn without_settings_nobody_is_known_and_no_group_may_anything() {
        let config = read(&[]).unwrap();
        assert_eq!(
            (config.issuer, config.client_id, config.audiences),
            (None, None, vec!["callvault".to_owned()])
        );
        assert_eq!(config.roles.permissions(["leads"]), Permissions::NONE);
    }

    #[test]
    fn settings_are_kept_to_the_letter() {
        let config = read(&[
            ("OIDC_ISSUER", "https://id.example/realms/a/"),
            ("OIDC_AUDIENCE", "callvault, https://calls.example/api"),
            ("OIDC_CLIENT_ID", "console"),
            ("ROLE_GROUPS", "/leads=calls.read"),
        ])
        .unwrap();
        let issuer = config.issuer.unwrap();
        assert_eq!(issuer.as_str(), "https://id.example/realms/a/");
        assert_eq!(
            issuer.description().unwrap().as_str(),
            "https://id.example/realms/a/.well-known/openid-configuration"
        );
        assert_eq!(config.audiences, ["callvault", "https://calls.example/api"]);
        assert_eq!(config.roles.permissions(["/leads"]).to_string(), "calls.read");
    }

    #[test]
    fn a_wrong_setting_is_an_error_that_names_it() {
        for (variable, value) in [
            ("OIDC_ISSUER", "id.example"),
            ("OIDC_ISSUER", "http://id.example"),
            ("OIDC_ISSUER", "https://u:p@id.example"),
            ("OIDC_ISSUER", "https://id.example/?a"),
            ("OIDC_ISSUER", "https://id.example/#a"),
            ("OIDC_CLIENT_ID", "two words"),
            ("OIDC_CLIENT_ID", &"x".repeat(256)),
            ("OIDC_AUDIENCE", "a,,b"),
            ("OIDC_AUDIENCE", "é"),
            ("ROLE_GROUPS", "leads"),
            ("ROLE_GROUPS", "leads=calls.write"),
        ] {
            let error = read(&[(variable, value)]).unwrap_err();
            assert!(error.starts_with(&format!("{variable} is ")), "{error}");
        }
    }
}
