//! Puts the parts together into a running server, and takes it down again.
//!
//! Knows the faces, the markets and the order of start and stop; decides nothing about requests.

mod secrets;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::api::{Api, BEAT, Current, Metrics, Readiness, Stage};
use crate::config::{Config, ConfigError};
use crate::guard::{Guard, Keys, KeysError};
use crate::market::{Clock, MarketError, Markets};
use crate::mention::Detector;
use crate::net::{self, Tls, TlsError};
use crate::{grpc, http};
use secrets::Secrets;

/// Why a server could not start; each message says what to change.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The markets cannot be used as configured.
    #[error(transparent)]
    Market(#[from] MarketError),
    /// Connections cannot be encrypted as configured.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// An address is taken, or not ours.
    #[error("cannot listen on {listen}: {problem}; change {key} ({env})")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why not.
        problem: String,
        /// The option.
        key: &'static str,
        /// Its twin in the environment.
        env: &'static str,
    },
}

/// Both ports, taken. Comes before all slow work, so that a port in use is told at once.
#[derive(Debug)]
pub struct Listeners {
    grpc: TcpListener,
    http: TcpListener,
    health: Option<TcpListener>,
    addrs: Addrs,
}

/// Where a server listens; with port 0 in the configuration, the ports it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addrs {
    /// The gRPC face.
    pub grpc: SocketAddr,
    /// The HTTP face.
    pub http: SocketAddr,
    /// The probes alone.
    pub health: Option<SocketAddr>,
}

impl Listeners {
    /// Takes both ports.
    ///
    /// # Errors
    /// The configuration contradicts itself, or a port cannot be had.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        config.check()?;
        let (grpc, grpc_addr) = listen(config.grpc.listen, "grpc.listen", "COINTAG_GRPC__LISTEN").await?;
        let (http, http_addr) = listen(config.http.listen, "http.listen", "COINTAG_HTTP__LISTEN").await?;
        let health = match config.health.listen {
            Some(addr) => Some(listen(addr, "health.listen", "COINTAG_HEALTH__LISTEN").await?),
            None => None,
        };
        let (health, health_addr) = health.unzip();
        let addrs = Addrs { grpc: grpc_addr, http: http_addr, health: health_addr };
        Ok(Self { grpc, http, health, addrs })
    }
}

async fn listen(
    listen: SocketAddr,
    key: &'static str,
    env: &'static str,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let problem = |error: std::io::Error| {
        let problem = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another program listens there".to_owned(),
            std::io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
            _ => error.to_string(),
        };
        StartError::Listen { listen, problem, key, env }
    };
    let listener = TcpListener::bind(listen).await.map_err(problem)?;
    let addr = listener.local_addr().map_err(problem)?;
    Ok((listener, addr))
}

/// A running server.
pub struct Server {
    addrs: Addrs,
    readiness: Readiness,
    api: Current,
    markets: Markets,
    config: Config,
    clock: Clock,
    stop: CancellationToken,
    /// Ends what runs beside the faces.
    background: CancellationToken,
    refresh: Refresh,
    faces: JoinSet<()>,
}

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every call was answered and every connection closed.
    Clean,
    /// Peers were still connected when the time was over. Their connections end with the process.
    CutOff,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("addrs", &self.addrs).finish_non_exhaustive()
    }
}

impl Server {
    /// Starts answering and asking the markets. Returns at once; health tells when it is ready.
    ///
    /// # Errors
    /// The markets cannot be used as configured.
    pub fn start(
        listeners: Listeners,
        config: &Config,
        detector: Arc<Detector>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let catalog = Arc::clone(detector.catalog());
        let state_dir = config.state_dir.as_deref();
        let markets = Markets::new(catalog, &config.market, &config.quotes, state_dir, clock.clone())?;
        let api = Current::new(Api::new(detector, markets.clone(), config.limits.clone()));
        let readiness = Readiness::new(clock.clone());
        let (stop, background) = (CancellationToken::new(), CancellationToken::new());

        let tls = Tls::load(&config.tls)?;
        let keys = config.auth.keys_file.as_deref().map(Keys::read).transpose()?;
        let metrics = api.get().metrics().clone();
        let guard = Guard::new(config.limits.clone(), keys, metrics.clone());
        let Listeners { grpc, http, health, addrs } = listeners;
        let settings = net::Settings { limits: config.limits.clone(), tls: tls.clone() };
        let mut faces = JoinSet::new();
        let service = grpc::service(&config.grpc, &api, readiness.clone(), guard.clone());
        faces.spawn(net::serve(grpc, service, settings.clone(), stop.clone()));
        let service = http::service(api.clone(), readiness.clone(), guard.clone());
        faces.spawn(net::serve(http, service, settings.clone(), stop.clone()));
        if let Some(health) = health {
            let service = grpc::probes(readiness.clone()).merge(http::probes(readiness.clone()));
            faces.spawn(net::serve(health, service, net::Settings { tls: None, ..settings }, stop.clone()));
        }
        let refresh = Refresh::spawn(&markets, readiness.clone());
        tokio::spawn(guard.clone().watch_lag(background.clone()));
        let secrets = Secrets::new(config, tls, guard, metrics.clone());
        tokio::spawn(secrets.watch(config.security.reload_every, background.clone()));
        tokio::spawn(beat(readiness.clone(), api.clone(), clock.clone(), background.clone()));
        tokio::spawn(become_ready(markets.clone(), readiness.clone(), config.health.first_quotes_wait));
        Ok(Self {
            addrs,
            readiness,
            api,
            markets,
            config: config.clone(),
            clock,
            stop,
            background,
            refresh,
            faces,
        })
    }

