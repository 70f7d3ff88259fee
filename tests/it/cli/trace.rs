//! Spans for a collector, and the W3C trace context in and out.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::runtime::Runtime;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::serve::Running;

/// Takes whatever is sent to it.
struct Collector(Sender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.send(request.into_inner()).unwrap();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn collector(runtime: &Runtime) -> (SocketAddr, Receiver<ExportTraceServiceRequest>) {
    let (sender, received) = channel();
    let _within = runtime.enter();
    let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let addr = incoming.local_addr().unwrap();
    let service = TraceServiceServer::new(Collector(sender));
    runtime.spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
    (addr, received)
}

/// Asks to tag a text as part of this trace; gives the header `traceresponse`.
fn tag(runtime: &Runtime, server: &Running, traceparent: Option<&str>) -> Option<String> {
    let body = serde_json::json!({"document": {"title": "Bitcoin slips"}});
    let request = reqwest::Client::new().post(format!("http://{}/v1/tag", server.http)).json(&body);
    let request = match traceparent {
        Some(traceparent) => request.header("traceparent", traceparent).header("x-request-id", "feed-17"),
        None => request,
    };
    let answer = runtime.block_on(request.send()).unwrap();
    assert_eq!(answer.status(), 200);
    answer.headers().get("traceresponse").map(|value| value.to_str().unwrap().to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

#[test]
fn each_request_is_a_span_below_its_callers() {
    let runtime = Runtime::new().unwrap();
    let (addr, received) = collector(&runtime);
    let endpoint = format!("trace.otlp_endpoint=http://{addr}");
    let mut server = Running::start(&["--set", &endpoint, "--set", "serve.drain_delay=0s"]);

    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let response = tag(&runtime, &server, Some(&format!("00-{trace}-{parent}-01"))).unwrap();
    let parts: Vec<_> = response.split('-').collect();
    assert_eq!((parts[0], parts[1], parts[3]), ("00", trace, "01"));
    // The caller decided against it.
    let unsampled = "11111111111111111111111111111111";
    tag(&runtime, &server, Some(&format!("00-{unsampled}-{parent}-00"))).unwrap();
    // Nobody's trace: one begins here.
    let own = tag(&runtime, &server, None).unwrap();

    // What was not sent yet is sent before the end.
    server.signal("TERM");
    server.wait_for("stopped");
    assert_eq!(server.exit(), Some(0));
    let (mut spans, mut names) = (Vec::<Span>::new(), Vec::new());
    while let Ok(batch) = received.try_recv() {
        for resource in batch.resource_spans {
            let attributes = resource.resource.unwrap().attributes;
            names.push(attribute(&attributes, "service.name").unwrap().to_owned());
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    assert!(!names.is_empty() && names.iter().all(|name| name == "cointag"), "{names:?}");
    let of = |trace: &str| spans.iter().filter(|span| hex(&span.trace_id) == trace).collect::<Vec<_>>();
    let [span] = of(trace)[..] else { panic!("{spans:?}") };
    assert_eq!((hex(&span.parent_span_id), hex(&span.span_id)), (parent.to_owned(), parts[2].to_owned()));
    assert_eq!((span.name.as_str(), span.kind), ("/v1/tag", 2));
    assert_eq!(attribute(&span.attributes, "cointag.code"), Some("200"));
    assert_eq!(attribute(&span.attributes, "request_id"), Some("feed-17"));
    assert!(of(unsampled).is_empty());
    assert_eq!(of(own.split('-').nth(1).unwrap()).len(), 1);
    assert!(!format!("{spans:?}").contains("Bitcoin"), "a span holds text of an article");
}

#[test]
fn a_collector_that_is_away_costs_nothing_but_a_line_in_the_log() {
    let runtime = Runtime::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("trace.otlp_endpoint=http://{}", taken.local_addr().unwrap());
    drop(taken);
    let mut server = Running::start(&["--set", &endpoint, "--set", "serve.drain_delay=0s"]);
    tag(&runtime, &server, None).unwrap();
    server.signal("TERM");
    server.wait_for("stopped");
    assert_eq!(server.exit(), Some(0));
}

#[test]
fn without_a_collector_no_trace_is_told() {
    let runtime = Runtime::new().unwrap();
    let server = Running::start(&[]);
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(tag(&runtime, &server, Some(traceparent)), None);
}
