//! Erasing a person: what goes, what stays, and what is told of it.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::ObjectLockMode;
use futures_util::TryStreamExt;
use runtime::clock;
use runtime::store::Store;
use serde_json::{Value, json};
use shared::model::{Instant, Provider};
use shared::record::item::Item;
use shared::record::item::is_tombstone;
use shared::record::keys;
use sweep_erased::Remover;

use crate::support::{Served, all_items_in, call, post, post_with, rejected_in};

const PERSON: &str = "13912345678";
const OTHER: &str = "13987654321";

/// Every version of every object, with its bytes.
pub(crate) async fn all_versions(store: &Store) -> Vec<(String, Vec<u8>)> {
    let bucket = store.bucket();
    let listed: Vec<_> = sweep_erased::versions(bucket, "").try_collect().await.unwrap();
    let mut versions = Vec::new();
    for version in listed {
        let get = bucket.client.get_object().bucket(&bucket.name).key(&version.key).version_id(&version.id);
        versions.push((version.key, get.send().await.unwrap().body.collect().await.unwrap().to_vec()));
    }
    versions
}

/// Has a platform push something, which is acknowledged.
async fn push(served: &Served, function: &str, body: impl ToString) {
    let url = format!("{}/push/{function}/canary-token", served.url);
    assert_eq!(post(&url, body.to_string()).await.0, 200);
}

/// How many items, and how many versions of objects, hold a number.
fn of(number: &str, items: &[Item], versions: &[(String, Vec<u8>)]) -> (usize, usize) {
    let items = items.iter().filter(|item| serde_json::to_string(item).unwrap().contains(number)).count();
    let versions =
        versions.iter().filter(|(_, bytes)| String::from_utf8_lossy(bytes).contains(number)).count();
    (items, versions)
}

