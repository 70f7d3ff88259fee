//! What is left of the useful work when more is asked than the server can do: goodput at 1x, 2x and 4x of capacity.
//!
//!     cargo bench --bench overload                    with the default of `limits.queue_wait_max`
//!     cargo bench --bench overload -- 20 100 500      with each of these, in milliseconds
//!
//! The server is a process of its own. Where `taskset` is there it has the first core to itself and the callers have the
//! others. Calls are made of ready bytes straight on HTTP/2, so that one core of callers can overload one core of
//! server; should the callers have no time for a hundredth of their calls, that is said beside the figure, which then is worth nothing.
//!
//! A call is due at its moment whether or not earlier ones were answered, and it counts if it is OK within [`DEADLINE`] of
//! that moment, which it also sends as its deadline. It is not sent again. `polite` callers stop for as long as
//! `RetryInfo` says after a refusal, as the rules of gRPC ask; the others never do, which is the worst case.
//!
//! Three figures for each step: good answers a second; that as a share of the peak; and the same for good answers a second
//! of the server's own CPU time, which does not depend on what else the machine does. Refusing a call costs what
//! receiving any call costs: with `r` for its share of the cost of an answer, no server keeps more than about
//! (1 - 4r)/(1 - r) at 4x. That bound is printed first, from CPU time alone; it is why the length of the texts matters.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a bench that cannot go on should panic; it prints; not all of its support is used by every benchmark"
)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, Request};
use cointag::catalog::Catalog;
use cointag::config::Config;
use cointag::grpc::pb;
use cointag::market::Clock;
use cointag::mention::Detector;
use cointag::serve::{Listeners, Server};
use h2::client::SendRequest;
use prost::Message as _;
use tonic::Code;
use tonic_types::StatusExt as _;

const DEADLINE: Duration = Duration::from_secs(1);
const ROUND: Duration = Duration::from_secs(5);
const CONNECTIONS: usize = 16;
/// Just enough calls at one time to keep one core busy.
const BUSY: usize = 8;
/// Callers that are this late with a call had no time themselves: what they see then is not the server.
const BEHIND: Duration = Duration::from_millis(250);
/// So many feeds share the load, each with an even pace.
const POLITE: usize = 200;

fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    if let [word, wait_ms] = &args[..]
        && word == "serve"
    {
        return serve(Duration::from_millis(wait_ms.parse().unwrap()));
    }
    let asked: Vec<_> = args.iter().filter_map(|arg| arg.parse().ok().map(Duration::from_millis)).collect();
    let waits = if asked.is_empty() { vec![Config::default().limits.queue_wait_max] } else { asked };
    // The first core is the server's. A machine with one core has none to spare.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores > 1 {
        pin(&format!("1-{}", cores - 1));
    }
    for wait in waits {
        for (name, body) in texts() {
            println!("\nqueue_wait_max {wait:?}, {name}");
            curve(wait, &request(body));
        }
    }
}

/// Keeps this process to these cores; without `taskset` it stays where it is.
fn pin(cores: &str) {
    let process = std::process::id().to_string();
    let taskset = std::process::Command::new("taskset").args(["-acp", cores, &process]).output();
    if !taskset.is_ok_and(|output| output.status.success()) {
        println!("no taskset: server and callers share all cores");
    }
}

/// An article as news have them, and texts with a name in every line, which take several times as long to read.
fn texts() -> [(&'static str, String); 3] {
    let dense = "Bitcoin and Ethereum rose while Solana fell, said DMG Blockchain. ";
    let article = support::articles::articles(&Catalog::builtin(), 11, 1).pop().unwrap();
    [
        ("an article of 4 kB", article.body),
        ("3 kB full of names", dense.repeat(3_000 / dense.len())),
        ("48 kB full of names", dense.repeat(48_000 / dense.len())),
    ]
}

/// The bytes of one message of gRPC.
fn request(body: String) -> Bytes {
    let document = pb::Document { body, ..pb::Document::default() };
    let message = pb::TagRequest { document: Some(document), options: None }.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], &message].concat().into()
}

/// Serves until stdin closes; tells its address on stdout.
fn serve(queue_wait_max: Duration) {
    pin("0");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(async {
        let mut config = Config::default();
        config.limits.queue_wait_max = queue_wait_max;
        config.grpc.listen = ([127, 0, 0, 1], 0).into();
        config.http.listen = ([127, 0, 0, 1], 0).into();
        config.market.sources = Vec::new();
        let listeners = Listeners::bind(&config).await.unwrap();
        Server::start(listeners, &config, Arc::new(Detector::new(Catalog::builtin())), Clock::system())
            .unwrap()
    });
    println!("{}", server.addrs().grpc);
    std::io::stdin().read_line(&mut String::new()).unwrap();
    runtime.shutdown_background();
}

