//! The archiver's settings.

use std::str::FromStr;
use std::time::Duration;

use shared::config::{ConfigError, Environment};
use shared::outbound::alibaba;
use shared::outbound::api::ApiSettings;
use shared::outbound::fetch::FetchSettings;
use shared::outbound::laaffic;

/// `RECORDING_HOSTS` where it is not set: where Alibaba keeps recordings.
pub const DEFAULT_HOSTS: &str = "*.aliyuncs.com";

/// The settings of the archiver.
#[derive(Clone, Debug)]
pub struct ArchiveConfig {
    /// `RECORDING_HOSTS`, `MAX_RECORDING_BYTES`, `RECORDING_TIMEOUT_SECONDS`: the bounds of a fetch.
    pub fetch: FetchSettings,
    /// `ARCHIVE_CONCURRENCY`: how many recordings are copied at once. Each holds two parts of 8 MiB at most.
    pub concurrency: usize,
    /// `ARCHIVE_CONCURRENCY_PER_HOST`: how many of them from one host.
    pub concurrency_per_host: usize,
    /// `MIN_RECORDING_BYTES`: what is smaller is no recording; the header of an empty WAV file has 44 bytes.
    pub min_bytes: u64,
    /// `ARCHIVE_LEASE_SECONDS`: how long a claim holds; longer than the function may run.
    pub lease_s: i64,
    /// `ALIBABA_ENDPOINT`, `ALIBABA_REQUESTS_PER_SECOND`: how Alibaba's API is called.
    pub alibaba: ApiSettings,
    /// `LAAFFIC_ENDPOINT`, `LAAFFIC_REQUESTS_PER_SECOND`: how LAAFFIC's API is called.
    pub laaffic: ApiSettings,
}

impl ArchiveConfig {
    /// Reads the settings of the archiver.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let hosts = environment.parse_or("RECORDING_HOSTS", DEFAULT_HOSTS)?;
        let timeout_s = number(environment, "RECORDING_TIMEOUT_SECONDS", 600, 1..=86_400)?;
        Ok(Self {
            fetch: FetchSettings {
                total_timeout: Duration::from_secs(timeout_s),
                max_bytes: number(environment, "MAX_RECORDING_BYTES", 512 * 1024 * 1024, 1..=u64::MAX)?,
                ..FetchSettings::new(hosts)
            },
            concurrency: number(environment, "ARCHIVE_CONCURRENCY", 8, 1..=256)?,
            concurrency_per_host: number(environment, "ARCHIVE_CONCURRENCY_PER_HOST", 8, 1..=256)?,
            min_bytes: number(environment, "MIN_RECORDING_BYTES", 100, 0..=u64::MAX)?,
            lease_s: number(environment, "ARCHIVE_LEASE_SECONDS", 960, 1..=86_400)?,
            alibaba: alibaba::api_settings(environment)?,
            laaffic: laaffic::api_settings(environment)?,
        })
    }
}

/// A whole number within a range.
fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    environment: &Environment<'_>,
    variable: &'static str,
    default: T,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, ConfigError> {
    environment.parse(variable, default, |text| {
        text.parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| format!("not a whole number from {} to {}: {text}", range.start(), range.end()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<ArchiveConfig, String> {
        let look_up = |name: &str| {
            settings.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        ArchiveConfig::read(&Environment::new(&look_up)).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_stand_where_nothing_is_set() {
        let config = read(&[]).unwrap();
        assert_eq!(config.fetch.allowed_hosts.to_string(), "*.aliyuncs.com");
        assert_eq!(config.fetch.max_bytes, 512 * 1024 * 1024);
        assert_eq!((config.concurrency, config.min_bytes, config.lease_s), (8, 100, 960));
        assert_eq!(config.laaffic.base_url.to_string(), "https://api.laaffic.com/");
    }

    #[test]
    fn a_wrong_value_is_an_error_that_names_the_variable() {
        for (variable, value) in [
            ("RECORDING_HOSTS", "https://example.com/"),
            ("ARCHIVE_CONCURRENCY", "0"),
            ("ARCHIVE_CONCURRENCY_PER_HOST", "many"),
            ("MIN_RECORDING_BYTES", "-1"),
            ("MAX_RECORDING_BYTES", "512 MiB"),
            ("RECORDING_TIMEOUT_SECONDS", "0"),
            ("ARCHIVE_LEASE_SECONDS", "1h"),
            ("LAAFFIC_ENDPOINT", "api.laaffic.com"),
            ("LAAFFIC_REQUESTS_PER_SECOND", "0"),
        ] {
            let error = read(&[(variable, value)]).unwrap_err();
            assert!(error.starts_with(variable), "{error}");
        }
    }
}
