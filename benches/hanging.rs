//! `Tag` while every market hangs, against `Tag` while all is well.
//!
//! `cargo bench --bench hanging`. Two servers with the same prices in their books answer the same articles in turn,
//! one call at a time: one's market answers, the other's four markets take every call and never answer.

#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a program of its own; not all of it is used by every benchmark"
)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::RawQuery;
use axum::routing::get;
use cointag::catalog::Catalog;
use cointag::config::Config;
use cointag::grpc::pb;
use cointag::grpc::pb::tagger_service_client::TaggerServiceClient;
use cointag::market::{Clock, MarketConfig};
use cointag::mention::Detector;
use cointag::serve::{Listeners, Server};
use support::articles::articles;
use tokio::net::TcpListener;
use tonic::transport::Channel;

const ROUNDS: usize = 40;
const ARTICLES: usize = 200;
const MARKETS: [&str; 4] = ["coingecko", "coinpaprika", "coinmarketcap", "defillama"];

#[tokio::main]
async fn main() {
    let detector = Arc::new(Detector::new(Catalog::builtin()));
    let (kept, hanging_kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let market = market().await;
    let well = serve(&detector, kept.path(), |config| {
        config.sources = vec!["coingecko".to_owned()];
        config.coingecko.base_url = Some(market);
    })
    .await;
    well.markets().first_round().await;
    // The same prices for both.
    let quotes = kept.path().join("quotes.json");
    while !quotes.exists() {
        tokio::task::yield_now().await;
    }
    std::fs::copy(&quotes, hanging_kept.path().join("quotes.json")).unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    tokio::spawn(hang(silent));
    let hanging = serve(&detector, hanging_kept.path(), |config| {
        config.sources = MARKETS.map(String::from).into();
        for source in
            [&mut config.coingecko, &mut config.coinpaprika, &mut config.coinmarketcap, &mut config.defillama]
        {
            source.base_url = Some(url.clone());
        }
    })
    .await;

    let requests: Vec<pb::TagRequest> = articles(&Catalog::builtin(), 11, ARTICLES)
        .into_iter()
        .map(|article| {
            let document = pb::Document { title: article.title, body: article.body, ..Default::default() };
            pb::TagRequest { document: Some(document), options: None }
        })
        .collect();
    let mut clients = [client(&well).await, client(&hanging).await];
    let mut times = [Vec::new(), Vec::new()];
    let mut priced = [0, 0];
    for round in 0..=ROUNDS {
        for request in &requests {
            for ((client, times), priced) in clients.iter_mut().zip(&mut times).zip(&mut priced) {
                let request = request.clone();
                let start = Instant::now();
                let answer = client.tag(request).await.unwrap().into_inner();
                // The first round warms up.
                if round > 0 {
                    times.push(start.elapsed());
                    let quotes = answer.mentions.iter().filter_map(|mention| mention.quote.as_ref());
                    *priced += quotes.filter(|quote| quote.price.is_some()).count();
                }
            }
        }
    }
    let [well, hanging] = times.map(|mut times| {
        times.sort();
        [times[times.len() / 2], times[times.len() * 99 / 100]]
    });
    println!("{} calls each, one at a time; prices told: {} and {}", ROUNDS * ARTICLES, priced[0], priced[1]);
    for (name, place) in [("median", 0), ("99 %", 1)] {
        let ratio = hanging[place].as_secs_f64() / well[place].as_secs_f64();
        println!("{name:>6}  all well {:?}  all hang {:?}  ratio {ratio:.3}", well[place], hanging[place]);
    }
}

async fn serve(detector: &Arc<Detector>, state_dir: &Path, change: impl FnOnce(&mut MarketConfig)) -> Server {
    let mut config = Config::default();
    config.grpc.listen = ([127, 0, 0, 1], 0).into();
    config.http.listen = ([127, 0, 0, 1], 0).into();
    config.state_dir = Some(state_dir.to_owned());
    change(&mut config.market);
    let listeners = Listeners::bind(&config).await.unwrap();
    Server::start(listeners, &config, Arc::clone(detector), Clock::system()).unwrap()
}

async fn client(server: &Server) -> TaggerServiceClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{}", server.addrs().grpc)).unwrap();
    TaggerServiceClient::new(endpoint.tcp_nodelay(true).connect().await.unwrap())
}

/// CoinGecko's `/coins/markets`: one price for every id asked for.
async fn market() -> String {
    let answer = async |RawQuery(query): RawQuery| {
        let query = query.unwrap_or_default();
        let ids = query.split('&').find_map(|pair| pair.strip_prefix("ids=")).unwrap_or_default();
        let now = jiff::Timestamp::now();
        let row = |id: &str| {
            format!(
                r#"{{"id":"{id}","current_price":2.5,"price_change_percentage_24h":1.5,"last_updated":"{now}"}}"#
            )
        };
        format!("[{}]", ids.split(',').map(row).collect::<Vec<_>>().join(","))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().route("/coins/markets", get(answer));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

/// Takes every call and never answers.
async fn hang(listener: TcpListener) {
    let mut held = Vec::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        held.push(stream);
    }
}
