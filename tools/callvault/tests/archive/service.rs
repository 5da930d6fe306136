//! An AWS service that gives one answer, whatever it is asked.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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

/// A proxy before DynamoDB at `endpoint` that answers every request of an `operation` as a full disk would have it.
pub(crate) async fn refusing(endpoint: &str, operation: &'static str) -> String {
    let upstream = endpoint.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let upstream = upstream.clone();
            tokio::spawn(async move {
                let Some(request) = message(&mut client).await else { return };
                let answer = if String::from_utf8_lossy(&request).contains(operation) {
                    let body = r#"{"__type":"InternalServerError","message":"canary"}"#;
                    let head = "HTTP/1.1 500 x\r\ncontent-type: application/x-amz-json-1.0";
                    format!("{head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
                        .into_bytes()
                } else {
                    let mut server = TcpStream::connect(&upstream).await.unwrap();
                    server.write_all(&request).await.unwrap();
                    message(&mut server).await.unwrap_or_default()
                };
                // One request a connection: the next one comes by another.
                let _ = client.write_all(&answer).await;
                let _ = client.shutdown().await;
            });
        }
    });
    format!("http://{address}")
}

/// A request or an answer, whole, as far as its length is told.
async fn message(connection: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut message, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let read = connection.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        message.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&message).to_ascii_lowercase();
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
        if message.len() >= head.len() + 4 + length {
            return Some(message);
        }
    }
}
