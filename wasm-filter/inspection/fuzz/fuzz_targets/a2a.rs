//! A2A: the first byte chooses the path.

#![no_main]

use chaperone_inspection_fuzz::a2a;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| a2a(data));