/// The sort keys of what is left, with their partition's.
async fn left(store: &Store) -> Vec<String> {
    let items = all_items_in(store).await;
    let mut keys: Vec<_> = items
        .iter()
        .map(|item| format!("{} {}", item["pk"].as_str().unwrap(), item["sk"].as_str().unwrap()))
        .collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn erasing_leaves_nothing_of_the_person_and_everything_of_the_others() {
    let served = Served::start(&["--memory", "--no-events"]);
    for (call, callee) in [("a^1", PERSON), ("b^1", OTHER)] {
        push(&served, "alicom-call-report", json!([{"callId": call, "callee": callee}])).await;
        let record = json!([{"callId": call, "recordFile": "http://a.aliyuncs.com/1"}]);
        push(&served, "alicom-call-record", record).await;
        let turns = json!([{"role": "user", "content": format!("my number is {callee}")}]).to_string();
        push(&served, "alicom-call-note", json!([{"callId": call, "conversationRecord": turns}])).await;
        let long = json!({"callId": format!("long {call}"), "calledPhoneNumber": callee, "notes": callee.repeat(9000)});
        push(&served, "ai-voice-call-record", long).await;
        let batch = json!({"array": [{"voiceId": call, "callee": callee}, {"callee": callee}]});
        push(&served, "laaffic-status-report", batch).await;
    }
    let store = served.store();
    // An archived recording, in two versions.
    let bucket = store.bucket();
    let erased = call(Provider::Alicom, "a^1");
    let recording = store.table().get(&keys::call_pk(&erased), &keys::recording_sk("main")).await.unwrap();
    let recording: shared::model::Recording = shared::record::item::typed(recording.unwrap()).unwrap();
    let key = keys::recording_key(&erased, recording.call_at, "main", "wav");
    for version in ["first", "second"] {
        let body = format!("{version} recording of {PERSON}").into_bytes();
        bucket.client.put_object().bucket(&bucket.name).key(&key).body(body.into()).send().await.unwrap();
    }
    let (items, versions) = (all_items_in(&store).await, all_versions(&store).await);
    let before = of(OTHER, &items, &versions);
    assert!(of(PERSON, &items, &versions) > (5, 4), "there is something to erase");

    let counts = "10 items of 3 calls, and 4 versions of objects\n";
    let (succeeded, said) = served.operate(&["erase", "--callee", PERSON, "--dry-run"]);
    assert!(succeeded && said.starts_with(&format!("would remove {counts}")), "{said}");
    assert!(said.contains("would remove 1 elements of 1 rejects"), "{said}");
    assert_eq!(all_items_in(&store).await, items, "a dry run removes nothing");

    let (succeeded, said) = served.operate(&["erase", "--callee", PERSON]);
    assert!(succeeded && said.starts_with(&format!("removed {counts}")), "{said}");
    assert!(said.contains("removed 1 elements of 1 rejects"), "{said}");
    assert!(said.contains("point-in-time backups"), "it names what it can't reach: {said}");
    let read = format!("read {} items, 4 large objects, 2 rejects\n", items.len());
    assert!(said.contains(&read), "it tells how much it has read: {said}");
    let (items, versions) = (all_items_in(&store).await, all_versions(&store).await);
    assert_eq!(of(PERSON, &items, &versions), (0, 0), "nothing of the person is left");
    assert_eq!(of(OTHER, &items, &versions), before, "nothing of anybody else is gone");
    let tombstones = items.iter().filter(|item| is_tombstone(item)).count();
    assert_eq!(tombstones, 3 + 1, "each call is known to be erased, and the reject");
    assert!(items.iter().filter(|item| is_tombstone(item)).all(|item| !item.contains_key("ttl")));

    let (succeeded, said) = served.operate(&["erase", "--callee", PERSON]);
    let nothing = "removed 0 items of 0 calls, and 0 versions of objects\nread ";
    assert!(succeeded && said.starts_with(nothing), "{said}");
}

#[tokio::test]
async fn erasing_names_what_is_locked_and_removes_it_once_it_is_not() {
    let served = Served::start(&["--memory"]);
    for call in ["governed", "compliant"] {
        push(&served, "alicom-call-report", json!([{"callId": call, "callee": PERSON}])).await;
        let record = json!([{"callId": call, "recordFile": "http://a.aliyuncs.com/1"}]);
        push(&served, "alicom-call-record", record).await;
    }
    let store = served.store();
    let bucket = store.bucket();
    let mut object_keys = Vec::new();
    for (id, mode) in [("governed", ObjectLockMode::Governance), ("compliant", ObjectLockMode::Compliance)] {
        let key = call(Provider::Alicom, id);
        let (pk, sk) = (keys::call_pk(&key), keys::recording_sk("main"));
        let mut item = store.table().get(&pk, &sk).await.unwrap().unwrap();
        let recording: shared::model::Recording = shared::record::item::typed(item.clone()).unwrap();
        let object_key = keys::recording_key(&key, recording.call_at, "main", "wav");
        let put = bucket.client.put_object().bucket(&bucket.name).key(&object_key);
        let put = put.body(PERSON.as_bytes().to_vec().into()).object_lock_mode(mode);
        put.object_lock_retain_until_date(DateTime::from_secs(4_000_000_000)).send().await.unwrap();
        item.insert("object_key".to_owned(), object_key.clone().into());
        store.table().put(item).await.unwrap();
        object_keys.push(object_key);
    }
    let objects = async || all_versions(&store).await.into_iter().map(|(key, _)| key).collect::<Vec<_>>();

    for options in [&["--dry-run"][..], &[]] {
        let (succeeded, said) = served.operate(&[&["erase", "--callee", PERSON], options].concat());
        assert!(!succeeded && said.contains("8 items of 2 calls, and 0 versions of objects\n"), "{said}");
        for (key, mode) in object_keys.iter().zip(["GOVERNANCE", "COMPLIANCE"]) {
            assert_eq!(said.matches(key.as_str()).count(), 1, "it is named once: {said}");
            let line =
                said.lines().find(|line| line.starts_with(&format!("can't be removed: {key} (version ")));
            let line = line.unwrap_or_else(|| panic!("{key} is not named: {said}"));
            assert!(line.ends_with(&format!("locked until 2096-10-02T07:06:40.000Z, mode {mode}")), "{line}");
        }
    }
    let tombstones = ["call#alicom#compliant call", "call#alicom#governed call"];
    assert_eq!(left(&store).await, tombstones);
    assert_eq!(objects().await, [object_keys[1].clone(), object_keys[0].clone()]);

    // However long ago that was: a tombstone with something locked under it stays due.
    let remover = Remover { table: store.table(), bucket, bypass_governance: false };
    let key = call(Provider::Alicom, "compliant");
    let years_later = clock::now().plus_seconds(3 * 365 * 86_400);
    let removed = remover.sweep(&key, years_later).await.unwrap().unwrap();
    assert_eq!((removed.versions, removed.kept.len()), (0, 1));
    let stone = store.table().get(&keys::call_pk(&key), keys::CALL).await.unwrap().unwrap();
    assert!(stone["due_at"].as_str().unwrap() > years_later.to_string().as_str(), "{stone:?}");

    // From here on nobody knows whose it was: it is told, and no failure, of this erasure or of another person's.
    for (callee, options, remains) in [
        (PERSON, &["--bypass-governance"][..], "removed 1 remains of calls that were erased before\n"),
        (OTHER, &[], "read "),
        (OTHER, &["--dry-run"], "read "),
    ] {
        let (succeeded, said) = served.operate(&[&["erase", "--callee", callee], options].concat());
        assert!(succeeded && said.contains(remains) && !said.contains("can't be removed"), "{said}");
        let note = "Of calls that were erased before, 1 versions of objects stay, which is no failure of this erasure";
        assert!(said.contains(note), "{said}");
        let line = format!("stays of an earlier erasure: {} (version ", object_keys[1]);
        assert_eq!(said.matches(&line).count(), 1, "{said}");
    }
    assert_eq!(objects().await, [object_keys[1].clone()], "nobody bypasses compliance mode");
}

/// The same number is the same person's with a country's code and without, unless the digits before it are another's: it is for the
/// operator to tell.
#[tokio::test]
async fn calls_that_have_the_number_with_another_prefix_stay_and_are_named_with_what_erases_them() {
    let served = Served::start(&["--memory"]);
    let with_code = format!("86{PERSON}");
    let reports = json!([
        {"callId": "bare", "callee": PERSON},
        {"callId": "code", "callee": with_code},
        {"callId": "spaced", "callee": "+86 139 1234 5678"},
        {"callId": "line", "callee": OTHER, "realCaller": with_code},
        {"callId": "other", "callee": format!("99{PERSON}")},
        {"callee": with_code},
    ]);
    push(&served, "alicom-call-report", reports).await;
    let store = served.store();
    let before = left(&store).await;
    for (callee, own, others, command) in [
        (PERSON, "bare", &["code", "spaced"][..], "callvault erase --callee NUMBER --callee 86NUMBER"),
        (&with_code, "code", &["bare"], "callvault erase --callee 86NUMBER --callee NUMBER"),
    ] {
        let (succeeded, said) = served.operate(&["erase", "--callee", callee, "--dry-run"]);
        assert!(succeeded && said.contains("would remove "), "{said}");
        assert!(said.contains(&format!("  {command}\n")), "{said}");
        let is_reject = |line: &&str| line.contains(": rejected/alicom-call-report/");
        let named = |line: &str| {
            line.strip_prefix("stays, since the number has another prefix there: ").map(str::to_owned)
        };
        let rejects = usize::from(callee == PERSON);
        assert_eq!(said.lines().filter(is_reject).count(), rejects, "{said}");
        let calls: Vec<_> = said.lines().filter_map(named).filter(|key| key.starts_with("call#")).collect();
        assert_eq!(calls, others.iter().map(|id| format!("call#alicom#{id}")).collect::<Vec<_>>(), "{said}");
        let count = others.len() + rejects;
        assert!(
            said.contains(&format!("{count} calls or rejects hold the number with another prefix")),
            "{said}"
        );
        assert!(!said.contains(&format!("call#alicom#{own}")) && !said.contains("longer text"), "{said}");
    }
    assert_eq!(left(&store).await, before);
    let (succeeded, said) = served.operate(&["erase", "--callee", PERSON, "--callee", &with_code]);
    assert!(succeeded && said.contains(" of 3 calls") && !said.contains("another prefix"), "{said}");
    let calls = left(&store).await;
    let calls: Vec<_> = calls.iter().filter(|key| key.contains("#push#") || key.contains(" push#")).collect();
    assert_eq!(calls.len(), 2, "{calls:?}");
}

#[tokio::test]
async fn a_number_that_could_be_many_peoples_is_refused() {
    let served = Served::start(&["--memory"]);
    push(&served, "alicom-call-report", json!([{"x": "13911112222345"}, {"x": "code 1"}])).await;
    push(&served, "alicom-call-report", json!([{"x": "139****1111"}])).await;
    let before = rejected_in(&served.store()).await;
    for (number, reason) in [("1", "fewer than 6 digits"), ("139****1111", "masked"), ("code", "digits")] {
        let (succeeded, said) = served.operate(&["erase", "--callee", number]);
        assert!(!succeeded && said.contains(reason) && said.starts_with("callvault: "), "{said}");
    }
    assert_eq!(rejected_in(&served.store()).await, before);
}

#[tokio::test]
async fn of_a_kept_body_only_the_persons_elements_go_and_the_rest_can_be_redriven() {
    let served = Served::start(&["--memory"]);
    let callees = |from: u64| (0..100).map(move |at| 13_900_000_000 + from + at);
    let elements: Vec<_> = callees(0)
        .map(|callee| json!({"callId": format!("c{callee}"), "callee": callee.to_string()}))
        .collect();
    let url = format!("{}/push/alicom-call-report/canary-token", served.url);
    let encoded = [("content-encoding", "deflate")];
    assert_eq!(post_with(&url, json!(elements).to_string(), &encoded).await.0, 415);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let gzipped = json!([{"callId": "g1", "callee": PERSON}, {"callId": "g2", "callee": OTHER}]);
    std::io::Write::write_all(&mut gzip, gzipped.to_string().as_bytes()).unwrap();
    assert_eq!(post_with(&url, gzip.finish().unwrap(), &[("content-encoding", "gzip")]).await.0, 415);
    assert_eq!(post(&url, format!("[{{\"callee\":\"\\u0031{}\", cut", &PERSON[1..])).await.0, 400);

    let (succeeded, said) = served.operate(&["erase", "--callee", "13900000042", "--callee", PERSON]);
    assert!(succeeded && said.contains("removed 2 elements of 3 rejects"), "{said}");
    let store = served.store();
    let versions = all_versions(&store).await;
    assert_eq!(versions.len(), 3, "no old version is left");
    assert!(!versions.iter().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains("13900000042")));
    let (_, said) = served.operate(&["redrive"]);
    assert!(said.ends_with("stored 2, still rejected 1, failed 0\n"), "{said}");
    let calls = left(&store).await.iter().filter(|key| key.ends_with(" call")).count();
    assert_eq!(calls, 100, "ninety-nine of the first body, one of the second");
    let (_, broken) = rejected_in(&store).await.pop().unwrap();
    assert_eq!(broken["body"], "[{\"callee\":\"***********\", cut");
}

