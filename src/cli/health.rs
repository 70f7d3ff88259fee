//! `cointag health`: the probe for images without a shell. Exit codes as `grpc_health_probe` has them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{Global, complain, print};
use crate::config::{Loaded, reachable};
use crate::grpc::client::{self, ClientTls, HealthError};

/// Exit code: bad arguments.
pub(super) const EXIT_ARGUMENTS: u8 = 1;
const EXIT_CONNECT: u8 = 2;
const EXIT_CALL: u8 = 3;
const EXIT_NOT_SERVING: u8 = 4;
/// Docker knows 0 and 1 and reserves 2.
const EXIT_DOCKER_UNHEALTHY: u8 = 1;

/// Options of `health`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cointag health
  cointag health --addr 10.0.0.7:50051 --service cointag.v1.TaggerService
  cointag health --addr 127.0.0.1:50051 --tls-ca ca.pem --tls-server-name cointag.example
  HEALTHCHECK CMD [\"/usr/local/bin/cointag\", \"health\", \"--docker\"]

Exit: 0 serving, 1 bad arguments, 2 cannot connect, 3 call failed, 4 not serving. With --docker: 0 or 1.")]
pub(super) struct HealthArgs {
    /// HOST:PORT of the server [default: where `serve` listens with this configuration]
    #[arg(long, value_name = "ADDR")]
    addr: Option<String>,
    /// Service to ask about: empty for the whole server, or `liveness`, or a full service name
    #[arg(long, default_value = "", hide_default_value = true)]
    service: String,
    /// How long connecting, and then the answer, may take
    #[arg(long, default_value = "1s", value_parser = super::duration)]
    timeout: Duration,
    /// Connect with TLS [default: if this configuration has `[tls]` and no `[health] listen`]
    #[arg(long)]
    tls: bool,
    /// Authority that signed the server's certificate, as PEM [default: those of the system]
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Our client certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Name in the server's certificate [default: the host of the address]
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Answer only 0 or 1, as Docker's HEALTHCHECK wants
    #[arg(long)]
    docker: bool,
}

pub(super) fn run(global: &Global, args: &HealthArgs) -> ExitCode {
    let asks_tls =
        args.tls || args.tls_ca.is_some() || args.tls_cert.is_some() || args.tls_server_name.is_some();
    let (addr, with_tls) = match &args.addr {
        Some(addr) => (addr.clone(), asks_tls),
        None => match global.load(&[]) {
            Ok(Loaded { config, .. }) => match config.health.listen {
                Some(listen) => (reachable(listen).to_string(), asks_tls),
                None => (reachable(config.grpc.listen).to_string(), asks_tls || config.tls.cert.is_some()),
            },
            Err(error) => {
                complain(error);
                return ExitCode::from(EXIT_ARGUMENTS);
            }
        },
    };
    let tls = with_tls.then(|| ClientTls {
        ca: args.tls_ca.clone(),
        identity: args.tls_cert.clone().zip(args.tls_key.clone()),
        server_name: args.tls_server_name.clone(),
    });
    // One thread is enough for one call, and starts faster.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(error);
            return ExitCode::from(EXIT_ARGUMENTS);
        }
    };
    match runtime.block_on(client::check(&addr, &args.service, args.timeout, tls.as_ref())) {
        Ok(()) => print("serving\n").err().unwrap_or(ExitCode::SUCCESS),
        Err(error) => {
            complain(&error);
            ExitCode::from(if args.docker { EXIT_DOCKER_UNHEALTHY } else { exit_code(&error) })
        }
    }
}

fn exit_code(error: &HealthError) -> u8 {
    match error {
        HealthError::Address(_) | HealthError::File { .. } => EXIT_ARGUMENTS,
        HealthError::Connect { .. } => EXIT_CONNECT,
        HealthError::Call(_) => EXIT_CALL,
        HealthError::NotServing(_) => EXIT_NOT_SERVING,
    }
}
