//! The statements about tools of MCP servers.

use chaperone_inspection::digest::Digest;
use rusqlite::{Connection, OptionalExtension as _, named_params};

use super::StoreError;
use crate::store::{SeenTool, ToolKey};

/// Keeps what was seen in the place of what was seen before.
pub(super) fn see(connection: &Connection, seen: &SeenTool) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO mcp_tools (service, route, tool, digest, at)
         VALUES (:service, :route, :tool, :digest, :at)
         ON CONFLICT (service, route, tool) DO UPDATE SET digest = :digest, at = :at",
    )?;
    statement.execute(named_params! {
        ":service": seen.key.service,
        ":route": seen.key.route,
        ":tool": seen.key.tool,
        ":digest": seen.digest.as_bytes(),
        ":at": seen.at.millis(),
    })?;
    Ok(())
}

/// The digest of the tool's definition that was seen last.
pub(super) fn seen(connection: &Connection, key: &ToolKey) -> Result<Option<Digest>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT digest FROM mcp_tools
         WHERE service = :service AND route = :route AND tool = :tool",
    )?;
    let parameters =
        named_params! { ":service": key.service, ":route": key.route, ":tool": key.tool };
    let digest = statement.query_row(parameters, |row| row.get(0)).optional()?;
    Ok(digest.map(Digest::from_bytes))
}
