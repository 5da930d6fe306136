//! What is wrong with archiving, as far as the table tells, and what to do about it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::due::DueRecording;
use crate::store::shards::ShardLease;
use shared::model::{CallKey, Instant, Recording, RecordingState};
use shared::normalize::recording_url::clean_url;
use shared::record::keys;

use super::advice;

/// What is due for longer, in seconds, should have been come to: a run begins every one to five minutes.
const PATIENCE_S: i64 = 600;
/// No lease holds for longer from now on: it is a clock that is wrong, in seconds.
const LONGEST_LEASE_S: i64 = 180;
/// What expires within that time is to be known, in seconds.
const SOON_S: i64 = 24 * 3_600;
/// So many calls are named of what there may be many.
const NAMED: usize = 3;

/// What was read.
#[derive(Debug, Default)]
pub struct Seen {
    /// The leases on all shards.
    pub leases: Vec<ShardLease>,
    /// All that waits, due or not.
    pub waiting: Vec<DueRecording>,
    /// The most urgent of it, as it is stored.
    pub looked_at: Vec<(CallKey, Recording)>,
    /// What was lost in the last day, as it is stored.
    pub lost: Vec<(CallKey, Recording)>,
    /// Why the secret with the platforms' keys can't be read.
    pub secret: Option<String>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub what: String,
    /// What to do.
    pub todo: String,
}

fn finding(what: String, todo: impl Into<String>) -> Finding {
    Finding { what, todo: todo.into() }
}

/// All that is wrong at `now`.
pub fn findings(seen: &Seen, now: Instant) -> Vec<Finding> {
    let mut found = of_leases(seen, now);
    found.extend(of_time(seen, now));
    found.extend(of_sources(&seen.looked_at, "failed and is tried again", "failed and are tried again"));
    found.extend(of_deaths(&seen.looked_at));
    found.extend(of_sources(&seen.lost, "was lost in the last day", "were lost in the last day"));
    if let Some(reason) = &seen.secret {
        let (_, todo) = advice::of_reason("the keys of the platforms could not be read");
        found.push(finding(format!("{reason}: no URL is renewed"), todo));
    }
    found
}

fn due_of(seen: &Seen, shard: u8, now: Instant) -> impl Iterator<Item = &DueRecording> {
    seen.waiting.iter().filter(move |entry| entry.due_at <= now && keys::shard_of(&entry.pk) == shard)
}

fn of_leases(seen: &Seen, now: Instant) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut missed = BTreeSet::new();
    for lease in &seen.leases {
        let shard = lease.shard;
        let oldest = due_of(seen, shard, now).map(|entry| entry.due_at).min();
        let waits_long = oldest.is_some_and(|due_at| now.seconds_since(due_at) > PATIENCE_S);
        match (&lease.lease_owner, lease.lease_until) {
            (Some(_), Some(until)) if until.seconds_since(now) > LONGEST_LEASE_S => found.push(finding(
                format!("shard {shard}: its lease holds until {until}, which no lease does: a clock is wrong, of the run that took it or here"),
                format!(
                    "compare `date -u` here with the function's log; if the run is over, free the shard: aws dynamodb update-item --table-name $TABLE_NAME --key \
                     '{{\"pk\":{{\"S\":\"{}\"}},\"sk\":{{\"S\":\"{}\"}}}}' --update-expression 'REMOVE lease_until, lease_owner'",
                    keys::ARCHIVE_RUNS,
                    keys::shard_sk(shard),
                ),
            )),
            (Some(_), Some(until)) if until <= now => {
                if waits_long || now.seconds_since(until) > PATIENCE_S {
                    missed.insert(shard);
                }
            }
            (Some(_), _) => {}
            (None, _) => {
                let came_by = lease.last_run_at.zip(oldest).is_some_and(|(ran_at, due_at)| ran_at >= due_at);
                if waits_long && !came_by {
                    missed.insert(shard);
                }
            }
        }
    }
    if !missed.is_empty() {
        let shards = missed.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        found.push(finding(
            format!("shards {shards}: something is due, and no run of the archiver has come for more than ten minutes"),
            "is the schedule of archive-recordings enabled? do its invocations fail or are they throttled (FunctionErrorsAlarm, FunctionsThrottledAlarm)? does the log \
             say leases_not_renewed or `archive` at all? TableThrottledAlarm and AccessDenied are the table's",
        ));
    }
    found
}

