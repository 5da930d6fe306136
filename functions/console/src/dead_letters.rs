//! How many dead letters there are: what was given up, and lies in a queue until somebody looks. Who may see operations is shown their number;
//! what they hold is read in SQS.

use std::time::Duration;

use runtime::aws::Account;
use runtime::config::{ConfigError, Environment};
use runtime::outbound::queue::{QueueUrl, Queues};
use serde_json::{Value, json};
use shared::model::Instant;

/// How long a queue is waited for: a page is not held up for a number.
const PATIENCE: Duration = Duration::from_secs(2);
/// The queues' settings: of scheduled runs and of changes; of events.
const SETTINGS: [&str; 2] = ["DEAD_LETTERS_URL", "EVENT_DEAD_LETTERS_URL"];

/// The queues of dead letters.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    queues: Queues,
    /// As [`SETTINGS`] has them; none on the local stack, which has no queues.
    urls: [Option<QueueUrl>; 2],
}

/// How many dead letters each queue has. `None` where that is not known: the queue is not set, or did not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeadLetterCounts {
    /// Scheduled runs that failed or were not delivered, and changes that became no events.
    pub(crate) runs: Option<u64>,
    /// Events that their target did not take.
    pub(crate) events: Option<u64>,
}

impl DeadLetters {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub(crate) fn read(environment: &Environment<'_>, account: &Account) -> Result<Self, ConfigError> {
        let url = |variable: &'static str| {
            environment.parse(variable, None, |text| text.parse().map(Some).map_err(str::to_owned))
        };
        let [runs, events] = SETTINGS.map(url);
        Ok(Self { queues: Queues::new(account), urls: [runs?, events?] })
    }

    /// Asks both queues at once. Why one does not tell is for the log.
    pub(crate) async fn count(&self, now: Instant) -> DeadLetterCounts {
        let [runs, events] = [0, 1].map(|at| self.messages(at, now));
        let (runs, events) = tokio::join!(runs, events);
        DeadLetterCounts { runs, events }
    }

    async fn messages(&self, at: usize, now: Instant) -> Option<u64> {
        let url = self.urls[at].as_ref()?;
        let count = self.queues.messages(url, now, PATIENCE).await;
        count.inspect_err(|error| tracing::warn!(queue = SETTINGS[at], %error, "dead_letters_unknown")).ok()
    }
}

impl DeadLetterCounts {
    /// As a program reads them: what is not known is `null`.
    pub(crate) fn json(self) -> Value {
        json!({"runs": self.runs, "events": self.events})
    }

    /// All that are known, and whether there may be others.
    pub(crate) fn known(self) -> (u64, bool) {
        let counts = [self.runs, self.events];
        (counts.iter().flatten().sum(), counts.contains(&None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::config::StoreConfig;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn dead_letters(runs: &str, events: &str) -> Result<DeadLetters, ConfigError> {
        let look_up = |name: &str| match name {
            "TABLE_NAME" | "BUCKET_NAME" => Some("callvault".to_owned()),
            "DYNAMODB_ENDPOINT" | "S3_ENDPOINT" => Some("http://127.0.0.1:1".to_owned()),
            "DEAD_LETTERS_URL" => Some(runs.to_owned()),
            "EVENT_DEAD_LETTERS_URL" => Some(events.to_owned()),
            _ => None,
        };
        let environment = Environment::new(&look_up);
        let stores = StoreConfig::read(&environment).unwrap();
        DeadLetters::read(&environment, &Account::of_function(&environment, &stores).unwrap())
    }

    /// A queue that has so many messages.
    async fn queue_of(messages: u64) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/queue", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4_096]).await.unwrap();
            let body =
                json!({"Attributes": {"ApproximateNumberOfMessages": messages.to_string()}}).to_string();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        url
    }

    #[tokio::test]
    async fn each_queue_is_asked_by_itself_and_what_is_not_known_is_no_number() {
        let now = Instant::from_epoch_seconds(1_748_743_200).unwrap();
        let (three, none) = (queue_of(3).await, queue_of(0).await);
        let counts = dead_letters(&three, &none).unwrap().count(now).await;
        assert_eq!(counts, DeadLetterCounts { runs: Some(3), events: Some(0) });
        assert_eq!(counts.known(), (3, false));
        // One does not answer, the other is not set.
        let counts = dead_letters("http://127.0.0.1:1/queue", "").unwrap().count(now).await;
        assert_eq!((counts.json(), counts.known()), (json!({"runs": null, "events": null}), (0, true)));
        let counts = dead_letters("", &queue_of(7).await).unwrap().count(now).await;
        assert_eq!((counts.json(), counts.known()), (json!({"runs": null, "events": 7}), (7, true)));
    }

    #[test]
    fn what_is_no_queue_is_a_wrong_setting() {
        let error = dead_letters("DeadLetters", "").unwrap_err().to_string();
        assert!(error.starts_with("DEAD_LETTERS_URL is not the http"), "{error}");
    }
}
