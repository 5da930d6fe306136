//! What is wrong with archiving, as far as the table tells. Pure. What to do about it, and the words for both, stand beside it.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::due::DueRecording;
use crate::store::shards::ShardLease;
use shared::model::{CallId, CallKey, Instant, Provider};
use shared::path_id;
use shared::record::keys;

use super::advice::{self, Cause, Meaning};
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

/// Something that is wrong: of what kind it is, and what is known of it. [`Finding::what`] and [`Finding::todo`] tell it in English; whoever
/// tells it in another language words each kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The table takes no writes: why.
    NoWrites(String),
    /// The bucket can't be reached: which, and why.
    NoBucket(String),
    /// Something is stored that can't be read as a recording.
    Unreadable {
        /// The first of them, by its call and its sort key.
        first: String,
        /// How many there are beside it.
        more: usize,
    },
    /// A shard's lease can't be read.
    LeaseUnreadable {
        /// The shard.
        shard: u8,
    },
    /// A shard's lease holds for longer than any does.
    LeaseTooLong {
        /// The shard.
        shard: u8,
        /// Until when.
        until: Instant,
    },
    /// A run was done at a time that is yet to come.
    RunsAhead {
        /// Of which shards.
        shards: BTreeSet<u8>,
        /// The latest such time.
        at: Instant,
    },
    /// Something is due in these shards, and no run has come.
    NobodyCame(BTreeSet<u8>),
    /// A run that held these shards died, and none has come since.
    RunDied(BTreeSet<u8>),
    /// So many recordings have been due for more than an hour.
    Late(usize),
    /// The URLs of recordings that wait have expired.
    Past(Expiries),
    /// The URLs of recordings that wait expire within a day.
    Soon(Expiries),
    /// Recordings fail, or were lost, at one place for one cause.
    Failures(Failures),
    /// Runs died while they had recordings in hand.
    Deaths {
        /// How many recordings there are of that kind.
        count: usize,
        /// The call of the one over which the most runs died.
        worst: String,
        /// How many did.
        runs: u64,
    },
    /// The secret with the platforms' keys can't be read: why.
    NoSecret(String),
}

/// Recordings whose URLs expire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiries {
    /// How many.
    pub count: usize,
    /// When the first of them does.
    pub first_at: Instant,
    /// Its call.
    pub first: String,
}

/// Recordings that fail, or were lost, at one place for one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failures {
    /// Where it fails.
    pub place: FailurePlace,
    /// Why.
    pub cause: Cause,
    /// S3's own code, where it is S3 that fails.
    pub code: Option<String>,
    /// The host that is refused, where one is.
    pub refused: Option<RefusedHost>,
    /// How many recordings; at least so many, if `has_more`.
    pub count: usize,
    /// Whether there may be more, of which nothing was read.
    pub has_more: bool,
    /// Whether they were lost, and have to be revived once the cause is mended; otherwise they are tried again.
    pub is_lost: bool,
    /// The reason of one of them, as it is stored.
    pub example: String,
    /// The calls of some of them.
    pub calls: Vec<String>,
}

/// Where recordings fail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailurePlace {
    /// At a host.
    Host(String),
    /// Their URL names none.
    NoHost,
    /// At the bucket.
    Bucket,
}

/// A host that is not fetched from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedHost {
    /// Its name or address.
    pub host: String,
    /// The port of the URL. Not known of what a redirect leads to.
    pub port: Option<u16>,
    /// Whether the URL leads there by a redirect.
    pub is_redirect: bool,
    /// Whether its address is not public: then host and port have to be allowed together.
    pub is_private: bool,
}

/// All that is wrong at `now`.
pub fn findings(seen: &Seen, now: Instant) -> Vec<Finding> {
    let mut found = of_stores(seen);
    found.extend(of_leases(seen, now));
    found.extend(of_time(seen, now));
    found.extend(of_sources(&seen.looked_at, false, seen.more_waits));
    found.extend(of_deaths(&seen.looked_at));
    found.extend(of_sources(&seen.lost, true, seen.more_were_lost));
    found.extend(seen.secret.clone().map(Finding::NoSecret));
    found
}

/// What is wrong with table and bucket.
fn of_stores(seen: &Seen) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(seen.writes.clone().map(Finding::NoWrites));
    found.extend(seen.bucket.clone().map(Finding::NoBucket));
    if let Some(first) = seen.unreadable.first() {
        found.push(Finding::Unreadable { first: first.clone(), more: seen.unreadable.len() - 1 });
    }
    found
}

fn due_of(seen: &Seen, shard: u8, now: Instant) -> impl Iterator<Item = &DueRecording> {
    seen.waiting.iter().filter(move |entry| entry.due_at <= now && keys::shard_of(&entry.pk) == shard)
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
            found.push(Finding::LeaseUnreadable { shard });
        }
        match (&lease.lease_owner, lease.lease_until) {
            (Some(_), Some(until)) if until.seconds_since(now) > LONGEST_LEASE_S => {
                found.push(Finding::LeaseTooLong { shard, until });
            }
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
        found.push(Finding::RunsAhead { shards: ahead, at });
    }
    found.extend((!missed.is_empty()).then_some(Finding::NobodyCame(missed)));
    found.extend((!dead.is_empty()).then_some(Finding::RunDied(dead)));
    found
}