fn of_time(seen: &Seen, now: Instant) -> Vec<Finding> {
    let mut found = Vec::new();
    let late = seen.waiting.iter().filter(|entry| now.seconds_since(entry.due_at) > 6 * PATIENCE_S).count();
    if late > 0 {
        found.push(finding(
            format!("{late} recordings have been due for more than an hour"),
            "if runs come (shards above), there is more to do than is done: raise ArchiveWorkers, ArchiveMemoryMb, ArchiveConcurrencyPerHost",
        ));
    }
    let soon = seen.waiting.iter().filter(|entry| {
        entry.source_expires_at.is_some_and(|expires_at| expires_at.seconds_since(now) < SOON_S)
    });
    let soon: Vec<_> = soon.collect();
    if let Some(first) = soon.iter().min_by_key(|entry| entry.source_expires_at) {
        let at = first.source_expires_at.map(|at| at.to_string()).unwrap_or_default();
        let call = keys::call_of_pk(&first.pk).map(|call| named(&call)).unwrap_or_default();
        found.push(finding(
            format!("{} recordings expire within a day, the first at {at}: {call}", soon.len()),
            "mend what is told below; then `callvault archive --call` forces one",
        ));
    }
    found
}

/// Recordings by host and cause.
fn of_sources(recordings: &[(CallKey, Recording)], one: &str, more: &str) -> Vec<Finding> {
    let mut groups = BTreeMap::<(String, &str, &str), (usize, String, Vec<String>)>::new();
    for (call, recording) in recordings {
        let Some(reason) =
            recording.last_error.as_deref().filter(|_| recording.state != RecordingState::Archived)
        else {
            continue;
        };
        let (cause, todo) = advice::of_reason(reason);
        let (count, example, calls) = groups.entry((host_of(recording), cause, todo)).or_default();
        *count += 1;
        if calls.len() < NAMED {
            calls.push(named(call));
        }
        *example = reason.to_owned();
    }
    let told = groups.into_iter().map(|((host, cause, todo), (count, example, calls))| {
        let verb = if count == 1 { one } else { more };
        finding(format!("{host}: {count} {verb}: {cause} (\"{example}\"; {})", calls.join(", ")), todo)
    });
    told.collect()
}

fn of_deaths(recordings: &[(CallKey, Recording)]) -> Option<Finding> {
    let mut suspects: Vec<_> = recordings.iter().filter(|(_, recording)| recording.deaths > 0).collect();
    suspects.sort_by_key(|(_, recording)| std::cmp::Reverse(recording.deaths));
    let (worst, recording) = suspects.first()?;
    let (cause, todo) = advice::of_reason("runs of the archiver died");
    let what = format!(
        "{} recordings were in hand of runs that died, {} of {} runs: {cause}",
        suspects.len(),
        named(worst),
        recording.deaths
    );
    Some(finding(what, format!("it is given up after six; meanwhile all others go on; {todo}")))
}

/// A call, as commands take it.
pub fn named(call: &CallKey) -> String {
    format!("{}/{}", call.provider, call.call_id.as_str())
}

/// The host that a recording is at.
fn host_of(recording: &Recording) -> String {
    let url = recording.source_url.as_deref().and_then(|url| url::Url::parse(&clean_url(url)).ok());
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "no URL".to_owned())
}

#[cfg(test)]
mod tests {
    use shared::model::{CallId, Provider, RecordingSource};

    use super::*;

    fn now() -> Instant {
        Instant::from_epoch_millis(1_748_743_200_000).unwrap()
    }

    fn call(id: &str) -> CallKey {
        CallKey { provider: Provider::Alicom, call_id: CallId::new(id.to_owned()).unwrap() }
    }

    fn waiting(id: &str, due_for_s: i64, expires_in_s: i64) -> DueRecording {
        DueRecording {
            pk: keys::call_pk(&call(id)),
            sk: "recording#main".to_owned(),
            due_at: now().plus_seconds(-due_for_s),
            source_expires_at: Some(now().plus_seconds(expires_in_s)),
        }
    }

    fn recording(url: &str, reason: &str) -> Recording {
        let source = RecordingSource {
            slot: "main".to_owned(),
            url: Some(url.to_owned()),
            id: None,
            expires_at: None,
            call_at: now(),
        };
        Recording { attempts: 1, last_error: Some(reason.to_owned()), ..Recording::new(source, now()) }
    }

