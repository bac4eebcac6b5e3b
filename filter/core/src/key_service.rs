//! Key services: how a KEK is asked for, and how the answer is read. No I/O.
//!
//! Constellation's KeyService is gRPC without TLS: package `kms`, service `API`, one unary method
//! `GetDataKey`. A call is an HTTP/2 POST whose body is one [length-prefixed message]; the outcome
//! is `grpc-status`, in the trailers or, for an answer without a body, in the head.
//!
//! ```text
//! request  00 ‖ length(4, big-endian) ‖ 0a ‖ len ‖ data_key_id ‖ 10 ‖ 20
//! answer   00 ‖ length(4, big-endian) ‖ 0a ‖ 20 ‖ key(32)
//! ```
//!
//! [length-prefixed message]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

use crate::callout::{Callout, CalloutReply, CalloutTarget};
use crate::config::CalloutService;
use crate::head::{Headers, RequestHead};
use crate::key_wrap::{Kek, KekId};

/// The call that asks Constellation's KeyService for the KEK `kek_id`.
pub fn constellation_request(service: &CalloutService, kek_id: &KekId) -> Callout {
    let mut headers = Headers::new();
    headers.push("content-type", "application/grpc");
    headers.push("te", "trailers");
    headers.push(
        "grpc-timeout",
        format!("{}m", service.timeout_ms.min(MAX_GRPC_TIMEOUT)),
    );
    Callout {
        target: CalloutTarget::Cluster(service.cluster.clone()),
        head: RequestHead {
            method: "POST".to_owned(),
            target: "/kms.API/GetDataKey".to_owned(),
            authority: service.authority.clone(),
            headers,
        },
        body: length_prefixed(&data_key_request(kek_id)),
        timeout_ms: service.timeout_ms,
    }
}

/// Reads the answer of Constellation's KeyService.
///
/// # Errors
///
/// [`Error`], which says at which step the answer failed.
pub fn constellation_reply(reply: &CalloutReply) -> Result<Kek, Error> {
    let (head, body, trailers) = match reply {
        CalloutReply::Failed => return Err(Error::Unreachable),
        CalloutReply::Response {
            head,
            body,
            trailers,
        } => (head, body, trailers),
    };
    if head.status != 200 {
        return Err(Error::Http(head.status));
    }
    let status = trailers
        .text("grpc-status")
        .or_else(|| head.headers.text("grpc-status"))
        .ok_or(Error::Malformed)?;
    if status != "0" {
        return Err(status.parse().map_or(Error::Malformed, Error::Grpc));
    }
    let key = data_key(unprefixed(body)?)?;
    Kek::new(key).map_err(|_| Error::ZeroKek)
}

/// Why a key service did not hand out a KEK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No answer: the service is down, or the call was reset.
    #[error("the key service can't be reached")]
    Unreachable,
    /// An answer with another HTTP status than 200; 504 is Envoy's own for a time-out.
    #[error("the key service answered HTTP status {0}")]
    Http(u16),
    /// A gRPC status other than OK.
    #[error("the key service answered gRPC status {0}")]
    Grpc(u32),
    /// An answer that is no `GetDataKeyResponse` with a key of 32 bytes.
    #[error("the key service's answer is malformed")]
    Malformed,
    /// A KEK of 32 zero bytes.
    #[error("the key service handed out an all-zero KEK")]
    ZeroKek,
}

impl Error {
    /// Tells whether the service is there and refuses: NOT_FOUND, PERMISSION_DENIED or
    /// UNAUTHENTICATED.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Grpc(5 | 7 | 16))
    }
}

/// `GetDataKeyRequest { data_key_id = kek_id, length = 32 }`.
fn data_key_request(kek_id: &KekId) -> Vec<u8> {
    let id = kek_id.as_str().as_bytes();
    let mut message = vec![FIELD_1_BYTES];
    message.extend(u8::try_from(id.len()));
    message.extend_from_slice(id);
    message.extend_from_slice(&[FIELD_2_VARINT, KEK_LEN]);
    message
}

/// Reads `GetDataKeyResponse { data_key }`; fields that are not known are refused.
fn data_key(message: &[u8]) -> Result<[u8; 32], Error> {
    match message {
        [FIELD_1_BYTES, KEK_LEN, key @ ..] => key.try_into().map_err(|_| Error::Malformed),
        _ => Err(Error::Malformed),
    }
}

