//! The operator's commands. They work on the local stack and, with the operator's own credentials, on AWS.

mod access_token;
mod analytics;
mod archive;
mod audit;
mod backfill_hashes;
mod call_name;
mod calls;
mod complaint;
mod compressed;
mod doctor;
mod erase;
mod events;
mod export;
pub mod http;
mod progress;
mod reach;
mod redrive;
mod replay;
mod smoke;
mod span;
mod token;

use anyhow::{Context, anyhow};
use aws_config::BehaviorVersion;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use clap::Args;
use export_calls::Exporter;
use runtime::auth::callee_id::CalleeIdSource;
use runtime::aws::{self, Account, Patience};
use runtime::config::{Environment, StoreConfig};
use runtime::credentials::KeySource;
use runtime::ingress::receive::Receiver;
use runtime::store::Store;
use runtime::store::table::Table;
use shared::access::CalleeIds;
use url::Url;

pub use access_token::{AccessTokenOptions, access_token};
pub use analytics::{AnalyticsOptions, analytics};
pub use archive::{ArchiveOptions, archive};
pub use audit::{AuditOptions, audit};
pub use backfill_hashes::{BackfillHashesOptions, backfill_hashes};
pub use calls::{CallsOptions, calls};
pub use complaint::{is_of_the_reader, told};
pub use doctor::{DoctorOptions, doctor};
pub use erase::{EraseOptions, erase, erase_quietly};
pub use events::{EventsOptions, SampleEvents, events, sample_events};
pub use export::{ExportOptions, export};
pub use reach::is_here;
pub use redrive::{RedriveOptions, redrive};
pub use replay::{ReplayOptions, replay};
pub use smoke::{SmokeOptions, smoke};
pub use token::token;

/// Which stores a command works on.
#[derive(Args, Clone, Debug, Default)]
pub struct Target {
    /// Work on the local stack at its default ports, whatever the variables say. Without it: on the stores that TABLE_NAME, BUCKET_NAME,
    /// DYNAMODB_ENDPOINT and S3_ENDPOINT name, with the AWS credentials and region of your profile.
    #[arg(long)]
    pub local: bool,
    /// Take the local stack's default for each variable that is not set.
    #[arg(skip)]
    or_local: bool,
}

/// By what callees get ids on the local stack, where nothing else is set. It hides nothing.
pub const LOCAL_CALLEE_ID_KEY: &str = "the local stack's, which is no secret";

/// Where the local stack has its stores unless it is told otherwise, and by what callees get ids there.
const LOCAL: [(&str, &str); 8] = [
    ("DYNAMODB_ENDPOINT", "http://127.0.0.1:8000"),
    ("S3_ENDPOINT", "http://127.0.0.1:9000"),
    ("TABLE_NAME", "callvault"),
    ("BUCKET_NAME", "callvault"),
    ("EVENT_BUS_NAME", "callvault"),
    ("EVENTBRIDGE_ENDPOINT", "http://127.0.0.1:4010"),
    ("ANALYTICS_BUCKET_NAME", "callvault-analytics"),
    (CALLEE_ID_KEY, LOCAL_CALLEE_ID_KEY),
];

/// The key of callees' ids itself.
const CALLEE_ID_KEY: &str = "CALLEE_ID_KEY";

/// A secret that the local stack has not: there the key itself is told.
const CALLEE_ID_SECRET: &str = "CALLEE_ID_SECRET_ARN";

impl Target {
    /// The stores that the variables name; of a local stack, those at its default ports where a variable is not set.
    pub fn of_stack(on_this_machine: bool) -> Self {
        Self { local: false, or_local: on_this_machine }
    }

    fn look_up(&self, variable: &str) -> Option<String> {
        let local = LOCAL.iter().find(|(known, _)| *known == variable).map(|(_, value)| (*value).to_owned());
        match local {
            // Whatever an operator's shell has set for another stack.
            Some(local) if self.local => Some(local),
            Some(local) if self.or_local => Some(std::env::var(variable).unwrap_or(local)),
            None if self.local && variable == CALLEE_ID_SECRET => None,
            _ => set_or_of_this_machine(variable, |variable| std::env::var(variable).ok()),
        }
    }

