//! TLS, client certificates, and peers that mean harm or are broken.

use std::path::Path;

use cointag::grpc::client::{self, ClientTls};
use cointag::grpc::pb::tagger_service_client::TaggerServiceClient;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use super::*;

/// An authority and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

struct Pair {
    cert: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn sign(&self, name: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        Pair { cert: cert.pem(), key: key.serialize_pem() }
    }
}

fn write(dir: &Path, pair: &Pair) {
    std::fs::write(dir.join("cert.pem"), &pair.cert).unwrap();
    std::fs::write(dir.join("key.pem"), &pair.key).unwrap();
}

async fn start_tls(dir: &Path, client_ca: Option<&Authority>) -> TestServer {
    start_tls_with(dir, client_ca, |_| {}).await
}

async fn start_tls_with(
    dir: &Path,
    client_ca: Option<&Authority>,
    change: impl FnOnce(&mut Config),
) -> TestServer {
    if let Some(authority) = client_ca {
        std::fs::write(dir.join("clients.pem"), authority.pem()).unwrap();
    }
    TestServer::start_with(|config| {
        config.tls.cert = Some(dir.join("cert.pem"));
        config.tls.key = Some(dir.join("key.pem"));
        config.tls.client_ca = client_ca.map(|_| dir.join("clients.pem"));
        config.health.listen = Some(any_port());
        config.security.reload_every = Duration::from_millis(10);
        change(config);
    })
    .await
    .ready()
    .await
}

async fn connect(
    server: &TestServer,
    authority: &Authority,
    identity: Option<Pair>,
) -> Result<Channel, tonic::transport::Error> {
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authority.pem()))
        .domain_name("cointag.test");
    let tls = match identity {
        Some(pair) => tls.identity(Identity::from_pem(pair.cert, pair.key)),
        None => tls,
    };
    Endpoint::from_shared(format!("https://{}", server.server.addrs().grpc))?.tls_config(tls)?.connect().await
}

async fn tags(channel: Result<Channel, tonic::transport::Error>) -> bool {
    match channel {
        Ok(channel) => within(TaggerServiceClient::new(channel).tag(title("Bitcoin"))).await.is_ok(),
        Err(_) => false,
    }
}

#[tokio::test]
async fn a_renewed_certificate_needs_no_restart_and_a_bad_one_changes_nothing() {
    let (dir, old, new) = (tempfile::tempdir().unwrap(), Authority::new(), Authority::new());
    write(dir.path(), &old.sign("cointag.test"));
    let server = start_tls(dir.path(), None).await;
    assert!(tags(connect(&server, &old, None).await).await);
    assert!(!tags(connect(&server, &new, None).await).await);
    // In plain text nothing is said.
    assert!(TaggerServiceClient::new(server.channel().await).tag(title("Bitcoin")).await.is_err());

    std::fs::write(dir.path().join("key.pem"), "no key").unwrap();
    for _ in 0..20 {
        assert!(tags(connect(&server, &old, None).await).await);
    }

    write(dir.path(), &new.sign("cointag.test"));
    within(async { while !tags(connect(&server, &new, None).await).await {} }).await;
    assert!(!tags(connect(&server, &old, None).await).await);
}

#[tokio::test]
async fn with_client_certificates_probes_still_have_a_port() {
    let (dir, authority, stranger) = (tempfile::tempdir().unwrap(), Authority::new(), Authority::new());
    write(dir.path(), &authority.sign("cointag.test"));
    let server = start_tls(dir.path(), Some(&authority)).await;
    assert!(tags(connect(&server, &authority, Some(authority.sign("feed.test"))).await).await);
    assert!(!tags(connect(&server, &authority, Some(stranger.sign("feed.test"))).await).await);
    assert!(!tags(connect(&server, &authority, None).await).await);

    let health = server.server.addrs().health.unwrap();
    let channel = Endpoint::from_shared(format!("http://{health}")).unwrap().connect().await.unwrap();
    HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(reqwest::get(format!("http://{health}/readyz")).await.unwrap().status(), 200);
    // Probes and nothing else.
    assert!(TaggerServiceClient::new(channel).tag(title("Bitcoin")).await.is_err());
    let answer = reqwest::get(format!("http://{health}/v1/tokens")).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "12");
}

