//! Connections of both faces: accepts, counts, encrypts and closes them. Knows nothing of what is asked.
//!
//! One place, so that a limit on connections cannot hold for one face and not for the other.

mod prompt;
mod tls;

use std::convert::Infallible;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::api::Limits;
pub use tls::{Config as TlsConfig, Tls, TlsError};

/// Finds peers that vanished without closing; below the idle limits of common load balancers.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(45);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(15);
/// A peer that connects has this long to say what it speaks, and for each HTTP/1 request to send its headers.
const FIRST_WORDS_TIMEOUT: Duration = Duration::from_secs(10);
/// h2's own default, kept: a client that resets more calls than this before they begin is told to go away.
const PENDING_RESETS_MAX: usize = 20;

/// How one face takes connections.
#[derive(Clone)]
pub struct Settings {
    /// The limits in force.
    pub limits: Limits,
    /// `None`: plain text.
    pub tls: Option<Tls>,
}

/// Who is on the other end of a connection; found in the extensions of each request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address, or that of the proxy before it.
    pub addr: SocketAddr,
    /// Name of its client certificate, made from the certificate's hash.
    pub certificate: Option<Arc<str>>,
}

/// Serves until `stop`, then lets each connection finish its calls. May wait for ever on a peer that neither
/// speaks nor closes: the caller sets the hard end by dropping this future, which closes what is left.
pub async fn serve<S, B>(listener: TcpListener, service: S, settings: Settings, stop: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(settings.limits.connections_max as usize));
    let builder = builder(&settings.limits);
    let mut connections = JoinSet::new();
    loop {
        // Beyond the limit nothing is accepted: the system's own queue holds the rest.
        let (place, (stream, addr)) = tokio::select! {
            () = stop.cancelled() => break,
            next = async { (Arc::clone(&places).acquire_owned().await, accept(&listener).await) } => next,
        };
        while connections.try_join_next().is_some() {}
        let connection = Connection {
            addr,
            builder: builder.clone(),
            service: service.clone(),
            age_max: with_jitter(settings.limits.connection_age_max),
            stop: stop.clone(),
        };
        let tls = settings.tls.clone();
        connections.spawn(async move {
            let _place = place;
            match tls {
                None => connection.serve(stream, None).await,
                Some(tls) => {
                    let handshake = tokio::time::timeout(FIRST_WORDS_TIMEOUT, tls.accept(stream));
                    let handshake = tokio::select! {
                        handshake = handshake => handshake,
                        // Nothing was asked yet that would be lost.
                        () = connection.stop.cancelled() => return,
                    };
                    // A failed handshake is the peer's affair; it is logged for whoever looks.
                    match handshake {
                        Ok(Ok((stream, certificate))) => connection.serve(stream, certificate).await,
                        Ok(Err(error)) => tracing::debug!(%addr, %error, "TLS handshake failed"),
                        Err(_) => tracing::debug!(%addr, "TLS handshake took too long"),
                    }
                }
            }
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, addr)) => {
                // Without it small answers wait for the peer's delayed acknowledgement; failing costs only that.
                let _ = stream.set_nodelay(true);
                return (stream, addr);
            }
            Err(error) => {
                // Out of file handles, or the peer was gone already: trying again at once would spin.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

struct Connection<S> {
    addr: SocketAddr,
    builder: auto::Builder<TokioExecutor>,
    service: S,
    age_max: Duration,
    stop: CancellationToken,
}

impl<S, B> Connection<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    async fn serve<I>(self, io: I, certificate: Option<Arc<str>>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { addr, builder, service, age_max, stop } = self;
        let peer = Peer { addr, certificate };
        // Called at once for each request, also while no thread is free to answer it: see `guard`.
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            service.clone().call(request)
        });
        let io = TokioIo::new(prompt::Prompt::new(io, FIRST_WORDS_TIMEOUT));
        let mut connection = pin!(builder.serve_connection(io, service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = async { tokio::select! { () = stop.cancelled() => {} () = tokio::time::sleep(age_max) => {} } } => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%addr, error = &*error, "a connection broke off");
        }
    }
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(FIRST_WORDS_TIMEOUT)
        .max_buf_size((limits.header_bytes_max as usize).max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_concurrent_streams(limits.streams_per_connection_max)
        .max_header_list_size(limits.header_bytes_max)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX);
    builder
}

/// Give or take a tenth, so that connections made together do not all come again together.
fn with_jitter(age: Duration) -> Duration {
    let tenths = RandomState::new().hash_one(age) % 1000;
    age.mul_f64(0.9 + f64::from(u32::try_from(tenths).unwrap_or(0)) / 5000.0)
}