fn length_prefixed(message: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend_from_slice(
        &u32::try_from(message.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes(),
    );
    framed.extend_from_slice(message);
    framed
}

fn unprefixed(body: &[u8]) -> Result<&[u8], Error> {
    let (prefix, message) = body.split_first_chunk::<5>().ok_or(Error::Malformed)?;
    let [compressed, length @ ..] = *prefix;
    if compressed != 0 || u32::try_from(message.len()) != Ok(u32::from_be_bytes(length)) {
        return Err(Error::Malformed);
    }
    Ok(message)
}

const FIELD_1_BYTES: u8 = 0x0a;
const FIELD_2_VARINT: u8 = 0x10;
const KEK_LEN: u8 = 32;
/// gRPC allows eight digits.
const MAX_GRPC_TIMEOUT: u64 = 99_999_999;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::ResponseHead;

    /// From `constellation_vectors.json`.
    const REQUEST_FRAME: &str = "000000000f0a0b733370726f78792d6b656b1020";

    fn service() -> CalloutService {
        CalloutService {
            cluster: "key-service".to_owned(),
            authority: "key-service".to_owned(),
            timeout_ms: 2000,
            ttl_seconds: 600,
            grace_seconds: 3600,
        }
    }

    fn reply(
        status: u16,
        headers: &[(&str, &str)],
        body: &[u8],
        trailers: &[(&str, &str)],
    ) -> CalloutReply {
        CalloutReply::Response {
            head: ResponseHead {
                status,
                headers: headers.iter().copied().collect(),
            },
            body: body.to_vec().into(),
            trailers: trailers.iter().copied().collect(),
        }
    }

    fn frame(key: &[u8]) -> Vec<u8> {
        let mut message = vec![0x0a, u8::try_from(key.len()).unwrap()];
        message.extend_from_slice(key);
        length_prefixed(&message)
    }

    #[test]
    fn the_request_is_constellations() {
        let callout = constellation_request(&service(), &KekId::new("s3proxy-kek").unwrap());
        assert_eq!(hex::encode(&callout.body), REQUEST_FRAME);
        assert_eq!(callout.head.target, "/kms.API/GetDataKey");
        assert_eq!(callout.head.headers.text("te"), Some("trailers"));
    }

    #[test]
    fn a_key_is_read_with_the_status_in_trailers_or_head() {
        let body = frame(&[7; 32]);
        for (headers, trailers) in [
            (vec![], vec![("grpc-status", "0")]),
            (vec![("grpc-status", "0")], vec![]),
        ] {
            assert!(constellation_reply(&reply(200, &headers, &body, &trailers)).is_ok());
        }
    }

    #[test]
    fn a_key_does_not_print() {
        let answer = reply(200, &[], &frame(&[0xab; 32]), &[]);
        assert!(!format!("{answer:?}").contains("171"), "{answer:?}");
    }

    #[test]
    fn each_failure_has_its_name() {
        let ok = [("grpc-status", "0")];
        let good = frame(&[7; 32]);
        for (answer, error) in [
            (CalloutReply::Failed, Error::Unreachable),
            (reply(504, &[], b"", &[]), Error::Http(504)),
            (
                reply(200, &[("grpc-status", "12")], b"", &[]),
                Error::Grpc(12),
            ),
            (
                reply(200, &[], &good, &[("grpc-status", "13")]),
                Error::Grpc(13),
            ),
            (reply(200, &[], &good, &[]), Error::Malformed),
            (
                reply(200, &[], &good, &[("grpc-status", "x")]),
                Error::Malformed,
            ),
            (reply(200, &[], &frame(&[7; 16]), &ok), Error::Malformed),
            (reply(200, &[], &good[..36], &ok), Error::Malformed),
            (reply(200, &[], b"", &ok), Error::Malformed),
            (reply(200, &[], &frame(&[0; 32]), &ok), Error::ZeroKek),
        ] {
            assert_eq!(constellation_reply(&answer).err(), Some(error));
        }
        let mut compressed = good.clone();
        compressed[0] = 1;
        assert_eq!(
            constellation_reply(&reply(200, &[], &compressed, &ok)).err(),
            Some(Error::Malformed)
        );
    }
}
