//! The object in the bucket.

use std::process::Command;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::ObjectLockMode;
use platforms::{Fault, Recording as Served};
use shared::model::Recording;

use crate::support::{DAY_S, Rig, alicom, full, source, within_limit};

#[test]
fn an_object_tells_what_it_is() {
    within_limit(async {
        let rig = Rig::new().await;
        let id = "10000161****^1000018****.wav";
        rig.serve(vec![Served::new(id).bytes(200_000), Served::new("large.mp3").bytes(20_000_000)]).await;
        assert_eq!(rig.run_after(0).await.archived, 2);
        let bucket = rig.store.bucket();
        let head = async |id: &str| {
            let key = rig.recording(&alicom(id)).await.object_key.unwrap();
            bucket.client.head_object().bucket(&bucket.name).key(key).send().await.unwrap()
        };

        let (recording, bytes) = rig.archived(&alicom(id)).await;
        let date = rig.start.date();
        let key = format!(
            "recordings/provider=alicom/date={date}/10000161%2A%2A%2A%2A%5E1000018%2A%2A%2A%2A.wav/main.wav"
        );
        assert_eq!(recording.object_key.as_deref(), Some(key.as_str()), "a key, no link that dies");
        assert_eq!(recording.media_type.as_deref(), Some("audio/x-wav"));
        let told = u32::from_le_bytes(bytes[40..44].try_into().unwrap()) as usize;
        assert_eq!(
            (&bytes[..4], &bytes[36..40], told + 44),
            (b"RIFF".as_slice(), b"data".as_slice(), bytes.len())
        );
        let object = head(id).await;
        assert_eq!((object.content_type(), object.content_length()), (Some("audio/x-wav"), Some(200_000)));
        let metadata = object.metadata.unwrap();
        assert_eq!(metadata["provider"], "alicom");
        assert_eq!(metadata["call-id"], "10000161%2A%2A%2A%2A%5E1000018%2A%2A%2A%2A%2Ewav");
        assert_eq!(metadata["slot"], "main");
        assert_eq!(metadata["call-at"], rig.start.to_string());
        assert_eq!(Some(&metadata["sha256"]), recording.sha256.as_ref());
        assert_eq!(Some(&metadata["sha512"]), recording.sha512.as_ref());

        let object = head("large.mp3").await;
        assert_eq!((object.content_type(), object.content_length()), (Some("audio/mpeg"), Some(20_000_000)));
        assert_eq!(object.metadata.unwrap()["slot"], "main");
        rig.assert_archived(&["large.mp3".to_owned()]).await;
    });
}

#[test]
fn nobody_can_remove_a_recording_while_it_is_locked() {
    within_limit(async {
        let mut rig = Rig::new().await;
        let bucket = rig.store.bucket().clone();
        let archive = async |rig: &mut Rig, id: &str, bytes: u64, mode: &str| {
            rig.set("RECORDING_LOCK_DAYS", if mode.is_empty() { 0 } else { 30 });
            rig.set("RECORDING_LOCK_MODE", mode);
            rig.serve(vec![Served::new(id).bytes(bytes)]).await;
            assert_eq!(rig.run_after(60).await.archived, 1);
            let key = rig.recording(&alicom(id)).await.object_key.unwrap();
            let object = bucket.client.head_object().bucket(&bucket.name).key(&key).send().await.unwrap();
            (key, object)
        };
        // One that is put at once, and one in parts.
        for (id, bytes, mode) in [
            ("small.wav", 200_000, ObjectLockMode::Governance),
            ("large.wav", 20_000_000, ObjectLockMode::Compliance),
        ] {
            let (key, object) = archive(&mut rig, id, bytes, mode.as_str()).await;
            assert_eq!(object.object_lock_mode(), Some(&mode), "{id}");
            let until = object.object_lock_retain_until_date().unwrap().secs();
            let days_later = rig.at(60 + 30 * DAY_S).epoch_millis() / 1_000;
            assert!((days_later..days_later + 60).contains(&until), "{id}: {until}, {days_later}");
            let delete = bucket.client.delete_object().bucket(&bucket.name).key(key);
            let refused = delete.version_id(object.version_id.unwrap()).send().await.unwrap_err();
            assert_eq!(refused.code(), Some("AccessDenied"), "{id}");
        }
        let (_, object) = archive(&mut rig, "free.wav", 200_000, "").await;
        assert_eq!((object.object_lock_mode, object.object_lock_retain_until_date), (None, None));
        rig.assert_archived(&["small.wav".to_owned(), "large.wav".to_owned(), "free.wav".to_owned()]).await;
    });
}

#[test]
fn where_the_bucket_has_no_object_lock_a_recording_waits_for_the_setting_to_be_mended() {
    within_limit(async {
        let mut rig = Rig::new().await;
        rig.store.bucket().client.create_bucket().bucket("without-lock").send().await.unwrap();
        rig.set("BUCKET_NAME", "without-lock");
        rig.set("RECORDING_LOCK_DAYS", 30);
        rig.serve(vec![Served::new("small.wav"), Served::new("large.wav").bytes(20_000_000)]).await;
        assert_eq!(rig.run_after(0).await.retried, 2);
        for id in ["small.wav", "large.wav"] {
            let reason = rig.recording(&alicom(id)).await.last_error.unwrap();
            assert!(
                reason.starts_with("the bucket did not") && reason.contains("InvalidRequest"),
                "{reason}"
            );
        }
        rig.set("RECORDING_LOCK_DAYS", 0);
        assert_eq!(rig.run_after(DAY_S).await.archived, 2);
    });
}

