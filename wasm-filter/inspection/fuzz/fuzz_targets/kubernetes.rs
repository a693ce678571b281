//! The Kubernetes API: the first line is the method and the path.

#![no_main]

use chaperone_inspection_fuzz::kubernetes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| kubernetes(data));
