//! What is wrong and what to do, in English, as the operator's commands tell it. Pure.

use std::collections::BTreeSet;

use shared::model::Instant;
use shared::record::keys;

use super::advice::Cause;
use super::findings::{Expiries, FailurePlace, Failures, Finding, RefusedHost};

impl Finding {
    /// Its kind, as programs read it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoWrites(_) => "table_takes_no_writes",
            Self::NoBucket(_) => "bucket_unreachable",
            Self::Unreadable { .. } => "recordings_unreadable",
            Self::LeaseUnreadable { .. } => "lease_unreadable",
            Self::LeaseTooLong { .. } => "lease_too_long",
            Self::RunsAhead { .. } => "run_ahead_of_time",
            Self::NobodyCame(_) => "no_run_came",
            Self::RunDied(_) => "run_died",
            Self::Late(_) => "recordings_late",
            Self::Past(_) => "urls_expired",
            Self::Soon(_) => "urls_expire_soon",
            Self::Failures(Failures { is_lost: false, .. }) => "recordings_fail",
            Self::Failures(Failures { is_lost: true, .. }) => "recordings_lost",
            Self::Deaths { .. } => "runs_died_over_recordings",
            Self::NoSecret(_) => "secret_unreadable",
        }
    }

    /// Whether anybody can mend it. What nobody can mend is told, and does not make an operator get up at night.
    #[must_use]
    pub fn is_mendable(&self) -> bool {
        match self {
            Self::Failures(failures) => failures.cause.is_mendable(),
            _ => true,
        }
    }

    /// What it is, in English; `time` writes a time.
    #[must_use]
    pub fn what(&self, time: &dyn Fn(Instant) -> String) -> String {
        match self {
            Self::NoWrites(reason) => format!("the table takes no writes: {reason}"),
            Self::NoBucket(reason) => reason.clone(),
            Self::Unreadable { first, more } => {
                let more = if *more == 0 { String::new() } else { format!(", and {more} more") };
                format!("{first}{more}: stored, but no recording that this version can read")
            }
            Self::LeaseUnreadable { shard } => {
                format!("shard {shard}: its lease is stored, but not as this version can read it")
            }
            Self::LeaseTooLong { shard, until } => format!(
                "shard {shard}: its lease holds until {}, which no lease does: a clock is wrong, of the run that took it or here",
                time(*until)
            ),
            Self::RunsAhead { shards: of, at } => format!(
                "{}: the last run was done at {}, which is yet to come: a clock is wrong, of that run or here",
                shards(of),
                time(*at)
            ),
            Self::NobodyCame(of) => format!(
                "{}: something is due, and no run of the archiver has come for more than six minutes, or each failed at once",
                shards(of)
            ),
            Self::RunDied(of) => format!(
                "{}: a run died, and no run of the archiver has come since, for more than six minutes, or each failed at once",
                shards(of)
            ),
            Self::Late(count) => {
                let verb = if *count == 1 { "has" } else { "have" };
                format!("{} {verb} been due for more than an hour", recordings(*count))
            }
            Self::Past(Expiries { count, first_at, first }) => {
                let verb = if *count == 1 { "is" } else { "are" };
                format!(
                    "{} {verb} past the time of the URL, the first since {}: {first}",
                    recordings(*count),
                    time(*first_at)
                )
            }
            Self::Soon(Expiries { count, first_at, first }) => {
                let verb = if *count == 1 { "expires" } else { "expire" };
                format!(
                    "{} {verb} within a day, the first at {}: {first}",
                    recordings(*count),
                    time(*first_at)
                )
            }
            Self::Failures(failures) => failed(failures),
            Self::Deaths { count, worst, runs } => {
                let verb = if *count == 1 { "was" } else { "were" };
                let runs = if *runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
                format!(
                    "{} {verb} in hand of runs that died, {worst} of {runs}: {}",
                    recordings(*count),
                    Cause::ArchiverDies.told(None)
                )
            }
            Self::NoSecret(reason) => format!("{reason}: no URL is renewed"),
        }
    }

    /// What to do, in English.
    #[must_use]
    pub fn todo(&self) -> String {
        let told: &str = match self {
            Self::NoWrites(_) => {
                "no run can do anything meanwhile, and each fails at once (FunctionErrorsAlarm): ProvisionedThroughputExceededException and ThrottlingException pass; \
                 InternalServerError that stays is AWS's, and on this machine a full disk (`df`); KMS codes are the table's key"
            }
            Self::NoBucket(_) => {
                "nothing can be archived meanwhile, if it is the same for the archiver: see the bucket, its region, S3_ENDPOINT, and the network"
            }
            Self::Unreadable { .. } => {
                "look at the item (`aws dynamodb get-item`): was it written by hand, or by a newer version? Mend or remove it; all others are archived meanwhile, and each run \
                 sets it aside (RecordingsUnreadableAlarm)"
            }
            Self::LeaseUnreadable { shard } => {
                return format!(
                    "the next run writes it anew; if that does not help, free the shard: {}",
                    free_by_hand(*shard)
                );
            }
            Self::LeaseTooLong { shard, .. } => {
                return format!(
                    "compare `date -u` here with the function's log; if the run is over, free the shard: {}",
                    free_by_hand(*shard)
                );
            }
            Self::RunsAhead { .. } => {
                "compare `date -u` here with the function's log; until it is right, times and ages here can't be trusted"
            }
            Self::NobodyCame(_) | Self::RunDied(_) => {
                "is the schedule of archive-recordings enabled? do its invocations fail or are they throttled (FunctionErrorsAlarm, FunctionsThrottledAlarm)? does the log \
                 say leases_not_renewed or `archive` at all? TableThrottledAlarm and AccessDenied are the table's"
            }
            Self::Late(_) => {
                "if runs come (shards above), there is more to do than is done: raise ArchiveWorkers, ArchiveMemoryMb, ArchiveConcurrencyPerHost"
            }
            Self::Past(_) => {
                "they are tried still, as far as a fresh URL may be had or the source may take the old one; mend what is told below; keys in ProviderSecretArn let URLs be renewed"
            }
            Self::Soon(_) => "mend what is told below; then `callvault archive --call` forces one",
            Self::Failures(failures) => return mend(failures),
            Self::Deaths { .. } => {
                let todo = Cause::ArchiverDies.todo();
                return format!("it is given up after six; meanwhile all others go on; {todo}");
            }
            Self::NoSecret(_) => Cause::SecretUnreadable.todo(),
        };
        told.to_owned()
    }
}