#[test]
fn every_length_around_a_part_arrives_whole() {
    within_limit(async {
        const PART: u64 = 8 * 1024 * 1024;
        let rig = Rig::new().await;
        let lengths = [100, 101, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1];
        let names: Vec<_> = lengths.iter().map(|length| format!("{length}.mp3")).collect();
        let chunked: Vec<_> = lengths.iter().map(|length| format!("{length}-chunked.wav")).collect();
        let served = |names: &[String]| {
            let zip = names.iter().zip(lengths);
            zip.map(|(name, length)| Served::new(name.as_str()).bytes(length)).collect::<Vec<_>>()
        };
        rig.serve(served(&names)).await;
        rig.serve(served(&chunked).into_iter().map(|served| served.fault(Fault::Chunked)).collect()).await;
        assert_eq!(rig.run_after(0).await.archived as usize, 2 * lengths.len());
        rig.assert_archived(&names).await;
        rig.assert_archived(&chunked).await;
        assert_eq!(rig.unfinished_uploads().await, 0);
    });
}

#[test]
fn ids_that_are_too_long_for_a_key_or_for_metadata_are_archived_too() {
    within_limit(async {
        let rig = Rig::new().await;
        rig.provider.add_recording(Served::new("x.wav").public());
        let url = rig.provider.recording_url("x.wav");
        let mut long = source(Some(url), None, rig.start);
        long.slot = "槽".repeat(300);
        let id = "^".repeat(1_024);
        let recording = Recording::new(long, rig.start);
        rig.keep(vec![(alicom(&id), recording)]).await;
        assert_eq!(rig.run_after(0).await.archived, 1);
        assert_eq!(rig.objects().await.len(), 1);
    });
}

#[test]
fn a_url_with_leftover_escapes_is_fetched_as_it_was_meant() {
    within_limit(async {
        let rig = Rig::new().await;
        rig.serve(vec![Served::new("escaped.wav")]).await;
        let stored = rig.recording(&alicom("escaped.wav")).await;
        let escaped = stored.source_url.clone().unwrap().replace('&', "\\u0026");
        assert!(escaped.contains("\\u0026"));
        rig.keep(vec![(alicom("escaped.wav"), Recording { source_url: Some(escaped), ..stored })]).await;
        assert_eq!(rig.run_after(0).await.archived, 1);
        rig.assert_archived(&["escaped.wav".to_owned()]).await;
    });
}

#[test]
fn a_push_repeated_after_archiving_changes_nothing() {
    within_limit(async {
        let rig = Rig::new().await;
        rig.serve(vec![Served::new("once.wav")]).await;
        assert_eq!(rig.run_after(0).await.archived, 1);
        let archived = rig.recording(&alicom("once.wav")).await;
        let again = source(Some("http://elsewhere/x.wav".to_owned()), Some(rig.at(10_000_000)), rig.start);
        assert_eq!(archived.refreshed(&again, rig.at(60)), None);
        assert_eq!(rig.run_after(60).await.oldest_due, None);
    });
}

#[test]
fn the_aws_cli_finds_it_playable() {
    if !full() {
        return;
    }
    within_limit(async {
        let rig = Rig::new().await;
        rig.serve(vec![Served::new("cli.wav").seconds(10)]).await;
        assert_eq!(rig.run_after(0).await.archived, 1);
        let key = rig.recording(&alicom("cli.wav")).await.object_key.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cli.wav");
        let uri = format!("s3://callvault/{key}");
        let aws = |arguments: &[&str]| {
            let output = aws_cli(&rig.s3.endpoint()).args(arguments).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        aws(&["s3", "cp", &uri, file.to_str().unwrap()]);
        let script = "import sys, wave; w = wave.open(sys.argv[1]); print(w.getnframes() / w.getframerate())";
        let python = Command::new("python3").args(["-c", script, file.to_str().unwrap()]).output().unwrap();
        assert_eq!(String::from_utf8(python.stdout).unwrap().trim(), "10.0");
        let head = aws(&["s3api", "head-object", "--bucket", "callvault", "--key", &key]);
        let head: serde_json::Value = serde_json::from_str(&head).unwrap();
        assert_eq!(
            (&head["ContentType"], &head["Metadata"]["provider"]),
            (&"audio/x-wav".into(), &"alicom".into())
        );
    });
}

/// The AWS CLI (`CALLVAULT_AWS_CLI`, else `aws`), for an endpoint that takes any credentials.
pub(crate) fn aws_cli(endpoint: &str) -> Command {
    let program = std::env::var_os("CALLVAULT_AWS_CLI").unwrap_or_else(|| "aws".into());
    let mut command = Command::new(program);
    command
        .args(["--endpoint-url", endpoint])
        .env("AWS_ACCESS_KEY_ID", "any")
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env("AWS_DEFAULT_REGION", "us-east-1");
    command
}
