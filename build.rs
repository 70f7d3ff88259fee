//! Generates the gRPC code from `proto/` with a pure-Rust compiler, so that no `protoc` has to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(feature = "serve")]
    grpc()?;
    Ok(())
}

/// Messages, clients and servers, and the descriptor set that reflection serves.
#[cfg(feature = "serve")]
fn grpc() -> Result<(), Box<dyn std::error::Error>> {
    const TOPICS: [&str; 7] = ["catalog", "document", "error", "mention", "quote", "server", "tagger"];
    println!("cargo::rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(TOPICS.map(|topic| format!("cointag/v1/{topic}.proto")))?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR").map_err(|_| "cargo sets OUT_DIR")?);
    std::fs::write(out.join("cointag.binpb"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
