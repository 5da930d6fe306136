//! Files that somebody changed: the operator's commands find what differs, and have it mended.

use export_calls::{HourMaker, Numbers, Settings};
use runtime::store::analytics::KnownBy;
use runtime::store::reading::Bodies;
use serde_json::json;
use shared::access::CalleeIds;
use shared::model::{Hour, Provider};
use shared::reading::Zone;
use shared::record::keys;
use shared::view::call_at;
use shared::whole_call::WholeCall;

use crate::rig::{CALLEE_ID_KEY, NUMBER, Rig, key};

const HOUR: &str = "2025-06-01T02";
const VERIFY: [&str; 6] = ["analytics", "verify", "--since", HOUR, "--until", "2025-06-01T03"];
const REBUILD: [&str; 6] = ["analytics", "rebuild", "--since", HOUR, "--until", "2025-06-01T03"];

/// Three calls of one hour, with what they cost, and the next hour's one.
async fn rig() -> Rig {
    let rig = Rig::new().await;
    for (id, at) in
        [("1", "1748743200000"), ("2", "1748743260000"), ("3", "1748743320000"), ("4", "1748746800000")]
    {
        let report = json!({"voiceId": id, "callee": NUMBER, "callStatusNew": 1, "callTime": at, "cost": "0.1", "currency": "USD"});
        rig.push("laaffic-status-report", &json!([report])).await;
    }
    rig.settle().await;
    rig
}

/// The hour's files as they would be with other calls than there are, put in the place of what is there.
async fn tamper(rig: &Rig, change: impl Fn(&mut Vec<WholeCall>)) {
    let settings = Settings { numbers: Numbers::Masked, zone: Zone::default(), days: 0 };
    let ids = CalleeIds::with_key(CALLEE_ID_KEY.as_bytes()).unwrap();
    let hour: Hour = HOUR.parse().unwrap();
    let mut calls = Vec::new();
    for id in ["1", "2", "3"] {
        let call = rig.store().whole_call(&key(Provider::Laaffic, id), Bodies::Left).await.unwrap();
        calls.push(call.unwrap());
    }
    assert!(calls.iter().all(|call| Hour::of(call_at(&call.call)) == hour), "{calls:?}");
    change(&mut calls);
    let mut maker = HourMaker::new(&settings, &ids, hour).unwrap();
    calls.iter().for_each(|call| maker.add(call_at(&call.call), call).unwrap());
    let put = maker.finish().unwrap().publish(rig.bucket(), KnownBy::Digest).await.unwrap();
    assert!(put.put > 0, "it is another file");
}

