//! Which layer wins, what is refused, and how it is shown.

use std::path::PathBuf;

use cointag::config::{Layers, Origin};

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn flag(name: &str, key: &str, value: &str) -> (String, String, String) {
    (name.to_owned(), key.to_owned(), value.to_owned())
}

/// Layers with a file of this text; the file lives as long as the first part.
fn with_file(text: &str) -> (tempfile::TempDir, Layers) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cointag.toml");
    std::fs::write(&file, text).unwrap();
    let layers = Layers { file: Some(file), ..Layers::default() };
    (dir, layers)
}

/// What is refused, with the path of the file left out.
fn refused(text: &str) -> String {
    let (dir, layers) = with_file(text);
    let error = layers.load().unwrap_err().to_string();
    error.replace(dir.path().to_str().unwrap(), "").replace("/cointag.toml", "cointag.toml")
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let (_dir, mut layers) = with_file("[quotes]\nfresh_for = \"1m\"\n[grpc]\nlisten = \"127.0.0.1:1\"\n");
    layers.env = pairs(&[("COINTAG_GRPC__LISTEN", "127.0.0.1:2"), ("COINTAG_HTTP__LISTEN", "127.0.0.1:3")]);
    layers.flags = vec![flag("--http-listen", "http.listen", "127.0.0.1:4")];
    let loaded = layers.load().unwrap();
    let file = layers.file.unwrap();
    assert_eq!(loaded.config.quotes.fresh_for.as_secs(), 60);
    assert_eq!(loaded.origin("quotes.fresh_for"), &Origin::File(file));
    assert_eq!(loaded.config.grpc.listen.port(), 2);
    assert_eq!(loaded.origin("grpc.listen"), &Origin::Env("COINTAG_GRPC__LISTEN".to_owned()));
    assert_eq!(loaded.config.http.listen.port(), 4);
    assert_eq!(loaded.origin("http.listen"), &Origin::Flag("--http-listen".to_owned()));
    assert_eq!(loaded.origin("quotes.expire_after"), &Origin::Default);
}

#[test]
fn the_environment_holds_lists_numbers_and_switches() {
    let env = pairs(&[
        ("COINTAG_MARKET__SOURCES", "coinpaprika, file"),
        ("COINTAG_LIMITS__DOCUMENT_BYTES_MAX", "1_000"),
        ("COINTAG_SECURITY__ALLOW_PLAINTEXT", "true"),
        ("COINTAG_STATE_DIR", "/var/lib/cointag"),
    ]);
    let config = Layers { env, ..Layers::default() }.load().unwrap().config;
    assert_eq!(config.market.sources, ["coinpaprika", "file"]);
    assert_eq!(config.limits.document_bytes_max, 1000);
    assert!(config.security.allow_plaintext);
    assert_eq!(config.state_dir, Some(PathBuf::from("/var/lib/cointag")));
}

#[test]
fn a_bad_file_is_refused_with_key_and_hint() {
    insta::assert_snapshot!(
        [
            "[grpc]\nlisen = \"127.0.0.1:1\"\n",
            "[gprc]\nlisten = \"127.0.0.1:1\"\n",
            "[grpc]\nlisten = \"localhost\"\n",
            "grpc = 3\n",
            "[quotes]\nfresh_for = 600\n",
            "[limits]\ndocument_bytes_max = -1\n",
            "[log]\nformat = \"xml\"\n",
            "[market.coingecko]\napi_key = \n",
            "[market.coingecko]\napi_key = 12345\n",
        ]
        .map(refused)
        .join("\n")
    );
}

#[test]
fn unknown_variables_warn_once_and_those_of_kubernetes_not_at_all() {
    let env = pairs(&[
        ("COINTAG_GRPC__LISTN", "x"),
        ("COINTAG_WHATEVER", "x"),
        ("COINTAG_CONFIG", "x"),
        ("COINTAG_PORT", "tcp://10.0.0.1:50051"),
        ("COINTAG_PORT_50051_TCP_ADDR", "10.0.0.1"),
        ("COINTAG_SERVICE_HOST", "10.0.0.1"),
        ("COINTAG_SERVICE_PORT_GRPC", "50051"),
        ("COINTAG_WEB_SERVICE_HOST", "10.0.0.1"),
        ("COINTAG_WEB_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("OTHER", "x"),
    ]);
    let warnings = Layers { env, ..Layers::default() }.load().unwrap().warnings;
    assert_eq!(
        warnings,
        [
            "ignored in the environment: COINTAG_GRPC__LISTN; did you mean `COINTAG_GRPC__LISTEN`?; COINTAG_WHATEVER"
        ]
    );
}

#[test]
fn a_value_of_the_wrong_sort_is_refused_without_repeating_it() {
    for (name, value) in
        [("COINTAG_LIMITS__DOCUMENT_BYTES_MAX", "s3cret"), ("COINTAG_SECURITY__ALLOW_PLAINTEXT", "s3cret")]
    {
        let error =
            Layers { env: pairs(&[(name, value)]), ..Layers::default() }.load().unwrap_err().to_string();
        assert!(error.contains(name) && !error.contains("s3cret"), "{error}");
    }
}

#[test]
fn listening_to_the_network_in_plain_text_has_to_be_allowed() {
    let check = |pairs_of: &[(&str, &str)]| {
        let layers = Layers { env: pairs(pairs_of), ..Layers::default() };
        layers.load().unwrap().config.check().map_err(|error| error.to_string())
    };
    let open = ("COINTAG_GRPC__LISTEN", "0.0.0.0:50051");
    let error = check(&[open]).unwrap_err();
    assert!(error.contains("grpc.listen") && error.contains("allow_plaintext"), "{error}");
    check(&[open, ("COINTAG_SECURITY__ALLOW_PLAINTEXT", "true")]).unwrap();
    check(&[("COINTAG_HTTP__LISTEN", "[::1]:1")]).unwrap();
    let error = check(&[("COINTAG_HTTP__LISTEN", "127.0.0.1:50051")]).unwrap_err();
    assert!(error.contains("grpc.listen and http.listen"), "{error}");
    let error = check(&[("COINTAG_LIMITS__CONNECTIONS_MAX", "0")]).unwrap_err();
    assert_eq!(error, "limits.connections_max must be at least 1");
    let error = check(&[("COINTAG_LOG__LEVEL", "cointag=loud")]).unwrap_err();
    assert!(error.starts_with("log.level: "), "{error}");
}

#[test]
fn print_shows_every_key_its_origin_and_no_secret() {
    let env = pairs(&[("COINTAG_MARKET__COINGECKO__API_KEY", "s3cret"), ("COINTAG_LOG__FORMAT", "json")]);
    let flags = vec![flag("--grpc-listen", "grpc.listen", "127.0.0.1:7")];
    let loaded = Layers { env, flags, ..Layers::default() }.load().unwrap();
    let text = loaded.print();
    assert!(!text.contains("s3cret"));
    assert!(!format!("{loaded:?}").contains("s3cret"));
    insta::assert_snapshot!(text);
}

/// What is printed can be used as a file, and says the same again.
#[test]
fn what_print_shows_is_a_configuration() {
    let values = |text: String| {
        let line = |line: &str| line.split("  #").next().unwrap_or_default().trim().to_owned();
        text.lines().map(line).collect::<Vec<_>>()
    };
    let printed = Layers::default().load().unwrap().print();
    let (_dir, layers) = with_file(&printed);
    assert_eq!(values(layers.load().unwrap().print()), values(printed));
}
