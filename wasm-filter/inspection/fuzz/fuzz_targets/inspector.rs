//! Any protocol: the first byte chooses it.

#![no_main]

use chaperone_inspection_fuzz::inspector;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| inspector(data));