/// Behind a load balancer all have one address: who has a certificate of its own has a share of its own.
#[tokio::test]
async fn each_client_certificate_has_a_rate_of_its_own() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    write(dir.path(), &authority.sign("cointag.test"));
    let server = start_tls_with(dir.path(), Some(&authority), |config| {
        config.limits.requests_per_second = 1;
        config.limits.requests_burst = 1;
    })
    .await;
    for name in ["feed.test", "archive.test"] {
        let channel = connect(&server, &authority, Some(authority.sign(name))).await.unwrap();
        let mut client = TaggerServiceClient::new(channel);
        client.tag(title("Bitcoin")).await.unwrap();
        let status = loop {
            if let Err(status) = client.tag(title("Bitcoin")).await {
                break status;
            }
        };
        assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{name}");
        let option = &status.get_details_error_info().unwrap().metadata["option"];
        assert_eq!(option, "limits.requests_per_second");
    }
}

/// A client of the HTTP face that trusts this authority.
fn https(server: &TestServer, authority: &Authority, identity: Option<Pair>) -> reqwest::Client {
    let trusted = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([trusted]);
    let client = client.resolve("cointag.test", server.server.addrs().http);
    let client = match identity {
        Some(Pair { cert, key }) => {
            client.identity(reqwest::Identity::from_pem(format!("{cert}{key}").as_bytes()).unwrap())
        }
        None => client,
    };
    client.build().unwrap()
}

async fn answers(client: &reqwest::Client, server: &TestServer) -> bool {
    let url = format!("https://cointag.test:{}/v1/server-info", server.server.addrs().http.port());
    within(client.get(url).send()).await.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test]
async fn the_http_face_is_encrypted_by_the_same_certificates() {
    let (dir, old, new) = (tempfile::tempdir().unwrap(), Authority::new(), Authority::new());
    write(dir.path(), &old.sign("cointag.test"));
    let server = start_tls(dir.path(), Some(&old)).await;
    assert!(answers(&https(&server, &old, Some(old.sign("feed.test"))), &server).await);
    // Without a certificate of one's own, with a stranger's, with trust in another authority, in plain text.
    assert!(!answers(&https(&server, &old, None), &server).await);
    assert!(!answers(&https(&server, &old, Some(new.sign("feed.test"))), &server).await);
    assert!(!answers(&https(&server, &new, Some(old.sign("feed.test"))), &server).await);
    assert!(reqwest::get(server.url("/v1/server-info")).await.is_err());

    // Server and clients change over to another authority.
    std::fs::write(dir.path().join("clients.pem"), new.pem()).unwrap();
    write(dir.path(), &new.sign("cointag.test"));
    let renewed = async || answers(&https(&server, &new, Some(new.sign("feed.test"))), &server).await;
    within(async { while !renewed().await {} }).await;
    assert!(!answers(&https(&server, &new, Some(old.sign("feed.test"))), &server).await);
}