fn of_time(seen: &Seen, now: Instant) -> Vec<Finding> {
    let mut found = Vec::new();
    let late = seen.waiting.iter().filter(|entry| now.seconds_since(entry.due_at) > LATE_S).count();
    found.extend((late > 0).then_some(Finding::Late(late)));
    let expiring = |is_meant: &dyn Fn(i64) -> bool| {
        let expiries = seen.waiting.iter().filter_map(|entry| Some((entry.source_expires_at?, entry)));
        let expiries: Vec<_> = expiries.filter(|(at, _)| is_meant(at.seconds_since(now))).collect();
        let (first_at, first) = *expiries.iter().min_by_key(|(at, _)| *at)?;
        let first = keys::call_of_pk(&first.pk).map(|call| named(&call)).unwrap_or_default();
        Some(Expiries { count: expiries.len(), first_at, first })
    };
    found.extend(expiring(&|left_s| left_s <= 0).map(Finding::Past));
    found.extend(expiring(&|left_s| (1..SOON_S).contains(&left_s)).map(Finding::Soon));
    found
}

/// Recordings by place and cause, the largest group first. Of `has_more` there are than are given.
fn of_sources(tried: &[Tried], is_lost: bool, has_more: bool) -> Vec<Finding> {
    let mut groups = BTreeMap::new();
    for one in tried {
        let Some(reason) = one.last_error.as_deref() else { continue };
        let Meaning { cause, code } = advice::of_reason(reason);
        let place = match &one.host {
            _ if cause.is_of_the_bucket() => FailurePlace::Bucket,
            Some(host) => FailurePlace::Host(host.clone()),
            None => FailurePlace::NoHost,
        };
        let refused = refused(one, reason, cause);
        let key = (place.clone(), cause, code.clone(), refused.clone());
        let group = groups.entry(key).or_insert_with(|| Failures {
            place,
            cause,
            code,
            refused,
            count: 0,
            has_more,
            is_lost,
            example: reason.to_owned(),
            calls: Vec::new(),
        });
        group.count += 1;
        let call = named(&one.call);
        if group.calls.len() < NAMED && !group.calls.contains(&call) {
            group.calls.push(call);
        }
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups.into_iter().map(Finding::Failures).collect()
}

/// The host that `RecordingHosts` lacks, where it is that.
fn refused(one: &Tried, reason: &str, cause: Cause) -> Option<RefusedHost> {
    let is_of_hosts = matches!(cause, Cause::HostNotAllowed | Cause::AddressNotPublic);
    let host = advice::refused_host(reason).or(one.host.as_deref()).filter(|_| is_of_hosts)?;
    let is_redirect = one.host.as_deref().is_some_and(|own| own != host);
    Some(RefusedHost {
        host: host.to_owned(),
        port: one.port.filter(|_| !is_redirect),
        is_redirect,
        is_private: cause == Cause::AddressNotPublic || is_private(host),
    })
}

fn of_deaths(tried: &[Tried]) -> Option<Finding> {
    let mut suspects: Vec<_> = tried.iter().filter(|one| one.deaths > 0).collect();
    suspects.sort_by_key(|one| std::cmp::Reverse(one.deaths));
    let worst = suspects.first()?;
    Some(Finding::Deaths { count: suspects.len(), worst: named(&worst.call), runs: worst.deaths })
}

impl Finding {
    /// The calls that it names, each as [`named`] does.
    pub fn calls(&self) -> Vec<&str> {
        match self {
            Self::Past(expiries) | Self::Soon(expiries) => vec![&expiries.first],
            Self::Failures(failures) => failures.calls.iter().map(String::as_str).collect(),
            Self::Deaths { worst, .. } => vec![worst],
            // Behind the call stands which of its items it is.
            Self::Unreadable { first, .. } => first.split(' ').take(1).collect(),
            _ => Vec::new(),
        }
    }
}

/// The call that is named so.
pub fn call_of(named: &str) -> Option<CallKey> {
    let (provider, id) = named.split_once('/')?;
    let call_id = CallId::new(path_id::unescaped(id)?)?;
    Some(CallKey { provider: Provider::named(provider)?, call_id })
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
        let found = findings(seen, now()).into_iter();
        found.map(|one| format!("{} -> {}\n", one.what(&|at| at.to_string()), one.todo())).collect()
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
        // Two recordings of the first call.
        let looked_at = [0, 0, 1, 2, 3]
            .into_iter()
            .map(|n: u8| {
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
        let told: Vec<_> = found
            .iter()
            .map(|one| {
                let what = one.what(&|at| at.to_string());
                (what.split(" (").next().unwrap().to_owned(), one.is_mendable())
            })
            .collect();
        let told: Vec<_> = told.iter().map(|(what, is_mendable)| (&**what, *is_mendable)).collect();
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
