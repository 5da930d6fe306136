//! The table's schema, and the keys of its items and of the bucket's objects.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::model::{CallId, CallKey, Hour, Instant, PhoneNumber, Provider};

/// The partition key.
pub const PK: &str = "pk";
/// The sort key.
pub const SK: &str = "sk";
/// The sort key of the call itself.
pub const CALL: &str = "call";
/// The sort key of its conversation.
pub const CONVERSATION: &str = "conversation";
/// By which attribute items expire, in seconds since 1970; set only where a retention is configured.
pub const TTL: &str = "ttl";

/// The index of calls by task.
pub const BY_TASK: &str = "by-task";
/// The index of calls by the number that was called.
pub const BY_CALLEE: &str = "by-callee";
/// The index of calls by day.
pub const BY_DAY: &str = "by-day";
/// By which attribute the indexes of calls sort.
pub const CALL_AT: &str = "call_at";
/// The index of what is due.
pub const BY_DUE: &str = "by-due";
/// Its partition key, which only an item has that is due at a time.
pub const DUE: &str = "due";
/// Its sort key: when that is.
pub const DUE_AT: &str = "due_at";

/// A global secondary index. All of its attributes are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: &'static str,
    /// Its partition key.
    pub partition: &'static str,
    /// Its sort key.
    pub sort: &'static str,
    /// What it projects beside the keys.
    pub projects: &'static [&'static str],
}

/// The indexes. They project no more than a list needs, and nothing that later pushes change: a change of a
/// projected attribute would cost a write of the index each time.
pub const INDEXES: [Index; 4] = [TASK_INDEX, CALLEE_INDEX, DAY_INDEX, DUE_INDEX];

/// The index of calls by task.
pub const TASK_INDEX: Index = Index { name: BY_TASK, partition: "task_key", sort: CALL_AT, projects: &[] };
/// The index of calls by the number that was called.
pub const CALLEE_INDEX: Index =
    Index { name: BY_CALLEE, partition: "callee_key", sort: CALL_AT, projects: &[] };
/// The index of calls by day.
pub const DAY_INDEX: Index = Index { name: BY_DAY, partition: "day", sort: CALL_AT, projects: &[] };
/// The index of what is due.
pub const DUE_INDEX: Index =
    Index { name: BY_DUE, partition: DUE, sort: DUE_AT, projects: &["source_expires_at"] };

/// Over how many partitions a day, and the work that is due, are spread.
pub const SHARDS: u8 = 8;

/// The partition key under which all that is known of a call lies.
pub fn call_pk(key: &CallKey) -> String {
    ["call#", key.provider.as_str(), "#", key.call_id.as_str()].concat()
}

/// The call whose partition key this is, if it is one.
pub fn call_of_pk(pk: &str) -> Option<CallKey> {
    let (provider, call_id) = pk.strip_prefix("call#")?.split_once('#')?;
    let provider = Provider::named(provider)?;
    Some(CallKey { provider, call_id: CallId::new(call_id.to_owned())? })
}

/// The partition key of what people think of a call.
pub fn review_pk(key: &CallKey) -> String {
    ["review#", key.provider.as_str(), "#", key.call_id.as_str()].concat()
}

/// The call whose review lies under this partition key.
pub fn call_of_review_pk(pk: &str) -> Option<CallKey> {
    let (provider, call_id) = pk.strip_prefix("review#")?.split_once('#')?;
    Some(CallKey { provider: Provider::named(provider)?, call_id: CallId::new(call_id.to_owned())? })
}

/// The partition key of the marks of hours whose calls changed since analytics' files were written. Their sort keys are the hours.
pub const DIRTY: &str = "dirty";

/// The partition key of the name that people gave a task. It begins as reviews do: whoever may write these may name tasks.
pub fn task_name_pk(provider: Provider, task_id: &str) -> String {
    ["review#task#", provider.as_str(), "#", task_id].concat()
}

/// The task whose name lies under this partition key.
pub fn task_of_name_pk(pk: &str) -> Option<(Provider, String)> {
    let (provider, task_id) = pk.strip_prefix("review#task#")?.split_once('#')?;
    Some((Provider::named(provider)?, task_id.to_owned()))
}

/// The sort key of a task's name.
pub const TASK_NAME: &str = "name";
/// The partition key of what runs of analytics' exporter note: their lease, and when the index's counts were compared last.
pub const EXPORT_RUNS: &str = "run#export-calls";

/// The sort key of a review.
pub const REVIEW: &str = "review";

