//! How large files are, and how much memory making them takes, however many calls an hour has.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "this is test code, and tells what it measured")]

use std::io::Write;

use export_calls::{HourFiles, HourMaker, Numbers, Settings};
use fastrand::Rng;
use serde_json::{Value, json};
use shared::access::CalleeIds;
use shared::model::{CallId, CallKey, Hour, Instant, Provider};
use shared::reading::Zone;
use shared::record::item::Item;
use shared::record::keys;
use shared::whole_call::WholeCall;

/// What is said, over and over, by agents.
const SCRIPT: [&str; 6] = [
    "您好，我是智能客服小安，請問您現在方便接聽電話嗎？",
    "好的，那我简单给您介绍一下我们的活动，您看可以吗？",
    "这边为您预留了一个名额，您什么时候方便过来看看？",
    "不好意思打扰您了，那我们改天再联系您，祝您生活愉快。",
    "请问您是通过什么渠道了解到我们的呢？",
    "好的，已经为您登记好了，稍后会有专人跟您联系，再见。",
];

fn one_of<'t>(random: &mut Rng, texts: &[&'t str]) -> &'t str {
    texts[random.usize(..texts.len())]
}

/// A call, as those of a large campaign are: of Alibaba's, in ids and codes.
fn call(random: &mut Rng, at: Instant, turns: usize) -> WholeCall {
    let answered = random.u8(..100) < 40;
    let call_id =
        format!("{:012}^{:012}", random.u64(..1_000_000_000_000), 100_551_000_000_u64 + random.u64(..40));
    let key = CallKey { provider: Provider::Alicom, call_id: CallId::new(call_id).unwrap() };
    let later = |seconds: u64| at.plus_seconds(i64::try_from(seconds).unwrap()).to_text();
    let (ring, talk) = (random.u64(3..40), random.u64(1..180));
    let received = Instant::clamped(at.epoch_millis() + random.i64(60_000..400_000)).to_text();
    let mut facts = json!({
        "sk": keys::CALL, "task_id": format!("1005510000{:02}", random.u8(..12)), "batch_id": format!("20{:06}", random.u32(..40)),
        "detail_id": random.u64(100_000_000..999_999_999).to_string(), "callee": format!("1{:010}", random.u64(3_000_000_000..9_999_999_999)),
        "display_number": format!("0571{:07}", random.u32(..8)), "caller": "05710000001", "originated_at": at.to_text(),
        "outcome": if answered { "answered" } else { one_of(random, &["no_answer", "busy", "powered_off", "rejected"]) },
        "hangup_by": one_of(random, &["callee", "agent"]), "duration_s": if answered { talk } else { 0 },
        "ended_at": later(ring + if answered { talk } else { 0 }), "status": {"statusCode": "200000", "statusMsg": "用户接听"},
        "first_received_at": received, "updated_at": received, "has": {"conversation": answered, "recording": answered},
        "sources": {"alicom-call-report": "last 0123456789abcdef"},
    });
    let mut items: Vec<Item> = Vec::new();
    if answered {
        facts["answered_at"] = later(ring).into();
        facts["intent_code"] = ["A", "B", "C", "D"][random.usize(..4)].into();
        facts["tags"] = json!({"意向": [one_of(random, &["高", "中", "低"])]});
        let said: Vec<_> = (0..turns)
            .map(|turn| {
                let text = match turn % 2 {
                    0 => SCRIPT[random.usize(..SCRIPT.len())].to_owned(),
                    _ => format!("嗯，{}{}", ["好的", "可以", "不用了", "再说吧"][random.usize(..4)], random.u32(..100_000)),
                };
                json!({"speaker": if turn % 2 == 0 { "agent" } else { "callee" }, "text": text, "start_ms": 4_000 * turn, "end_ms": 4_000 * turn + 3_100})
            })
            .collect();
        let sources = json!({"alicom-call-note": format!("{received} 0123456789abcdef")});
        items.push(item(json!({"sk": keys::CONVERSATION, "sources": sources, "turns": said})));
        items.push(item(json!({
            "sk": "recording#main", "slot": "main", "state": "archived", "attempts": 1, "bytes": random.u64(40_000..4_000_000),
            "media_type": "audio/x-wav", "archived_at": later(600), "call_at": at.to_text(), "first_received_at": received,
        })));
    }
    items.push(item(facts));
    WholeCall::read(key, items).unwrap().unwrap()
}

