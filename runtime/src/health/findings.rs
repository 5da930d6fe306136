//! What is wrong with archiving, as far as the table tells, and what to do about it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::due::DueRecording;
use crate::store::shards::ShardLease;
use shared::model::{CallKey, Instant};
use shared::path_id;
use shared::record::keys;

use super::advice::{self, Advice};
use super::tried::{Tried, is_private};

/// What is due for longer, in seconds, should have been come to: a run begins every one to five minutes.
const PATIENCE_S: i64 = 360;
/// What is due for longer, in seconds, is late, whether runs come or not.
const LATE_S: i64 = 3_600;
/// No lease holds for longer from now on: it is a clock that is wrong, in seconds.
const LONGEST_LEASE_S: i64 = 180;
/// So far clocks may differ, in seconds.
const CLOCKS_S: i64 = 60;
/// What expires within that time is to be known, in seconds.
const SOON_S: i64 = 24 * 3_600;
/// So many calls are named of what there may be many.
const NAMED: usize = 3;

/// What was read.
#[derive(Debug, Default)]
pub struct Seen {
    /// The leases on all shards.
    pub leases: Vec<ShardLease>,
    /// What waits, due or not, the most urgent first.
    pub waiting: Vec<DueRecording>,
    /// Whether there is more that waits than was read, or than was looked at.
    pub more_waits: bool,
    /// What waits, as far as it was looked at itself.
    pub looked_at: Vec<Tried>,
    /// What was lost in the last day.
    pub lost: Vec<Tried>,
    /// Whether more was lost than was read.
    pub more_were_lost: bool,
    /// What can't be read as a recording, by its call and its sort key.
    pub unreadable: Vec<String>,
    /// Why the secret with the platforms' keys can't be read.
    pub secret: Option<String>,
    /// Why the bucket can't be reached.
    pub bucket: Option<String>,
    /// Why the table takes no writes.
    pub writes: Option<String>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub what: String,
    /// What to do.
    pub todo: String,
    /// Whether anybody can mend it. What nobody can mend is told, and does not make an operator get up at night.
    pub mendable: bool,
}

fn finding(what: String, todo: impl Into<String>) -> Finding {
    Finding { what, todo: todo.into(), mendable: true }
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

/// What becomes of a group of recordings, in words for one and for more.
struct Fate {
    one: &'static str,
    more: &'static str,
    /// Whether they have to be revived once the cause is mended.
    lost: bool,
}

const TRIED_AGAIN: Fate =
    Fate { one: "failed and is tried again", more: "failed and are tried again", lost: false };
const LOST: Fate = Fate { one: "was lost in the last day", more: "were lost in the last day", lost: true };

/// All that is wrong at `now`.
pub fn findings(seen: &Seen, now: Instant) -> Vec<Finding> {
    let mut found = of_stores(seen);
    found.extend(of_leases(seen, now));
    found.extend(of_time(seen, now));
    found.extend(of_sources(&seen.looked_at, &TRIED_AGAIN, seen.more_waits));
    found.extend(of_deaths(&seen.looked_at));
    found.extend(of_sources(&seen.lost, &LOST, seen.more_were_lost));
    if let Some(reason) = &seen.secret {
        let Advice { todo, .. } = advice::of_reason("the keys of the platforms could not be read");
        found.push(finding(format!("{reason}: no URL is renewed"), todo));
    }
    found
}

/// What is wrong with table and bucket.
fn of_stores(seen: &Seen) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(reason) = &seen.writes {
        found.push(finding(
            format!("the table takes no writes: {reason}"),
            "no run can do anything meanwhile, and each fails at once (FunctionErrorsAlarm): ProvisionedThroughputExceededException and ThrottlingException pass; \
             InternalServerError that stays is AWS's, and on this machine a full disk (`df`); KMS codes are the table's key",
        ));
    }
    if let Some(reason) = &seen.bucket {
        found.push(finding(reason.clone(), "nothing can be archived meanwhile, if it is the same for the archiver: see the bucket, its region, S3_ENDPOINT, and the network"));
    }
    if let Some(first) = seen.unreadable.first() {
        let more = match seen.unreadable.len() {
            1 => String::new(),
            count => format!(", and {} more", count - 1),
        };
        found.push(finding(
            format!("{first}{more}: stored, but no recording that this version can read"),
            "look at the item (`aws dynamodb get-item`): was it written by hand, or by a newer version? Mend or remove it; all others are archived meanwhile, and each run \
             sets it aside (RecordingsUnreadableAlarm)",
        ));
    }
    found
}

