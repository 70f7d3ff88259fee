//! Calls of one connection: a client that obeys HTTP/2's limit waits by itself, and one that does not is refused alone.

use cointag::grpc::pb::tagger_service_client::TaggerServiceClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::security::{connected, frame};
use super::*;

const PING: u8 = 6;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];

/// The next frame: kind, flags, stream and payload.
async fn next_frame(peer: &mut TcpStream) -> (u8, u8, u32, Vec<u8>) {
    let mut head = [0; 9];
    within(peer.read_exact(&mut head)).await.unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    within(peer.read_exact(&mut payload)).await.unwrap();
    (head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload)
}

/// The head of a `TagStream`, which stays open.
fn tag_stream(stream: u32) -> Vec<u8> {
    // `:method POST` and `:scheme http` from the static table, `:path` and `content-type` by name.
    let mut block = vec![0x83, 0x86];
    for (name, value) in
        [(&[0x04][..], "/cointag.v1.TaggerService/TagStream"), (&[0x0f, 0x10], "application/grpc")]
    {
        block.extend(name);
        block.push(u8::try_from(value.len()).unwrap());
        block.extend(value.as_bytes());
    }
    frame(1, 0x4, stream, &block)
}

#[tokio::test]
async fn a_call_too_many_waits_at_its_client_and_is_answered_then() {
    let (server, _silent) = TestServer::start_with_silent_market(|config| {
        config.limits.quote_wait_max = PATIENCE;
        config.limits.streams_per_connection_max = 1;
    })
    .await;
    let mut client = TaggerServiceClient::new(server.channel().await);
    // The client has been told of the limit once it was answered.
    client.tag(title("nothing")).await.unwrap();
    let first = tokio::spawn({
        let options = pb::TagOptions { quote_wait_ms: u32::MAX, ..pb::TagOptions::default() };
        let request = pb::TagRequest { options: Some(options), ..title("Bitcoin") };
        let mut client = client.clone();
        async move { client.tag(request).await.map(drop) }
    });
    let is_in_flight = async || {
        let text = reqwest::get(server.url("/metrics")).await.unwrap().text().await.unwrap();
        text.contains("cointag_requests_in_flight{face=\"grpc\"} 1")
    };
    within(async { while !is_in_flight().await {} }).await;
    let second = tokio::spawn(async move { client.tag(title("nothing")).await.map(drop) });
    for _ in 0..20 {
        assert!(is_in_flight().await);
        assert!(!second.is_finished());
    }
    first.abort();
    within(second).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_peer_that_opens_more_than_it_may_is_refused_those_alone() {
    let server =
        TestServer::start_with(|config| config.limits.streams_per_connection_max = 1).await.ready().await;
    let mut peer = connected(&server).await;
    peer.write_all(&[tag_stream(1), tag_stream(3), frame(6, 0, 0, &[7; 8])].concat()).await.unwrap();
    let (mut refused, mut is_ponged) = (Vec::new(), false);
    while !is_ponged || refused.is_empty() {
        let (kind, flags, stream, payload) = next_frame(&mut peer).await;
        assert_ne!(kind, GOAWAY, "{payload:?}");
        is_ponged |= (kind, flags) == (PING, 1);
        if kind == RST_STREAM {
            refused.push((stream, payload));
        }
    }
    // Clients try such a call again by themselves: the server has not seen it.
    assert_eq!(refused, [(3, REFUSED_STREAM.to_vec())]);
    let text = reqwest::get(server.url("/metrics")).await.unwrap().text().await.unwrap();
    assert!(text.contains("cointag_requests_in_flight{face=\"grpc\"} 1"), "{text}");
}
