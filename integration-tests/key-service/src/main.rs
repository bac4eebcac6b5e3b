//! A development stand-in for Constellation's KeyService: plain gRPC over HTTP/2 without TLS, no authentication,
//! every caller gets every key. It also answers late, wrongly or not at all when a test asks it to.

mod api;
mod derivation;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tonic::Code;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::api::{Api, Behaviour};
use crate::derivation::MasterSecret;

/// Development stand-in for Constellation's KeyService. Not for production: no TLS, no authentication.
#[derive(Parser)]
#[command(name = "key-service")]
struct Arguments {
    /// Address to listen on; port 0 takes a free one, which the first line on standard output names.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,

    /// Master secret in hex, at least 16 bytes.
    #[arg(
        long,
        value_name = "HEX",
        env = "KEY_SERVICE_MASTER_SECRET",
        hide_env_values = true
    )]
    master_secret_hex: String,

    /// Salt in hex, at least 32 bytes.
    #[arg(
        long,
        value_name = "HEX",
        env = "KEY_SERVICE_SALT",
        hide_env_values = true
    )]
    salt_hex: String,

    /// For tests: wait before every answer.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    delay_ms: u64,

    /// For tests: answer every valid request with this gRPC status.
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(i32).range(1..=16))]
    fail_with_grpc_status: Option<i32>,

    /// For tests: answer every valid request with these bytes in place of the derived key.
    #[arg(long, value_name = "HEX", conflicts_with = "fail_with_grpc_status")]
    answer_hex: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    eprintln!(
        "WARNING: development only. This key service has no TLS and no authentication: \
         whoever reaches it gets every key."
    );

    let api = Api::new(master_secret(&arguments)?, behaviour(&arguments)?);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("listen on {}", arguments.listen))?;
    println!("key-service is ready on {}", listener.local_addr()?);

    Server::builder()
        .serve_with_incoming_shutdown(
            api.into_service(),
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            },
        )
        .await?;
    Ok(())
}

/// Decodes the secrets; the errors name the argument and never its value.
fn master_secret(arguments: &Arguments) -> anyhow::Result<MasterSecret> {
    let master_secret = hex::decode(&arguments.master_secret_hex)
        .ok()
        .context("the master secret is not hex")?;
    let salt = hex::decode(&arguments.salt_hex)
        .ok()
        .context("the salt is not hex")?;
    Ok(MasterSecret::new(&master_secret, &salt)?)
}

fn behaviour(arguments: &Arguments) -> anyhow::Result<Behaviour> {
    let answer = arguments
        .answer_hex
        .as_ref()
        .map(hex::decode)
        .transpose()
        .context("the answer is not hex")?;
    Ok(Behaviour {
        delay: Duration::from_millis(arguments.delay_ms),
        failure: arguments.fail_with_grpc_status.map(Code::from_i32),
        answer,
    })
}
