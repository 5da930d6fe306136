//! Holding the stores against the truth: every acknowledged message is stored, every stored one was sent, and each attribute
//! of each item is what the call's facts say.

use std::collections::{BTreeMap, HashSet};

use anyhow::Context;
use aws_sdk_s3::error::ProvideErrorMetadata;
use futures_util::{StreamExt, TryStreamExt, stream};
use runtime::store::Store;
use runtime::store::bucket::BucketError;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use shared::record::item::Item;
use shared::record::item::is_tombstone;
use shared::record::keys::SK;

use super::call::{Call, World};
use super::element::{Element, Recording};
use super::plan::kinds;
use super::report::Sent;
use super::truth;
use super::verification::{Difference, Verification};

/// How many calls are looked at side by side.
const SIDE_BY_SIDE: usize = 24;
/// Of so many archived recordings one is read whole; of the others what the table says.
const SAMPLED: u32 = 10;
/// What a conversation is made of.
const SAID: [&str; 4] = ["turns", "intent_code", "tags", "variables"];
/// How long Alibaba's URLs are good where nothing tells, in seconds.
const URL_LIFETIME_S: i64 = 604_800;

/// Looks at everything. `archived`: every recording has to be.
pub(super) async fn verify(
    world: &World,
    calls: u32,
    store: &Store,
    sent: &Sent,
    archived: bool,
) -> anyhow::Result<Verification> {
    let verifier = Verifier { world, store, sent, archived };
    let mut verification = stream::iter(0..calls)
        .map(|index| verifier.call(index))
        .buffer_unordered(SIDE_BY_SIDE)
        .try_fold(Verification::default(), async |mut sum, one| {
            sum.add(one);
            Ok(sum)
        })
        .await?;
    verification.add(verifier.strangers(calls).await?);
    verification.differences.sort_by(|a, b| (&a.pk, &a.sk, &a.what).cmp(&(&b.pk, &b.sk, &b.what)));
    Ok(verification)
}

struct Verifier<'a> {
    world: &'a World,
    store: &'a Store,
    sent: &'a Sent,
    archived: bool,
}

/// A message of a call: written, and whether it was acknowledged. One that wasn't may be stored or not, item by item.
struct Told {
    element: Element,
    acknowledged: bool,
    /// When it was first received, as the stores tell it: chance decides which of two messages comes first.
    received_at: Option<String>,
}