    /// Where it listens.
    pub fn addrs(&self) -> Addrs {
        self.addrs
    }

    /// What health tells.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// The markets it asks.
    pub fn markets(&self) -> &Markets {
        &self.markets
    }

    /// Puts another catalog in force without stopping. The old one answers until the markets have been asked for
    /// the new one's tokens, so that no price disappears meanwhile.
    ///
    /// # Errors
    /// The markets cannot be used with it; everything stays as it was.
    pub async fn reload(&mut self, detector: Arc<Detector>) -> Result<(), StartError> {
        let (catalog, state_dir) = (Arc::clone(detector.catalog()), self.config.state_dir.as_deref());
        let Config { market, quotes, .. } = &self.config;
        let markets = Markets::new(catalog, market, quotes, state_dir, self.clock.clone())?;
        let refresh = Refresh::spawn(&markets, self.readiness.clone());
        std::mem::replace(&mut self.refresh, refresh).end().await;
        // A market that does not answer must not hold up the operator.
        let _ = tokio::time::timeout(RELOAD_WAIT, markets.first_round()).await;
        self.api.replace(detector, markets.clone());
        self.markets = markets;
        Ok(())
    }

    /// The counters of the process.
    pub fn metrics(&self) -> Metrics {
        self.api.get().metrics().clone()
    }

    /// Returns only if a face ends by itself, which is a failure; says why.
    pub async fn failed(&mut self) -> String {
        match self.faces.join_next().await {
            Some(Err(panic)) => format!("a face ended: {panic}"),
            _ => "a face stopped listening".to_owned(),
        }
    }

    /// Takes the server down: health says NOT_SERVING, requests are answered for `drain_delay` more, then
    /// nothing new is accepted, streams of our own end, and calls in flight have `drain_timeout` to finish.
    ///
    /// tonic alone would wait for ever on an open Watch, a connection that never speaks, or half a
    /// handshake; that is why there is a hard end.
    pub async fn shutdown(mut self, drain_delay: Duration) -> Ended {
        self.readiness.advance(Stage::Draining);
        tokio::time::sleep(drain_delay).await;
        self.stop.cancel();
        self.readiness.advance(Stage::Stopping);
        let all = async { while self.faces.join_next().await.is_some() {} };
        let ended = match tokio::time::timeout(self.config.serve.drain_timeout, all).await {
            Ok(()) => Ended::Clean,
            Err(_) => Ended::CutOff,
        };
        self.faces.abort_all();
        self.background.cancel();
        self.refresh.end().await;
        ended
    }
}

/// How long a reload waits for the prices of its new tokens.
const RELOAD_WAIT: Duration = Duration::from_secs(10);

/// The refresh loop of one catalog.
#[derive(Debug)]
struct Refresh {
    stop: CancellationToken,
    done: JoinHandle<()>,
}

impl Refresh {
    fn spawn(markets: &Markets, readiness: Readiness) -> Self {
        let stop = CancellationToken::new();
        let refresh = markets.spawn(stop.clone());
        let done = tokio::spawn(async move {
            if let Err(error) = refresh.await
                && error.is_panic()
            {
                tracing::error!("the refresh loop panicked; this is a bug in cointag");
                readiness.broken();
            }
        });
        Self { stop, done }
    }

    /// Its last word is a save of what it learned; a failure to do so was logged there.
    async fn end(self) {
        self.stop.cancel();
        let _ = self.done.await;
    }
}

/// Markets decide when the server is first ready, but not whether: after `at_most` it is.
async fn become_ready(markets: Markets, readiness: Readiness, at_most: Duration) {
    if tokio::time::timeout(at_most, markets.first_round()).await.is_err() {
        let waited_s = at_most.as_secs_f64();
        tracing::info!(waited_s, "ready, though the first refresh round has not ended");
    }
    readiness.advance(Stage::Ready);
}

/// Shows that the runtime still moves, and tells whether the refresh loops do.
async fn beat(readiness: Readiness, api: Current, clock: Clock, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep_until(clock.tick() + BEAT) => readiness.beat(api.get().refresh_moves()),
        }
    }
}