/// The sort key of a verbatim push.
pub fn push_sk(function: &str, digest: &str) -> String {
    ["push#", function, "#", digest].concat()
}

/// The sort key of a recording.
pub fn recording_sk(slot: &str) -> String {
    ["recording#", slot].concat()
}

/// The partition of `by-task`.
pub fn task_key(provider: Provider, task_id: &str) -> String {
    [provider.as_str(), "#", task_id].concat()
}

/// The partition of `by-callee`, the same whatever stands between the number's digits: `None` for a masked number, which many callees share.
pub fn callee_key(callee: &PhoneNumber) -> Option<String> {
    (!callee.is_masked()).then(|| callee.plain()).filter(|key| !key.is_empty())
}

/// The partition of `by-day` for a call of this date, `2025-06-01`, and shard.
pub fn day_key(date: &str, shard: u8) -> String {
    format!("{date}#{shard}")
}

/// All partitions of `by-day` for a date in UTC, `2025-06-01`.
pub fn day_keys(date: &str) -> impl Iterator<Item = String> + use<'_> {
    (0..SHARDS).map(move |shard| day_key(date, shard))
}

/// The partition of `by-due` for recordings to archive, of calls of this shard.
pub fn archive_due_key(shard: u8) -> String {
    format!("archive#{shard}")
}

/// The partition of `by-due` for recordings that were given up, of calls of this shard: nothing works on them, they are listed there.
/// `due_at` is when that was.
pub fn lost_due_key(shard: u8) -> String {
    format!("lost#{shard}")
}

/// The partition of `by-due` for conversations to ask for, of calls of this shard.
pub fn conversation_due_key(shard: u8) -> String {
    format!("conversation#{shard}")
}

/// The partition of `by-due` for conversations to ask for, of calls of this shard that are settled: without keys to a platform's API nobody
/// reads it.
pub fn settled_due_key(shard: u8) -> String {
    format!("settled#{shard}")
}

/// The partition of `by-due` for the tombstones of this shard that are to be looked at, of calls and of rejects.
pub fn erased_due_key(shard: u8) -> String {
    format!("erased#{shard}")
}

/// The partition key of the leases on the shards of recordings.
pub const ARCHIVE_RUNS: &str = "run#archive-recordings";

/// The sort key of the lease on a shard of recordings.
pub fn shard_sk(shard: u8) -> String {
    format!("shard#{shard}")
}

/// The partition key of the tombstone of a reject that a person was erased from.
pub fn erased_reject_pk(function: &str, digest: &str) -> String {
    format!("rejected#{function}#{digest}")
}

/// Whether the tombstone of a reject lies under this partition key.
pub fn is_of_erased_reject(pk: &str) -> bool {
    pk.starts_with("rejected#")
}

/// The sort key of the tombstone of a reject.
pub const ERASED: &str = "erased";

/// All partitions of `by-due` for tombstones.
pub fn erased_due_keys() -> impl Iterator<Item = String> {
    (0..SHARDS).map(erased_due_key)
}

/// All partitions of `by-due` for conversations to ask for.
pub fn conversation_due_keys() -> impl Iterator<Item = String> {
    (0..SHARDS).map(conversation_due_key)
}

/// All partitions of `by-due` for conversations to ask for of calls that are settled.
pub fn settled_due_keys() -> impl Iterator<Item = String> {
    (0..SHARDS).map(settled_due_key)
}

/// The partition key under which it is marked how far a provider's own lists of calls were read.
pub fn reconciled_pk(provider: Provider) -> String {
    format!("reconciled#{provider}")
}

/// The sort key of the mark that all tasks' lists were read.
pub const ALL_TASKS: &str = "all";

/// The sort key of one task's mark.
pub fn task_mark_sk(task_id: &str) -> String {
    format!("task#{task_id}")
}

/// What begins the partition keys of the access log, and of nothing else: readers may write there.
pub const ACCESS_PREFIX: &str = "access#";

/// The partition key of who looked at a call. It is not the call's: an erasure leaves it.
pub fn access_pk(key: &CallKey) -> String {
    [ACCESS_PREFIX, key.provider.as_str(), "#", key.call_id.as_str()].concat()
}

/// The partition key of who looked at lists on a date in UTC, `2025-06-01`.
pub fn access_list_pk(date: &str) -> String {
    [ACCESS_PREFIX, date].concat()
}

/// Whether entries of the access log lie under this partition key.
pub fn is_access_pk(pk: &str) -> bool {
    pk.starts_with(ACCESS_PREFIX)
}