impl Verifier<'_> {
    async fn call(&self, index: u32) -> anyhow::Result<Verification> {
        let call = self.world.call(index);
        let mut told: Vec<_> = kinds(&call)
            .iter()
            .map(|kind| Told {
                element: self.world.element(&call, *kind),
                acknowledged: self.sent.acknowledged.contains(&(index, *kind)),
                received_at: None,
            })
            .collect();
        let mut found = Verification { calls: 1, ..Verification::default() };
        let pk = truth::partition(&call);
        let mut items: BTreeMap<String, Item> = BTreeMap::new();
        for item in self.store.table().query(&pk).await? {
            items.insert(item[SK].as_str().unwrap_or_default().to_owned(), self.whole(item).await?);
        }
        if !self.sent.erased.contains(&index) {
            if items
                .get("call")
                .is_some_and(|call| is_tombstone(call) && self.is_of_before(call, "erased_at"))
            {
                found.erased_before = 1;
                return Ok(found);
            }
            if self.is_told_otherwise(&items, &told) {
                found.told_otherwise = 1;
                return Ok(found);
            }
        }
        let mut differ = |sk: &str, what: String| {
            found.differences.push(Difference { pk: pk.clone(), sk: sk.to_owned(), what })
        };
        if self.sent.erased.contains(&index) {
            found.erased = 1;
            match items.remove("call") {
                Some(call) if is_tombstone(&call) => {}
                Some(_) => differ("call", "erased, but no tombstone".to_owned()),
                None => differ("call", "erased, but there is no tombstone".to_owned()),
            }
            for sk in items.keys() {
                differ(sk, "stored, though the call was erased".to_owned());
            }
            return Ok(found);
        }
        if !call.named {
            for (sk, _) in items {
                differ(&sk, "stored, though no message told the call's id".to_owned());
            }
            for told in told.iter().filter(|told| told.acknowledged) {
                match self.rejected(&told.element).await? {
                    true => found.rejected += 1,
                    false => found.differences.push(Difference {
                        pk: pk.clone(),
                        sk: truth::push_key(&told.element),
                        what: "acknowledged, but neither stored nor kept as rejected".to_owned(),
                    }),
                }
            }
            return Ok(found);
        }

        for told in &mut told {
            let sk = truth::push_key(&told.element);
            match items.remove(&sk) {
                Some(push) => {
                    found.pushes += 1;
                    told.received_at = push.get("received_at").and_then(Value::as_str).map(str::to_owned);
                    if push.get("body").and_then(Value::as_str) != Some(&told.element.text) {
                        differ(&sk, "the text is not the one that was sent".to_owned());
                    }
                    if push.get("function").and_then(Value::as_str) != Some(told.element.function) {
                        differ(&sk, "the function is another".to_owned());
                    }
                }
                None if told.acknowledged => differ(&sk, "acknowledged, but not stored".to_owned()),
                None => {}
            }
        }

        let stored = items.remove("call");
        let truths = possible(&told).into_iter().map(|said| {
            let day = |item: &Map<String, Value>| item.get("call_at")?.as_str().map(|at| at[..10].to_owned());
            let truth = (!said.is_empty()).then(|| truth::call_item(&call, &said));
            let day = truth.as_ref().and_then(day);
            (truth, day)
        });
        let best = truths.map(|(truth, day)| {
            let mut differences = unlike(truth.as_ref(), stored.as_ref(), &["day", "call_at"]);
            if let (Some(stored), Some(_)) = (&stored, &truth) {
                differences.extend(misplaced(stored, day.as_deref()));
            }
            differences
        });
        for what in best.min_by_key(Vec::len).unwrap_or_default() {
            differ("call", what);
        }

        let stored =
            items.remove("conversation").filter(|item| SAID.iter().any(|name| item.contains_key(*name)));
        let truths = possible(&told).into_iter().map(|said| truth::conversation_item(&call, &said));
        let best = truths.map(|truth| unlike(truth.as_ref(), stored.as_ref(), &[])).min_by_key(Vec::len);
        for what in best.unwrap_or_default() {
            differ("conversation", what);
        }

        for (sk, announced) in announced(&call, &told) {
            let mut differ = |what: String| {
                found.differences.push(Difference { pk: pk.clone(), sk: sk.clone(), what });
            };
            let Some(item) = items.remove(&sk) else {
                if announced.iter().any(|(told, _, _)| told.acknowledged) {
                    differ("announced and acknowledged, but not stored".to_owned());
                }
                continue;
            };
            found.recordings += 1;
            // Of several announcements which one stands there depends on what came of the others.
            let best = announced.iter().map(|(_, recording, truth)| {
                let mut said = item.clone();
                said.retain(|name, _| truth.contains_key(name));
                (truth::differences(truth, &said, &[]), recording)
            });
            let Some((differences, recording)) = best.min_by_key(|(differences, _)| differences.len()) else {
                continue;
            };
            differences.into_iter().for_each(&mut differ);
            let archive = self.recording(&call, recording, &item, announced.len()).await?;
            archive.wrong.into_iter().for_each(&mut differ);
            found.archived += u64::from(archive.archived);
            found.read += u64::from(archive.read);
        }
        for sk in items.into_keys() {
            found.differences.push(Difference {
                pk: pk.clone(),
                sk,
                what: "stored, but never sent".to_owned(),
            });
        }
        Ok(found)
    }

    /// Whether the time in an attribute is before this run began.
    fn is_of_before(&self, item: &Item, name: &str) -> bool {
        let at = item.get(name).and_then(Value::as_str).and_then(|at| at.parse::<jiff::Timestamp>().ok());
        at.is_some_and(|at| at < self.sent.started)
    }

    /// Whether a call has a push from before that is none of this run's: an earlier one, with other options, told it.
    fn is_told_otherwise(&self, items: &BTreeMap<String, Item>, told: &[Told]) -> bool {
        let ours: HashSet<_> = told.iter().map(|told| truth::push_key(&told.element)).collect();
        items.iter().any(|(sk, item)| {
            sk.starts_with("push#") && !ours.contains(sk) && self.is_of_before(item, "received_at")
        })
    }

    /// The item with what lies in the bucket for its size put back in its place.
    async fn whole(&self, mut item: Item) -> anyhow::Result<Item> {
        let bucket = self.store.bucket();
        if let Some(Value::String(key)) = item.remove("body_key") {
            item.insert(
                "body".to_owned(),
                String::from_utf8_lossy(&bucket.get(&key).await?).into_owned().into(),
            );
        }
        if let Some(Value::String(key)) = item.remove("turns_key") {
            item.insert("turns".to_owned(), serde_json::from_slice(&bucket.get(&key).await?)?);
        }
        Ok(item)
    }

    /// Whether a message is kept as rejected, exactly as it was sent, on one of the days since.
    async fn rejected(&self, element: &Element) -> anyhow::Result<bool> {
        let digest = hex::encode(Sha256::digest(&element.text));
        let day = |at: jiff::Timestamp| jiff::tz::Offset::UTC.to_datetime(at).date();
        let mut date = day(self.sent.started);
        while date <= day(jiff::Timestamp::now()) {
            let key = format!("rejected/{}/{}/{digest}.json", element.function, date.strftime("%Y/%m/%d"));
            match self.store.bucket().get(&key).await {
                Ok(kept) => {
                    let kept: Value = serde_json::from_slice(&kept)?;
                    return Ok(kept["body"] == element.text.as_str() && kept["function"] == element.function);
                }
                Err(BucketError::Read(error)) if error.code() == Some("NoSuchKey") => {}
                Err(error) => return Err(error.into()),
            }
            date = date.tomorrow()?;
        }
        Ok(false)
    }

    /// What became of a recording.
    ///
    /// `announcements`: how many there are of it. When the URL dies is looked at where there is one.
    async fn recording(
        &self,
        call: &Call,
        recording: &Recording,
        item: &Item,
        announcements: usize,
    ) -> anyhow::Result<Archive> {
        let mut archive = Archive::default();
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        let unsigned = recording.signed_until.is_none();
        let expiry = text("source_expires_at");
        match truth::provider(call) {
            _ if announcements > 1 || recording.url.is_none() => {}
            // It lives for seven days from when it was first heard of.
            "alicom" if unsigned && lifetime_s(text("first_received_at"), expiry) != Some(URL_LIFETIME_S) => {
                archive
                    .wrong
                    .push(format!("source_expires_at: {expiry:?} is not seven days after it was received"));
            }
            "alicom" => {}
            _ if unsigned && expiry.is_some() => {
                archive.wrong.push("source_expires_at: nothing tells it".to_owned())
            }
            _ => {}
        }
        if text("state") != Some("archived") {
            if self.archived || text("state") != Some("pending") {
                archive.wrong.push(format!("state: {:?} ({:?})", text("state"), text("last_error")));
            }
            return Ok(archive);
        }
        archive.archived = true;
        let source = platforms::Recording::new(recording.name.clone()).public();
        let bytes = source.length();
        let sha256 = tokio::task::spawn_blocking(move || platforms::sha256_of(&source)).await?;
        if text("sha256") != Some(&sha256) {
            archive.wrong.push(format!("sha256: expected {sha256}, stored {:?}", text("sha256")));
        }
        if item.get("bytes").and_then(Value::as_u64) != Some(bytes) {
            archive.wrong.push(format!("bytes: expected {bytes}, stored {:?}", item.get("bytes")));
        }
        let Some(key) = text("object_key") else {
            archive.wrong.push("object_key: stored nothing".to_owned());
            return Ok(archive);
        };
        let bucket = self.store.bucket();
        match bucket.client.head_object().bucket(&bucket.name).key(key).send().await {
            Ok(head) if head.content_length() == i64::try_from(bytes).ok() => {}
            Ok(head) => archive.wrong.push(format!("the object has {:?} bytes", head.content_length())),
            Err(error) if error.code() == Some("NotFound") => {
                archive.wrong.push("there is no object".to_owned());
                return Ok(archive);
            }
            Err(error) => return Err(error).context("an object can't be looked at"),
        }
        if call.index.is_multiple_of(SAMPLED) {
            archive.read = true;
            if hex::encode(Sha256::digest(bucket.get(key).await?)) != sha256 {
                archive.wrong.push("the object's bytes are others".to_owned());
            }
        }
        Ok(archive)
    }

    /// Whether a partition is a call of the same seed and day that was there before this run began.
    async fn is_of_earlier_run(&self, pk: &str, number: Option<u32>) -> anyhow::Result<bool> {
        let is_known = number.is_some_and(|number| truth::partition(&self.world.call(number)) == pk);
        if !is_known {
            return Ok(false);
        }
        let call = self.store.table().get(pk, "call").await?;
        Ok(call.is_some_and(|call| {
            self.is_of_before(&call, "first_received_at") || self.is_of_before(&call, "erased_at")
        }))
    }

    /// Items under ids of this simulation that none of its calls has, and how much else there is in the table.
    async fn strangers(&self, calls: u32) -> anyhow::Result<Verification> {
        let known: HashSet<String> =
            (0..calls).map(|index| truth::partition(&self.world.call(index))).collect();
        let mark = self.world.mark();
        let ours = ["call#alicom#1", "call#ai-voice#1953", "call#laaffic#2603"]
            .map(|start| format!("{start}{mark}"));
        let mut keys = self.store.table().scan_keys();
        let mut found = Verification::default();
        let mut others = HashSet::new();
        let mut strangers: BTreeMap<(String, Option<u32>), Vec<String>> = BTreeMap::new();
        let mut envelopes = String::new();
        while let Some((pk, sk)) = keys.try_next().await.context("the table can't be read")? {
            if known.contains(&pk) {
                continue;
            }
            if pk.starts_with("envelope#") {
                let item = self.store.table().get(&pk, &sk).await?;
                envelopes.extend(item.as_ref().and_then(|item| item.get("body")).map(Value::to_string));
                continue;
            }
            match ours.iter().find_map(|start| pk.strip_prefix(start)) {
                Some(rest) => strangers.entry((pk.clone(), number(rest))).or_default().push(sk),
                None => {
                    others.insert(pk);
                }
            }
        }
        for ((pk, number), sort_keys) in strangers {
            if self.is_of_earlier_run(&pk, number).await? {
                found.of_earlier_runs += 1;
                continue;
            }
            let what = "stored, but there was no such call".to_owned();
            let differences =
                sort_keys.into_iter().map(|sk| Difference { pk: pk.clone(), sk, what: what.clone() });
            found.differences.extend(differences);
        }
        found.other_partitions = others.len() as u64;
        for batch in self.sent.envelopes.iter().filter(|batch| !envelopes.contains(batch.as_str())) {
            found.differences.push(Difference {
                pk: "envelope".to_owned(),
                sk: batch.clone(),
                what: "acknowledged beside a list, but stored nowhere".to_owned(),
            });
        }
        Ok(found)
    }
}

