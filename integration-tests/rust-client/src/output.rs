//! What is printed: the response's fields under the names of the S3 API, absent ones left out.

use std::error::Error;
use std::path::Path;

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId as _;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

pub(crate) fn put(response: &PutObjectOutput) -> Value {
    present(json!({
        "operation": "put",
        "etag": response.e_tag(),
        "version_id": response.version_id(),
        "checksums": checksums!(response),
    }))
}

pub(crate) fn head(response: &HeadObjectOutput) -> Value {
    present(object_fields!("head", response))
}

/// Reads the body, to a file or to nowhere, and prints its length and SHA-256. A body that fails leaves the fields of
/// the head, an error and the length of what came before it.
///
/// # Errors
/// If the file cannot be written.
pub(crate) async fn get(
    mut response: GetObjectOutput,
    path: Option<&Path>,
) -> anyhow::Result<Value> {
    let mut printed = object_fields!("get", response);
    let mut file = match path {
        Some(path) => Some(File::create(path).await?),
        None => None,
    };
    let mut hash = Sha256::new();
    let mut length: usize = 0;
    while let Some(chunk) = response.body.next().await {
        match chunk {
            Ok(chunk) => {
                hash.update(&chunk);
                length = length.saturating_add(chunk.len());
                if let Some(file) = &mut file {
                    file.write_all(&chunk).await?;
                }
            }
            Err(error) => {
                let message = DisplayErrorContext(&error).to_string();
                insert(&mut printed, "error", json!({ "message": message }));
                break;
            }
        }
    }
    if let Some(file) = &mut file {
        file.flush().await?;
    }
    insert(
        &mut printed,
        "body",
        json!({ "length": length, "sha256": hex::encode(hash.finalize()) }),
    );
    Ok(present(printed))
}

/// Prints a failed call. Without a `status` there was no answer, or none that the SDK would take.
pub(crate) fn error<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> Value
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let service_error = error.as_service_error();
    let message = match service_error {
        Some(service_error) => service_error.message().map(str::to_owned),
        None => Some(DisplayErrorContext(error).to_string()),
    };
    present(json!({
        "operation": operation,
        "error": {
            "status": error.raw_response().map(|response| response.status().as_u16()),
            "code": service_error.and_then(ProvideErrorMetadata::code),
            "message": message,
            "request_id": error.request_id(),
        },
    }))
}

/// Leaves out what is null or empty, at every depth.
fn present(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name, present(value)))
                .filter(|(_, value)| {
                    !value.is_null() && value.as_object().is_none_or(|fields| !fields.is_empty())
                })
                .collect::<Map<_, _>>(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            value
        }
    }
}

fn insert(value: &mut Value, name: &str, field: Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.insert(name.to_owned(), field);
    }
}

/// The responses share their fields, not a trait.
macro_rules! object_fields {
    ($operation:literal, $response:expr) => {
        json!({
            "operation": $operation,
            "etag": $response.e_tag(),
            "version_id": $response.version_id(),
            "content_length": $response.content_length(),
            "content_type": $response.content_type(),
            "content_range": $response.content_range(),
            "content_encoding": $response.content_encoding(),
            "cache_control": $response.cache_control(),
            "last_modified": $response.last_modified().map(|time| time.secs()),
            "metadata": $response.metadata(),
            "checksums": checksums!($response),
        })
    };
}
use object_fields;

macro_rules! checksums {
    ($response:expr) => {
        json!({
            "crc32": $response.checksum_crc32(),
            "crc32c": $response.checksum_crc32_c(),
            "crc64nvme": $response.checksum_crc64_nvme(),
            "sha1": $response.checksum_sha1(),
            "sha256": $response.checksum_sha256(),
            "type": $response.checksum_type().map(|checksum_type| checksum_type.as_str()),
        })
    };
}
use checksums;
