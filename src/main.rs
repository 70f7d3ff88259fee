//! The `cointag` program: parse, run one command, exit code.

fn main() {}