impl Failures {
    /// The command that revives those that were lost.
    #[must_use]
    pub fn revival(&self) -> String {
        match &self.place {
            FailurePlace::Host(host) => format!("callvault archive --lost --host {host} --dry-run"),
            FailurePlace::NoHost | FailurePlace::Bucket => "callvault archive --lost --dry-run".to_owned(),
        }
    }
}

/// How an operator frees a shard.
#[must_use]
pub fn free_by_hand(shard: u8) -> String {
    format!(
        "aws dynamodb update-item --table-name $TABLE_NAME --key '{{\"pk\":{{\"S\":\"{}\"}},\"sk\":{{\"S\":\"{}\"}}}}' \
         --update-expression 'REMOVE lease_until, lease_owner'",
        keys::ARCHIVE_RUNS,
        keys::shard_sk(shard),
    )
}

/// So many recordings.
fn recordings(count: usize) -> String {
    match count {
        1 => "1 recording".to_owned(),
        _ => format!("{count} recordings"),
    }
}

/// Some shards, by their numbers.
fn shards(shards: &BTreeSet<u8>) -> String {
    let word = if shards.len() == 1 { "shard" } else { "shards" };
    format!("{word} {}", shards.iter().map(u8::to_string).collect::<Vec<_>>().join(", "))
}

fn failed(failures: &Failures) -> String {
    let Failures { place, cause, code, refused, count, has_more, is_lost, example, calls } = failures;
    let place = match place {
        FailurePlace::Host(host) => host,
        FailurePlace::NoHost => "no URL",
        FailurePlace::Bucket => "the bucket",
    };
    let verb = match (is_lost, count) {
        (false, 1) => "failed and is tried again",
        (false, _) => "failed and are tried again",
        (true, 1) => "was lost in the last day",
        (true, _) => "were lost in the last day",
    };
    let cause = match refused {
        Some(RefusedHost { host, is_redirect: true, .. }) if *cause == Cause::HostNotAllowed => {
            format!("it redirects to {host}, which is not in RecordingHosts")
        }
        Some(RefusedHost { host, is_redirect: true, .. }) => {
            format!("it redirects to {host}, which is at an address that is not public")
        }
        _ => cause.told(code.as_deref()),
    };
    let least = if *has_more { "at least " } else { "" };
    format!("{place}: {least}{count} {verb}: {cause} (\"{example}\"; {})", calls.join(", "))
}

fn mend(failures: &Failures) -> String {
    let todo = match &failures.refused {
        Some(refused) => allow(refused),
        None => failures.cause.todo().to_owned(),
    };
    match failures.is_lost && failures.cause.is_mendable() {
        true => format!(
            "{todo}; then make what was lost due again: `{}`, then without --dry-run",
            failures.revival()
        ),
        false => todo,
    }
}

/// What to add to `RecordingHosts`.
fn allow(RefusedHost { host, port, is_private, .. }: &RefusedHost) -> String {
    let exact = match port {
        Some(port) => format!("`{host}:{port}`"),
        None => format!("`{host}:443` (or the port that the redirect leads to)"),
    };
    match is_private {
        true => format!(
            "if it is meant to be fetched, add exactly {exact} to RecordingHosts and deploy: an address that is not public is allowed by host and port alone; its \
             recordings wait until their URLs expire, and are fetched within the hour once it is"
        ),
        false => format!(
            "if the host is the platform's, add `{host}` to RecordingHosts and deploy; what waits is fetched within the hour, or at once by `callvault archive --call`. If it is at \
             a private address of yours, add exactly {exact}: with the host alone, its recordings go on waiting"
        ),
    }
}
