//! What is left of the useful work when more is asked than the server can do: goodput at 1x, 2x and 4x of capacity.
//!
//!     cargo bench --bench overload                    with the default of `limits.queue_wait_max`
//!     cargo bench --bench overload -- 20 100 500      with each of these, in milliseconds
//!
//! Client and server share the machine, so the figures are low; their ratio is the point. An answer counts if it is
//! OK within [`DEADLINE`] of the moment it was due.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on should panic; it prints"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cointag::catalog::Catalog;
use cointag::config::Config;
use cointag::grpc::pb;
use cointag::grpc::pb::tagger_service_client::TaggerServiceClient;
use cointag::market::Clock;
use cointag::mention::Detector;
use cointag::serve::{Listeners, Server};
use tonic::transport::{Channel, Endpoint};

const DEADLINE: Duration = Duration::from_secs(1);
const ROUND: Duration = Duration::from_secs(5);
const CONNECTIONS: usize = 16;

fn main() {
    let asked: Vec<_> =
        std::env::args().filter_map(|arg| arg.parse().ok().map(Duration::from_millis)).collect();
    let waits = if asked.is_empty() { vec![Config::default().limits.queue_wait_max] } else { asked };
    for wait in waits {
        println!("queue_wait_max {wait:?}");
        curve(wait);
    }
}

fn curve(queue_wait_max: Duration) {
    let serving = tokio::runtime::Runtime::new().unwrap();
    let server = serving.block_on(async {
        let mut config = Config::default();
        config.limits.queue_wait_max = queue_wait_max;
        config.grpc.listen = ([127, 0, 0, 1], 0).into();
        config.http.listen = ([127, 0, 0, 1], 0).into();
        config.market.sources = Vec::new();
        let listeners = Listeners::bind(&config).await.unwrap();
        Server::start(listeners, &config, Arc::new(Detector::new(Catalog::builtin())), Clock::system())
            .unwrap()
    });
    let asking = tokio::runtime::Runtime::new().unwrap();
    asking.block_on(async {
        let mut channels = Vec::new();
        for _ in 0..CONNECTIONS {
            let endpoint = Endpoint::from_shared(format!("http://{}", server.addrs().grpc)).unwrap();
            channels.push(endpoint.connect().await.unwrap());
        }
        let capacity = capacity(&channels[0]).await;
        println!("capacity  {capacity:.0} calls/s");
        let mut peak = 0.0_f64;
        for factor in [1, 2, 4] {
            let round = offer(&channels, capacity * f64::from(factor)).await;
            peak = peak.max(round.good);
            println!(
                "{factor}x  offered {:.0}/s  good {:.0}/s ({:.2} of the peak)  refused {:.0}/s + {:.0}/s by the transport  too late {:.0}/s  p50 {:?}  p99 {:?}",
                round.offered, round.good, round.good / peak, round.refused, round.unseen, round.late, round.p50, round.p99,
            );
        }
    });
    serving.shutdown_background();
}

fn request() -> pb::TagRequest {
    let body = "Bitcoin and Ethereum rose while Solana fell, said DMG Blockchain. ".repeat(45);
    let document = pb::Document { body, ..pb::Document::default() };
    pb::TagRequest { document: Some(document), options: None }
}

/// Calls a second with just enough callers to keep all cores busy.
async fn capacity(channel: &Channel) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (mut client, done) = (TaggerServiceClient::new(channel.clone()), Arc::clone(&done));
            tokio::spawn(async move {
                while started.elapsed() < ROUND {
                    // On a machine that others use too, a refusal now and then is no fault.
                    if client.tag(request()).await.is_ok() {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    f64::from(u32::try_from(done.load(Ordering::Relaxed)).unwrap()) / started.elapsed().as_secs_f64()
}

struct Round {
    offered: f64,
    good: f64,
    refused: f64,
    unseen: f64,
    late: f64,
    p50: Duration,
    p99: Duration,
}

/// Calls come when they are due, whether or not the earlier ones were answered.
async fn offer(channels: &[Channel], rate: f64) -> Round {
    let started = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    let mut count = 0_u32;
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    while started.elapsed() < ROUND {
        ticks.tick().await;
        while f64::from(count) < started.elapsed().as_secs_f64() * rate {
            let mut client = TaggerServiceClient::new(channels[count as usize % channels.len()].clone());
            let due = Instant::now();
            calls.spawn(
                async move { (client.tag(request()).await.map(drop).map_err(Box::new), due.elapsed()) },
            );
            count += 1;
        }
    }
    let (mut good, mut refused, mut unseen, mut late) = (0_u32, 0_u32, 0_u32, 0_u32);
    let mut times = Vec::new();
    while let Some(call) = calls.join_next().await {
        match call.unwrap() {
            (Ok(()), took) if took <= DEADLINE => {
                good += 1;
                times.push(took);
            }
            (Ok(()), _) => late += 1,
            (Err(status), _) if status.code() == tonic::Code::ResourceExhausted => refused += 1,
            // More calls on one connection than it may hold: the transport refuses them before we see them.
            (Err(status), _) if format!("{status:?}").contains("REFUSED_STREAM") => unseen += 1,
            (Err(status), _) => panic!("{status:?}"),
        }
    }
    times.sort_unstable();
    let per_s = |calls: u32| f64::from(calls) / ROUND.as_secs_f64();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    Round {
        offered: per_s(count),
        good: per_s(good),
        refused: per_s(refused),
        unseen: per_s(unseen),
        late: per_s(late),
        p50: at(50),
        p99: at(99),
    }
}
