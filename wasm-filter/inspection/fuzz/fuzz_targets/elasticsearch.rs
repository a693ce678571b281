//! The Elasticsearch API: the first line is the method and the path.

#![no_main]

use chaperone_inspection_fuzz::elasticsearch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| elasticsearch(data));
