//! Constellation's KeyService API, all of it:
//!
//! ```proto
//! syntax = "proto3";
//! package kms;
//!
//! service API {
//!   rpc GetDataKey(GetDataKeyRequest) returns (GetDataKeyResponse);
//! }
//! message GetDataKeyRequest {
//!   string data_key_id = 1;
//!   uint32 length = 2;
//! }
//! message GetDataKeyResponse {
//!   bytes data_key = 1;
//! }
//! ```
//!
//! Written out by hand, as two messages are not worth a code generator.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

use crate::derivation::MasterSecret;

/// `kms.GetDataKeyRequest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct GetDataKeyRequest {
    #[prost(string, tag = "1")]
    pub(crate) data_key_id: String,
    /// Of the data key, in bytes.
    #[prost(uint32, tag = "2")]
    pub(crate) length: u32,
}

/// `kms.GetDataKeyResponse`. Has no `Debug` that would print the key.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct GetDataKeyResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) data_key: Vec<u8>,
}

/// How the service treats its callers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Behaviour {
    /// Before every answer.
    pub(crate) delay: Duration,
    /// In place of every good answer.
    pub(crate) failure: Option<Code>,
    /// In place of every derived key.
    pub(crate) answer: Option<Vec<u8>>,
}

/// The service `kms.API`.
#[derive(Debug)]
pub(crate) struct Api {
    master_secret: MasterSecret,
    behaviour: Behaviour,
}

impl Api {
    pub(crate) fn new(master_secret: MasterSecret, behaviour: Behaviour) -> Self {
        Self {
            master_secret,
            behaviour,
        }
    }

    /// Turns the API into an HTTP service that knows the one path of the API.
    pub(crate) fn into_service(
        self,
    ) -> impl Service<
        http::Request<Body>,
        Response = http::Response<Body>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + 'static {
        let api = Arc::new(self);
        tower::service_fn(move |request| {
            let api = Arc::clone(&api);
            async move { Ok(api.route(request).await) }
        })
    }

    async fn route(self: Arc<Self>, request: http::Request<Body>) -> http::Response<Body> {
        if request.uri().path() != GET_DATA_KEY_PATH {
            return Status::unimplemented("unknown method").into_http();
        }
        let method = tower::service_fn(move |request: Request<GetDataKeyRequest>| {
            let api = Arc::clone(&self);
            async move { api.get_data_key(request.into_inner()).await }
        });
        Grpc::new(ProstCodec::default())
            .unary(method, request)
            .await
    }

    /// Answers one call and leaves a line about it, so that tests can count calls.
    async fn get_data_key(
        &self,
        request: GetDataKeyRequest,
    ) -> Result<Response<GetDataKeyResponse>, Status> {
        tokio::time::sleep(self.behaviour.delay).await;
        let answer = self.answer(&request);
        eprintln!(
            "GetDataKey data_key_id={:?} length={} status={:?}",
            request.data_key_id,
            request.length,
            answer.as_ref().err().map_or(Code::Ok, Status::code),
        );
        answer.map(|data_key| Response::new(GetDataKeyResponse { data_key }))
    }

    fn answer(&self, request: &GetDataKeyRequest) -> Result<Vec<u8>, Status> {
        if request.length == 0 {
            return Err(Status::invalid_argument(
                "can't derive key with length zero",
            ));
        }
        if request.data_key_id.is_empty() {
            return Err(Status::invalid_argument("no data key ID specified"));
        }
        let data_key = self
            .master_secret
            .data_key(&request.data_key_id, request.length)
            .map_err(|error| Status::internal(error.to_string()))?;
        if let Some(code) = self.behaviour.failure {
            return Err(Status::new(code, "told to fail"));
        }
        Ok(self.behaviour.answer.clone().unwrap_or(data_key))
    }
}

const GET_DATA_KEY_PATH: &str = "/kms.API/GetDataKey";

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn messages_have_the_bytes_of_the_vectors() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../tests/vectors/get_data_key.json")).unwrap();
        let exchange = &vectors["exchange"];
        let request = GetDataKeyRequest {
            data_key_id: "s3proxy-kek".to_owned(),
            length: 32,
        };
        assert_eq!(
            hex::encode(request.encode_to_vec()),
            exchange["request_message"].as_str().unwrap()
        );
        let data_key = hex::decode(exchange["data_key"].as_str().unwrap()).unwrap();
        let response = GetDataKeyResponse { data_key };
        assert_eq!(
            hex::encode(response.encode_to_vec()),
            exchange["response_message"].as_str().unwrap()
        );
    }
}
