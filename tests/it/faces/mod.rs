//! The faces over real sockets on free ports. No test sleeps: a manual clock gives every price its age, and
//! what takes real time is a short configured delay of the server itself.

mod batch;
mod budget;
mod currencies;
mod diff;
mod grpc;
mod guard;
mod health;
mod http;
mod published;
mod reload;
mod security;
mod shutdown;
mod streams;
mod tag_client;
mod web;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cointag::api::Stage;
use cointag::catalog::Catalog;
use cointag::config::Config;
use cointag::grpc::pb;
use cointag::market::Clock;
use cointag::mention::Detector;
use cointag::serve::{Listeners, Server};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};

/// Long enough for a busy machine; no test waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// The built-in catalog, and two tokens of an operator's that share a ticker.
const OVERLAY: &str = r#"
[[asset]]
id = "twin-one"
symbol = "TWINS"
name = "Twin One"
rank = 500
symbol_class = "b"
name_class = "a"
collides = ["twin-two"]
[[asset]]
id = "twin-two"
symbol = "TWINS"
name = "Twin Two"
rank = 501
symbol_class = "b"
name_class = "a"
collides = ["twin-one"]
"#;

const QUOTES: &str = r#"{"prices":{
  "bitcoin": {"price": "74603.12", "change_24h_pct": -1.8, "as_of": "2026-05-18T11:59:48Z"},
  "ethereum": {"price": "2841.07", "as_of": "2026-05-18T11:50:00Z"}
}}"#;

/// The article of the main job, and what must not be read into it.
const TITLE: &str = "Can Bitcoin mining fund the AI data center boom? One entity is trying to find out";
const BODY: &str = "DMG Blockchain Solutions mined 69 Bitcoin in fiscal Q2 2026 while pivoting toward AI-ready data \
    center operations to serve Canadian government and enterprise clients. This strategic shift reflects growing \
    convergence between cryptocurrency mining infrastructure and artificial intelligence computing demands. DMG \
    Blockchain mined 69 BTC in Q2 2026.";

static DETECTOR: LazyLock<Arc<Detector>> =
    LazyLock::new(|| Arc::new(Detector::new(Arc::new(Catalog::builtin().with_overlay(OVERLAY).unwrap()))));

/// A running server with prices from a file, at noon.
struct TestServer {
    server: Server,
    clock: Clock,
    _quotes: tempfile::TempPath,
}

impl TestServer {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(QUOTES.as_bytes()).unwrap();
        let quotes = file.into_temp_path();
        let mut config = Config::default();
        config.grpc.listen = any_port();
        config.http.listen = any_port();
        config.market.sources = vec!["file".to_owned()];
        config.market.file.path = Some(PathBuf::from(&*quotes));
        config.market.history.sources.clear();
        config.serve.drain_delay = Duration::ZERO;
        config.serve.drain_timeout = PATIENCE;
        // A busy machine is no overload of the server's.
        config.limits.queue_wait_max = PATIENCE;
        change(&mut config);
        if !config.market.sources.iter().any(|source| source == "file") {
            config.market.file.path = None;
        }
        let listeners = Listeners::bind(&config).await.unwrap();
        let clock = Clock::manual(noon());
        let server = Server::start(listeners, &config, Arc::clone(&DETECTOR), clock.clone()).unwrap();
        Self { server, clock, _quotes: quotes }
    }

    /// A server whose only market takes connections and never answers.
    async fn start_with_silent_market(change: impl FnOnce(&mut Config)) -> (Self, TcpListener) {
        let silent = TcpListener::bind(any_port()).await.unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let server = Self::start_with(|config| {
            config.market.sources = vec!["coingecko".to_owned()];
            config.market.coingecko.base_url = Some(url);
            change(config);
        });
        (server.await, silent)
    }

    async fn ready(self) -> Self {
        let mut stages = self.server.readiness().subscribe();
        within(stages.wait_for(|stage| *stage == Stage::Ready)).await.unwrap();
        drop(stages);
        self
    }

    async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.server.addrs().grpc))
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.addrs().http)
    }
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn noon() -> Timestamp {
    "2026-05-18T12:00:00Z".parse().unwrap()
}

fn title(text: &str) -> pb::TagRequest {
    let document = pb::Document { title: text.to_owned(), ..pb::Document::default() };
    pb::TagRequest { document: Some(document), options: None }
}

fn article() -> pb::TagRequest {
    let document = pb::Document {
        id: Some("a-1".to_owned()),
        title: TITLE.to_owned(),
        body: BODY.to_owned(),
        ..pb::Document::default()
    };
    pb::TagRequest { document: Some(document), options: None }
}

/// The status of a call made by hand: a client library would end it at the deadline by itself.
async fn code_at_deadline(
    server: &TestServer,
    method: &str,
    message: &impl prost::Message,
    timeout: &str,
) -> String {
    let mut body = vec![0];
    body.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
    body.extend(message.encode_to_vec());
    let request = reqwest::Client::new()
        .post(format!("http://{}/{method}", server.server.addrs().grpc))
        .header("content-type", "application/grpc-web+proto")
        .header("grpc-timeout", timeout)
        .body(body);
    let answer = within(request.send()).await.unwrap();
    answer.headers().get("grpc-status").map(|code| code.to_str().unwrap().to_owned()).unwrap_or_default()
}

/// Fails instead of hanging.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("took too long")
}
