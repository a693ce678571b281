//! A body in a content coding.

#![no_main]

use chaperone_inspection_fuzz::encoding;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| encoding(data));
