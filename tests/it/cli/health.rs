//! `cointag health`: exit codes as `grpc_health_probe` has them.

use super::serve::Running;
use super::{code, run, stdout};

#[test]
fn each_outcome_has_its_exit_code() {
    let server = Running::start(&[]);
    let (grpc, http) = (server.grpc.as_str(), server.http.as_str());
    let serving = run(&["health", "--addr", grpc]);
    assert_eq!((code(&serving), stdout(&serving).as_str()), (0, "serving\n"));
    assert_eq!(code(&run(&["health", "--addr", grpc, "--service", "liveness"])), 0);
    assert_eq!(code(&run(&["health", "--addr", grpc, "--docker"])), 0);
    assert_eq!(code(&run(&["health", "--set", &format!("grpc.listen={grpc}")])), 0);
    // Bad arguments.
    assert_eq!(code(&run(&["health", "--no-such-option"])), 1);
    assert_eq!(code(&run(&["health", "--addr", "no address"])), 1);
    assert_eq!(code(&run(&["health", "--set", "no.such=key"])), 1);
    // Nobody there; port 1 is not given to anybody by chance.
    assert_eq!(code(&run(&["health", "--addr", "127.0.0.1:1"])), 2);
    assert_eq!(code(&run(&["health", "--addr", "127.0.0.1:1", "--docker"])), 1);
    // Somebody there who cannot say.
    assert_eq!(code(&run(&["health", "--addr", grpc, "--service", "no.such.Service"])), 3);
    assert_eq!(code(&run(&["health", "--addr", http])), 3);
}

#[test]
fn a_server_that_stops_is_not_serving() {
    let mut server = Running::start(&["--set", "serve.drain_delay=1h"]);
    server.signal("TERM");
    server.wait_for("stopping");
    assert_eq!(code(&run(&["health", "--addr", &server.grpc])), 4);
    assert_eq!(code(&run(&["health", "--addr", &server.grpc, "--docker"])), 1);
    assert_eq!(code(&run(&["health", "--addr", &server.grpc, "--service", "liveness"])), 0);
}
