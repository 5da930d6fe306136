//! How many messages lie in a queue of SQS: the one thing that is asked of queues. So no client of SQS comes in for it; the request is signed
//! by what signs the SDK's own.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_types::body::SdkBody;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::time::Instant as Moment;
use url::Url;

use super::document::{DocumentError, Documents};
use crate::aws::Account;
use shared::model::Instant;

/// What SQS counts: messages that somebody could receive now. Those that somebody has in hand are not among them.
const COUNT: &str = "ApproximateNumberOfMessages";
/// What is asked, as SQS's JSON protocol names it.
const TARGET: (&str, &str) = ("x-amz-target", "AmazonSQS.GetQueueAttributes");
const JSON: &str = "application/x-amz-json-1.0";
/// What is wrong with a text that is none.
const NO_QUEUE: &str = "not the http or https URL of a queue";

/// The URL of a queue, as CloudFormation's `!Ref` has it: `https://sqs.<region>.amazonaws.com/<account>/<name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueUrl(Url);

impl FromStr for QueueUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| NO_QUEUE)?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        let has_name = url.path_segments().is_some_and(|mut parts| parts.any(|part| !part.is_empty()));
        match matches!(url.scheme(), "http" | "https") && is_plain && has_name {
            true => Ok(Self(url)),
            false => Err(NO_QUEUE),
        }
    }
}

/// Why it is not known how many messages there are. None says anything of the queue's name.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// There is nothing to sign the request with, or it can't be signed.
    #[error("the request could not be signed")]
    Unsigned(#[source] BoxError),
    /// No answer came, or none that is JSON.
    #[error(transparent)]
    NoAnswer(#[from] DocumentError),
    /// SQS refused: its own code.
    #[error("refused with status {status}: {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// SQS's code, `AccessDeniedException` for one.
        code: String,
    },
    /// The answer has no number.
    #[error("the answer has no number")]
    NoNumber,
}

/// Asks queues; clones share connections.
#[derive(Clone, Debug)]
pub struct Queues {
    account: Account,
    documents: Documents,
}

impl Queues {
    /// Signs by `account`, and has no connection yet.
    pub fn new(account: &Account) -> Self {
        Self { account: account.clone(), documents: Documents::new() }
    }

    /// How many messages lie in a queue, about, at `now`; waits for `patience` at most.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn messages(
        &self,
        queue: &QueueUrl,
        now: Instant,
        patience: Duration,
    ) -> Result<u64, QueueError> {
        let end = Moment::now() + patience;
        let body = json!({"QueueUrl": queue.0.as_str(), "AttributeNames": [COUNT]}).to_string();
        let request = self.signed(queue, &body, now).await.map_err(QueueError::Unsigned)?;
        let (status, answer) = self.documents.send(request, SdkBody::from(body), end).await?;
        if status != 200 {
            return Err(QueueError::Refused { status, code: code(&answer.unwrap_or_default()) });
        }
        let count = answer?["Attributes"][COUNT].as_str().and_then(|count| count.parse().ok());
        count.ok_or(QueueError::NoNumber)
    }

    async fn signed(
        &self,
        queue: &QueueUrl,
        body: &str,
        now: Instant,
    ) -> Result<http::request::Builder, BoxError> {
        // The queue's name stands in the body alone.
        let mut endpoint = queue.0.clone();
        endpoint.set_path("/");
        let identity = self.account.credentials.provide_credentials().await?.into();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now.epoch_millis().unsigned_abs());
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.account.region)
            .name("sqs")
            .time(now)
            .settings(SigningSettings::default())
            .build()?
            .into();
        let headers = [(CONTENT_TYPE.as_str(), JSON), TARGET];
        let signable = SignableRequest::new(
            "POST",
            endpoint.as_str(),
            headers.into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        )?;
        let (signature, _) = sign(signable, &parameters)?.into_parts();
        let request = http::Request::post(endpoint.as_str());
        let signed = headers.into_iter().chain(signature.headers());
        Ok(signed.fold(request, |request, (name, value)| request.header(name, value)))
    }
}

