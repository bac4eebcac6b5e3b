//! Puts, gets or heads one S3 object with the AWS SDK for Rust and prints what the SDK made of the response as JSON.
//! `node-client` is the same program for the AWS SDK for JavaScript.
//!
//! The SDK's own ways are kept wherever a user would meet them: its HTTP client, its checksums, its retries.

mod http2;
mod output;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedHttpClient,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use clap::{Args, Parser, Subcommand};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

/// Puts, gets or heads one S3 object; prints JSON. Ends with 1 when there is an error in it.
///
/// Reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL, AWS_CA_BUNDLE,
/// AWS_MAX_ATTEMPTS, AWS_REQUEST_CHECKSUM_CALCULATION and AWS_RESPONSE_CHECKSUM_VALIDATION. Addresses are path style.
#[derive(Parser)]
#[command(name = "rust-client")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Put(Put),
    Get(Get),
    Head(Object),
}

/// The object and the way to it.
#[derive(Args)]
struct Object {
    bucket: String,
    key: String,
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL")]
    endpoint_url: Option<String>,
    /// Speak HTTP/2 without TLS and without asking first; over https the SDK offers HTTP/2 anyway.
    #[arg(long)]
    http2: bool,
    #[arg(long, value_name = "ETAG")]
    if_match: Option<String>,
    #[arg(long, value_name = "ETAG")]
    if_none_match: Option<String>,
}

#[derive(Args)]
struct Put {
    #[command(flatten)]
    object: Object,
    /// Stream the body from this file; without it, the body is read whole from standard input.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    metadata: Vec<(String, String)>,
    /// CRC32, CRC32C, CRC64NVME, SHA1 or SHA256; the SDK takes CRC32 by itself.
    #[arg(long, value_name = "ALGORITHM")]
    checksum_algorithm: Option<ChecksumAlgorithm>,
}

#[derive(Args)]
struct Get {
    #[command(flatten)]
    object: Object,
    /// Write the body to this file.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// A value of the Range header, such as `bytes=0-9`.
    #[arg(long, value_name = "RANGE")]
    range: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let printed = match Arguments::parse().command {
        Command::Put(put) => self::put(put).await?,
        Command::Get(get) => self::get(get).await?,
        Command::Head(head) => self::head(head).await?,
    };
    println!("{printed:#}");
    Ok(if printed.get("error").is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn put(put: Put) -> anyhow::Result<Value> {
    let body = match &put.file {
        Some(path) => ByteStream::from_path(path).await?,
        None => {
            let mut body = Vec::new();
            tokio::io::stdin().read_to_end(&mut body).await?;
            ByteStream::from(body)
        }
    };
    let mut request = client(&put.object)?
        .put_object()
        .bucket(put.object.bucket)
        .key(put.object.key)
        .set_if_match(put.object.if_match)
        .set_if_none_match(put.object.if_none_match)
        .set_content_type(put.content_type)
        .set_checksum_algorithm(put.checksum_algorithm)
        .body(body);
    for (name, value) in put.metadata {
        request = request.metadata(name, value);
    }
    Ok(match request.send().await {
        Ok(response) => output::put(&response),
        Err(error) => output::error("put", &error),
    })
}

async fn get(get: Get) -> anyhow::Result<Value> {
    let request = client(&get.object)?
        .get_object()
        .bucket(get.object.bucket)
        .key(get.object.key)
        .set_if_match(get.object.if_match)
        .set_if_none_match(get.object.if_none_match)
        .set_range(get.range);
    match request.send().await {
        Ok(response) => output::get(response, get.file.as_deref()).await,
        Err(error) => Ok(output::error("get", &error)),
    }
}

async fn head(head: Object) -> anyhow::Result<Value> {
    let request = client(&head)?
        .head_object()
        .bucket(head.bucket)
        .key(head.key)
        .set_if_match(head.if_match)
        .set_if_none_match(head.if_none_match);
    Ok(match request.send().await {
        Ok(response) => output::head(&response),
        Err(error) => output::error("head", &error),
    })
}

fn client(object: &Object) -> anyhow::Result<Client> {
    let credentials = Credentials::new(
        env::var("AWS_ACCESS_KEY_ID").context("AWS_ACCESS_KEY_ID")?,
        env::var("AWS_SECRET_ACCESS_KEY").context("AWS_SECRET_ACCESS_KEY")?,
        variable("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .credentials_provider(credentials)
        .region(Region::new(
            region.unwrap_or_else(|| "us-east-1".to_owned()),
        ))
        .http_client(http_client(object)?)
        .force_path_style(true);
    if let Some(url) = &object.endpoint_url {
        config = config.endpoint_url(url);
    }
    if let Some(attempts) = variable("AWS_MAX_ATTEMPTS") {
        let attempts = attempts.parse().context("AWS_MAX_ATTEMPTS")?;
        config = config.retry_config(RetryConfig::standard().with_max_attempts(attempts));
    }
    if let Some(calculation) = variable("AWS_REQUEST_CHECKSUM_CALCULATION") {
        let calculation: RequestChecksumCalculation = calculation.parse()?;
        config = config.request_checksum_calculation(calculation);
    }
    if let Some(validation) = variable("AWS_RESPONSE_CHECKSUM_VALIDATION") {
        let validation: ResponseChecksumValidation = validation.parse()?;
        config = config.response_checksum_validation(validation);
    }
    Ok(Client::from_conf(config.build()))
}

/// Builds the SDK's own HTTP client. It ignores AWS_CA_BUNDLE, so that is looked after here: as in the other SDKs, the
/// bundle takes the place of the system's roots.
fn http_client(object: &Object) -> anyhow::Result<SharedHttpClient> {
    if object.http2 {
        let url = object.endpoint_url.as_deref().unwrap_or_default();
        anyhow::ensure!(url.starts_with("http://"), "--http2 is for http endpoints");
        return Ok(http2::client());
    }
    let trust_store = match variable("AWS_CA_BUNDLE") {
        Some(path) => {
            let bundle = std::fs::read(&path).with_context(|| format!("AWS_CA_BUNDLE {path}"))?;
            TrustStore::empty().with_pem_certificate(bundle)
        }
        None => TrustStore::default(),
    };
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(
            TlsContext::builder()
                .with_trust_store(trust_store)
                .build()?,
        )
        .build_https())
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn name_and_value(argument: &str) -> Result<(String, String), &'static str> {
    let (name, value) = argument.split_once('=').ok_or("no `=`")?;
    Ok((name.to_owned(), value.to_owned()))
}