    /// [`Target::look_up`] for what needs no bucket: where none is named, a name that no bucket has.
    fn look_up_without_bucket(&self, variable: &str) -> Option<String> {
        let found = self.look_up(variable);
        found.or_else(|| (variable == "BUCKET_NAME").then(|| "bucket-name-is-not-set".to_owned()))
    }

    /// What gives callees their ids, where a key is set: `CALLEE_ID_KEY`, or the secret `CALLEE_ID_SECRET_ARN`.
    pub(crate) async fn callee_ids(&self) -> anyhow::Result<CalleeIds> {
        let look_up = |variable: &str| self.look_up(variable);
        let environment = Environment::new(&look_up);
        let (_, account) = stores_and_account(&environment).await?;
        let source = CalleeIdSource::read(&environment, &account)?;
        Ok(source.ids().await.context("the key of the callees' ids can't be read")?.clone())
    }

    /// What stores again what was received before, and the stores themselves, which are there.
    ///
    /// # Errors
    /// Where a setting is missing or wrong, or a store can't be reached: a sentence that names it.
    pub async fn receiver(&self) -> anyhow::Result<Receiver> {
        let look_up = |variable: &str| self.look_up(variable);
        let environment = Environment::new(&look_up);
        let (stores, account) = stores_and_account(&environment).await?;
        let region = account.region.clone();
        let receiver = Receiver::for_operator(&environment, account)?;
        reach::reach(receiver.store(), &stores, &region).await?;
        Ok(receiver)
    }

    /// What makes analytics' files of what is stored.
    ///
    /// # Errors
    /// Where a setting is missing or wrong: a sentence that names it.
    pub(crate) async fn exporter(&self) -> anyhow::Result<Exporter> {
        let look_up = |variable: &str| self.look_up(variable);
        let environment = Environment::new(&look_up);
        let (stores, account) = stores_and_account(&environment).await?;
        let region = account.region.clone();
        let exporter = Exporter::of_account(&environment, account)?;
        reach::reach(exporter.store(), &stores, &region).await?;
        Ok(exporter)
    }

    /// The table alone, which is there: what has nothing to do with the bucket needs none.
    ///
    /// # Errors
    /// As those of [`Target::receiver`].
    pub(crate) async fn table(&self) -> anyhow::Result<Table> {
        let (store, ..) = self.store_of_table().await?;
        Ok(store.table().clone())
    }

    /// The stores, of which the table is there; and why the bucket can't be reached, if so, or is not named.
    ///
    /// # Errors
    /// As those of [`Target::receiver`], for the table.
    pub(crate) async fn stores(&self) -> anyhow::Result<(Store, Option<String>)> {
        let (store, stores, region) = self.store_of_table().await?;
        let bucket = match self.look_up("BUCKET_NAME") {
            Some(_) => {
                reach::reach_bucket(&store, &stores, &region).await.err().map(|error| error.to_string())
            }
            None => Some("BUCKET_NAME is not set: whether the bucket is there is not known".to_owned()),
        };
        Ok((store, bucket))
    }

    /// The stores, of which the table is there, their settings, and the region.
    async fn store_of_table(&self) -> anyhow::Result<(Store, StoreConfig, String)> {
        let look_up = |variable: &str| self.look_up_without_bucket(variable);
        let environment = Environment::new(&look_up);
        let (stores, account) = stores_and_account(&environment).await?;
        let region = account.region.clone();
        let store = Store::new(stores.clone(), account, Patience::Nobody);
        reach::reach_table(&store, &stores, &region).await?;
        Ok((store, stores, region))
    }

    /// Why the secret that `PROVIDER_SECRET_ARN` names can't be read; `None` where it can, or the variable is not set.
    pub(crate) async fn unreadable_secret(&self) -> anyhow::Result<Option<String>> {
        let look_up = |variable: &str| self.look_up_without_bucket(variable);
        let environment = Environment::new(&look_up);
        if environment.get("PROVIDER_SECRET_ARN").is_none() {
            return Ok(None);
        }
        let (_, account) = stores_and_account(&environment).await?;
        let keys = KeySource::read(&environment, &account)?.keys().await;
        Ok(keys.unreadable.map(|error| error.to_string()))
    }
}