/// The number of a call in the simulation, out of what follows the simulation's mark in its partition.
fn number(rest: &str) -> Option<u32> {
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// What was found out about a recording's archive.
#[derive(Default)]
struct Archive {
    archived: bool,
    read: bool,
    wrong: Vec<String>,
}

/// A message that announces a recording, the recording, and the item that would come of it alone.
type Announcement<'a> = (&'a Told, Recording, Map<String, Value>);

/// The announcements of a call's recordings, by sort key.
fn announced<'a>(call: &Call, told: &'a [Told]) -> BTreeMap<String, Vec<Announcement<'a>>> {
    let mut announced: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for told in told {
        for (recording, truth) in truth::recording_items(call, &told.element.says) {
            let sk = format!("recording#{}", recording.slot);
            announced.entry(sk).or_default().push((told, recording, truth));
        }
    }
    announced
}

/// Every set of messages that an item may have come from, the largest first: those acknowledged, with any of the others.
fn possible(told: &[Told]) -> Vec<Vec<Element>> {
    let uncertain: Vec<_> =
        told.iter().filter(|told| !told.acknowledged).map(|told| &told.element.text).collect();
    let sets = (0..1_u32 << uncertain.len()).rev().map(|set| {
        let stored = |one: &&Told| {
            one.acknowledged
                || uncertain
                    .iter()
                    .position(|text| **text == one.element.text)
                    .is_some_and(|bit| set >> bit & 1 == 1)
        };
        let messages: Vec<_> = told
            .iter()
            .filter(stored)
            .map(|told| (&told.element, told.received_at.clone().unwrap_or_default()))
            .collect();
        truth::said_by_function(&messages)
    });
    sets.collect()
}