/// SQS's code for an error: what comes behind `#`. Its message may repeat what was sent.
fn code(answer: &Value) -> String {
    let code = answer["__type"].as_str().and_then(|code| code.rsplit('#').next());
    let is_plain = |code: &&str| code.len() <= 80 && code.bytes().all(|byte| byte.is_ascii_graphic());
    code.filter(is_plain).unwrap_or("without a code").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, StoreConfig};
    use crate::outbound::loopback::{Server, Step, send};

    fn account() -> Account {
        let look_up = |name: &str| match name {
            "TABLE_NAME" | "BUCKET_NAME" => Some("callvault".to_owned()),
            "AWS_ACCESS_KEY_ID" => Some("AKIDEXAMPLE".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            "AWS_SESSION_TOKEN" => Some("a session".to_owned()),
            "AWS_REGION" => Some("eu-west-1".to_owned()),
            _ => None,
        };
        let environment = Environment::new(&look_up);
        Account::of_function(&environment, &StoreConfig::read(&environment).unwrap()).unwrap()
    }

    async fn asked(steps: Vec<Step>) -> (Result<u64, QueueError>, Vec<String>) {
        let server = Server::start("127.0.0.1:0", move |_| steps.clone()).await;
        let queue: QueueUrl =
            format!("http://127.0.0.1:{}/000000000000/DeadLetters", server.port()).parse().unwrap();
        let now = Instant::from_epoch_seconds(1_748_743_200).unwrap();
        let count = Queues::new(&account()).messages(&queue, now, Duration::from_millis(500)).await;
        (count, server.requests())
    }

    fn answer(head: &str, body: &str) -> Vec<Step> {
        vec![send(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())), Step::Close]
    }

    #[tokio::test]
    async fn a_queue_is_asked_for_its_number_alone_by_a_signed_request() {
        let (count, requests) =
            asked(answer("200 OK", r#"{"Attributes":{"ApproximateNumberOfMessages":"12"}}"#)).await;
        assert_eq!(count.unwrap(), 12);
        let [request] = &requests[..] else { panic!("{requests:?}") };
        let request = request.to_ascii_lowercase();
        assert!(request.starts_with("post / http/1.1\r\n"), "{request}");
        for header in [
            "x-amz-target: amazonsqs.getqueueattributes\r\n",
            "content-type: application/x-amz-json-1.0\r\n",
            "x-amz-date: 20250601t020000z\r\n",
            "x-amz-security-token: a session\r\n",
            "credential=akidexample/20250601/eu-west-1/sqs/aws4_request",
            "signedheaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target,",
        ] {
            assert!(request.contains(header), "{header}: {request}");
        }
    }

    #[tokio::test]
    async fn what_is_no_number_is_none() {
        let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"of 123"}"#;
        let (count, _) = asked(answer("400 Bad Request", denied)).await;
        assert_eq!(count.unwrap_err().to_string(), "refused with status 400: AccessDeniedException");
        let (count, _) = asked(answer("503 Slow", "<html>")).await;
        assert_eq!(count.unwrap_err().to_string(), "refused with status 503: without a code");
        for body in ["{}", r#"{"Attributes":{"ApproximateNumberOfMessages":"-1"}}"#, "7"] {
            let (count, _) = asked(answer("200 OK", body)).await;
            assert!(matches!(count, Err(QueueError::NoNumber)), "{body}: {count:?}");
        }
        let (count, _) = asked(vec![Step::Hang]).await;
        assert!(matches!(count, Err(QueueError::NoAnswer(DocumentError::TimedOut))), "{count:?}");
    }

    #[test]
    fn a_queue_has_a_name_and_nothing_beside() {
        let is = |text: &str| text.parse::<QueueUrl>().is_ok();
        assert!(is("https://sqs.eu-west-1.amazonaws.com/123456789012/callvault-DeadLetters-1ABC"));
        assert!(is("http://127.0.0.1:9324/queue/dead"));
        for none in [
            "",
            "DeadLetters",
            "https://sqs.eu-west-1.amazonaws.com/",
            "https://u:p@sqs.example/1/a",
            "ftp://a/b",
            "https://a/b?c",
        ] {
            assert!(!is(none), "{none}");
        }
    }
}