#[tokio::test]
async fn what_is_not_callvaults_under_rejected_is_named_and_hinders_nothing() {
    let served = Served::start(&["--memory"]);
    push(&served, "alicom-call-report", json!([{"callId": "1", "callee": PERSON}, {"callee": PERSON}])).await;
    let store = served.store();
    let bucket = store.bucket();
    for (key, body) in [("rejected/.keep", &b""[..]), ("rejected/zz.json", b"{\"a\":1}")] {
        let put = bucket.client.put_object().bucket(&bucket.name).key(key).body(body.to_vec().into());
        put.send().await.unwrap();
    }
    let (succeeded, said) = served.operate(&["erase", "--callee", PERSON]);
    assert!(!succeeded, "{said}");
    for key in ["rejected/.keep", "rejected/zz.json"] {
        assert!(said.contains(&format!("can't be read: {key}: not a reject of ours\n")), "{said}");
    }
    assert!(said.contains("removed 1 elements of 1 rejects"), "it goes on: {said}");
    assert_eq!(of(PERSON, &all_items_in(&store).await, &all_versions(&store).await), (0, 0));
}

#[tokio::test]
async fn calls_that_only_mention_the_number_or_were_made_from_it_stay_and_are_named() {
    let served = Served::start(&["--memory"]);
    let report = json!([
        {"callId": "from", "caller": PERSON, "realCaller": PERSON, "callee": OTHER},
        {"callId": "mention", "callee": OTHER, "statusMsg": format!("forwarded to {PERSON}")},
        {"callId": "alike", "callee": format!("{PERSON}9")},
        {"statusMsg": format!("forwarded to {PERSON}")},
    ]);
    push(&served, "alicom-call-report", report).await;
    let before = left(&served.store()).await;
    let (succeeded, said) = served.operate(&["erase", "--callee", PERSON]);
    assert!(succeeded && said.starts_with("removed 0 items of 0 calls, and 0 versions"), "{said}");
    assert!(said.contains("platform's side of the call, or an id: call#alicom#from\n"), "{said}");
    assert!(said.contains("in longer text: call#alicom#mention\n"), "{said}");
    assert!(said.contains("in longer text: rejected/alicom-call-report/"), "{said}");
    assert!(!said.contains("alike"), "{said}");
    assert_eq!(left(&served.store()).await, before);
}

