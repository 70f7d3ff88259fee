//! What can be counted from outside: Prometheus metrics. Labels come from fixed lists and never from a caller.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Instant;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::Api;
use crate::market::SourceState;

/// Words of our own, so that counting a request allocates nothing.
type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];
type Durations = Family<Labels<2>, Histogram, fn() -> Histogram>;

/// All counters of the process. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: Family<Labels<3>, Counter>,
    durations: Durations,
    in_flight: Family<Labels<1>, Gauge>,
    held: Gauge,
    refused: Family<Labels<1>, Counter>,
    documents: Counter,
    mentions: Histogram,
    reloads: Family<Labels<2>, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cointag");
        let inner = Inner {
            requests: Family::default(),
            // From half a millisecond to some 16 seconds.
            durations: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.0005, 2.0, 16))),
            in_flight: Family::default(),
            held: Gauge::default(),
            refused: Family::default(),
            documents: Counter::default(),
            mentions: Histogram::new([0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0]),
            reloads: Family::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Requests answered, by method and outcome", inner.requests.clone());
        registry.register_with_unit(
            "request_duration",
            "Time from arrival to the last byte of the answer",
            Unit::Seconds,
            inner.durations.clone(),
        );
        registry.register("requests_in_flight", "Requests being answered now", inner.in_flight.clone());
        registry.register_with_unit(
            "requests_held",
            "Bytes of the requests being answered now",
            Unit::Bytes,
            inner.held.clone(),
        );
        registry.register("requests_refused", "Requests refused, by limit", inner.refused.clone());
        registry.register("documents", "Documents read", inner.documents.clone());
        registry.register("document_mentions", "Mentions found in one document", inner.mentions.clone());
        registry.register("reloads", "Reloads of files while running", inner.reloads.clone());
        Self(Arc::new(Inner { registry, ..inner }))
    }
}

impl Metrics {
    /// A request that came at `arrived` is being answered; it is counted when the answer is dropped.
    pub fn begin(
        &self,
        face: &'static str,
        method: &'static str,
        arrived: Instant,
        span: tracing::Span,
    ) -> Observation {
        self.0.in_flight.get_or_create(&[("face", face.into())]).inc();
        Observation { metrics: self.clone(), face, method, code: None, arrived, span }
    }

    /// A request was refused because of this limit.
    pub fn refused(&self, limit: &'static str) {
        self.0.refused.get_or_create(&[("limit", limit.into())]).inc();
    }

    /// A request was turned away at once because of this limit, with `code`. It has no duration worth counting.
    pub fn turned_away(
        &self,
        face: &'static str,
        method: &'static str,
        limit: &'static str,
        code: Cow<'static, str>,
    ) {
        self.refused(limit);
        let labels = [("face", face.into()), ("method", method.into()), ("code", code)];
        self.0.requests.get_or_create(&labels).inc();
    }

    /// Bytes of the requests being answered; whoever counts them keeps this up to date.
    pub fn held_bytes(&self) -> Gauge {
        self.0.held.clone()
    }

    /// Something was read again while running, or could not be.
    pub fn reloaded(&self, what: &'static str, is_ok: bool) {
        let outcome = if is_ok { "ok" } else { "failed" };
        self.0.reloads.get_or_create(&[("what", what.into()), ("outcome", outcome.into())]).inc();
    }