#[tokio::test]
async fn a_handshake_that_was_not_begun_does_not_hold_a_server_that_stops() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    write(dir.path(), &authority.sign("cointag.test"));
    let server = start_tls(dir.path(), None).await;
    let peer = TcpStream::connect(server.server.addrs().grpc).await.unwrap();
    assert!(tags(connect(&server, &authority, None).await).await);
    let ended = shutdown::stop(server).await;
    shutdown::ended_as_told("a TLS handshake that was not begun", ended);
    shutdown::is_closed(peer).await;
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Reads until the peer closes; tells whether it sent GOAWAY first.
async fn goes_away(peer: &mut TcpStream) -> bool {
    let mut said = Vec::new();
    let _ = within(peer.read_to_end(&mut said)).await;
    let mut rest = said.as_slice();
    while rest.len() >= 9 {
        let length = usize::from(rest[0]) << 16 | usize::from(rest[1]) << 8 | usize::from(rest[2]);
        if rest[3] == 7 {
            return true;
        }
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    false
}

async fn still_serves(server: &TestServer) {
    let mut client = TaggerServiceClient::new(server.channel().await);
    within(client.tag(title("Bitcoin"))).await.unwrap();
}

pub(super) async fn connected(server: &TestServer) -> TcpStream {
    let mut peer = TcpStream::connect(server.server.addrs().grpc).await.unwrap();
    peer.write_all(PREFACE).await.unwrap();
    peer.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    peer
}

/// CVE-2023-44487: open and reset streams as fast as the wire allows.
#[tokio::test]
async fn a_rapid_reset_is_told_to_go_away() {
    let server = TestServer::start().await.ready().await;
    let mut peer = connected(&server).await;
    // `:method POST`, `:scheme http`, `:path /`, from the static table.
    let headers = [0x83, 0x86, 0x84];
    let mut storm = Vec::new();
    for stream in (1..4001).step_by(2) {
        storm.extend(frame(1, 0x4, stream, &headers));
        storm.extend(frame(3, 0, stream, &8u32.to_be_bytes()));
    }
    // The server may close before all of it is written.
    let _ = peer.write_all(&storm).await;
    assert!(goes_away(&mut peer).await);
    still_serves(&server).await;
}

/// Beyond it the client waits by itself: HTTP/2 tells it at the start.
#[tokio::test]
async fn a_connection_is_told_how_many_calls_it_may_hold() {
    let server = TestServer::start_with(|config| config.limits.streams_per_connection_max = 7).await;
    let mut peer = connected(&server).await;
    let mut head = [0; 9];
    within(peer.read_exact(&mut head)).await.unwrap();
    assert_eq!((head[0], head[1], head[3]), (0, 0, 4), "not SETTINGS: {head:?}");
    let mut settings = vec![0; head[2].into()];
    within(peer.read_exact(&mut settings)).await.unwrap();
    let max_streams = settings.chunks(6).find(|setting| setting[..2] == [0, 3]).unwrap();
    assert_eq!(max_streams[2..], 7u32.to_be_bytes());
}

/// tonic calls it a fault of the server's.
#[tokio::test]
async fn a_message_that_is_none_is_the_callers_fault() {
    let server = TestServer::start().await;
    let garbage = [0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0xff];
    let answer = reqwest::Client::new()
        .post(format!("http://{}/cointag.v1.TaggerService/Tag", server.server.addrs().grpc))
        .header("content-type", "application/grpc-web+proto")
        .body(garbage.to_vec());
    let answer = within(answer.send()).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "3");
}

#[tokio::test]
async fn an_oversized_frame_ends_its_connection_alone() {
    let server = TestServer::start().await.ready().await;
    let mut peer = connected(&server).await;
    peer.write_all(&frame(0, 0, 1, &vec![0; 1 << 20])[..9]).await.unwrap();
    assert!(goes_away(&mut peer).await);
    still_serves(&server).await;
}

#[tokio::test]
async fn a_header_list_over_the_limit_is_refused() {
    let server = TestServer::start_with(|config| config.limits.header_bytes_max = 9000).await.ready().await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let mut request = tonic::Request::new(title("Bitcoin"));
    request.metadata_mut().insert("x-long", "x".repeat(12_000).parse().unwrap());
    client.tag(request).await.unwrap_err();
    let http = reqwest::Client::new();
    let answer =
        http.get(server.url("/v1/server-info")).header("x-long", "x".repeat(12_000)).send().await.unwrap();
    assert!(answer.status().is_client_error(), "{}", answer.status());
    still_serves(&server).await;
}

