//! `cointag serve` as a process: start, signals, exit codes.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

use super::{code, cointag, run, stderr};

/// A server in a process of its own; killed when dropped.
pub(super) struct Running {
    pub(super) grpc: String,
    pub(super) http: String,
    child: Child,
    log: BufReader<ChildStderr>,
    _quotes: tempfile::TempPath,
}

impl Running {
    /// On free ports, with prices from a file; returns when it serves.
    pub(super) fn start(args: &[&str]) -> Self {
        let quotes = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::write(&quotes, r#"{"prices":{"bitcoin":{"price":"74603.12"}}}"#).unwrap();
        let path = format!("market.file.path={}", quotes.display());
        let own = [
            "serve",
            "--grpc-listen",
            "127.0.0.1:0",
            "--http-listen",
            "127.0.0.1:0",
            "--set",
            "log.format=json",
            "--set",
            "market.sources=file",
            "--set",
            "limits.queue_wait_max=30s",
            "--set",
            &path,
        ];
        let mut command = cointag(&[&own, args].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut server = Self { grpc: String::new(), http: String::new(), child, log, _quotes: quotes };
        let line = server.wait_for("serving");
        server.grpc = line["grpc"].as_str().unwrap().to_owned();
        server.http = line["http"].as_str().unwrap().to_owned();
        // The line is written at the start; ready is what a client wants to know.
        while code(&run(&["health", "--addr", &server.grpc])) != 0 {}
        server
    }

    /// The first line of the log from now on whose message begins so.
    pub(super) fn wait_for(&mut self, message: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the log ended before `{message}`");
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                return line;
            }
        }
    }

    pub(super) fn signal(&self, name: &str) {
        send_signal(self.child.id(), name);
    }

