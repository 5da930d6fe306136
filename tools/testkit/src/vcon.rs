//! Golden vCons: what the fixtures' calls are to others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::context;
use shared::model::{CallKey, Recording, RecordingState};
use shared::normalize::PushType;
use shared::record::item::{self, Item};
use shared::record::merge::{CALL_WRITERS, CONVERSATION_WRITERS};
use shared::record::missing::Waiting;
use shared::record::parts::{Element, Parts, merged, parts};
use shared::vcon::{Options, Shown, Vcon, recording_path};
use shared::whole_call::WholeCall;

/// Checks every `<name>.json` of a folder against `vcon/<name>.snap` in it: of each call the vCon without numbers, and then the one
/// with all that there is. Recordings are taken to be archived. Fixtures of which no call comes have none.
pub fn check_golden_vcons(push: &PushType, folder: &str) {
    let golden_folder = Path::new(folder).join("vcon");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let vcons = vcons(push, &fs::read(&path).unwrap());
        if vcons.is_empty() {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let golden = serde_json::to_string_pretty(&vcons).unwrap();
        insta::with_settings!({snapshot_path => &golden_folder, prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name.as_str(), golden);
        });
        names.insert(name);
    }
    assert!(!names.is_empty(), "there are calls in {folder}");
    let snapshots = fs::read_dir(&golden_folder).unwrap().map(|entry| entry.unwrap().path());
    let snapshots: BTreeSet<_> =
        snapshots.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(
        snapshots.difference(&names).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "snapshots without fixture"
    );
}

/// The vCons of a body's calls, as if nothing else had come of them.
fn vcons(push: &PushType, body: &[u8]) -> Vec<Value> {
    let Ok(elements) = push.elements(body) else { return Vec::new() };
    let context = context();
    let mut calls: BTreeMap<CallKey, Vec<Parts>> = BTreeMap::new();
    for text in elements.texts {
        let Ok(normalized) = push.normalized(text, &context) else { continue };
        let key = CallKey { provider: push.provider, call_id: normalized.call_id.clone() };
        let (push, text) = (*push, text.to_owned());
        let element = Element {
            key: key.clone(),
            push,
            context,
            expires: None,
            text,
            envelope: None,
            asked: None,
            normalized,
        };
        calls.entry(key).or_default().push(parts(element));
    }
    let recording_url =
        |key: &CallKey, slot: &str| Some(format!("https://calls.example.com{}", recording_path(key, slot)));
    let of_call = |(key, parts)| {
        let call = WholeCall::read(CallKey::clone(&key), items(&key, parts)).unwrap().unwrap();
        [Shown::WithoutNumbers, Shown::NumbersAndPushes].map(|shown| {
            let vcon = Vcon::of(&call, &Options { shown, recording_url: &recording_url });
            serde_json::to_value(vcon).unwrap()
        })
    };
    calls.into_iter().flat_map(of_call).collect()
}

/// The items that a call comes to.
fn items(key: &CallKey, parts: Vec<Parts>) -> Vec<Item> {
    let said: Vec<_> = parts.iter().map(|parts| parts.call.clone()).collect();
    let call =
        merged(None, CALL_WRITERS, said, |record| item::call_item(key, record, Waiting::default())).unwrap();
    let said: Vec<_> = parts.iter().filter_map(|parts| parts.conversation.clone()).collect();
    let conversation =
        merged(None, CONVERSATION_WRITERS, said, |record| Ok(item::conversation_item(key, record))).unwrap();
    let mut items: Vec<_> = call.item.into_iter().chain(conversation.item).collect();
    for parts in parts {
        assert!(parts.large.is_empty(), "a fixture is small");
        for source in parts.recordings {
            let recording = archived(Recording::new(source, parts.call.received_at));
            items.push(item::recording_item(key, recording));
        }
        items.push(item::push_item(parts.push));
    }
    items.into_iter().map(Item::from).collect()
}

/// A recording as the archiver leaves it.
fn archived(recording: Recording) -> Recording {
    Recording {
        state: RecordingState::Archived,
        sha256: Some(hex::encode(Sha256::digest(&recording.slot))),
        bytes: Some(320_044),
        media_type: Some("audio/x-wav".to_owned()),
        archived_at: Some(recording.first_received_at.plus_seconds(300)),
        next_attempt_at: None,
        lost_at: None,
        deaths: 0,
        ..recording
    }
}