/// Has the hours rebuilt, and written by the next run.
async fn mend(rig: &Rig) {
    let (succeeded, said) = rig.operate(&REBUILD).await;
    assert!(succeeded && said.starts_with("marked 2 hours"), "{said}");
    let later = runtime::clock::now().plus_seconds(180);
    let run = rig.run_at(later).await.unwrap();
    assert_eq!((run.hours, run.failed, run.left), (2, 0, 0));
    let (succeeded, said) = rig.operate(&VERIFY).await;
    assert!(succeeded && said == "2 hours, 4 calls, 0 hours differ\n", "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_in_a_file_is_found_and_mended() {
    let rig = rig().await;
    let (succeeded, said) = rig.operate(&VERIFY).await;
    assert!(succeeded, "{said}");
    type Change = fn(&mut Vec<WholeCall>);
    let changes: [(&[&str], Change); 4] = [
        (&["calls  laaffic/2  is stored, and in no row"], |calls| drop(calls.remove(1))),
        (&["calls  laaffic/3  is in 2 rows"], |calls| calls.push(calls[2].clone())),
        (
            &["calls  laaffic/1  differs in cost_amount (stored 0.1000000000, in the row 0.1000000001)"],
            |calls| {
                calls[0].call.facts.insert("cost", json!({"amount": "0.1000000001", "currency": "USD"}));
            },
        ),
        (
            &["calls  laaffic/2  is stored, and in no row", "calls  laaffic/9  is in a row, and not stored"],
            |calls| {
                calls[1].key = key(Provider::Laaffic, "9");
            },
        ),
    ];
    for (expected, change) in changes {
        tamper(&rig, change).await;
        let (succeeded, said) = rig.operate(&VERIFY).await;
        assert!(!succeeded, "{said}");
        for difference in expected {
            assert!(said.contains(&format!("{HOUR}  {difference}\n")), "{difference}: {said}");
        }
        assert!(said.contains("2 hours, 4 calls, 1 hours differ"), "{said}");
        mend(&rig).await;
    }
    rig.stack.stop().await.unwrap();
}

/// Also where the object says of itself that it is what it was, where it is gone, and where it is no file at all.
#[tokio::test(flavor = "multi_thread")]
async fn objects_that_are_not_what_they_say_are_found_and_mended() {
    let rig = rig().await;
    let bucket = &rig.bucket().0;
    let [file, summary] =
        [keys::analytics_key("calls", HOUR.parse().unwrap()), keys::summary_key(HOUR.parse().unwrap())];
    let whole = bucket.client.head_object().bucket(&bucket.name).key(&file).send().await.unwrap();
    let digest = whole.metadata.unwrap().remove("sha256").unwrap();
    let (bytes, _) = rig.bucket().get(&file).await.unwrap().unwrap();
    let put = async |key: &str, bytes: Vec<u8>| {
        let put = bucket.client.put_object().bucket(&bucket.name).key(key).metadata("sha256", &digest);
        put.body(bytes.into()).send().await.unwrap();
    };
    let differs = async |expected: &str| {
        let (succeeded, said) = rig.operate(&VERIFY).await;
        assert!(!succeeded && said.contains(expected), "{said}");
    };

    // As many bytes as before, and the digest of before.
    let mut rotten = bytes.clone();
    let last = rotten.len() - 1;
    rotten[last] ^= 1;
    put(&file, rotten).await;
    differs("calls  is no Parquet file").await;
    mend(&rig).await;
    assert_eq!(rig.bucket().get(&file).await.unwrap().unwrap().0, bytes);

    rig.bucket().remove(&file).await.unwrap();
    differs("calls  laaffic/1  is stored, and in no row").await;
    mend(&rig).await;
    assert_eq!(rig.bucket().get(&file).await.unwrap().unwrap().0, bytes);

    rig.bucket().remove(&summary).await.unwrap();
    differs("it was never counted").await;
    put(&summary, br#"{"calls":17}"#.to_vec()).await;
    differs("what is counted differs").await;
    mend(&rig).await;

    // What is no hour's file is nobody's to write: a person removes it. It may lie above the days' folders, too.
    let strangers = [
        &file.replace(".parquet", "-copy.parquet"),
        "calls/foo.parquet",
        "calls/day=2025-06-01/foo/02.parquet",
        "calls/day=2025-02-30/02.parquet",
        "summaries/day=2025-06-01/24.json",
        "stray.txt",
        "other/02.parquet",
    ];
    for stranger in strangers {
        put(stranger, bytes.clone()).await;
        differs(&format!("{stranger}  is no file of any hour")).await;
        rig.bucket().remove(stranger).await.unwrap();
    }
    // Athena's results are, and so are other hours' files.
    for ours in ["athena-results/1.csv", "turns/day=2025-06-02/00.parquet"] {
        put(ours, bytes.clone()).await;
    }
    mend(&rig).await;
    rig.stack.stop().await.unwrap();
}

/// Only hours that hold something are looked at: those of the past, and those to come, in which calls lie whose platform's clock is ahead.
#[tokio::test(flavor = "multi_thread")]
async fn hours_that_hold_something_are_looked_at_and_no_others() {
    const HOUR_S: i64 = 3_600;
    let rig = Rig::new().await;
    let now = runtime::clock::now();
    let of = |days: i64| Hour::of(now.plus_seconds(24 * HOUR_S * days));
    let hours = [of(-9), of(-3), of(2), of(300)];
    for (id, hour) in (1..).zip(hours) {
        let at = hour.start().epoch_millis().to_string();
        let report = json!({"voiceId": id.to_string(), "callee": NUMBER, "callStatusNew": 1, "callTime": at});
        rig.push("laaffic-status-report", &json!([report])).await;
    }
    rig.settle().await;
    let before = of(-4).to_string();
    let verify = async |more: &[&str]| rig.operate(&[&["analytics", "verify"], more].concat()).await;
    let (succeeded, said) = verify(&["--since", &before]).await;
    assert!(succeeded && said == "3 hours, 3 calls, 0 hours differ\n", "{said}");
    // A day is the whole day.
    let day = of(-3).date();
    let (succeeded, said) = verify(&["--since", &day, "--until", &day]).await;
    assert!(succeeded && said == "1 hours, 1 calls, 0 hours differ\n", "{said}");

    // One is gone that ought to be there; another is there although nothing ever was, decades from now.
    rig.bucket().remove(&keys::analytics_key("calls", hours[3])).await.unwrap();
    let bucket = &rig.bucket().0;
    let put = bucket.client.put_object().bucket(&bucket.name).key("calls/day=2094-01-02/03.parquet");
    put.body(b"PAR1".to_vec().into()).send().await.unwrap();
    let (succeeded, said) = verify(&["--since", &before]).await;
    assert!(!succeeded && said.contains("4 hours, 3 calls, 2 hours differ\n"), "{said}");
    for (hour, difference) in [
        (hours[3].to_string().as_str(), "calls  laaffic/4  is stored, and in no row"),
        ("2094-01-02T03", "calls  is no Parquet file"),
    ] {
        assert!(said.contains(&format!("{hour}  {difference}")), "{difference}: {said}");
    }
    let (succeeded, said) = rig.operate(&["analytics", "rebuild", "--since", &before]).await;
    assert!(succeeded && said.starts_with("marked 4 hours: "), "{said}");
    let run = rig.run_at(runtime::clock::now().plus_seconds(180)).await.unwrap();
    assert_eq!((run.hours, run.put, run.removed), (4, 1, 1));
    let (succeeded, said) = verify(&["--since", &before]).await;
    assert!(succeeded && said == "3 hours, 3 calls, 0 hours differ\n", "{said}");
    let (succeeded, said) =
        rig.operate(&["analytics", "rebuild", "--since", "2025-01-01", "--until", "2025-01-02"]).await;
    assert!(succeeded && said == "marked 0 hours: none has calls or files\n", "{said}");
    rig.stack.stop().await.unwrap();
}

/// Whoever has the local stack at other ports names its stores, and nothing that is the stack's own.
#[tokio::test(flavor = "multi_thread")]
async fn on_this_machine_nobody_has_to_name_the_key_of_callees_ids() {
    let rig = Rig::with(&[("CALLEE_ID_KEY", operator::LOCAL_CALLEE_ID_KEY)]).await;
    let report = json!({"voiceId": "1", "callee": NUMBER, "callStatusNew": 1, "callTime": "1748743200000"});
    rig.push("laaffic-status-report", &json!([report])).await;
    rig.settle().await;
    let row = &rig.rows("calls", HOUR).await.unwrap()[0];
    assert!(row["callee_id"].is_string(), "{row:?}");
    let (succeeded, said) = rig.operate_without_key(&VERIFY).await;
    assert!(succeeded && said == "1 hours, 1 calls, 0 hours differ\n", "{said}");
    rig.stack.stop().await.unwrap();
}