fn unlike(truth: Option<&Map<String, Value>>, stored: Option<&Item>, beside: &[&str]) -> Vec<String> {
    match (truth, stored) {
        (None, None) => Vec::new(),
        (Some(_), None) => vec!["acknowledged, but not stored".to_owned()],
        (None, Some(_)) => vec!["stored, but nothing was said of it".to_owned()],
        (Some(truth), Some(stored)) => truth::differences(truth, stored, beside),
    }
}

/// What is wrong with where a call stands in the list of its day; where no message told a time, it is the receipt's.
fn misplaced(stored: &Item, day: Option<&str>) -> Option<String> {
    let text = |name: &str| stored.get(name).and_then(Value::as_str);
    let received = || text("first_received_at").filter(|_| text("call_at") == text("first_received_at"));
    let day = day.or_else(|| received()?.get(..10));
    let (date, shard) = text("day").and_then(|day| day.split_once('#')).unwrap_or_default();
    let sound = day == Some(date) && shard.parse::<u8>().is_ok_and(|shard| shard < 8);
    (!sound).then(|| format!("day: expected {day:?} and a shard, stored {:?}", text("day")))
}

fn lifetime_s(from: Option<&str>, to: Option<&str>) -> Option<i64> {
    let time = |text: Option<&str>| text?.parse::<jiff::Timestamp>().ok();
    Some(time(to)?.as_second() - time(from)?.as_second())
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;

    use super::super::plan::Kind;
    use super::*;

    /// What is not acknowledged may be stored or not; what is acknowledged must be.
    #[test]
    fn an_item_may_come_of_what_was_acknowledged_and_of_any_of_the_rest() {
        let world = World { seed: 1, day: Date::constant(2025, 6, 1), recording_base: None };
        let of_three = |call: &Call| kinds(call) == [Kind::Report, Kind::Record, Kind::Note];
        let call = (0..).map(|index| world.call(index)).find(of_three).unwrap();
        let told = |acknowledged: [bool; 3]| -> Vec<Told> {
            let kinds = kinds(&call);
            let messages = kinds.iter().zip(acknowledged);
            messages
                .map(|(kind, acknowledged)| Told {
                    element: world.element(&call, *kind),
                    acknowledged,
                    received_at: None,
                })
                .collect()
        };
        let sizes = |acknowledged| possible(&told(acknowledged)).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes([true, true, true]), [3]);
        assert_eq!(sizes([true, false, true]), [3, 2]);
        assert_eq!(sizes([false, false, false]), [3, 2, 2, 1, 2, 1, 1, 0]);
    }
}