fn item(value: Value) -> Item {
    value.as_object().unwrap().clone()
}

/// An hour of so many calls, of so many turns each that is answered.
fn hour(hour: Hour, calls: usize, turns: usize, random: &mut Rng) -> HourFiles {
    let settings = Settings { numbers: Numbers::Masked, zone: Zone::default(), days: 0 };
    let ids = CalleeIds::with_key(b"a key that is as long as it has to be").unwrap();
    let mut maker = HourMaker::new(&settings, &ids, hour).unwrap();
    let step = 3_600_000 / i64::try_from(calls).unwrap();
    for number in 0..i64::try_from(calls).unwrap() {
        let at = Instant::clamped(hour.start().epoch_millis() + step * number + random.i64(..step.max(1)));
        maker.add(at, &call(random, at, turns)).unwrap();
    }
    maker.finish().unwrap()
}

fn file<'f>(files: &'f HourFiles, set: &str) -> &'f export_calls::Finished {
    &files.files.iter().find(|(name, _)| *name == set).unwrap().1
}

/// The most memory that this process ever had, in MB.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}

#[test]
fn the_same_calls_make_the_same_bytes() {
    let at: Hour = "2025-06-01T02".parse().unwrap();
    let digests = || {
        let files = hour(at, 300, 4, &mut Rng::with_seed(7));
        files.files.into_iter().map(|(set, file)| (set, file.sha256, file.rows)).collect::<Vec<_>>()
    };
    assert_eq!(digests(), digests());
}

/// Reduced; at full size by hand, below.
#[test]
fn a_call_takes_few_bytes_and_an_hour_little_memory() {
    let files = hour("2025-06-01T02".parse().unwrap(), 6_000, 40, &mut Rng::with_seed(1));
    let (calls, turns) = (file(&files, "calls"), file(&files, "turns"));
    println!(
        "{} bytes a call, {} bytes a turn, {} MB",
        calls.bytes / calls.rows,
        turns.bytes / turns.rows,
        peak_mb()
    );
    assert!(turns.rows > 80_000 && calls.rows == 6_000);
    assert!(calls.bytes / calls.rows <= 115, "{} bytes a call", calls.bytes / calls.rows);
    assert!(peak_mb() <= 256, "{} MB", peak_mb());
}

/// A day of a million calls, left in the folder of `ANALYTICS_FULL`, and an hour of a million turns.
#[test]
#[ignore = "takes minutes without optimization: run it by hand, with --profile measure"]
fn a_day_of_a_million_calls_and_an_hour_of_a_million_turns() {
    let mut random = Rng::with_seed(1);
    let began = std::time::Instant::now();
    let files = hour("2025-06-02T00".parse().unwrap(), 41_667, 60, &mut random);
    let turns = file(&files, "turns");
    println!(
        "{} turns in {:?}: {} bytes each, {} MB of memory",
        turns.rows,
        began.elapsed(),
        turns.bytes / turns.rows,
        peak_mb()
    );
    assert!(turns.rows >= 990_000, "{}", turns.rows);
    let first: Hour = "2025-06-01T00".parse().unwrap();
    let folder = std::env::var("ANALYTICS_FULL").ok();
    let (mut bytes, mut rows) = (0, 0);
    for at in std::iter::successors(Some(first), |hour| hour.next()).take(24) {
        let files = hour(at, 41_667, 2, &mut random);
        for (set, file) in files.files {
            if set == "calls" {
                bytes += file.bytes;
                rows += file.rows;
            }
            if let Some(folder) = &folder {
                let path = std::path::Path::new(folder).join(keys::analytics_key(set, at));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::File::create(path).unwrap().write_all(&file.into_bytes().unwrap()).unwrap();
            }
        }
    }
    println!(
        "{rows} calls in {:?}: {} bytes each, {} MB of memory",
        began.elapsed(),
        bytes / rows,
        peak_mb()
    );
    assert!(bytes / rows <= 110 && peak_mb() <= 256);
}