    pub(super) fn document_read(&self, mentions: usize) {
        self.0.documents.inc();
        self.0.mentions.observe(f64::from(u32::try_from(mentions).unwrap_or(u32::MAX)));
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// One request, from its arrival to the end of its answer.
pub struct Observation {
    metrics: Metrics,
    face: &'static str,
    method: &'static str,
    code: Option<Cow<'static, str>>,
    arrived: Instant,
    span: tracing::Span,
}

impl Observation {
    /// How it ended.
    pub fn set_code(&mut self, code: Cow<'static, str>) {
        self.code = Some(code);
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        // Nobody was left to tell: the peer went away first.
        let code = self.code.take().unwrap_or("cancelled".into());
        let took = self.arrived.elapsed().as_secs_f64();
        // For the collector alone; in the log it stands in the line below.
        self.span.set_attribute("cointag.code", code.clone());
        let _within = self.span.enter();
        tracing::debug!(code = &*code, duration_s = took, "answered");
        let metrics = &self.metrics.0;
        let face = [("face", self.face.into())];
        metrics.in_flight.get_or_create(&face).dec();
        let ([face], method) = (face, ("method", self.method.into()));
        metrics.durations.get_or_create(&[face.clone(), method.clone()]).observe(took);
        metrics.requests.get_or_create(&[face, method, ("code", code)]).inc();
    }
}

impl Api {
    /// The counters of the process.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Everything in the text form of Prometheus (OpenMetrics 1.0).
    pub fn render_metrics(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode_registry(&mut text, &self.metrics.0.registry);
        let info = self.server_info();
        let mut page = Page(&mut text);
        page.family("build", "info", "Versions in force", "");
        page.row(
            "build_info",
            &[
                ("version", &info.version),
                ("catalog_version", &info.catalog_version),
                ("detector_version", &info.detector_version),
            ],
            1.0,
        );
        page.family("catalog_tokens", "gauge", "Tokens in the catalog", "");
        page.row("catalog_tokens", &[], f64::from(info.token_count));
        self.render_sources(&mut page, &info);
        self.render_prices(&mut page);
        text.push_str("# EOF\n");
        text
    }

    fn render_sources(&self, page: &mut Page<'_>, info: &super::ServerInfo) {
        page.family("source_state", "gauge", "1 for the state that a source is in", "");
        for source in &info.sources {
            for state in SourceState::ALL.map(|state| state.to_string()) {
                let labels = [("source", source.name.as_str()), ("state", &state)];
                page.row("source_state", &labels, f64::from(u8::from(source.state == state)));
            }
        }
        page.family("source_calls", "counter", "Calls made to a source", "");
        for source in &info.sources {
            page.row("source_calls_total", &[("source", &source.name)], f64::from(source.calls_total));
        }
        self.render_budgets(page, info);
        page.family(
            "source_last_success_timestamp_seconds",
            "gauge",
            "When a source last answered",
            "seconds",
        );
        for source in &info.sources {
            if let Some(at) = source.last_success {
                let labels = [("source", source.name.as_str())];
                page.row("source_last_success_timestamp_seconds", &labels, at.as_duration().as_secs_f64());
            }
        }
    }

    fn render_budgets(&self, page: &mut Page<'_>, info: &super::ServerInfo) {
        type Of = fn(&super::SourceStatus) -> Option<u32>;
        let families: [(&str, &str, Of); 4] = [
            ("source_calls_this_month", "Calls in this calendar month, kept over restarts", |source| {
                Some(source.calls_this_month)
            }),
            ("source_calls_left_this_month", "What is left of the budget of the month", |source| {
                source.calls_left_this_month
            }),
            ("source_calls_this_minute", "Calls in the last 60 s", |source| Some(source.calls_this_minute)),
            ("source_calls_per_minute", "Most calls a minute", |source| Some(source.calls_per_minute)),
        ];
        for (name, help, of) in families {
            page.family(name, "gauge", help, "");
            for source in &info.sources {
                if let Some(value) = of(source) {
                    page.row(name, &[("source", &source.name)], f64::from(value));
                }
            }
        }
        page.family("source_interval_seconds", "gauge", "From one call to the next", "seconds");
        for source in &info.sources {
            page.row("source_interval_seconds", &[("source", &source.name)], source.every_s);
        }
        page.family("past_calls", "counter", "Calls for prices of the past", "");
        for (source, calls) in self.markets.history().calls() {
            let calls = f64::from(u32::try_from(calls).unwrap_or(u32::MAX));
            page.row("past_calls_total", &[("source", source)], calls);
        }
    }

    fn render_prices(&self, page: &mut Page<'_>) {
        let (snapshot, now) = (self.markets.snapshot(), self.markets.now());
        let catalog = self.detector.catalog();
        let held = catalog.indices().filter_map(|token| snapshot.quote(token));
        let mut ages: Vec<f64> =
            held.map(|quote| now.duration_since(quote.as_of).as_secs_f64().max(0.0)).collect();
        ages.sort_by(f64::total_cmp);
        page.family("prices_known", "gauge", "Tokens whose price is held", "");
        page.row("prices_known", &[], f64::from(u32::try_from(ages.len()).unwrap_or(u32::MAX)));
        page.family("price_age_seconds", "gauge", "Age of the prices held", "seconds");
        for (quantile, place) in
            [("0.5", ages.len() / 2), ("0.9", ages.len() * 9 / 10), ("1", ages.len().saturating_sub(1))]
        {
            if let Some(age) = ages.get(place) {
                page.row("price_age_seconds", &[("quantile", quantile)], *age);
            }
        }
    }
}

/// Families whose values are looked up when they are asked for.
struct Page<'p>(&'p mut String);

impl Page<'_> {
    fn family(&mut self, name: &str, kind: &str, help: &str, unit: &str) {
        let _ = writeln!(self.0, "# HELP cointag_{name} {help}.\n# TYPE cointag_{name} {kind}");
        if !unit.is_empty() {
            let _ = writeln!(self.0, "# UNIT cointag_{name} {unit}");
        }
    }

    /// Names and versions only, which need no escaping.
    fn row(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "cointag_{name}{labels} {value}");
    }
}