#[tokio::test]
async fn the_index_alone_finds_less_and_says_so() {
    let served = Served::start(&["--memory"]);
    push(&served, "alicom-call-report", json!([{"callId": "now", "callee": PERSON}])).await;
    push(&served, "alicom-call-report", json!([{"callId": "before", "callee": PERSON}])).await;
    push(&served, "alicom-call-report", json!([{"callId": "before", "callee": OTHER}])).await;
    let (succeeded, said) = served.operate(&["erase", "--callee", PERSON, "--indexed"]);
    assert!(succeeded && said.starts_with("removed 2 items of 1 calls"), "{said}");
    assert!(said.contains("  - what the index does not know: rejects"), "{said}");
    let (succeeded, said) = served.operate(&["erase", "--callee", PERSON]);
    assert!(succeeded && said.starts_with("removed 3 items of 1 calls"), "an earlier callee: {said}");
}

/// What a writer of a release without tombstones makes of one, and what comes to lie beside it.
#[tokio::test]
async fn what_comes_to_lie_beside_a_tombstone_is_swept_and_the_tombstone_made_clean() {
    let served = Served::start(&["--memory"]);
    push(&served, "alicom-call-report", json!([{"callId": "1", "callee": PERSON}])).await;
    let (succeeded, said) = served.operate(&["erase", "--callee", PERSON]);
    assert!(succeeded, "{said}");
    let store = served.store();
    let key = call(Provider::Alicom, "1");
    let pk = keys::call_pk(&key);
    let stone = store.table().get(&pk, keys::CALL).await.unwrap().unwrap();
    let mut stained = stone.clone();
    for (name, value) in [("callee", json!(PERSON)), ("sources", json!({})), ("updated_at", json!("2025"))] {
        stained.insert(name.to_owned(), value);
    }
    stained.remove("due");
    stained.remove("due_at");
    store.table().put(stained).await.unwrap();
    let beside =
        json!({"pk": pk, "sk": "recording#main", "call_at": "2025-06-01T02:00:00.000Z", "x": PERSON});
    store.table().put(beside.as_object().unwrap().clone()).await.unwrap();
    let folder = "recordings/provider=alicom/date=2025-06-01/1/";
    let object = format!("{folder}main.wav");
    store.bucket().put_json_if_absent(&object, PERSON.into()).await.unwrap();
    store.bucket().put_json_if_absent(&keys::large_key(&key, b"x"), PERSON.into()).await.unwrap();

    let (succeeded, said) = served.operate(&["erase", "--callee", "13900000000"]);
    assert!(succeeded && said.contains("removed 3 remains of calls that were erased before\n"), "{said}");
    assert_eq!(of(PERSON, &all_items_in(&store).await, &all_versions(&store).await), (0, 0));
    let swept = store.table().get(&pk, keys::CALL).await.unwrap().unwrap();
    let names = |item: &Item| item.keys().cloned().collect::<Vec<_>>();
    let bookkeeping = ["armed_at", "look_at"];
    let mut expected = names(&stone);
    expected.extend(bookkeeping.into_iter().filter(|name| !stone.contains_key(*name)).map(str::to_owned));
    expected.sort();
    assert_eq!(names(&swept), expected, "as it was");
    assert_eq!(swept["updated_at"], stone["erased_at"]);
    assert!(swept["prefixes"].as_array().unwrap().contains(&folder.into()), "{swept:?}");
    assert!(swept["version"].as_u64() > stone["version"].as_u64(), "who read it stained must not write it");

    // An archiver that was at work all the time.
    store.bucket().put_json_if_absent(&object, PERSON.into()).await.unwrap();
    let remover = Remover { table: store.table(), bucket: store.bucket(), bypass_governance: false };
    let removed = remover.sweep(&key, clock::now()).await.unwrap().unwrap();
    assert_eq!((removed.items, removed.versions), (0, 1));
}

