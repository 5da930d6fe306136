//! The key by which callees get ids: of a secret, or of a variable where that is for local use.
//!
//! It is the same for ever: who changes it has other ids for the same people. So it is read once.

use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::aws::Account;
use crate::config::{ConfigError, Environment};
use crate::credentials::{self, CredentialsError};
use shared::access::CalleeIds;
use shared::access::callee_id::KeyTooShort;

/// What the secret has to hold; whatever else it holds is left alone.
#[derive(Deserialize)]
struct Secret {
    callee_id_key: String,
}

/// Why callees can't be given ids.
#[derive(Debug, thiserror::Error)]
pub enum CalleeKeyError {
    /// The secret can't be read, or is not as it should be.
    #[error(transparent)]
    Secret(#[from] CredentialsError),
    /// Its key could be guessed.
    #[error("the secret's callee_id_key is {0}")]
    Short(#[from] KeyTooShort),
}

/// Where the key comes from.
#[derive(Debug)]
pub struct CalleeIdSource(Origin);

#[derive(Debug)]
enum Origin {
    Known(CalleeIds),
    Secret { client: aws_sdk_secretsmanager::Client, arn: String, read: OnceCell<CalleeIds> },
}

impl CalleeIdSource {
    /// The secret that `CALLEE_ID_SECRET_ARN` names (`{"callee_id_key":"…"}`), else `CALLEE_ID_KEY`; where neither is set, there are no ids.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn read(environment: &Environment<'_>, account: &Account) -> Result<Self, ConfigError> {
        Ok(Self(match credentials::secret(environment, account, "CALLEE_ID_SECRET_ARN")? {
            Some((client, arn)) => Origin::Secret { client, arn, read: OnceCell::new() },
            None => Origin::Known(environment.parse("CALLEE_ID_KEY", CalleeIds::none(), |key| {
                CalleeIds::with_key(key.as_bytes()).map_err(|error| error.to_string())
            })?),
        }))
    }

    /// What gives ids. The secret is read the first time, and again after a failure.
    ///
    /// # Errors
    /// [`CalleeKeyError`]. To go on without ids then would give the same person an id at one time and none at another.
    pub async fn ids(&self) -> Result<&CalleeIds, CalleeKeyError> {
        match &self.0 {
            Origin::Known(ids) => Ok(ids),
            Origin::Secret { client, arn, read } => {
                let ids = read.get_or_try_init(|| async {
                    let text = credentials::secret_text(client, arn).await?;
                    let Secret { callee_id_key } = credentials::of_json(&text)?;
                    Ok::<_, CalleeKeyError>(CalleeIds::with_key(callee_id_key.as_bytes())?)
                });
                ids.await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StoreConfig;

    const KEY: &str = "a canary of thirty-two characters";

    fn source(variable: &str, value: &str) -> Result<CalleeIdSource, String> {
        let look_up = |name: &str| match name {
            "TABLE_NAME" | "BUCKET_NAME" => Some("callvault".to_owned()),
            "DYNAMODB_ENDPOINT" | "S3_ENDPOINT" => Some("http://127.0.0.1:1".to_owned()),
            name => (name == variable).then(|| value.to_owned()),
        };
        let environment = Environment::new(&look_up);
        let account = Account::of_function(&environment, &StoreConfig::read(&environment).unwrap()).unwrap();
        CalleeIdSource::read(&environment, &account).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn the_key_may_be_a_variable_or_none() {
        let by_key = source("CALLEE_ID_KEY", KEY).unwrap();
        assert!(by_key.ids().await.unwrap().id_of("13900000000").is_some());
        assert!(source("", "").unwrap().ids().await.unwrap().id_of("13900000000").is_none());
        assert!(!format!("{by_key:?}").contains("canary"));
    }

    #[test]
    fn a_wrong_setting_is_an_error_that_names_it_and_does_not_show_the_key() {
        assert_eq!(
            source("CALLEE_ID_KEY", &KEY[..31]).err().unwrap(),
            "CALLEE_ID_KEY is shorter than 32 characters"
        );
        assert_eq!(
            source("CALLEE_ID_SECRET_ARN", KEY).err().unwrap(),
            "CALLEE_ID_SECRET_ARN is not a secret's ARN"
        );
    }
}
