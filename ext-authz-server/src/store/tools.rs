//! The tools of MCP servers as a store keeps them: the definition of each that was
//! seen last.

use chaperone_inspection::digest::Digest;

use crate::time::UnixMillis;

/// A tool as an MCP server listed it last. A later one takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenTool {
    /// The server.
    pub key: ToolKey,
    /// The digest of its definition.
    pub digest: Digest,
    /// When it was listed.
    pub at: UnixMillis,
}

/// Which tool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ToolKey {
    /// The service.
    pub service: String,
    /// The path of the route on which the service speaks MCP.
    pub route: String,
    /// The tool's name.
    pub tool: String,
}
