//! `cointag serve`.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::{Global, fail};
use crate::config::{Config, ConfigError, Loaded, changed, reachable};
use crate::market::Clock;
use crate::mention::Detector;
use crate::serve::{Ended, Listeners, Server};
use crate::telemetry::{self, Format};

/// Where the configuration says nothing.
const LEVEL: &str = "info";
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
have 20 s to end ([serve] drain_timeout). Ctrl-C skips the first part. A second signal ends at once.
SIGHUP: reads the catalog, its overlay and the log level again; a bad file changes nothing.")]
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
    let runtime = match super::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(format_args!("cannot start threads: {error}")),
    };
    let config = {
        let _within = runtime.enter();
        global.load_and_trace(&flags, LEVEL)
    };
    let config = match config {
        Ok(config) => config,
        Err(error) => return fail(error),
    };
    let reload = || global.load(&flags);
    let exit = runtime.block_on(serve(&config, &reload));
    telemetry::flush();
    // Peers that would not go are cut off here instead of holding the process.
    runtime.shutdown_background();
    exit
}

async fn serve(config: &Config, read_again: &dyn Fn() -> Result<Loaded, ConfigError>) -> ExitCode {
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
    let mut in_force = detector.catalog().version().to_owned();
    let signal = loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            problem = server.failed() => return fail(problem),
        };
        if signal != Signal::Hangup {
            break signal;
        }
        let reloaded = reload(&mut server, config, read_again, &mut in_force).await;
        server.metrics().reloaded("configuration", reloaded.is_ok());
        if let Err(error) = reloaded {
            tracing::error!(%error, "everything stays as it was");
        }
    };
    let drain_delay = signal.drain_delay(io::stderr().is_terminal(), config.serve.drain_delay);
    tracing::info!(drain_delay_s = drain_delay.as_secs_f64(), "stopping; a second signal ends at once");
    let second = async {
        // Reloading makes no sense any more.
        while signals.next().await == Signal::Hangup {}
    };
    let ended = tokio::select! {
        ended = server.shutdown(drain_delay) => ended,
        () = second => {
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

/// Reads everything again. What can change while running does, for the rest it says that a restart is needed.
async fn reload(
    server: &mut Server,
    started_with: &Config,
    read_again: &dyn Fn() -> Result<Loaded, ConfigError>,
    in_force: &mut String,
) -> Result<(), Box<dyn std::error::Error>> {
    let config = read_again()?.config;
    config.check()?;
    let detector = Arc::new(Detector::new(config.catalog.load()?));
    let version = detector.catalog().version().to_owned();
    if version != *in_force {
        server.reload(detector).await?;
        *in_force = version;
    }
    telemetry::set_level(config.log.level.as_deref().unwrap_or(LEVEL))?;
    let waiting: Vec<_> = changed(started_with, &config)
        .into_iter()
        .filter(|key| !matches!(*key, "log.level" | "catalog.file" | "catalog.overlay"))
        .collect();
    if !waiting.is_empty() {
        tracing::warn!(options = waiting.join(", "), "changed, but in force only after a restart");
    }
    tracing::info!(catalog_version = *in_force, "reloaded");
    Ok(())
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
    /// Read the configuration again.
    Hangup,
}

impl Signal {
    /// How long requests are still answered.
    fn drain_delay(self, at_terminal: bool, configured: Duration) -> Duration {
        // At a terminal nobody balances load, and the person is waiting.
        if self == Self::Interrupt && at_terminal { Duration::ZERO } else { configured }
    }
}

struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    #[cfg(unix)]
    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hangup.recv() => Signal::Hangup,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_person_at_a_terminal_does_not_wait_for_load_balancers() {
        let configured = Duration::from_secs(5);
        assert_eq!(Signal::Interrupt.drain_delay(true, configured), Duration::ZERO);
        for (signal, at_terminal) in
            [(Signal::Interrupt, false), (Signal::Terminate, true), (Signal::Terminate, false)]
        {
            assert_eq!(signal.drain_delay(at_terminal, configured), configured);
        }
    }
}
