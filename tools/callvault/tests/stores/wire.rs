//! S3 by hand, where no SDK would do it.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use s3_emulator::S3;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{s3_with_bucket, within_limit};

/// Sends a request that asks for the connection's end, and returns the answer.
async fn exchange(server: &S3, request: &[u8]) -> String {
    let mut connection = TcpStream::connect(server.local_addr()).await.unwrap();
    connection.write_all(request).await.unwrap();
    answer(connection).await
}

/// Sends a part of a request, then no more, and returns the answer, if there is one.
async fn break_off(server: &S3, request: &[u8]) -> String {
    let mut connection = TcpStream::connect(server.local_addr()).await.unwrap();
    connection.write_all(request).await.unwrap();
    connection.shutdown().await.unwrap();
    answer(connection).await
}

async fn answer(mut connection: TcpStream) -> String {
    let mut answer = Vec::new();
    // A server that gives up on a broken body may reset the connection.
    let _ = connection.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The body `hello world` in two chunks, with a trailer.
fn chunked(trailer: &str) -> Vec<u8> {
    let body = format!(
        "6;chunk-signature=0\r\nhello \r\n5;chunk-signature=0\r\nworld\r\n0;chunk-signature=0\r\n{trailer}\r\n\r\n"
    );
    let head = format!(
        "PUT /bucket/key HTTP/1.1\r\nHost: s3\r\nConnection: close\r\nContent-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=nobody/20250601/x/s3/aws4_request, SignedHeaders=host, Signature=0\r\n\
         Content-Encoding: gzip,aws-chunked\r\nx-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\r\n\
         x-amz-decoded-content-length: 11\r\nx-amz-trailer: x-amz-checksum-crc32\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

#[test]
fn a_chunked_body_is_stored_without_its_chunks_and_only_if_its_trailer_holds() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;

        // CRC-32 of "hello world", as any implementation gives it: 0x0d4a1185.
        let answer = exchange(&server, &chunked("x-amz-checksum-crc32:DUoRhQ==")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        for (trailer, code) in [
            ("x-amz-checksum-crc32:AAAAAA==", "BadDigest"),
            ("x-amz-checksum-sha1:DUoRhQ==", "IncompleteBody"),
            ("no colon", "IncompleteBody"),
        ] {
            let answer = exchange(&server, &chunked(trailer)).await;
            assert!(answer.starts_with("HTTP/1.1 400") && answer.contains(code), "{trailer}: {answer}");
        }
        // Whole and sound, but not of the length that was announced.
        let request = String::from_utf8(chunked("x-amz-checksum-crc32:DUoRhQ==")).unwrap();
        for length in ["10", "12"] {
            let request =
                request.replace("decoded-content-length: 11", &format!("decoded-content-length: {length}"));
            let answer = exchange(&server, request.as_bytes()).await;
            assert!(answer.contains("IncompleteBody"), "{length}: {answer}");
        }

        let object = client.get_object().bucket("bucket").key("key").send().await.unwrap();
        assert_eq!(object.content_encoding(), Some("gzip"));
        assert_eq!(object.body.collect().await.unwrap().to_vec(), b"hello world");
        server.stop().await.unwrap();
    });
}

#[test]
fn a_body_that_breaks_off_is_never_stored() {
    within_limit(async {
        let data = tempfile::tempdir().unwrap();
        let (server, client) = s3_with_bucket(Some(data.path())).await;
        let plain = b"PUT /bucket/key HTTP/1.1\r\nHost: s3\r\nContent-Length: 100\r\n\r\nonly this".to_vec();
        let whole = chunked("x-amz-checksum-crc32:DUoRhQ==");
        let head_end = whole.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
        // Cut off within the chunks, though complete as HTTP has it.
        let inside_chunk = {
            let body = b"b;chunk-signature=0\r\nhello";
            let head = String::from_utf8(whole[..head_end].to_vec()).unwrap();
            let length = format!("Content-Length: {}\r\n", whole.len() - head_end);
            let head = head.replace(&length, &format!("Content-Length: {}\r\n", body.len()));
            [head.as_bytes(), body].concat()
        };
        let no_length = b"PUT /bucket/key HTTP/1.1\r\nHost: s3\r\nConnection: close\r\n\
            Transfer-Encoding: chunked\r\n\r\n4\r\ndata\r\n0\r\n\r\n"
            .to_vec();
        for request in [plain, whole[..whole.len() - 40].to_vec()] {
            let answer = break_off(&server, &request).await;
            assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        for (request, code) in [(inside_chunk, "IncompleteBody"), (no_length, "MissingContentLength")] {
            let answer = exchange(&server, &request).await;
            assert!(answer.contains(code), "{answer}");
        }
        let error = client.get_object().bucket("bucket").key("key").send().await.unwrap_err();
        assert!(error.into_service_error().is_no_such_key());
        server.stop().await.unwrap();
        assert_eq!(std::fs::read_dir(data.path().join("s3/blobs")).unwrap().count(), 0);
    });
}

#[test]
fn the_promised_sha256_of_a_body_is_checked() {
    within_limit(async {
        let (server, _client) = s3_with_bucket(None).await;
        for (sha256, status) in [
            ("b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9", "HTTP/1.1 200"),
            ("0000000000000000000000000000000000000000000000000000000000000000", "HTTP/1.1 400"),
        ] {
            let request = format!(
                "PUT /bucket/key HTTP/1.1\r\nHost: s3\r\nConnection: close\r\nContent-Length: 11\r\n\
                 x-amz-content-sha256: {sha256}\r\n\r\nhello world"
            );
            let answer = exchange(&server, request.as_bytes()).await;
            assert!(answer.starts_with(status), "{answer}");
        }
        server.stop().await.unwrap();
    });
}

#[test]
fn a_presigned_url_is_served() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        let key = "recordings/a^b=c%d.wav";
        client
            .put_object()
            .bucket("bucket")
            .key(key)
            .body(ByteStream::from_static(b"RIFF"))
            .send()
            .await
            .unwrap();
        let expiry = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
        let signed = client.get_object().bucket("bucket").key(key).presigned(expiry).await.unwrap();
        let path = signed.uri().strip_prefix(&server.endpoint()).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.local_addr());
        let answer = exchange(&server, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nRIFF"), "{answer}");
        server.stop().await.unwrap();
    });
}

#[test]
fn stopping_does_not_wait_for_a_client_that_went_silent() {
    within_limit(async {
        let (server, client) = s3_with_bucket(None).await;
        let mut silent = TcpStream::connect(server.local_addr()).await.unwrap();
        silent
            .write_all(b"PUT /bucket/key HTTP/1.1\r\nHost: s3\r\nContent-Length: 100\r\n\r\nhalf")
            .await
            .unwrap();
        // The server has seen it: it took connections in order.
        client.head_bucket().bucket("bucket").send().await.unwrap();
        server.stop().await.unwrap();
    });
}
