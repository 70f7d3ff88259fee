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

/// h2's own default, kept: a client that resets more calls than this before they begin is told to go away.
const PENDING_RESETS_MAX: usize = 20;

/// How long peers may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A peer that connects has this long to say what it speaks.
    pub first_words: Duration,
    /// The headers of an HTTP/1 request have this long to come, also after the last one was answered: longer than load
    /// balancers leave a connection idle, which would otherwise send a request into one that we just closed.
    pub idle: Duration,
    /// HTTP/2 peers are asked so often whether they are still there; below the idle limits of load balancers.
    pub ping_every: Duration,
    /// Who does not answer that for so long vanished without closing.
    pub pong_within: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first_words: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            ping_every: Duration::from_secs(45),
            pong_within: Duration::from_secs(15),
        }
    }
}

/// How one face takes connections.
#[derive(Clone)]
pub struct Settings {
    /// The limits in force.
    pub limits: Limits,
    /// How long peers may be silent.
    pub patience: Patience,
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
    let builder = builder(&settings.limits, settings.patience);
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
            first_words: settings.patience.first_words,
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
                    let handshake = tokio::time::timeout(connection.first_words, tls.accept(stream));
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
    first_words: Duration,
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
        let Self { addr, first_words, builder, service, age_max, stop } = self;
        let peer = Peer { addr, certificate };
        // Called at once for each request, also while no thread is free to answer it: see `guard`.
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            service.clone().call(request)
        });
        let io = TokioIo::new(prompt::Prompt::new(io, first_words));
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

fn builder(limits: &Limits, patience: Patience) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.idle)
        .max_buf_size((limits.header_bytes_max as usize).max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(patience.ping_every)
        .keep_alive_timeout(patience.pong_within)
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

#[cfg(test)]
mod tests {
    use axum::body::Body as Answer;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(30);

    async fn peer(patience: Patience) -> TcpStream {
        peer_of(patience, None).await
    }

    async fn peer_of(patience: Patience, tls: Option<Tls>) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let service =
            tower::service_fn(|_: Request<Incoming>| async { Ok(Response::new(Answer::from("here"))) });
        let settings = Settings { limits: Limits::default(), patience, tls };
        tokio::spawn(serve(listener, service, settings, CancellationToken::new()));
        TcpStream::connect(addr).await.unwrap()
    }

    async fn ask(peer: &mut TcpStream) -> String {
        peer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"here") {
            assert!(peer.read_buf(&mut answer).await.unwrap() > 0, "closed");
        }
        String::from_utf8(answer).unwrap()
    }

    async fn is_closed(mut peer: TcpStream) {
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(LONG, peer.read_to_end(&mut rest)).await.expect("still open");
    }

    #[tokio::test]
    async fn a_peer_that_vanished_is_given_up() {
        let patience = Patience { ping_every: SHORT, pong_within: SHORT, ..Patience::default() };
        let mut peer = peer(patience).await;
        // A client of HTTP/2 that has nothing to ask and then answers no ping.
        peer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        is_closed(peer).await;
    }

    #[tokio::test]
    async fn an_idle_connection_stays_for_longer_than_first_words_may_take() {
        let patience = Patience { first_words: SHORT, idle: LONG, ..Patience::default() };
        let mut quick = peer(patience).await;
        assert!(ask(&mut quick).await.starts_with("HTTP/1.1 200"));
        let idle = tokio::time::timeout(SHORT * 4, quick.read_u8()).await;
        assert!(idle.is_err(), "closed while idle");
        assert!(ask(&mut quick).await.starts_with("HTTP/1.1 200"));
        is_closed(peer(patience).await).await;
    }

    #[tokio::test]
    async fn a_tls_handshake_that_does_not_come_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed(["cointag.test".to_owned()]).unwrap();
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
        std::fs::write(&cert, own.cert.pem()).unwrap();
        std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
        let config = TlsConfig { cert: Some(cert), key: Some(key), client_ca: None };
        let tls = Tls::load(&config).unwrap();
        let patience = Patience { first_words: SHORT, ..Patience::default() };
        let mut peer = peer_of(patience, tls).await;
        // The head of a record of TLS, and nothing after it.
        peer.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
        is_closed(peer).await;
    }

    #[tokio::test]
    async fn headers_that_do_not_end_are_given_up() {
        let mut peer = peer(Patience { idle: SHORT, ..Patience::default() }).await;
        peer.write_all(b"GET / HTTP/1.1\r\nHost: somewhere\r\nX-Slow: a").await.unwrap();
        is_closed(peer).await;
    }
}