    pub(super) fn exit(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

fn send_signal(process: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(status.unwrap().success());
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn sigterm_drains_and_exits_0() {
    let mut server = Running::start(&["--set", "serve.drain_delay=10ms"]);
    server.signal("TERM");
    server.wait_for("stopping");
    server.wait_for("stopped");
    assert_eq!(server.exit(), Some(0));
}

#[test]
fn a_peer_that_will_not_go_cannot_hold_the_process() {
    let mut server = Running::start(&["--set", "serve.drain_delay=0s", "--set", "serve.drain_timeout=50ms"]);
    let mut peer = TcpStream::connect(&server.grpc).unwrap();
    peer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    // Answered by a later connection: the earlier one has been accepted before.
    assert_eq!(code(&run(&["health", "--addr", &server.grpc])), 0);
    server.signal("TERM");
    server.wait_for("stopped; some peers");
    assert_eq!(server.exit(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Running::start(&["--set", "serve.drain_delay=1h"]);
    server.signal("TERM");
    server.wait_for("stopping");
    server.signal("TERM");
    assert_eq!(server.exit(), Some(130));
}

#[test]
fn what_cannot_start_exits_2_with_one_line() {
    let server = Running::start(&[]);
    let output = run(&["serve", "--grpc-listen", &server.grpc]);
    assert_eq!(code(&output), 2);
    let expected = format!(
        "error: cannot listen on {}: another program listens there; change grpc.listen (COINTAG_GRPC__LISTEN)\n",
        server.grpc
    );
    assert_eq!(stderr(&output), expected);
    let output = run(&["serve", "--http-listen", "0.0.0.0:0"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("allow_plaintext"), "{}", stderr(&output));
}

#[test]
fn sighup_reloads_the_overlay_and_a_bad_one_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = dir.path().join("overlay.toml");
    let asset = |id: &str| {
        format!(
            "[[asset]]\nid = \"{id}\"\nsymbol = \"ZQX\"\nname = \"Zqx {id}\"\nsymbol_class = \"b\"\nname_class = \"a\"\n"
        )
    };
    std::fs::write(&overlay, asset("first-one")).unwrap();
    let mut server = Running::start(&["--overlay", overlay.to_str().unwrap()]);
    let token = |server: &Running, id: &str| {
        let mut peer = TcpStream::connect(&server.http).unwrap();
        write!(peer, "GET /v1/tokens/{id} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        BufReader::new(peer).read_line(&mut answer).unwrap();
        answer.contains(" 200 ")
    };
    assert!(token(&server, "first-one") && !token(&server, "second-one"));
    std::fs::write(&overlay, "[[asset]]\nid = ").unwrap();
    server.signal("HUP");
    server.wait_for("everything stays as it was");
    assert!(token(&server, "first-one"));
    std::fs::write(&overlay, asset("second-one")).unwrap();
    server.signal("HUP");
    server.wait_for("reloaded");
    assert!(token(&server, "second-one") && !token(&server, "first-one"));
    server.signal("TERM");
    server.wait_for("stopping");
}

const ADMIN: &str = "key-of-the-operator";

/// One request with the operator's key; gives the whole answer.
fn ask(http: &str, verb: &str, path: &str, body: &str) -> String {
    let mut peer = TcpStream::connect(http).unwrap();
    let length = body.len();
    write!(
        peer,
        "{verb} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {ADMIN}\r\n\
         X-Request-Id: find-me\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    std::io::read_to_string(peer).unwrap()
}

/// Whatever is logged, by us or by a library, at the level that logs most.
#[test]
fn neither_a_key_nor_an_articles_text_is_ever_logged() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys.toml");
    let client = format!("[[client]]\nname = \"operator\"\nkeys = [\"{ADMIN}\"]\nscopes = [\"admin\"]\n");
    std::fs::write(&keys, client).unwrap();
    let keys = format!("auth.keys_file={}", keys.display());
    let mut server = Running::start(&["--set", &keys]);
    let text = "Quenelle prefers Bitcoin";
    let [article, key_file] = ["article.jsonl", "key"].map(|name| dir.path().join(name));
    std::fs::write(&article, format!("{{\"title\":\"{text}\"}}\n")).unwrap();
    let [article, key_path] = [&article, &key_file].map(|path| path.to_str().unwrap());
    let (http, grpc, process) = (server.http.clone(), server.grpc.clone(), server.child.id());
    let log = std::thread::scope(|scope| {
        // Read meanwhile: a server whose log nobody takes comes to a stop.
        let log = scope.spawn(|| std::io::read_to_string(&mut server.log).unwrap());
        assert!(ask(&http, "PUT", "/v1/log-level", r#"{"level":"trace"}"#).starts_with("HTTP/1.1 200"));
        let body = format!("{{\"document\":{{\"title\":\"{text}\"}}}}");
        let answer = ask(&http, "POST", "/v1/tag", &body);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("bitcoin"), "{answer}");
        // The same over gRPC, with the key that counts and with one that does not.
        for key in [ADMIN, "key-of-nobody-at-all"] {
            std::fs::write(&key_file, key).unwrap();
            let output = run(&["tag", article, "--server", &grpc, "--server-key-file", key_path]);
            assert_eq!(output.status.success(), key == ADMIN, "{}", stderr(&output));
        }
        send_signal(process, "TERM");
        log.join().unwrap()
    });
    for secret in ["Quenelle", ADMIN, "key-of-nobody-at-all"] {
        let told = log.lines().find(|line| line.contains(secret));
        assert_eq!(told, None, "{secret}");
    }
    assert!(log.contains("\"level\":\"TRACE\"") && log.contains("answered"));
}

#[test]
fn the_log_level_changes_while_running_and_a_bad_file_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (config, keys) = (dir.path().join("cointag.toml"), dir.path().join("keys.toml"));
    let client = format!("[[client]]\nname = \"operator\"\nkeys = [\"{ADMIN}\"]\nscopes = [\"admin\"]\n");
    std::fs::write(&keys, client).unwrap();
    let settings = |rest: &str| format!("[auth]\nkeys_file = {:?}\n{rest}", keys.to_str().unwrap());
    std::fs::write(&config, settings("")).unwrap();
    let mut server = Running::start(&["--config", config.to_str().unwrap()]);

    assert!(ask(&server.http, "PUT", "/v1/log-level", r#"{"level":"debug"}"#).starts_with("HTTP/1.1 200"));
    server.wait_for("log level changed");
    ask(&server.http, "GET", "/v1/server-info", "");
    let mut line = server.wait_for("answered");
    while line["span"]["method"] != "/v1/server-info" {
        line = server.wait_for("answered");
    }
    assert_eq!(line["span"]["request_id"], "find-me");
    let refused = ask(&server.http, "PUT", "/v1/log-level", r#"{"level":"cointag=loud"}"#);
    assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("\"field\":\"level\""), "{refused}");

    // A file that cannot be used: it is said and counted, and what was in force stays so.
    for bad in ["[log]\nlevel = \"cointag=loud\"\n", "[log]\nlevle = \"warn\"\n", "[log\n"] {
        std::fs::write(&config, settings(bad)).unwrap();
        server.signal("HUP");
        server.wait_for("everything stays as it was");
    }
    let metrics = ask(&server.http, "GET", "/metrics", "");
    let counted = r#"cointag_reloads_total{what="configuration",outcome="failed"} 3"#;
    assert!(metrics.contains(counted), "{metrics}");
    while server.wait_for("answered")["span"]["method"] != "/metrics" {}

    // A good one: the level is in force, and what needs a restart is named.
    std::fs::write(&config, settings("[log]\nlevel = \"info\"\n[serve]\ndrain_delay = \"9s\"\n")).unwrap();
    server.signal("HUP");
    assert_eq!(server.wait_for("changed, but in force only after a restart")["options"], "serve.drain_delay");
    server.wait_for("reloaded");
    ask(&server.http, "GET", "/v1/server-info", "");
    server.signal("HUP");
    // The first line since that is no "answered" comes at once.
    let next = server.wait_for("");
    assert!(!next["message"].as_str().unwrap().starts_with("answered"), "{next}");
}
