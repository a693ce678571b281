//! A response is masked alike wherever it was cut.

#![no_main]

use chaperone_inspection_fuzz::laws::masker;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| masker(data));