#[tokio::test]
async fn a_tombstone_that_is_armed_again_while_it_is_swept_stays_due() {
    let served = Served::start(&["--memory"]);
    push(&served, "alicom-call-report", json!([{"callId": "1", "callee": PERSON}])).await;
    assert!(served.operate(&["erase", "--callee", PERSON]).0);
    let store = served.store();
    let key = call(Provider::Alicom, "1");
    let remover = Remover { table: store.table(), bucket: store.bucket(), bypass_governance: false };
    let stone = async || store.table().get(&keys::call_pk(&key), keys::CALL).await.unwrap().unwrap();
    let now = clock::now();
    let (mut looks, mut at) = (0, now);
    while stone().await.contains_key("due_at") {
        at = stone().await["due_at"].as_str().unwrap().parse().unwrap();
        remover.sweep(&key, at).await.unwrap().unwrap();
        looks += 1;
    }
    assert!((70..100).contains(&looks), "{looks} looks");
    assert!((9 * 86_400..12 * 86_400).contains(&at.seconds_since(now)), "over ten days");
    assert!(!stone().await.contains_key("due"), "it has left the index");
    assert!(is_tombstone(&stone().await));

    // As a writer does that has met it.
    store.table().rearm_tombstone(&key, at.plus_seconds(86_400)).await.unwrap();
    remover.sweep(&key, at.plus_seconds(86_400)).await.unwrap().unwrap();
    let next: Instant = stone().await["due_at"].as_str().unwrap().parse().unwrap();
    assert!(next.seconds_since(at) < 86_400 + 300, "from the start");
    // Somebody's look that began before another's was noted does not undo it.
    let removed = remover.sweep(&call(Provider::Alicom, "2"), at).await.unwrap();
    assert_eq!(removed, None, "what is no tombstone is left alone");
}