/// The call whose partition of the access log this is, if it is one's.
pub fn call_of_access_pk(pk: &str) -> Option<CallKey> {
    call_of_pk(&["call#", pk.strip_prefix(ACCESS_PREFIX)?].concat())
}

/// The sort key of an entry of the access log.
pub fn access_sk(at: Instant, random: &str) -> String {
    format!("{at}#{random}")
}

/// Which of the [`SHARDS`] what lies under a partition key belongs to.
pub fn shard_of(pk: &str) -> u8 {
    Sha256::digest(pk)[0] % SHARDS
}

/// The digest of an element of a push by which a repeat is known: SHA-256, shortened to 64 bits, in hex. It tells the bodies of
/// one function about one call apart.
pub fn element_digest(text: &str) -> String {
    hex(&Sha256::digest(text)[..8])
}

/// In hex, as `hex::encode` has it, which takes as long as the digest itself.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        hex.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    hex
}

/// The digest of what stood beside the list in a body, in hex: SHA-256, shortened to 128 bits. It tells the envelopes of one function
/// apart, of which there may be as many as there are pushes.
pub fn envelope_digest(text: &str) -> String {
    hex(&Sha256::digest(text)[..16])
}

/// The partition key of an envelope.
pub fn envelope_pk(function: &str, digest: &str) -> String {
    format!("envelope#{function}#{digest}")
}

/// The sort key of an envelope.
pub const ENVELOPE: &str = "envelope";

/// Where an envelope lies in the bucket that is too large for an item.
pub fn large_envelope_key(function: &str, text: &str) -> String {
    format!("large/envelope/{function}/{}.json", hex::encode(Sha256::digest(text)))
}

/// Where a rejected element, or a rejected body, is kept in the bucket.
pub fn rejected_key(function: &str, received_at: Instant, bytes: &[u8]) -> String {
    rejected_key_of(function, received_at, &hex::encode(Sha256::digest(bytes)))
}

/// Where what has this digest is kept.
pub fn rejected_key_of(function: &str, received_at: Instant, digest: &str) -> String {
    format!("rejected/{function}/{}/{digest}.json", received_at.date().replace('-', "/"))
}

/// The function that kept a reject, and the digest of what came, as the reject's key in the bucket tells them.
pub fn reject_of_key(key: &str) -> Option<(&str, &str)> {
    let (function, dated) = key.strip_prefix("rejected/")?.split_once('/')?;
    let (_, name) = dated.rsplit_once('/')?;
    Some((function, name.strip_suffix(".json")?))
}

/// Where the parts of a call's items lie in the bucket that are too large for them.
pub fn large_prefix(key: &CallKey) -> String {
    format!("large/{}/{}/", key.provider, path_segment(key.call_id.as_str()))
}

/// Where one such part lies: named by its content, so that a repeat falls on it.
pub fn large_key(key: &CallKey, bytes: &[u8]) -> String {
    format!("{}{}.json", large_prefix(key), hex::encode(Sha256::digest(bytes)))
}

/// Under which prefix the bucket has what readers were given as a file. It expires after a day.
pub const DOWNLOADS: &str = "downloads/";

/// Where a file for a reader lies: found by nobody who was not given its URL. `random` tells it from others, `name` ends it.
pub fn download_key(at: Instant, random: &str, name: &str) -> String {
    format!("{DOWNLOADS}{}/{random}/{name}", at.date())
}

/// Where analytics' file of a data set and an hour lies, in a bucket of its own: as partitions are written that others know by themselves.
pub fn analytics_key(data_set: &str, hour: Hour) -> String {
    format!("{data_set}/day={}/{:02}.parquet", hour.date(), hour.of_day())
}

/// Where in the same bucket lies what is counted of an hour.
pub fn summary_key(hour: Hour) -> String {
    format!("summaries/day={}/{:02}.json", hour.date(), hour.of_day())
}

/// Kept as they are in an object's key: what needs no escape in a URL.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The longest id that is spelled out in an object's key, in bytes once escaped: a key has at most 1,024.
const MAX_SEGMENT_BYTES: usize = 400;

/// An id as part of an object's key: percent-encoded, or its SHA-256 where it is too long. (`=` is always escaped, so that
/// no id looks like another's digest.)
fn path_segment(id: &str) -> String {
    let escaped = utf8_percent_encode(id, UNRESERVED).to_string();
    if escaped.len() <= MAX_SEGMENT_BYTES {
        escaped
    } else {
        format!("sha256={}", hex::encode(Sha256::digest(id)))
    }
}

