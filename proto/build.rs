//! Compiles the protobufs without a system `protoc`, for native and wasm alike.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptors =
        protox::compile(["chaperone/v1/outcomes.proto", "chaperone/v1/tools.proto"], ["."])?;
    let transport = std::env::var_os("CARGO_FEATURE_TRANSPORT").is_some();
    tonic_prost_build::configure()
        .build_client(transport)
        .build_server(transport)
        .btree_map(".")
        .compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=chaperone");
    Ok(())
}
