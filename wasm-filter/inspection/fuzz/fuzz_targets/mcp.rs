//! MCP: the first byte chooses the plan and the revision that a header names.

#![no_main]

use chaperone_inspection_fuzz::mcp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| mcp(data));
