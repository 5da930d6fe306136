//! What was acknowledged survives a kill, of the hard kind.
//!
//! The process to kill is this test binary once more, running the one ignored test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use aws_sdk_s3::primitives::ByteStream;
use tokio::task::JoinSet;

use crate::dynamodb::{create_table, text};
use crate::{dynamodb_client, free_port, s3_client, within_limit};

const DATA: &str = "CALLVAULT_TEST_STORES_DATA";

#[test]
#[ignore = "the process that the other test kills"]
fn serve_until_killed() {
    let Some(data) = std::env::var_os(DATA) else { return };
    within_limit(async {
        let data = Path::new(&data);
        let dynamodb = local_stack::dynamodb::start(free_port().await, Some(data)).await.unwrap();
        let s3 = s3_emulator::start(free_port().await, Some(data)).await.unwrap();
        writeln!(std::io::stdout(), "\nserving {} {}", dynamodb.endpoint(), s3.endpoint()).unwrap();
        std::future::pending::<()>().await;
    });
}

/// Kills the process it holds at the end of the test, whatever the end.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the process and returns its DynamoDB's and its S3's endpoint.
fn spawn(data: &Path) -> (Killed, String, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::serve_until_killed", "--ignored", "--nocapture"])
        .env(DATA, data)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let child = Killed(child);
    for line in lines {
        let line = line.unwrap();
        if let Some((dynamodb, s3)) = line.strip_prefix("serving ").and_then(|urls| urls.split_once(' ')) {
            return (child, dynamodb.to_owned(), s3.to_owned());
        }
    }
    panic!("the process ended before it served");
}

#[test]
fn what_was_acknowledged_survives_sigkill_and_what_was_not_is_never_half_there() {
    within_limit(async {
        let data = tempfile::tempdir().unwrap();
        let body = |id: usize| vec![u8::try_from(id % 251).unwrap(); 300_000 + id];
        let (process, dynamodb, s3) = spawn(data.path());
        let (dynamodb, s3) = (dynamodb_client(&dynamodb), s3_client(&s3));
        create_table(&dynamodb).await;
        s3.create_bucket().bucket("bucket").send().await.unwrap();

        let mut writers = JoinSet::new();
        for writer in 0..4_usize {
            let (dynamodb, s3) = (dynamodb.clone(), s3.clone());
            writers.spawn(async move {
                let mut acknowledged = Vec::new();
                for id in (writer..).step_by(4) {
                    let item = dynamodb
                        .put_item()
                        .table_name("calls")
                        .item("pk", text(id.to_string()))
                        .item("sk", text("call"))
                        .send();
                    let object = s3
                        .put_object()
                        .bucket("bucket")
                        .key(id.to_string())
                        .body(ByteStream::from(body(id)))
                        .send();
                    if item.await.is_err() || object.await.is_err() {
                        return acknowledged;
                    }
                    acknowledged.push(id);
                }
                acknowledged
            });
        }
        // In the midst of the writing: some object is stored, and more are on their way.
        while s3.head_object().bucket("bucket").key("20").send().await.is_err() {}
        drop(process);
        let acknowledged = writers.join_all().await.concat();
        assert!(acknowledged.len() >= 5, "{acknowledged:?}");

        let (_process, dynamodb, s3) = spawn(data.path());
        let (dynamodb, s3) = (dynamodb_client(&dynamodb), s3_client(&s3));
        for id in &acknowledged {
            let key = id.to_string();
            let item = dynamodb
                .get_item()
                .table_name("calls")
                .key("pk", text(&key))
                .key("sk", text("call"))
                .send()
                .await;
            assert!(item.unwrap().item().is_some(), "item {id} is lost");
            s3.head_object().bucket("bucket").key(&key).send().await.expect("an object is lost");
        }
        let listed = s3.list_objects_v2().bucket("bucket").send().await.unwrap();
        for object in listed.contents() {
            let id = object.key().unwrap().parse().unwrap();
            let found = s3.get_object().bucket("bucket").key(object.key().unwrap()).send().await.unwrap();
            assert_eq!(found.body.collect().await.unwrap().to_vec(), body(id));
        }
        let blobs = std::fs::read_dir(data.path().join("s3/blobs")).unwrap().count();
        assert_eq!(blobs, listed.contents().len(), "what was not acknowledged is still on the disk");
    });
}