fn due_of(seen: &Seen, shard: u8, now: Instant) -> impl Iterator<Item = &DueRecording> {
    seen.waiting.iter().filter(move |entry| entry.due_at <= now && keys::shard_of(&entry.pk) == shard)
}

/// How an operator frees a shard.
fn free_by_hand(shard: u8) -> String {
    format!(
        "aws dynamodb update-item --table-name $TABLE_NAME --key '{{\"pk\":{{\"S\":\"{}\"}},\"sk\":{{\"S\":\"{}\"}}}}' \
         --update-expression 'REMOVE lease_until, lease_owner'",
        keys::ARCHIVE_RUNS,
        keys::shard_sk(shard),
    )
}

fn of_leases(seen: &Seen, now: Instant) -> Vec<Finding> {
    let mut found = Vec::new();
    let (mut missed, mut dead) = (BTreeSet::new(), BTreeSet::new());
    // Runs may come, and have nothing to do: what any of them did last tells of all.
    let last_run_at = seen.leases.iter().filter_map(|lease| lease.last_run_at).max();
    for lease in &seen.leases {
        let shard = lease.shard;
        let oldest = due_of(seen, shard, now).map(|entry| entry.due_at).min();
        let waits_long = oldest.is_some_and(|due_at| now.seconds_since(due_at) > PATIENCE_S);
        if lease.unreadable {
            found.push(finding(
                format!("shard {shard}: its lease is stored, but not as this version can read it"),
                format!(
                    "the next run writes it anew; if that does not help, free the shard: {}",
                    free_by_hand(shard)
                ),
            ));
        }
        match (&lease.lease_owner, lease.lease_until) {
            (Some(_), Some(until)) if until.seconds_since(now) > LONGEST_LEASE_S => found.push(finding(
                format!("shard {shard}: its lease holds until {until}, which no lease does: a clock is wrong, of the run that took it or here"),
                format!(
                    "compare `date -u` here with the function's log; if the run is over, free the shard: {}",
                    free_by_hand(shard)
                ),
            )),
            (Some(_), Some(until)) if until <= now => {
                let came = last_run_at.is_some_and(|ran_at| ran_at > until);
                if waits_long {
                    missed.insert(shard);
                } else if now.seconds_since(until) > PATIENCE_S && !came {
                    dead.insert(shard);
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
    let ahead: BTreeSet<_> = seen
        .leases
        .iter()
        .filter(|lease| lease.last_run_at.is_some_and(|ran_at| ran_at.seconds_since(now) > CLOCKS_S))
        .map(|lease| lease.shard)
        .collect();
    if let Some(at) = last_run_at.filter(|_| !ahead.is_empty()) {
        found.push(finding(
            format!("{}: the last run was done at {at}, which is yet to come: a clock is wrong, of that run or here", shards(&ahead)),
            "compare `date -u` here with the function's log; until it is right, times and ages here can't be trusted",
        ));
    }
    for (shards_of, what) in [
        (
            &missed,
            "something is due, and no run of the archiver has come for more than six minutes, or each failed at once",
        ),
        (
            &dead,
            "a run died, and no run of the archiver has come since, for more than six minutes, or each failed at once",
        ),
    ] {
        if !shards_of.is_empty() {
            found.push(finding(
                format!("{}: {what}", shards(shards_of)),
                "is the schedule of archive-recordings enabled? do its invocations fail or are they throttled (FunctionErrorsAlarm, FunctionsThrottledAlarm)? does the log \
                 say leases_not_renewed or `archive` at all? TableThrottledAlarm and AccessDenied are the table's",
            ));
        }
    }
    found
}

fn of_time(seen: &Seen, now: Instant) -> Vec<Finding> {
    let mut found = Vec::new();
    let late = seen.waiting.iter().filter(|entry| now.seconds_since(entry.due_at) > LATE_S).count();
    if late > 0 {
        let verb = if late == 1 { "has" } else { "have" };
        found.push(finding(
            format!("{} {verb} been due for more than an hour", recordings(late)),
            "if runs come (shards above), there is more to do than is done: raise ArchiveWorkers, ArchiveMemoryMb, ArchiveConcurrencyPerHost",
        ));
    }
    let expiring = |is_meant: &dyn Fn(i64) -> bool| {
        let left_s = |at: Instant| at.seconds_since(now);
        let entries = seen
            .waiting
            .iter()
            .filter(|entry| entry.source_expires_at.is_some_and(|at| is_meant(left_s(at))));
        let entries: Vec<_> = entries.collect();
        let first = entries.iter().min_by_key(|entry| entry.source_expires_at)?;
        let at = first.source_expires_at.map(|at| at.to_string()).unwrap_or_default();
        let call = keys::call_of_pk(&first.pk).map(|call| named(&call)).unwrap_or_default();
        Some((entries.len(), at, call))
    };
    if let Some((count, at, call)) = expiring(&|left_s| left_s <= 0) {
        let verb = if count == 1 { "is" } else { "are" };
        found.push(finding(
            format!("{} {verb} past the time of the URL, the first since {at}: {call}", recordings(count)),
            "they are tried still, as far as a fresh URL may be had or the source may take the old one; mend what is told below; keys in ProviderSecretArn let URLs be renewed",
        ));
    }
    if let Some((count, at, call)) = expiring(&|left_s| (1..SOON_S).contains(&left_s)) {
        let verb = if count == 1 { "expires" } else { "expire" };
        found.push(finding(
            format!("{} {verb} within a day, the first at {at}: {call}", recordings(count)),
            "mend what is told below; then `callvault archive --call` forces one",
        ));
    }
    found
}

/// Recordings that failed for the same cause, at one host.
struct Group {
    count: usize,
    example: String,
    calls: Vec<String>,
    mendable: bool,
}

/// Recordings by host and cause, the largest group first. Of `more` there are than are given.
fn of_sources(tried: &[Tried], fate: &Fate, more: bool) -> Vec<Finding> {
    let mut groups = BTreeMap::<(String, String, String), Group>::new();
    for one in tried {
        let Some(reason) = one.last_error.as_deref() else { continue };
        let advice = advice::of_reason(reason);
        let host = one.host.clone().unwrap_or_else(|| "no URL".to_owned());
        let place = if advice.of_the_bucket { "the bucket".to_owned() } else { host };
        let (cause, mut todo) = told(one, reason, &advice);
        if fate.lost && advice.mendable {
            todo = format!("{todo}; then make what was lost due again: {}", revival(one, &advice));
        }
        let group = groups.entry((place, cause, todo)).or_insert_with(|| Group {
            count: 0,
            example: reason.to_owned(),
            calls: Vec::new(),
            mendable: advice.mendable,
        });
        group.count += 1;
        if group.calls.len() < NAMED {
            group.calls.push(named(&one.call));
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.count));
    let told = groups.into_iter().map(|((place, cause, todo), Group { count, example, calls, mendable })| {
        let verb = if count == 1 { fate.one } else { fate.more };
        let least = if more { "at least " } else { "" };
        let what = format!("{place}: {least}{count} {verb}: {cause} (\"{example}\"; {})", calls.join(", "));
        Finding { mendable, ..finding(what, todo) }
    });
    told.collect()
}

/// The command that revives what was lost like this one.
fn revival(one: &Tried, advice: &Advice) -> String {
    match &one.host {
        Some(host) if !advice.of_the_bucket => {
            format!("`callvault archive --lost --host {host} --dry-run`, then without --dry-run")
        }
        _ => "`callvault archive --lost --dry-run`, then without --dry-run".to_owned(),
    }
}

/// The cause and what to do, with the host and port that RecordingHosts lacks.
fn told(one: &Tried, reason: &str, advice: &Advice) -> (String, String) {
    let is_of_hosts = [advice::NOT_ALLOWED, advice::NOT_PUBLIC].contains(&advice.cause.as_str());
    let refused = advice::refused_host(reason).or(one.host.as_deref()).filter(|_| is_of_hosts);
    let Some(refused) = refused else { return (advice.cause.clone(), advice.todo.to_owned()) };
    let is_redirect = one.host.as_deref().is_some_and(|host| host != refused);
    let cause = match is_redirect {
        true if advice.cause == advice::NOT_ALLOWED => {
            format!("it redirects to {refused}, which is not in RecordingHosts")
        }
        true => format!("it redirects to {refused}, which is at an address that is not public"),
        false => advice.cause.clone(),
    };
    let exact = match one.port.filter(|_| !is_redirect) {
        Some(port) => format!("`{refused}:{port}`"),
        None => format!("`{refused}:443` (or the port that the redirect leads to)"),
    };
    let todo = if advice.cause == advice::NOT_PUBLIC || is_private(refused) {
        format!(
            "if it is meant to be fetched, add exactly {exact} to RecordingHosts and deploy: an address that is not public is allowed by host and port alone; its \
             recordings wait until their URLs expire, and are fetched within the hour once it is"
        )
    } else {
        format!(
            "if the host is the platform's, add `{refused}` to RecordingHosts and deploy; what waits is fetched within the hour, or at once by `callvault archive --call`. If it is at \
             a private address of yours, add exactly {exact}: with the host alone, its recordings go on waiting"
        )
    };
    (cause, todo)
}

fn of_deaths(tried: &[Tried]) -> Option<Finding> {
    let mut suspects: Vec<_> = tried.iter().filter(|one| one.deaths > 0).collect();
    suspects.sort_by_key(|one| std::cmp::Reverse(one.deaths));
    let worst = suspects.first()?;
    let Advice { cause, todo, .. } = advice::of_reason("runs of the archiver died");
    let verb = if suspects.len() == 1 { "was" } else { "were" };
    let runs = if worst.deaths == 1 { "1 run".to_owned() } else { format!("{} runs", worst.deaths) };
    let what = format!(
        "{} {verb} in hand of runs that died, {} of {runs}: {cause}",
        recordings(suspects.len()),
        named(&worst.call),
    );
    Some(finding(what, format!("it is given up after six; meanwhile all others go on; {todo}")))
}

/// A call, as commands take it and as paths name it.
pub fn named(call: &CallKey) -> String {
    format!("{}/{}", call.provider, path_id::escaped(call.call_id.as_str()))
}

#[cfg(test)]
mod tests {
    use shared::model::{CallId, Provider, Recording, RecordingSource, RecordingState};

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

    fn tried(id: &str, url: &str, reason: &str) -> Tried {
        Tried::of(call(id), &recording(url, reason))
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
            assert_eq!(told.contains(&format!("shard {shard}: something is due")), expected, "{told}");
            assert_eq!(told.contains("is the schedule of archive-recordings enabled?"), expected);
        }
        // A run that died, after which none came.
        let mut leases = leases();
        leases[shard].lease_owner = Some("dead".to_owned());
        leases[shard].lease_until = Some(now().plus_seconds(-PATIENCE_S - 1));
        let leases_of_the_dead = leases.clone();
        let told_of_the_dead = told(&Seen { leases, ..Seen::default() });
        let words = format!("shard {shard}: a run died, and no run of the archiver has come since");
        assert!(told_of_the_dead.starts_with(&words), "{told_of_the_dead}");
        // A run has come to another shard since: it is no matter of the schedule.
        let mut leases = leases_of_the_dead;
        leases[(shard + 1) % 8].last_run_at = Some(now().plus_seconds(-30));
        assert_eq!(told(&Seen { leases, ..Seen::default() }), "");
    }

    #[test]
    fn a_run_whose_clock_was_ahead_is_named_as_such() {
        let mut leases = leases();
        leases[3].last_run_at = Some(now().plus_seconds(2_945_290));
        let told = told(&Seen { leases, ..Seen::default() });
        assert!(
            told.starts_with(
                "shard 3: the last run was done at 2025-07-05T04:08:10.000Z, which is yet to come"
            ),
            "{told}"
        );
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
                tried(
                    &n.to_string(),
                    "https://a.example/1?Signature=x",
                    "the source answered with status 403",
                )
            })
            .chain([tried("9", "http://b.example/1", "the host b.example is not allowed")]);
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
        let mut suspect = tried("7", "http://a/1", "x");
        (suspect.deaths, suspect.last_error) = (1, None);
        let mut lost = recording("http://a/2", "6 runs of the archiver died while they had it in hand");
        lost.state = RecordingState::Failed;
        let seen = Seen {
            leases: leases(),
            waiting: vec![waiting("7", -60, 3_600), waiting("6", -60, -3_600)],
            looked_at: vec![suspect],
            lost: vec![Tried::of(call("8"), &lost)],
            unreadable: vec!["alicom/5 recording#main".to_owned(), "alicom/6 recording#main".to_owned()],
            secret: Some("the providers' secret could not be read: AccessDeniedException".to_owned()),
            bucket: Some("the bucket b can't be reached: no answer in time".to_owned()),
            writes: Some("InternalServerError".to_owned()),
            ..Seen::default()
        };
        let told = told(&seen);
        for part in [
            "1 recording expires within a day, the first at 2025-06-01T03:00:00.000Z: alicom/7",
            "1 recording is past the time of the URL, the first since 2025-06-01T01:00:00.000Z: alicom/6",
            "1 recording was in hand of runs that died, alicom/7 of 1 run: the archiver dies over it",
            "a: 1 was lost in the last day: the archiver dies over it",
            "callvault archive --lost --host a --dry-run",
            "AccessDeniedException: no URL is renewed",
            "the bucket b can't be reached",
            "the table takes no writes: InternalServerError",
            "alicom/5 recording#main, and 1 more: stored, but no recording",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn a_host_is_to_be_added_as_it_takes_effect() {
        let todo = |url: &str, reason: &str| {
            let looked_at = vec![tried("1", url, reason)];
            told(&Seen { leases: leases(), looked_at, ..Seen::default() })
        };
        let private = todo("http://127.0.0.1:4000/1", "the host 127.0.0.1 is not allowed");
        assert!(
            private.contains("127.0.0.1: 1 failed and is tried again: its host is not in RecordingHosts"),
            "{private}"
        );
        assert!(private.contains("add exactly `127.0.0.1:4000` to RecordingHosts"), "{private}");
        let public = todo("https://a.example/1", "the host a.example is not allowed");
        assert!(
            public.contains("add `a.example` to RecordingHosts")
                && public.contains("exactly `a.example:443`"),
            "{public}"
        );
        let redirect = todo("https://a.example/1", "the host cdn.example is not allowed");
        assert!(
            redirect.contains("it redirects to cdn.example, which is not in RecordingHosts"),
            "{redirect}"
        );
        assert!(redirect.contains("add `cdn.example` to RecordingHosts"), "{redirect}");
        let refused = todo("http://a.example:81/1", "a.example has an address that is refused (private)");
        assert!(refused.contains("add exactly `a.example:81`"), "{refused}");
    }

    #[test]
    fn each_code_of_s3s_is_one_line_over_all_hosts_and_what_nobody_can_mend_is_told_as_such() {
        let reasons = ["AccessDenied", "SlowDown", "AccessDenied"];
        let mut looked_at: Vec<_> = (0..)
            .zip(reasons)
            .map(|(n, code)| {
                tried(
                    &n.to_string(),
                    &format!("http://h{n}/1"),
                    &format!("the bucket did not take the recording: {code}"),
                )
            })
            .collect();
        looked_at.push(tried(
            "9",
            "http://h/1",
            "the source answered with status 404; the provider has it no more: gone",
        ));
        let found =
            findings(&Seen { leases: leases(), looked_at, more_waits: true, ..Seen::default() }, now());
        let told: Vec<_> =
            found.iter().map(|one| (one.what.split(" (").next().unwrap(), one.mendable)).collect();
        assert_eq!(
            told,
            [
                (
                    "the bucket: at least 2 failed and are tried again: S3 refuses or fails: AccessDenied",
                    true
                ),
                ("h: at least 1 failed and is tried again: the platform has removed the recording", false),
                ("the bucket: at least 1 failed and is tried again: S3 refuses or fails: SlowDown", true),
            ]
        );
    }
}
