//! Which pages may call by gRPC-Web. A browser keeps to what it is told, so that is what is looked at.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request};

use super::*;

const LISTED: &str = "https://news.example";
const ALLOWED: &str = "access-control-allow-origin";

/// `TagRequest{document: Document{title: "Bitcoin"}}` as one message.
const MESSAGE: &[u8] = b"\0\0\0\0\x0b\x0a\x09\x12\x07Bitcoin";

/// Asks over HTTP/2, or over HTTP/1.
async fn ask(
    server: &TestServer,
    is_http2: bool,
    method: Method,
    headers: &[(&'static str, &str)],
) -> (HeaderMap, String) {
    let url = format!("http://{}/cointag.v1.TaggerService/Tag", server.server.addrs().grpc);
    let body = if method == Method::POST { MESSAGE } else { &[] };
    if !is_http2 {
        let mut request = reqwest::Client::new().request(method, url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = within(request.send()).await.unwrap();
        let headers = answer.headers().clone();
        return (headers, String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned());
    }
    let stream = tokio::net::TcpStream::connect(server.server.addrs().grpc).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (answer, mut sent) = client.send_request(request.body(()).unwrap(), false).unwrap();
    sent.send_data(Bytes::from_static(body), true).unwrap();
    let (head, mut body) = within(answer).await.unwrap().into_parts();
    let mut text = String::new();
    while let Some(data) = within(body.data()).await {
        text.push_str(&String::from_utf8_lossy(&data.unwrap()));
    }
    connection.abort();
    (head.headers, text)
}

#[tokio::test]
async fn a_listed_page_may_call_and_read_the_outcome_and_another_may_not() {
    let server = TestServer::start_with(|config| config.grpc.web_origins = vec![LISTED.to_owned()]).await;
    for is_http2 in [false, true] {
        for (origin, may) in [(LISTED, true), ("https://elsewhere.example", false)] {
            let is_allowed =
                |headers: &HeaderMap| headers.get(ALLOWED).is_some_and(|allowed| allowed == LISTED);
            let (headers, _) = ask(
                &server,
                is_http2,
                Method::OPTIONS,
                &[
                    ("origin", origin),
                    ("access-control-request-method", "POST"),
                    ("access-control-request-headers", "content-type,x-grpc-web"),
                ],
            )
            .await;
            assert_eq!(is_allowed(&headers), may, "{origin}");
            let (headers, body) = ask(
                &server,
                is_http2,
                Method::POST,
                &[("origin", origin), ("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1")],
            )
            .await;
            assert_eq!(is_allowed(&headers), may, "{origin}");
            if may {
                let exposed = headers["access-control-expose-headers"].to_str().unwrap();
                assert!(exposed.contains("grpc-status") && exposed.contains("x-request-id"), "{exposed}");
                assert!(body.contains("bitcoin") && body.contains("grpc-status:0"), "{body}");
            }
        }
    }
}

/// A page that sends what only programs send is still a page.
#[tokio::test]
async fn plain_calls_with_an_origin_are_told_what_pages_may_do() {
    let server = TestServer::start_with(|config| config.grpc.web_origins = vec![LISTED.to_owned()]).await;
    let plain = [("content-type", "application/grpc"), ("te", "trailers")];
    let (headers, _) = ask(&server, true, Method::POST, &[("origin", LISTED), plain[0], plain[1]]).await;
    assert_eq!(headers[ALLOWED], LISTED);
    // Without one there is nothing to tell.
    let (headers, body) = ask(&server, true, Method::POST, &plain).await;
    assert!(!headers.contains_key(ALLOWED) && !headers.contains_key("vary"), "{headers:?}");
    assert!(body.contains("bitcoin"), "{body}");
    // What is neither is not taken.
    let (headers, _) = ask(&server, false, Method::POST, &plain).await;
    assert!(!headers.contains_key("grpc-status"), "{headers:?}");
}
