//! The function's settings.

use std::num::NonZeroU32;

use jiff::tz::Offset;
use runtime::config::{ConfigError, Environment, retention_days, utc_offset};
use runtime::outbound::alibaba;
use runtime::outbound::api::ApiSettings;
use shared::model::Provider;

/// The settings beside those of the stores, which hold `CONVERSATION_DELAY_SECONDS`.
#[derive(Clone, Debug)]
pub struct FetchConfig {
    /// `ALIBABA_ENDPOINT`, `ALIBABA_REQUESTS_PER_SECOND`: how Alibaba's API is called.
    pub alibaba: ApiSettings,
    /// `RECONCILE_DAYS`: how far back lists of calls are read; 0 for not at all.
    pub reconcile_days: u16,
    /// `ALICOM_UTC_OFFSET`: the zone of times that carry none.
    pub utc_offset: Offset,
    /// `PUSH_RETENTION_DAYS`: how long verbatim answers are kept; `None` for ever.
    pub retention_days: Option<NonZeroU32>,
}

impl FetchConfig {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            alibaba: alibaba::api_settings(environment)?,
            reconcile_days: environment.number("RECONCILE_DAYS", 7, 0..=u16::MAX)?,
            utc_offset: utc_offset(environment, Provider::Alicom)?,
            retention_days: retention_days(environment)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<FetchConfig, String> {
        let look_up = |name: &str| {
            settings.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        FetchConfig::read(&Environment::new(&look_up)).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_stand_where_nothing_is_set() {
        let config = read(&[]).unwrap();
        assert_eq!((config.reconcile_days, config.retention_days), (7, None));
        assert_eq!(config.utc_offset, Offset::constant(8));
    }

    #[test]
    fn a_wrong_value_is_an_error_that_names_the_variable() {
        for (variable, value) in [
            ("RECONCILE_DAYS", "a week"),
            ("ALIBABA_ENDPOINT", "aiccs.aliyuncs.com"),
            ("ALIBABA_REQUESTS_PER_SECOND", "0"),
            ("ALIBABA_UTC_OFFSET", "8"),
            ("PUSH_RETENTION_DAYS", "0"),
        ] {
            let error = read(&[(variable, value)]).unwrap_err();
            assert!(error.starts_with(variable), "{error}");
        }
        let beyond = read(&[("RECONCILE_DAYS", "99999")]).unwrap_err();
        assert_eq!(beyond, "RECONCILE_DAYS is not a whole number from 0 to 65535: 99999");
    }
}
