//! `[trace]`: sends one span per request to an OpenTelemetry collector (OTLP over gRPC). Off unless an endpoint is set.
//!
//! Spans hold method, ids and outcome, never a text or a key. A collector that does not answer costs spans and a line
//! in the log, never a request.

use std::io::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use serde::{Deserialize, Serialize};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

/// Section `[trace]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the collector listens, such as `http://127.0.0.1:4317`. Unset: nothing is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
    /// Share of the requests, 0 to 1, that are sent if their caller has not decided that already (W3C `traceparent`).
    pub sample_ratio: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { otlp_endpoint: None, sample_ratio: 1.0 }
    }
}

impl Config {
    /// Whether spans could be sent like this.
    ///
    /// # Errors
    /// Names the option and says what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        // Not "outside 0..1": that would let NaN through.
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            return Err("trace.sample_ratio must lie between 0 and 1".to_owned());
        }
        match &self.otlp_endpoint {
            Some(endpoint) if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") => {
                Err("trace.otlp_endpoint: write the collector's URL, such as \"http://127.0.0.1:4317\""
                    .to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// How long the collector may take for one batch, and for the last one before the process ends.
const TIMEOUT: Duration = Duration::from_secs(3);

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// The layer that sends spans; to be made on a tokio runtime. `None`: no endpoint is set, or it is of no use, which is
/// told on stderr as there is no log yet.
pub(super) fn layer<S>(config: &Config) -> Option<impl Layer<S> + Send + Sync + use<S>>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let endpoint = config.otlp_endpoint.as_ref()?;
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(TIMEOUT);
    let exporter = match endpoint.starts_with("https://") {
        true => exporter.with_tls_config(ClientTlsConfig::new().with_native_roots()),
        false => exporter,
    };
    let exporter = match exporter.build() {
        Ok(exporter) => exporter,
        Err(error) => {
            // Colours are of no use here, and nobody is left to tell if stderr is closed.
            let _ = writeln!(std::io::stderr(), "warning: trace.otlp_endpoint: {error}; no spans are sent");
            return None;
        }
    };
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample_ratio)));
    let resource = Resource::builder().with_service_name("cointag");
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(sampler)
        .with_resource(resource.with_attribute(version).build())
        .build();
    let tracer = provider.tracer("cointag");
    let _already = PROVIDER.set(provider);
    // Our own spans alone: those of the libraries would tell of the sending itself.
    let ours = filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("cointag"));
    let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
    Some(layer.with_filter(ours.and(LevelFilter::INFO)))
}

/// Sends what was not sent yet; waits a moment for the collector.
pub fn flush() {
    if let Some(provider) = PROVIDER.get() {
        // What failed was told in the log.
        let _ = provider.shutdown_with_timeout(TIMEOUT);
    }
}
