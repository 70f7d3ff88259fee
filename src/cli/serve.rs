//! `cointag serve`.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::{Global, fail};
use crate::config::{Config, reachable};
use crate::market::Clock;
use crate::mention::Detector;
use crate::serve::{Ended, Listeners, Server};
use crate::telemetry::Format;

/// What shells report for a process that a second Ctrl-C ended.
const EXIT_INTERRUPTED: u8 = 130;

/// Options of `serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cointag serve
  cointag serve --grpc-listen 127.0.0.1:0 --http-listen 127.0.0.1:0     any free ports
  cointag serve --set market.sources=file --set market.file.path=examples/quotes.json

SIGTERM: health turns NOT_SERVING, requests are answered for 5 s more ([serve] drain_delay), calls in flight
have 20 s to end ([serve] drain_timeout). Ctrl-C skips the first part. A second signal ends at once.")]
pub(super) struct ServeArgs {
    /// Address and port of the gRPC face ([grpc] listen)
    #[arg(long, value_name = "ADDR")]
    grpc_listen: Option<String>,
    /// Address and port of the JSON face and the page ([http] listen)
    #[arg(long, value_name = "ADDR")]
    http_listen: Option<String>,
}

pub(super) fn run(global: &Global, args: &ServeArgs) -> ExitCode {
    let flags = [
        ("--grpc-listen", "grpc.listen", args.grpc_listen.clone()),
        ("--http-listen", "http.listen", args.http_listen.clone()),
    ];
    let config = match global.load_and_log(&flags, "info") {
        Ok(config) => config,
        Err(error) => return fail(error),
    };
    let runtime = match super::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(format_args!("cannot start threads: {error}")),
    };
    let exit = runtime.block_on(serve(&config));
    // Peers that would not go are cut off here instead of holding the process.
    runtime.shutdown_background();
    exit
}

async fn serve(config: &Config) -> ExitCode {
    // Before listening: an orchestrator may send SIGTERM as soon as it sees the port.
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return fail(format_args!("cannot listen to signals: {error}")),
    };
    let listeners = match Listeners::bind(config).await {
        Ok(listeners) => listeners,
        Err(error) => return fail(error),
    };
    let catalog = match config.catalog.load() {
        Ok(catalog) => catalog,
        Err(error) => return fail(error),
    };
    let detector = Arc::new(Detector::new(catalog));
    let mut server = match Server::start(listeners, config, Arc::clone(&detector), Clock::system()) {
        Ok(server) => server,
        Err(error) => return fail(error),
    };
    welcome(&server, &detector, config);
    let signal = tokio::select! {
        signal = signals.next() => signal,
        problem = server.failed() => return fail(problem),
    };
    // At a terminal nobody balances load, and the person is waiting.
    let at_terminal = signal == Signal::Interrupt && io::stderr().is_terminal();
    let drain_delay = if at_terminal { Duration::ZERO } else { config.serve.drain_delay };
    tracing::info!(drain_delay_s = drain_delay.as_secs_f64(), "stopping; a second signal ends at once");
    let ended = tokio::select! {
        ended = server.shutdown(drain_delay) => ended,
        _ = signals.next() => {
            tracing::warn!("second signal: ended at once");
            return ExitCode::from(EXIT_INTERRUPTED);
        }
    };
    match ended {
        Ended::Clean => tracing::info!("stopped"),
        Ended::CutOff => tracing::warn!("stopped; some peers were still connected and are cut off"),
    }
    ExitCode::SUCCESS
}

/// What it listens on, whom it asks, and how to try it.
fn welcome(server: &Server, detector: &Detector, config: &Config) {
    let (grpc, http) = (server.addrs().grpc, server.addrs().http);
    let sources = server.markets().sources();
    let names: Vec<_> = sources.iter().map(|source| source.name).collect();
    let sources_text = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    tracing::info!(
        %grpc,
        %http,
        sources = sources_text,
        catalog_version = detector.catalog().version(),
        detector_version = detector.version(),
        tokens = detector.catalog().assets().len(),
        "serving",
    );
    if config.log.format == Format::Json {
        return;
    }
    let (grpc, http) = (reachable(grpc), reachable(http));
    let bold = anstyle::Style::new().bold();
    let mut text = format!(
        "\n  {bold}gRPC{bold:#}    {grpc}\n  {bold}Page{bold:#}    http://{http}/\n  {bold}Prices{bold:#}  {sources_text}\n"
    );
    for source in &sources {
        let link = if source.link.is_empty() { String::new() } else { format!(" <{}>", source.link) };
        text += &format!("          {}{link}, plan: {}\n", source.credit, source.plan);
    }
    text += &format!(
        "\n  Try it:\n  curl -s http://{http}/v1/tag -H 'Content-Type: application/json' \\\n    \
         -d '{{\"document\":{{\"title\":\"Bitcoin slips as $ETH holds\"}},\"options\":{{\"quote_wait_ms\":3000}}}}'\n  \
         grpcurl -plaintext -d '{{\"document\":{{\"title\":\"Bitcoin slips as $ETH holds\"}}}}' \\\n    \
         {grpc} cointag.v1.TaggerService/Tag\n\n"
    );
    // Nobody is left to tell if stderr is closed.
    let _ = anstream::stderr().write_all(text.as_bytes());
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Signal {
    Interrupt,
    Terminate,
}

struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(unix)]
    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }

    #[cfg(not(unix))]
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> Signal {
        // Without a way to hear of Ctrl-C the system ends the process, which is what the person asked for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}
