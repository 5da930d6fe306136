//! The archiver's settings.

use std::num::NonZeroU32;
use std::time::Duration;

use aws_sdk_s3::types::ObjectLockMode;
use runtime::config::{ConfigError, Environment};
use runtime::outbound::alibaba;
use runtime::outbound::api::ApiSettings;
use runtime::outbound::fetch::FetchSettings;
use runtime::outbound::laaffic;

use crate::budget::PART_BYTES;
use crate::lock::RecordingLock;

/// `RECORDING_HOSTS` where it is not set: where Alibaba keeps recordings.
pub const DEFAULT_HOSTS: &str = "*.aliyuncs.com";
/// The function's memory where nobody tells it, in MB, as the template has it.
const DEFAULT_MEMORY_MB: u64 = 512;
/// The longest time that S3 locks an object for: a hundred years.
const MAX_LOCK_DAYS: u32 = 36_500;

/// The largest recording that a multipart upload takes: 10,000 parts of 8 MiB.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const MAX_UPLOAD_BYTES: u64 = 10_000 * PART_BYTES as u64;

/// The settings of the archiver.
#[derive(Clone, Debug)]
pub struct ArchiveConfig {
    /// `RECORDING_HOSTS`, `MAX_RECORDING_BYTES`, `RECORDING_TIMEOUT_SECONDS`: the bounds of a fetch.
    pub fetch: FetchSettings,
    /// `ARCHIVE_BUDGET_MB`: how many bytes of recordings may be held at once; half of the function's memory, less 32 MB, where it is not set.
    pub budget_bytes: u64,
    /// `ARCHIVE_CONCURRENCY`: how many recordings are copied at once, as far as the budget has room for them. Each holds three parts of 8 MiB
    /// at most.
    pub concurrency: usize,
    /// `ARCHIVE_CONCURRENCY_PER_HOST`: how many of them from one host.
    pub concurrency_per_host: usize,
    /// `MIN_RECORDING_BYTES`: what is smaller is no recording; the header of an empty WAV file has 44 bytes.
    pub min_bytes: u64,
    /// `RECORDING_LOCK_DAYS`, `RECORDING_LOCK_MODE`: how recordings are locked in the bucket; `None` for not at all.
    pub lock: Option<RecordingLock>,
    /// `ARCHIVE_LEASE_SECONDS`: how long the lease on a shard holds, unless it is renewed: so long after its death nobody works on what a run
    /// had in hand.
    pub lease_s: i64,
    /// `ARCHIVE_WORKERS`: how many runs begin together.
    pub workers: usize,
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
        let timeout_s = environment.number("RECORDING_TIMEOUT_SECONDS", 600, 1..=900)?;
        let max_bytes = environment.number("MAX_RECORDING_BYTES", 512 * 1024 * 1024, 1..=MAX_UPLOAD_BYTES)?;
        let min_bytes = environment.number("MIN_RECORDING_BYTES", 100, 0..=u64::MAX)?;
        if min_bytes > max_bytes {
            let problem = format!("more than MAX_RECORDING_BYTES, which is {max_bytes}: {min_bytes}");
            return Err(ConfigError::Invalid { variable: "MIN_RECORDING_BYTES".into(), problem });
        }
        let lease_s = environment.number("ARCHIVE_LEASE_SECONDS", 60, 2..=110)?;
        Ok(Self {
            fetch: FetchSettings {
                max_bytes,
                ..FetchSettings::new(hosts).with_total_timeout(Duration::from_secs(timeout_s))
            },
            budget_bytes: 1024
                * 1024
                * environment.number("ARCHIVE_BUDGET_MB", budget_mb(environment), 8..=9_999)?,
            concurrency: environment.number("ARCHIVE_CONCURRENCY", 256, 1..=256)?,
            concurrency_per_host: environment.number("ARCHIVE_CONCURRENCY_PER_HOST", 128, 1..=256)?,
            min_bytes,
            lock: lock(environment)?,
            lease_s,
            workers: environment.number("ARCHIVE_WORKERS", 1, 1..=8)?,
            alibaba: alibaba::api_settings(environment)?,
            laaffic: laaffic::api_settings(environment)?,
        })
    }
}

/// The budget that goes with the memory that Lambda gives the function, in MB: what is left is for the program, the connections, and what
/// the allocator can't use.
fn budget_mb(environment: &Environment<'_>) -> u64 {
    let memory_mb =
        environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").and_then(|megabytes| megabytes.parse().ok());
    (memory_mb.unwrap_or(DEFAULT_MEMORY_MB) / 2).saturating_sub(32).max(8)
}

/// Reads `RECORDING_LOCK_DAYS` and `RECORDING_LOCK_MODE`. The mode is checked even where nothing is locked.
fn lock(environment: &Environment<'_>) -> Result<Option<RecordingLock>, ConfigError> {
    let mode = environment.parse("RECORDING_LOCK_MODE", ObjectLockMode::Governance, |mode| {
        ObjectLockMode::try_parse(mode).map_err(|_| format!("neither GOVERNANCE nor COMPLIANCE: {mode}"))
    })?;
    let days = environment.number("RECORDING_LOCK_DAYS", 0, 0..=MAX_LOCK_DAYS)?;
    Ok(NonZeroU32::new(days).map(|days| RecordingLock { mode, days }))
}

