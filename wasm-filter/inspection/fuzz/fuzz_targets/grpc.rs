//! gRPC calls, with and without descriptors.

#![no_main]

use chaperone_inspection_fuzz::grpc;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| grpc(data));
