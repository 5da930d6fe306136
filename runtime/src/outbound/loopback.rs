//! Servers on loopback for the tests, written by hand: most of what they do no HTTP library would.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a server does once it has read a request.
#[derive(Clone)]
pub(crate) enum Step {
    Send(Vec<u8>),
    Pause(Duration),
    /// Sends zeroes for as long as they are taken.
    Endless,
    /// Keeps the connection open and does nothing more.
    Hang,
    Close,
}

pub(crate) fn send(text: impl Into<String>) -> Step {
    Step::Send(text.into().into_bytes())
}

#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn start(
        address: &str,
        answer: impl Fn(&str) -> Vec<Step> + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let state = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                state.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(converse(stream, answer.clone(), state.requests.clone()));
            }
        });
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn converse(
    mut stream: TcpStream,
    answer: impl Fn(&str) -> Vec<Step>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let steps = answer(head.split(' ').nth(1).unwrap());
        requests.lock().unwrap().push(head);
        for step in steps {
            match step {
                Step::Send(bytes) => {
                    let bytes = fill_in_port(bytes, stream.local_addr().unwrap().port());
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Step::Pause(time) => tokio::time::sleep(time).await,
                Step::Endless => while stream.write_all(&[0; 16 * 1024]).await.is_ok() {},
                Step::Hang => std::future::pending().await,
                Step::Close => return,
            }
        }
    }
}

/// Writes the server's own port for `PORT`, which a script can't know.
fn fill_in_port(bytes: Vec<u8>, port: u16) -> Vec<u8> {
    match String::from_utf8(bytes) {
        Ok(text) => text.replace("PORT", &port.to_string()).into_bytes(),
        Err(not_text) => not_text.into_bytes(),
    }
}
