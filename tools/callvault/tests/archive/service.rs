//! An AWS service that gives one answer, whatever it is asked.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// An AWS service that gives one answer, whatever it is asked.
pub(crate) struct Service {
    pub(crate) endpoint: String,
    answer: Arc<Mutex<(u16, String)>>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((500, String::new())));
        let answers = Arc::clone(&answer);
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let (status, body) = answers.lock().unwrap().clone();
                tokio::spawn(async move {
                    let mut request = vec![0; 64 * 1024];
                    let _ = connection.read(&mut request).await;
                    let head = format!(
                        "HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = connection.write_all(format!("{head}{body}").as_bytes()).await;
                    let _ = connection.shutdown().await;
                });
            }
        });
        Self { endpoint, answer }
    }

    pub(crate) fn answers(&self, status: u16, body: impl ToString) {
        *self.answer.lock().unwrap() = (status, body.to_string());
    }

    /// Refuses, as AWS words it.
    pub(crate) fn refuses(&self, code: &str) {
        let role = "arn:aws:sts::123456789012:assumed-role/canary-role/canary-function";
        let message = format!("User: {role} is not authorized to perform this on canary-resource");
        self.answers(400, json!({"__type": code, "Message": message, "message": message}));
    }
}
