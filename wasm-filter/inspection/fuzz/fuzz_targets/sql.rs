//! SQL texts: the first byte chooses the dialect and what carries the text.

#![no_main]

use chaperone_inspection_fuzz::sql;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sql(data));
