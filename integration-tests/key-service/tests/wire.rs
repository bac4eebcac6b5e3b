//! The running program, spoken to with bare HTTP/2 frames.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy does not see helpers of tests as tests"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_call_has_the_bytes_of_the_vectors() {
    let vectors = vectors();
    let exchange = &vectors["exchange"];
    let text = |name: &str| exchange[name].as_str().unwrap();
    let service = KeyService::start(&[]);
    let answer = service
        .call(text("path"), &hex::decode(text("request_frame")).unwrap())
        .await;
    assert_eq!(answer.http_status, 200);
    assert_eq!(answer.content_type, "application/grpc");
    assert_eq!(hex::encode(answer.body), text("response_frame"));
    assert_eq!(answer.grpc_status, "0");
}

#[tokio::test]
async fn zero_length_and_a_missing_id_are_invalid_arguments() {
    let service = KeyService::start(&[]);
    for (message, text) in [
        (&b"\x0a\x02id"[..], "can't derive key with length zero"),
        (b"", "can't derive key with length zero"),
        (b"\x10\x20", "no data key ID specified"),
    ] {
        let answer = service.call(PATH, &frame(message)).await;
        assert_eq!(
            (answer.grpc_status.as_str(), answer.message()),
            ("3", text.to_owned())
        );
        assert!(answer.body.is_empty());
    }
}

#[tokio::test]
async fn the_limit_of_hkdf_is_an_internal_error_as_constellation_has_it() {
    let service = KeyService::start(&[]);
    // 8160, 8161, 4294967295
    for (length, grpc_status) in [
        (&b"\xe0\x3f"[..], "0"),
        (b"\xe1\x3f", "13"),
        (b"\xff\xff\xff\xff\x0f", "13"),
    ] {
        let answer = service
            .call(PATH, &frame(&[b"\x0a\x02id\x10", length].concat()))
            .await;
        assert_eq!(answer.grpc_status, grpc_status, "{length:x?}");
    }
}

#[tokio::test]
async fn other_methods_are_unimplemented() {
    let service = KeyService::start(&[]);
    let answer = service.call("/kms.API/ListKeys", &frame(b"")).await;
    assert_eq!(
        (answer.http_status, answer.grpc_status.as_str()),
        (200, "12")
    );
}

#[tokio::test]
async fn it_fails_when_told_to() {
    let service = KeyService::start(&["--fail-with-grpc-status", "14"]);
    let answer = service.call(PATH, &frame(REQUEST)).await;
    assert_eq!(
        (answer.http_status, answer.grpc_status.as_str()),
        (200, "14")
    );
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn it_gives_the_answer_it_is_told_to() {
    let service = KeyService::start(&["--answer-hex", "0000"]);
    let answer = service.call(PATH, &frame(REQUEST)).await;
    assert_eq!(answer.grpc_status, "0");
    assert_eq!(answer.body, frame(b"\x0a\x02\x00\x00"));
}

#[tokio::test]
async fn a_slow_call_is_still_answered_after_the_signal_to_end() {
    let mut service = KeyService::start(&["--delay-ms", "600"]);
    let begin = Instant::now();
    let request = frame(REQUEST);
    let (answer, ()) = tokio::join!(service.call(PATH, &request), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        service.terminate();
    });
    assert_eq!(answer.grpc_status, "0");
    assert!(begin.elapsed() >= Duration::from_millis(600));
    assert!(service.exit_status().success());
}

#[test]
fn secrets_are_needed_and_never_repeated() {
    for (master_secret, salt) in [
        ("not hex: hush", SALT),
        (MASTER_SECRET, "hush"),
        ("6875736800", SALT),
    ] {
        let output = Command::new(PROGRAM)
            .args(["--listen", "127.0.0.1:0"])
            .env("KEY_SERVICE_MASTER_SECRET", master_secret)
            .env("KEY_SERVICE_SALT", salt)
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(
            !errors.contains("hush") && !errors.contains("68757368"),
            "{errors}"
        );
    }
}

/// A running key service with the master secret of the vectors; killed when dropped.
struct KeyService {
    process: Child,
    address: String,
}

impl KeyService {
    fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(PROGRAM)
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .env("KEY_SERVICE_MASTER_SECRET", MASTER_SECRET)
            .env("KEY_SERVICE_SALT", SALT)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim_end()
            .strip_prefix("key-service is ready on ")
            .unwrap()
            .to_owned();
        Self { process, address }
    }

    async fn call(&self, path: &str, body: &[u8]) -> Answer {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = http::Request::post(format!("http://{}{path}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let (response, mut send) = client.send_request(request, false).unwrap();
        send.send_data(Bytes::copy_from_slice(body), true).unwrap();
        let (head, mut stream) = response.await.unwrap().into_parts();
        let mut body = Vec::new();
        while let Some(data) = stream.data().await {
            body.extend_from_slice(&data.unwrap());
        }
        let trailers = stream.trailers().await.unwrap();
        // An answer without messages may carry the status in its only head (gRPC's Trailers-Only).
        let status_fields = trailers.as_ref().unwrap_or(&head.headers);
        let field = |fields: &http::HeaderMap, name: &str| {
            fields
                .get(name)
                .map_or("", |value| value.to_str().unwrap())
                .to_owned()
        };
        let answer = Answer {
            http_status: head.status.as_u16(),
            content_type: field(&head.headers, "content-type"),
            grpc_status: field(status_fields, "grpc-status"),
            grpc_message: field(status_fields, "grpc-message"),
            body,
        };
        // The connection ends with its last handle.
        drop((client, send, stream));
        connection.await.unwrap().unwrap();
        answer
    }

    fn terminate(&self) {
        let status = Command::new("kill")
            .args(["-TERM", &self.process.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    fn exit_status(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }
}

impl Drop for KeyService {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Debug)]
struct Answer {
    http_status: u16,
    content_type: String,
    grpc_status: String,
    /// Percent-encoded, as on the wire.
    grpc_message: String,
    body: Vec<u8>,
}

impl Answer {
    fn message(&self) -> String {
        self.grpc_message.replace("%20", " ").replace("%27", "'")
    }
}

fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), message].concat()
}

fn vectors() -> serde_json::Value {
    serde_json::from_str(include_str!("vectors/get_data_key.json")).unwrap()
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_key-service");
const PATH: &str = "/kms.API/GetDataKey";
/// The id `s3proxy-kek`, 32 bytes.
const REQUEST: &[u8] = b"\x0a\x0bs3proxy-kek\x10\x20";
const MASTER_SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SALT: &str = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";
