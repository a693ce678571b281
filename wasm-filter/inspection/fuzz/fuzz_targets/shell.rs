//! Shell lines in a JSON body.

#![no_main]

use chaperone_inspection_fuzz::shell;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| shell(data));
