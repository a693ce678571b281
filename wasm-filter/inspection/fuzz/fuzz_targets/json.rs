//! JSON bodies, with fields by pointers and paths.

#![no_main]

use chaperone_inspection_fuzz::json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| json(data));
