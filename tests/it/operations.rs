//! The page on operation names every option, probe and metric of the code, and no metric that is gone.

use std::path::Path;

use cointag::api::{Api, Limits};
use cointag::catalog::Catalog;
use cointag::config::keys;
use cointag::market::Markets;
use cointag::mention::Detector;

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md")).unwrap()
}

#[test]
fn every_option_is_on_the_page() {
    let page = page();
    let missing: Vec<_> = (keys().iter().map(|key| general(&key.path)))
        .filter(|path| !page.contains(&format!("| `{path}` |")))
        .collect();
    assert!(missing.is_empty(), "docs/operations.md lacks {missing:?}");
}

/// The options of one market API are those of another.
fn general(path: &str) -> String {
    match path.split('.').collect::<Vec<_>>()[..] {
        ["market", source, name] if !["file", "history", "stream"].contains(&source) => {
            format!("market.<source>.{name}")
        }
        _ => path.to_owned(),
    }
}

#[test]
fn every_probe_is_on_the_page() {
    let page = page();
    for service in cointag::grpc::SERVICES.into_iter().chain(["liveness", "/livez", "/readyz"]) {
        assert!(page.contains(&format!("`{service}`")), "docs/operations.md lacks {service}");
    }
    for orchestrator in ["Kubernetes", "Nomad", "ECS", "Docker", "ALB"] {
        assert!(page.contains(&format!("| {orchestrator} |")), "docs/operations.md lacks {orchestrator}");
    }
}

#[test]
fn every_metric_is_on_the_page_and_no_other() {
    let catalog = Catalog::builtin();
    let markets = Markets::disabled(catalog.clone());
    let api = Api::new(std::sync::Arc::new(Detector::new(catalog)), markets, Limits::default());
    // A family shows itself with its first value.
    drop(api.metrics().begin("grpc", "x", std::time::Instant::now(), tracing::Span::none()));
    api.metrics().refused("rate");
    api.metrics().reloaded("tls", true);
    let text = api.render_metrics();
    let mut known: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let page = page();
    let mut told: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `cointag_")?.split('`').next())
        .map(|name| format!("cointag_{name}"))
        .collect();
    known.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, known);
}