#[tokio::test]
async fn what_stood_beside_the_list_is_blacked_out_and_its_calls_stay() {
    let served = Served::start(&["--memory"]);
    let batch = json!({"array": [{"voiceId": "1", "callee": OTHER}], "contact": PERSON, "batch": "KEEP"});
    push(&served, "laaffic-status-report", batch).await;
    // Kept once for all elements: in an item of its own, or in the bucket.
    let store = served.store();
    // So long that the item holds it compressed.
    let long = "KEEP ".repeat(600);
    let body = format!("{{\"contact\":{PERSON},\"batch\":\"{long}\"}}");
    let item = json!({"pk": "envelope#laaffic-status-report#0", "sk": "envelope", "body": body});
    store.table().put(item.as_object().unwrap().clone()).await.unwrap();
    let object = "large/envelope/laaffic-status-report/0.json";
    store.bucket().put_json_if_absent(object, body.into()).await.unwrap();

    let (before, items_before) = (left(&store).await, all_items_in(&store).await);
    let (succeeded, said) = served.operate(&["erase", "--callee", PERSON, "--dry-run"]);
    assert!(succeeded && said.contains("would black out the number in 3 items and objects"), "{said}");
    assert_eq!(all_items_in(&store).await, items_before);
    let (succeeded, said) = served.operate(&["erase", "--callee", PERSON]);
    assert!(succeeded && said.contains("blacked out the number in 3 items and objects"), "{said}");
    let (items, versions) = (all_items_in(&store).await, all_versions(&store).await);
    assert_eq!(left(&store).await, before);
    assert_eq!(of(PERSON, &items, &versions), (0, 0));
    let black = json!({"contact": "***", "batch": long});
    let same = |text: &str| serde_json::from_str::<Value>(text).unwrap() == black;
    let [(key, bytes)] = &versions[..] else { panic!("one version: {versions:?}") };
    assert!(key == object && same(std::str::from_utf8(bytes).unwrap()));
    let envelope = items.iter().find(|item| item["sk"] == "envelope").unwrap();
    assert!(same(envelope["body"].as_str().unwrap()), "{envelope:?}");
    let kept = items.iter().filter(|item| Value::Object((*item).clone()).to_string().contains("KEEP"));
    assert_eq!(kept.count(), 2);
}

#[tokio::test]
async fn an_envelope_stays_blacked_out_when_its_push_comes_again() {
    // A repeat has the envelope kept for longer.
    let served = Served::start_with(&["--memory"], &[("PUSH_RETENTION_DAYS", "30")]);
    let large = "KEEP ".repeat(20_000);
    let batches = [("1", "KEEP"), ("2", &large)].map(|(id, beside)| {
        json!({"array": [{"voiceId": id, "callee": OTHER}], "contact": PERSON, "batch": beside})
    });
    let store = served.store();
    for _ in 0..2 {
        for batch in &batches {
            push(&served, "laaffic-status-report", batch).await;
        }
        assert!(served.operate(&["erase", "--callee", PERSON]).0);
    }
    for batch in &batches {
        push(&served, "laaffic-status-report", batch).await;
    }
    let (items, versions) = (all_items_in(&store).await, all_versions(&store).await);
    assert_eq!(of(PERSON, &items, &versions), (0, 0));
    assert!(items.iter().any(|item| item["sk"] == "envelope"), "{items:?}");
}
