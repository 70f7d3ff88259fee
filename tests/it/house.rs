//! The shape of the house: which module may use which, and what the pure core may depend on.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Each module and the modules it may name.
const MAY_USE: &[(&str, &[&str])] = &[
    ("catalog", &[]),
    ("market", &["catalog"]),
    ("mention", &["catalog"]),
    ("annotate", &["catalog", "market", "mention"]),
    ("archive", &["catalog", "market", "mention", "annotate"]),
    ("eval", &["catalog", "mention"]),
    ("api", &["catalog", "market", "mention", "annotate"]),
    ("net", &["api"]),
    ("guard", &["api", "net"]),
    ("grpc", &["catalog", "market", "mention", "annotate", "api", "guard"]),
    ("http", &["catalog", "market", "mention", "annotate", "api", "guard", "telemetry"]),
    ("telemetry", &[]),
    (
        "config",
        &["catalog", "market", "mention", "annotate", "api", "net", "guard", "grpc", "http", "telemetry"],
    ),
    (
        "serve",
        &[
            "catalog",
            "market",
            "mention",
            "annotate",
            "api",
            "net",
            "guard",
            "grpc",
            "http",
            "telemetry",
            "config",
        ],
    ),
    (
        "cli",
        &[
            "catalog",
            "market",
            "mention",
            "annotate",
            "archive",
            "eval",
            "api",
            "net",
            "guard",
            "grpc",
            "http",
            "telemetry",
            "config",
            "serve",
        ],
    ),
];

/// Words that a module must not hold, with the rule.
const MUST_NOT: &[(&str, &[&str], &str)] = &[
    (
        "catalog",
        &["tokio", "tonic", "std::fs", "SystemTime", "Timestamp::now"],
        "catalog is pure: no I/O, no clock, no async",
    ),
    (
        "mention",
        &["tokio", "tonic", "std::fs", "SystemTime", "Timestamp::now"],
        "mention is pure: no I/O, no clock, no async",
    ),
    (
        "annotate",
        &["tokio", "tonic", "std::fs", "Timestamp::now"],
        "annotate waits for nothing and takes the time as a parameter",
    ),
    ("archive", &["tonic", "prost", "axum"], "only grpc knows tonic and prost, only http knows axum"),
    ("net", &["tonic", "prost"], "only grpc knows tonic and prost"),
    ("guard", &["tonic", "prost"], "only grpc knows tonic and prost"),
    ("http", &["tonic", "prost"], "only grpc knows tonic and prost"),
    ("market", &["tonic", "prost", "axum"], "only grpc knows tonic and prost, only http knows axum"),
];

#[test]
fn modules_use_only_what_lies_below_them() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            assert!(
                matches!(module.as_str(), "lib" | "main"),
                "{}: add `{module}` to MAY_USE",
                path.display()
            );
            continue;
        };
        for used in
            MAY_USE.iter().map(|(name, _)| *name).filter(|used| *used != module && !allowed.contains(used))
        {
            if text.contains(&format!("crate::{used}")) {
                faults.push(format!("{}: `{module}` may use {allowed:?}, not `{used}`", path.display()));
            }
        }
        for (_, words, rule) in MUST_NOT.iter().filter(|(name, _, _)| *name == module) {
            for word in words.iter().filter(|word| text.contains(**word)) {
                faults.push(format!("{}: holds `{word}`; {rule}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_file_says_what_it_owns() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{}: open it with what it owns and never does", path.display());
    }
}

#[test]
fn the_core_depends_on_no_runtime_and_no_network() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--no-default-features",
            "-e",
            "normal",
            "--prefix",
            "none",
            "--manifest-path",
        ])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    for barred in ["tokio", "tonic", "prost", "reqwest", "axum", "clap"] {
        let held = tree.lines().any(|line| line.split(' ').next() == Some(barred));
        assert!(!held, "`cargo tree --no-default-features` holds {barred}:\n{tree}");
    }
}

/// Every source file under `src`, without its test modules.
fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && path.file_stem().is_some_and(|stem| stem != "tests")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
                files.push((path, text));
            }
        }
    }
    assert!(files.len() > 10, "the sources are found");
    files
}

fn module_of(path: &Path) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let first = path.strip_prefix(source).unwrap().components().next().unwrap();
    Path::new(first.as_os_str()).file_stem().unwrap().to_string_lossy().into_owned()
}