#[cfg(test)]
mod tests {
    use shared::model::Instant;

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
        assert_eq!((config.concurrency, config.min_bytes, config.lease_s), (256, 100, 60));
        assert_eq!((config.concurrency_per_host, config.budget_bytes), (128, 224 * 1024 * 1024));
        assert_eq!(config.lock, None);
        assert_eq!(config.laaffic.base_url.to_string(), "https://api.laaffic.com/");
    }

    #[test]
    fn the_budget_goes_with_the_functions_memory_unless_it_is_set() {
        let budget_mb = |settings: &[(&str, &str)]| read(settings).unwrap().budget_bytes / 1024 / 1024;
        for (memory_mb, budget) in [("128", 32), ("256", 96), ("512", 224), ("10240", 5_088)] {
            assert_eq!(budget_mb(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_mb)]), budget);
        }
        let set = [("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"), ("ARCHIVE_BUDGET_MB", "300")];
        assert_eq!(budget_mb(&set), 300);
    }

    #[test]
    fn what_is_wrong_with_a_value_is_a_sentence() {
        for (variable, value, sentence) in [
            (
                "RECORDING_HOSTS",
                "a.example,*.com",
                "RECORDING_HOSTS is not a list of hosts, `*.` suffixes and host:port, separated by commas: `*.com`: \
                 anybody can have a name below that",
            ),
            (
                "RECORDING_LOCK_DAYS",
                "36501",
                "RECORDING_LOCK_DAYS is not a whole number from 0 to 36500: 36501",
            ),
        ] {
            assert_eq!(read(&[(variable, value)]).unwrap_err(), sentence);
        }
    }

    #[test]
    fn recordings_are_locked_for_days_from_their_archiving_on() {
        let lock = |settings: &[(&str, &str)]| read(settings).unwrap().lock;
        assert_eq!(lock(&[("RECORDING_LOCK_DAYS", "0"), ("RECORDING_LOCK_MODE", "COMPLIANCE")]), None);
        let governed = lock(&[("RECORDING_LOCK_DAYS", "365")]).unwrap();
        assert_eq!(governed.mode, ObjectLockMode::Governance);
        let archived_at = Instant::from_epoch_millis(1_709_208_000_123).unwrap();
        assert_eq!(governed.until(archived_at).to_string(), "2025-02-28T12:00:00.123Z");
        let longest = [("RECORDING_LOCK_DAYS", "36500"), ("RECORDING_LOCK_MODE", "COMPLIANCE")];
        assert_eq!(lock(&longest).unwrap().mode, ObjectLockMode::Compliance);
    }

    #[test]
    fn a_wrong_value_is_an_error_that_names_the_variable() {
        for (variable, value) in [
            ("RECORDING_HOSTS", "https://example.com/"),
            ("ARCHIVE_BUDGET_MB", "7"),
            ("ARCHIVE_BUDGET_MB", "10000"),
            ("ARCHIVE_CONCURRENCY", "0"),
            ("ARCHIVE_CONCURRENCY_PER_HOST", "many"),
            ("ARCHIVE_WORKERS", "0"),
            ("ARCHIVE_WORKERS", "9"),
            ("RECORDING_HOSTS", ","),
            ("RECORDING_HOSTS", "*.com"),
            ("RECORDING_HOSTS", "a.example,*.com.cn"),
            ("MIN_RECORDING_BYTES", "-1"),
            ("MIN_RECORDING_BYTES", "536870913"),
            ("MAX_RECORDING_BYTES", "512 MiB"),
            ("MAX_RECORDING_BYTES", "83886080001"),
            ("RECORDING_HOSTS", "a..b"),
            ("RECORDING_TIMEOUT_SECONDS", "0"),
            ("RECORDING_LOCK_DAYS", "for ever"),
            ("RECORDING_LOCK_DAYS", "36501"),
            ("RECORDING_LOCK_MODE", "governance"),
            ("ARCHIVE_LEASE_SECONDS", "1h"),
            ("ARCHIVE_LEASE_SECONDS", "1"),
            ("ARCHIVE_LEASE_SECONDS", "111"),
            ("LAAFFIC_ENDPOINT", "api.laaffic.com"),
            ("LAAFFIC_REQUESTS_PER_SECOND", "0"),
        ] {
            let error = read(&[(variable, value)]).unwrap_err();
            assert!(error.starts_with(variable), "{error}");
        }
        // The longer a recording may take, the longer its source may think about it.
        for (total, response_s) in [("900", 90), ("600", 60), ("30", 20)] {
            let fetch = read(&[("RECORDING_TIMEOUT_SECONDS", total)]).unwrap().fetch;
            assert_eq!(fetch.response_timeout, Duration::from_secs(response_s));
        }
        assert!(read(&[("ARCHIVE_LEASE_SECONDS", "110"), ("MIN_RECORDING_BYTES", "536870912")]).is_ok());
    }
}
