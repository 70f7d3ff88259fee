//! The program itself, as a person or an orchestrator runs it.

mod archive;
mod catalog;
mod health;
mod killed;
mod published;
mod quote;
mod serve;
mod sync;
mod tag;
mod trace;

pub(crate) use tag::tag_lines;

use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The program, with an environment that holds nothing of ours and no configuration file.
fn cointag(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cointag"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("COINTAG_") {
            command.env_remove(name);
        }
    }
    // A state folder of its own: prices that another run saved would be found again.
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let state = format!("{}/state-{}-{run}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    command
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("XDG_STATE_HOME", state)
        .env("NO_COLOR", "1")
        .args(args);
    command
}

fn run(args: &[&str]) -> Output {
    cointag(args).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_bad_configuration_exits_2_with_one_line() {
    let output = run(&["config", "check", "--set", "grpc.lisen=x"]);
    assert_eq!(code(&output), 2);
    assert_eq!(stderr(&output), "error: unknown key `grpc.lisen` in --set; did you mean `grpc.listen`?\n");
    let output = run(&["config", "check", "--set", "market.sources=coingeko"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).starts_with("error: market.sources: unknown source `coingeko`"));
    let output = run(&["config", "check", "--set", "tls.cert=/nonexistent.pem"]);
    assert_eq!((code(&output), stderr(&output).contains("[tls] needs both")), (2, true));
    let output = run(&["config", "check", "--set", "auth.keys_file=/nonexistent.toml"]);
    assert_eq!((code(&output), stderr(&output).contains("auth.keys_file")), (2, true));
    assert_eq!(code(&run(&["config", "check"])), 0);
    assert_eq!(code(&run(&["--config", "/nonexistent.toml", "config", "print"])), 2);
    assert_eq!(code(&run(&["--overlay", "/nonexistent.toml", "config", "check"])), 2);
}

#[test]
fn completions_are_written_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = run(&["completions", shell]);
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains("cointag"), "{shell}");
    }
}