/// A server in a process of its own, and connections to it.
struct Target {
    process: std::process::Child,
    connections: Vec<Arc<Mutex<SendRequest<Bytes>>>>,
}

impl Target {
    async fn start(queue_wait_max: Duration) -> Self {
        let mut process = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["serve", &queue_wait_max.as_millis().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let addr = lines.find_map(|line| line.ok().filter(|line| !line.contains(' '))).unwrap();
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let (client, mut connection) = connect(&addr).await.unwrap();
            let client = Arc::new(Mutex::new(client));
            connections.push(Arc::clone(&client));
            let addr = addr.clone();
            // Comes again when it is closed, as every gRPC client does.
            tokio::spawn(async move {
                loop {
                    let _ = connection.await;
                    let Ok((again, next)) = connect(&addr).await else { return };
                    *client.lock().unwrap() = again;
                    connection = next;
                }
            });
        }
        Self { process, connections }
    }

    fn connection(&self, caller: usize) -> SendRequest<Bytes> {
        self.connections[caller % CONNECTIONS].lock().unwrap().clone()
    }

    fn cpu(&self) -> Duration {
        cpu_of(self.process.id())
    }
}

type Connection = h2::client::Connection<tokio::net::TcpStream, Bytes>;

async fn connect(addr: &str) -> Result<(SendRequest<Bytes>, Connection), Box<dyn std::error::Error>> {
    let stream = tokio::net::TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 24);
    Ok(builder.handshake(stream).await?)
}

impl Drop for Target {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// CPU time of all threads of a process. Zero where there is no `/proc`.
fn cpu_of(process: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let spent = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    });
    spent.sum()
}

/// How a call ended.
enum Outcome {
    Good,
    Late,
    /// With the time after which to come again.
    Refused(Duration),
    /// More calls than a connection may hold: the transport refuses them before the server sees them.
    Transport,
    /// The callers had no time to make it.
    Unmade,
    /// The server closed the connection, which takes many calls given up at one time for an attack; the callers open another.
    CutOff,
}

async fn call(mut client: SendRequest<Bytes>, body: Bytes, due: Instant, is_polite: bool) -> Outcome {
    if due.elapsed() > BEHIND {
        return Outcome::Unmade;
    }
    let request = Request::post("http://cointag/cointag.v1.TaggerService/Tag")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", "1S")
        .body(())
        .unwrap();
    match tokio::time::timeout_at((due + DEADLINE).into(), answer(&mut client, request, body)).await {
        Err(_) => Outcome::Late,
        Ok(Err(error)) if error.reason() == Some(h2::Reason::REFUSED_STREAM) => Outcome::Transport,
        Ok(Err(_)) => Outcome::CutOff,
        Ok(Ok(ended)) => match ended.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes())) {
            Some(Code::Ok) => Outcome::Good,
            Some(Code::DeadlineExceeded) => Outcome::Late,
            Some(Code::ResourceExhausted) => {
                let after =
                    is_polite.then(|| tonic::Status::from_header_map(&ended)?.get_details_retry_info());
                Outcome::Refused(after.flatten().and_then(|info| info.retry_delay).unwrap_or_default())
            }
            other => panic!("{other:?}"),
        },
    }
}

/// The headers that end a call.
async fn answer(
    client: &mut SendRequest<Bytes>,
    request: Request<()>,
    body: Bytes,
) -> Result<HeaderMap, h2::Error> {
    let mut client = client.clone().ready().await?;
    let (answer, mut stream) = client.send_request(request, false)?;
    stream.send_data(body, true)?;
    let (head, mut body) = answer.await?.into_parts();
    while let Some(data) = body.data().await {
        body.flow_control().release_capacity(data?.len())?;
    }
    Ok(body.trailers().await?.unwrap_or(head.headers))
}

