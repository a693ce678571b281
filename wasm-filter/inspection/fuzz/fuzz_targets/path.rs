//! Paths: the body is the request's path.

#![no_main]

use chaperone_inspection_fuzz::path;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| path(data));
