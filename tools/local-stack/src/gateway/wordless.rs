//! What hyper answers by itself, to a head that it can't read: it has no body, and nothing lets one be given. Here it gets one, on its way out.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How the answers begin that hyper gives by itself, and in which words API Gateway tells such things.
const WORDS: [(&str, &str); 3] = [
    ("HTTP/1.1 400 ", "Bad Request"),
    ("HTTP/1.1 414 ", "URI Too Long"),
    ("HTTP/1.1 431 ", "Request Header Fields Too Large"),
];
/// What an answer without a body has, and nothing that a function answers.
const WITHOUT_BODY: &str = "content-length: 0\r\n";
const OF_A_BODY: &str = "content-type:";

/// A socket on which no error goes out without a body.
pub(super) struct Worded<S> {
    socket: S,
    /// What is still to be sent in the place of an answer without a body.
    rest: Vec<u8>,
}

impl<S> Worded<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, rest: Vec::new() }
    }
}

/// The same answer with a body; `None` where it has one, or is none of hyper's own.
fn worded(answer: &[u8]) -> Option<Vec<u8>> {
    let (_, words) = WORDS.iter().find(|(begin, _)| answer.starts_with(begin.as_bytes()))?;
    let head = std::str::from_utf8(answer).ok()?.strip_suffix("\r\n\r\n")?;
    let head = format!("{head}\r\n");
    if head.contains("\r\n\r\n") || head.contains(OF_A_BODY) || !head.contains(WITHOUT_BODY) {
        return None;
    }
    let body = json!({"message": words}).to_string();
    let of_the_body = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    Some(format!("{}\r\n{body}", head.replace(WITHOUT_BODY, &of_the_body)).into_bytes())
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Worded<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            match worded(bytes) {
                Some(answer) => this.rest = answer,
                None => return Pin::new(&mut this.socket).poll_write(context, bytes),
            }
        }
        // Whoever writes comes again with the same until it is said to be written.
        while !this.rest.is_empty() {
            match ready!(Pin::new(&mut this.socket).poll_write(context, &this.rest))? {
                0 => return Poll::Ready(Err(Error::from(ErrorKind::WriteZero))),
                written => drop(this.rest.drain(..written)),
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        match slices.iter().find(|slice| !slice.is_empty()) {
            Some(first) if !self.rest.is_empty() || worded(first).is_some() => {
                self.poll_write(context, first)
            }
            _ => Pin::new(&mut self.get_mut().socket).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Worded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const BARE: &str = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";

    #[tokio::test]
    async fn what_has_no_body_gets_one_however_slowly_it_goes_out() {
        for held in [1, 7, 4_096] {
            let (here, mut there) = tokio::io::duplex(held);
            let mut socket = Worded::new(here);
            let (written, read) = tokio::join!(
                async {
                    socket.write_all(BARE.as_bytes()).await.unwrap();
                    socket.write_all(b"more").await.unwrap();
                    drop(socket);
                },
                async {
                    let mut read = String::new();
                    there.read_to_string(&mut read).await.unwrap();
                    read
                }
            );
            let () = written;
            let body = r#"{"message":"Request Header Fields Too Large"}"#;
            let expected = BARE.replace(
                "content-length: 0",
                &format!("content-type: application/json\r\ncontent-length: {}", body.len()),
            );
            assert_eq!(read, format!("{expected}{body}more"));
        }
    }

    #[test]
    fn what_a_function_answers_goes_out_as_it_is() {
        for answer in [
            "HTTP/1.1 414 URI Too Long\r\ncontent-type: application/problem+json\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "",
        ] {
            assert_eq!(worded(answer.as_bytes()), None, "{answer}");
        }
    }
}