    fn leases() -> Vec<ShardLease> {
        (0..keys::SHARDS).map(|shard| ShardLease { shard, ..ShardLease::default() }).collect()
    }

    fn told(seen: &Seen) -> String {
        findings(seen, now()).into_iter().map(|one| format!("{} -> {}\n", one.what, one.todo)).collect()
    }

    #[test]
    fn what_is_well_is_told_by_nothing() {
        let mut leases = leases();
        leases[1].lease_owner = Some("a run".to_owned());
        leases[1].lease_until = Some(now().plus_seconds(50));
        let waiting = vec![waiting("1", 30, 7 * SOON_S), waiting("2", -600, 7 * SOON_S)];
        assert_eq!(told(&Seen { leases, waiting, ..Seen::default() }), "");
    }

    #[test]
    fn a_schedule_that_is_off_is_told_by_what_is_due_and_nobody_came_for() {
        let shard = usize::from(keys::shard_of(&keys::call_pk(&call("1"))));
        for (last_run_s, expected) in [(None, true), (Some(-3_000), true), (Some(-10), false)] {
            let mut leases = leases();
            leases[shard].last_run_at = last_run_s.map(|seconds| now().plus_seconds(seconds));
            let seen = Seen { leases, waiting: vec![waiting("1", 900, 7 * SOON_S)], ..Seen::default() };
            let told = told(&seen);
            assert_eq!(told.contains(&format!("shards {shard}: something is due")), expected, "{told}");
            assert_eq!(told.contains("is the schedule of archive-recordings enabled?"), expected);
        }
        // A run that died, after which none came.
        let mut leases = leases();
        leases[shard].lease_owner = Some("dead".to_owned());
        leases[shard].lease_until = Some(now().plus_seconds(-PATIENCE_S - 1));
        assert!(told(&Seen { leases, ..Seen::default() }).contains("no run of the archiver has come"));
    }

    #[test]
    fn a_lease_that_outlasts_every_lease_is_a_clocks_fault() {
        let mut leases = leases();
        leases[2].lease_owner = Some("ahead".to_owned());
        leases[2].lease_until = Some(now().plus_seconds(3_600));
        let told = told(&Seen { leases, ..Seen::default() });
        assert!(
            told.starts_with("shard 2: its lease holds until 2025-06-01T03:00:00.000Z")
                && told.contains("clock"),
            "{told}"
        );
        assert!(told.contains(r#"'{"pk":{"S":"run#archive-recordings"},"sk":{"S":"shard#2"}}'"#), "{told}");
    }

    #[test]
    fn sources_are_told_by_host_and_cause_with_their_counts() {
        let looked_at = (0..5)
            .map(|n| {
                (
                    call(&n.to_string()),
                    recording("https://a.example/1?Signature=x", "the source answered with status 403"),
                )
            })
            .chain([(call("9"), recording("http://b.example/1", "the host b.example is not allowed"))]);
        let seen = Seen { leases: leases(), looked_at: looked_at.collect(), ..Seen::default() };
        let told = told(&seen);
        assert!(
            told.contains("a.example: 5 failed and are tried again: the source refuses the URL"),
            "{told}"
        );
        assert!(
            told.contains("b.example: 1 failed and is tried again: its host is not in RecordingHosts"),
            "{told}"
        );
        assert!(!told.contains("Signature") && told.contains("alicom/0, alicom/1, alicom/2)"), "{told}");
    }

    #[test]
    fn deaths_expiries_losses_and_the_secret_are_told() {
        let mut suspect = recording("http://a/1", "x");
        suspect.deaths = 3;
        suspect.last_error = None;
        let mut lost = recording("http://a/2", "6 runs of the archiver died while they had it in hand");
        lost.state = RecordingState::Failed;
        let seen = Seen {
            leases: leases(),
            waiting: vec![waiting("7", -60, 3_600)],
            looked_at: vec![(call("7"), suspect)],
            lost: vec![(call("8"), lost)],
            secret: Some("the providers' secret could not be read: AccessDeniedException".to_owned()),
        };
        let told = told(&seen);
        for part in [
            "1 recordings expire within a day, the first at 2025-06-01T03:00:00.000Z: alicom/7",
            "alicom/7 of 3 runs: the archiver dies over it",
            "a: 1 was lost in the last day: the archiver dies over it",
            "AccessDeniedException: no URL is renewed",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}