fn curve(queue_wait_max: Duration, body: &Bytes) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let (refused, _) = full_speed(&Target::start(Duration::ZERO).await, body).await;
        let target = Target::start(queue_wait_max).await;
        let (served, capacity) = full_speed(&target, body).await;
        println!("capacity  {capacity:.0} calls/s; with a whole core {:.0}", 1.0 / served);
        let share = refused / served;
        println!(
            "CPU a call  served {:.0} us, refused {:.1} us ({share:.3}): at most {:.2} of the peak can be kept at 4x",
            served * 1e6, refused * 1e6, ((1.0 - 4.0 * share) / (1.0 - share)).max(0.0),
        );
        let (mut peak, mut thrift) = (0.0_f64, 0.0_f64);
        for (factor, is_polite) in [(1, false), (2, false), (4, false), (4, true)] {
            let round = offer(&target, capacity * f64::from(factor), body, is_polite).await;
            (peak, thrift) = (peak.max(round.good), thrift.max(round.good / round.server));
            let manners = if is_polite { " polite" } else { "" };
            println!(
                "{factor}x{manners}  offered {:.0}/s  good {:.0}/s ({:.2} of the peak, {:.2} by CPU)  refused {:.0}/s + {:.0}/s by the transport  too late {:.0}/s  cut off {:.0}/s  p50 {:?}  p99 {:?}  CPU {:.2} + {:.2} of the callers{}",
                round.offered,
                round.good,
                round.good / peak,
                round.good / round.server / thrift,
                round.refused,
                round.unseen,
                round.late,
                round.cut_off,
                round.p50,
                round.p99,
                round.server,
                round.callers,
                if round.unmade > 0.01 * round.offered { "  THE CALLERS ARE THE LIMIT" } else { "" },
            );
        }
    });
}

/// CPU seconds a call, and calls a second, with just enough callers to keep the server busy.
async fn full_speed(target: &Target, body: &Bytes) -> (f64, f64) {
    let done = Arc::new(AtomicU64::new(0));
    let (started, before) = (Instant::now(), target.cpu());
    let callers: Vec<_> = (0..BUSY)
        .map(|number| {
            let (client, done, body) = (target.connection(number), Arc::clone(&done), body.clone());
            tokio::spawn(async move {
                while started.elapsed() < ROUND / 2 {
                    call(client.clone(), body.clone(), Instant::now(), false).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let calls = f64::from(u32::try_from(done.load(Ordering::Relaxed)).unwrap());
    ((target.cpu() - before).as_secs_f64() / calls, calls / started.elapsed().as_secs_f64())
}

struct Round {
    offered: f64,
    good: f64,
    refused: f64,
    unseen: f64,
    late: f64,
    p50: Duration,
    p99: Duration,
    /// CPU seconds a second.
    server: f64,
    callers: f64,
    unmade: f64,
    cut_off: f64,
}

/// Calls come when they are due, whether or not the earlier ones were answered.
async fn offer(target: &Target, rate: f64, body: &Bytes, is_polite: bool) -> Round {
    let (started, before) = (Instant::now(), (target.cpu(), cpu_of(std::process::id())));
    let silent: Arc<[AtomicBool]> = (0..POLITE).map(|_| AtomicBool::new(false)).collect();
    let mut calls = tokio::task::JoinSet::new();
    let mut count = 0_u32;
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    while started.elapsed() < ROUND {
        ticks.tick().await;
        while f64::from(count) < started.elapsed().as_secs_f64() * rate {
            let due = started + Duration::from_secs_f64(f64::from(count) / rate);
            let caller = count as usize % POLITE;
            count += 1;
            if is_polite && silent[caller].load(Ordering::Relaxed) {
                continue;
            }
            let client = target.connection(caller);
            let (body, silent) = (body.clone(), Arc::clone(&silent));
            calls.spawn(async move {
                let outcome = call(client, body, due, is_polite).await;
                let took = due.elapsed();
                if let (Outcome::Refused(after), true) = (&outcome, is_polite) {
                    silent[caller].store(true, Ordering::Relaxed);
                    let after = *after;
                    tokio::spawn(async move {
                        tokio::time::sleep(after).await;
                        silent[caller].store(false, Ordering::Relaxed);
                    });
                }
                (outcome, took)
            });
        }
    }
    let (mut good, mut refused, mut unseen, mut late, mut unmade) = (0_u32, 0_u32, 0_u32, 0_u32, 0_u32);
    let mut cut_off = 0_u32;
    let mut times = Vec::new();
    while let Some(call) = calls.join_next().await {
        match call.unwrap() {
            (Outcome::Good, took) if took <= DEADLINE => {
                good += 1;
                times.push(took);
            }
            (Outcome::Good | Outcome::Late, _) => late += 1,
            (Outcome::Refused(_), _) => refused += 1,
            (Outcome::Transport, _) => unseen += 1,
            (Outcome::Unmade, _) => unmade += 1,
            (Outcome::CutOff, _) => cut_off += 1,
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
        server: (target.cpu() - before.0).as_secs_f64() / ROUND.as_secs_f64(),
        callers: (cpu_of(std::process::id()) - before.1).as_secs_f64() / ROUND.as_secs_f64(),
        unmade: per_s(unmade),
        cut_off: per_s(cut_off),
    }
}