#[tokio::test]
async fn a_message_over_every_limit_names_the_options() {
    let server = TestServer::start_with(|config| {
        config.limits.document_bytes_max = 1000;
        config.limits.batch_bytes_max = 1000;
    })
    .await
    .ready()
    .await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let status = client.tag(title(&"x".repeat(1 << 20))).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
    assert!(status.message().contains("document_bytes_max"), "{status:?}");
}

/// Peers that connect and say nothing, half a preface, or one header a minute: each holds one place of many.
#[tokio::test]
async fn silent_and_slow_peers_do_not_hinder_others() {
    let server = TestServer::start().await.ready().await;
    let mut peers = Vec::new();
    for said in [&b""[..], b"PRI * HTT", PREFACE, b"POST /v1/tag HTTP/1.1\r\nContent-Le"] {
        for addr in [server.server.addrs().grpc, server.server.addrs().http] {
            for _ in 0..20 {
                let mut peer = TcpStream::connect(addr).await.unwrap();
                peer.write_all(said).await.unwrap();
                peers.push(peer);
            }
        }
    }
    still_serves(&server).await;
    assert_eq!(reqwest::get(server.url("/livez")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn connections_over_the_limit_wait_and_are_served_once_there_is_room() {
    let server = TestServer::start_with(|config| config.limits.connections_max = 1).await;
    let first = TcpStream::connect(server.server.addrs().grpc).await.unwrap();
    let addr = server.server.addrs().grpc;
    let second = tokio::spawn(async move {
        let channel = Endpoint::from_shared(format!("http://{addr}")).unwrap().connect().await.unwrap();
        TaggerServiceClient::new(channel).tag(title("Bitcoin")).await
    });
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(!second.is_finished());
    drop(first);
    within(second).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_old_connection_is_asked_to_come_again_and_no_call_fails() {
    let server =
        TestServer::start_with(|config| config.limits.connection_age_max = Duration::from_millis(50)).await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    let (items, requests) = tokio::sync::mpsc::channel(1);
    let mut old = TaggerServiceClient::new(server.channel().await);
    let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
    let mut answers = old.tag_stream(requests).await.unwrap().into_inner();
    let started = std::time::Instant::now();
    while started.elapsed() < Duration::from_millis(400) {
        // A call that the client had not sent yet when it was told to go fails there; it may send it again.
        let _ = within(client.tag(title("Bitcoin"))).await;
    }
    let text = reqwest::get(server.url("/metrics")).await.unwrap().text().await.unwrap();
    let calls: Vec<_> =
        text.lines().filter(|line| line.starts_with("cointag_requests_total{face=\"grpc\"")).collect();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(calls[0].contains("code=\"OK\""), "{calls:?}");
    // A stream that is older than its connection may become runs on to its own end.
    items.send(pb::TagStreamRequest { item_id: "late".to_owned(), ..Default::default() }).await.unwrap();
    assert_eq!(within(answers.message()).await.unwrap().unwrap().item_id, "late");
    drop(items);
    assert!(within(answers.message()).await.unwrap().is_none());
}

/// `cointag health` is the probe in images without a shell.
#[tokio::test]
async fn the_own_probe_speaks_tls() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    write(dir.path(), &authority.sign("cointag.test"));
    let server = start_tls(dir.path(), Some(&authority)).await;
    let addr = server.server.addrs().grpc.to_string();
    let pair = authority.sign("probe.test");
    std::fs::write(dir.path().join("probe.pem"), pair.cert).unwrap();
    std::fs::write(dir.path().join("probe-key.pem"), pair.key).unwrap();
    let tls = ClientTls {
        ca: Some(dir.path().join("clients.pem")),
        identity: Some((dir.path().join("probe.pem"), dir.path().join("probe-key.pem"))),
        server_name: Some("cointag.test".to_owned()),
    };
    client::check(&addr, "", PATIENCE, Some(&tls)).await.unwrap();
    let without = ClientTls { identity: None, ..tls };
    client::check(&addr, "", PATIENCE, Some(&without)).await.unwrap_err();
    client::check(&addr, "", PATIENCE, None).await.unwrap_err();
}