/// What a variable is set to. Where a table on this machine is named and no key of callees' ids, that is the local stack's, at whatever port: it
/// has made its ids by that key.
fn set_or_of_this_machine(variable: &str, set: impl Fn(&str) -> Option<String>) -> Option<String> {
    set(variable).or_else(|| {
        let is_here = || Url::parse(&set("DYNAMODB_ENDPOINT")?).ok().map(|url| is_here(&url));
        let is_missing = variable == CALLEE_ID_KEY && set(CALLEE_ID_SECRET).is_none();
        (is_missing && is_here() == Some(true)).then(|| LOCAL_CALLEE_ID_KEY.to_owned())
    })
}

/// Where the stores are, and who works on them.
async fn stores_and_account(environment: &Environment<'_>) -> anyhow::Result<(StoreConfig, Account)> {
    let stores = StoreConfig::read(environment).context("say where: --local, or the variables")?;
    let account = match stores.dynamodb_endpoint {
        Some(_) => Account::of_function(environment, &stores)?,
        None => operators_account().await?,
    };
    Ok((stores, account))
}

/// The operator's own account, as the AWS CLI would find it: variables, profile, single sign-on.
async fn operators_account() -> anyhow::Result<Account> {
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(aws::http_client()).load().await;
    let region = config.region().context(
        "no AWS region is set: set AWS_REGION, or AWS_PROFILE to a profile that has one; --local works on the local stack",
    )?;
    let credentials = config.credentials_provider().context(NO_CREDENTIALS)?;
    // Now, not in the first request: its error would not tell what to do.
    match credentials.provide_credentials().await {
        Ok(_) => Ok(Account { region: region.to_string(), credentials }),
        Err(CredentialsError::CredentialsNotLoaded(_)) => Err(anyhow!(NO_CREDENTIALS)),
        Err(error) => Err(anyhow::Error::new(error)
            .context("the AWS credentials can't be had: sign in again, or set others")),
    }
}

const NO_CREDENTIALS: &str = "no AWS credentials are set: set AWS_PROFILE (and sign in: `aws sso login`), or AWS_ACCESS_KEY_ID and \
                              AWS_SECRET_ACCESS_KEY; --local works on the local stack";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_this_machine_the_key_is_the_local_stacks_unless_another_is_set() {
        let key = |set: &[(&str, &str)]| {
            let of = |variable: &str| {
                set.iter().find(|(known, _)| *known == variable).map(|(_, value)| (*value).to_owned())
            };
            set_or_of_this_machine(CALLEE_ID_KEY, of)
        };
        let here = ("DYNAMODB_ENDPOINT", "http://127.0.0.1:8123");
        assert_eq!(key(&[here]).as_deref(), Some(LOCAL_CALLEE_ID_KEY));
        assert_eq!(key(&[here, (CALLEE_ID_KEY, "mine")]).as_deref(), Some("mine"));
        assert_eq!(key(&[here, (CALLEE_ID_SECRET, "arn")]), None);
        assert_eq!(key(&[("DYNAMODB_ENDPOINT", "https://dynamodb.eu-west-1.amazonaws.com")]), None);
        assert_eq!(key(&[]), None);
        assert_eq!(
            set_or_of_this_machine("TABLE_NAME", |variable| (variable == here.0).then(|| here.1.to_owned())),
            None
        );
    }

    #[test]
    fn who_says_local_means_this_machine_whatever_is_set() {
        // Set in every run of cargo's, and no address of a store.
        assert!(std::env::var("CARGO_MANIFEST_DIR").is_ok());
        let local = Target { local: true, ..Target::default() };
        for (variable, value) in LOCAL {
            assert_eq!(local.look_up(variable).as_deref(), Some(value));
            let set = std::env::var(variable).ok();
            assert_eq!(Target::of_stack(true).look_up(variable).as_deref(), set.as_deref().or(Some(value)));
            assert_eq!(Target::default().look_up(variable), std::env::var(variable).ok());
        }
        assert_eq!(local.look_up("CARGO_MANIFEST_DIR"), std::env::var("CARGO_MANIFEST_DIR").ok());
    }
}
