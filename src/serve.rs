//! Puts the parts together into a running server, and takes it down again.
//!
//! Knows the faces, the markets and the order of start and stop; decides nothing about requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::api::{Api, Readiness, Stage};
use crate::config::{Config, ConfigError};
use crate::market::{Clock, MarketError, Markets};
use crate::mention::Detector;
use crate::{grpc, http};

/// Why a server could not start; each message says what to change.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The markets cannot be used as configured.
    #[error(transparent)]
    Market(#[from] MarketError),
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
    addrs: Addrs,
}

/// Where a server listens; with port 0 in the configuration, the ports it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addrs {
    /// The gRPC face.
    pub grpc: SocketAddr,
    /// The HTTP face.
    pub http: SocketAddr,
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
        Ok(Self { grpc, http, addrs: Addrs { grpc: grpc_addr, http: http_addr } })
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
#[derive(Debug)]
pub struct Server {
    addrs: Addrs,
    readiness: Readiness,
    markets: Markets,
    stop: CancellationToken,
    stop_refresh: CancellationToken,
    refresh: JoinHandle<()>,
    faces: JoinSet<Result<(), String>>,
    drain_timeout: Duration,
}

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every call was answered and every connection closed.
    Clean,
    /// Peers were still connected when the time was over. Their connections end with the process.
    CutOff,
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
        let markets = Markets::new(catalog, &config.market, &config.quotes, state_dir, clock)?;
        let api = Api::new(detector, markets.clone(), config.limits.clone());
        let readiness = Readiness::default();
        let (stop, stop_refresh) = (CancellationToken::new(), CancellationToken::new());

        let Listeners { grpc, http, addrs } = listeners;
        let mut faces = JoinSet::new();
        let (grpc_api, grpc_readiness, grpc_stop) = (api.clone(), readiness.clone(), stop.clone());
        faces.spawn(async move {
            let served = grpc::serve(grpc, grpc_api, grpc_readiness, grpc_stop).await;
            served.map_err(|error| format!("the gRPC face failed: {error}"))
        });
        let (http_readiness, http_stop) = (readiness.clone(), stop.clone());
        faces.spawn(async move {
            let served = http::serve(http, api, http_readiness, http_stop).await;
            served.map_err(|error| format!("the HTTP face failed: {error}"))
        });
        let refresh = markets.spawn(stop_refresh.clone());
        tokio::spawn(become_ready(markets.clone(), readiness.clone(), config.health.first_quotes_wait));
        let drain_timeout = config.serve.drain_timeout;
        Ok(Self { addrs, readiness, markets, stop, stop_refresh, refresh, faces, drain_timeout })
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

    /// Returns only if a face ends by itself, which is a failure; says why.
    pub async fn failed(&mut self) -> String {
        match self.faces.join_next().await {
            Some(Ok(Err(problem))) => problem,
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
        let ended = match tokio::time::timeout(self.drain_timeout, all).await {
            Ok(()) => Ended::Clean,
            Err(_) => Ended::CutOff,
        };
        self.faces.abort_all();
        self.stop_refresh.cancel();
        // Its last word is a save of what it learned; a failure to do so was logged there.
        let _ = self.refresh.await;
        ended
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
