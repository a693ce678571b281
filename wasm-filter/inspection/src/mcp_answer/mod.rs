//! What an MCP server answers: the tools that it lists, and the requests that it
//! makes of the agent.
//!
//! [`ToolList`] reads one `tools/list` answer and leaves tools out of it.

mod list;

pub use self::list::{Tool, ToolList};