/// Where a call's recordings lie in the bucket.
pub fn recording_prefix(key: &CallKey, call_at: Instant) -> String {
    let call = path_segment(key.call_id.as_str());
    format!("recordings/provider={}/date={}/{call}/", key.provider, call_at.date())
}

/// Whether a prefix lies where calls have their objects: an empty one would be the whole bucket.
pub fn is_of_calls(prefix: &str) -> bool {
    // `large/<provider>/<call>/`, `recordings/provider=<provider>/date=<date>/<call>/…`
    let folders = match prefix.split_once('/') {
        Some(("large", _)) => 3,
        Some(("recordings", _)) => 4,
        _ => return false,
    };
    prefix.matches('/').count() >= folders
}

/// Where one archived recording lies; `extension` without a dot.
pub fn recording_key(key: &CallKey, call_at: Instant, slot: &str, extension: &str) -> String {
    format!("{}{}.{extension}", recording_prefix(key, call_at), path_segment(slot))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn call(id: &str) -> CallKey {
        CallKey { provider: Provider::Alicom, call_id: CallId::new(id.to_owned()).unwrap() }
    }

    fn at() -> Instant {
        Instant::from_epoch_millis(1_748_743_200_000).unwrap()
    }

    #[test]
    fn keys_are_as_the_design_has_them() {
        let call = call("10000161****^1000018****");
        assert_eq!(call_pk(&call), "call#alicom#10000161****^1000018****");
        assert_eq!(call_of_pk(&call_pk(&call)), Some(call.clone()));
        assert_eq!(call_of_pk("call#alicom##1").unwrap().call_id.as_str(), "#1");
        assert!(
            ["call#alicom#", "call#other#1", "reconciled#alicom"].iter().all(|pk| call_of_pk(pk).is_none())
        );
        assert_eq!(push_sk("alicom-call-report", "ab"), "push#alicom-call-report#ab");
        assert_eq!(task_key(Provider::Laaffic, "7"), "laaffic#7");
        assert_eq!(day_key(&at().date(), 7), "2025-06-01#7");
        let rejected = rejected_key("f", at(), b"x");
        assert!(rejected.starts_with("rejected/f/2025/06/01/2d711642b726b044"));
        let (function, digest) = reject_of_key(&rejected).unwrap();
        assert_eq!((function, digest.len()), ("f", 64));
        assert!(
            ["rejected/.keep", "rejected/f/x", "large/f/1.json"]
                .iter()
                .all(|key| reject_of_key(key).is_none())
        );
        assert_eq!(
            recording_key(&call, at(), "main", "wav"),
            "recordings/provider=alicom/date=2025-06-01/10000161%2A%2A%2A%2A%5E1000018%2A%2A%2A%2A/main.wav"
        );
    }

    #[test]
    fn a_masked_callee_has_no_key() {
        assert_eq!(callee_key(&PhoneNumber::new("139********").unwrap()), None);
        for number in ["13900000000", "139-0000-0000", " 139 (0000) 0000 "] {
            assert_eq!(callee_key(&PhoneNumber::new(number).unwrap()).as_deref(), Some("13900000000"));
        }
        assert_eq!(callee_key(&PhoneNumber::new("+86 139").unwrap()).as_deref(), Some("+86139"));
        assert_eq!(callee_key(&PhoneNumber::new("--").unwrap()), None, "it would be no key");
    }

    proptest! {
        #[test]
        fn different_recordings_have_different_keys_and_none_leaves_its_folder(
            a in "\\PC{1,300}", b in "\\PC{1,300}", slot_a in "\\PC{1,200}", slot_b in "\\PC{1,200}",
        ) {
            prop_assume!(CallId::new(a.clone()).is_some() && CallId::new(b.clone()).is_some());
            let key_a = recording_key(&call(&a), at(), &slot_a, "wav");
            let key_b = recording_key(&call(&b), at(), &slot_b, "wav");
            prop_assert_eq!(key_a == key_b, (a, slot_a) == (b, slot_b));
            prop_assert_eq!(key_a.matches('/').count(), 4);
            prop_assert!(key_a.len() <= 1024, "S3 takes no longer key");
        }

        #[test]
        fn a_shard_is_one_of_the_shards(id in "\\PC{1,30}") {
            prop_assume!(CallId::new(id.clone()).is_some());
            prop_assert!(shard_of(&call_pk(&call(&id))) < SHARDS);
        }
    }
}
