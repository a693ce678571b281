//! The tools of MCP servers: which definitions were pinned, and which tools a chain is
//! shown.

mod listing;
mod pins;
mod review;
mod ticket;

use std::sync::Arc;

use chaperone_inspection::digest::Digest;

pub use listing::{ListError, ListedTool, ToolLists};
pub use pins::{Pin, PinFile, Pins, PinsError, ToolState};
pub use review::{Changed, Differences, Listed, ListedTwice};
pub use ticket::{Ticket, TicketError, TicketOrder};

use crate::service::Service;
use crate::store::{Store, StoreError, ToolKey};

/// What is known of the tools of MCP servers.
pub struct Tools {
    store: Arc<dyn Store>,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tools")
    }
}

/// A route on which a service speaks MCP.
#[derive(Clone, Copy, Debug)]
pub struct ToolRoute<'a> {
    /// The service.
    pub service: &'a Service,
    /// The route's path.
    pub path: &'a str,
}

impl ToolRoute<'_> {
    /// What is pinned there; `None` where nothing has to be.
    pub fn pins(&self) -> Option<Arc<Pins>> {
        self.service.pins.get(self.path).map(|file| file.current())
    }

    fn key(&self, tool: &str) -> ToolKey {
        ToolKey {
            service: self.service.name.clone(),
            route: self.path.to_owned(),
            tool: tool.to_owned(),
        }
    }
}

impl Tools {
    /// The tools that were seen, in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Whether the tool `name` may be called as far as pins say.
    pub async fn state(&self, route: &ToolRoute<'_>, name: &str) -> Result<ToolState, StoreError> {
        let Some(pins) = route.pins() else { return Ok(ToolState::Pinned) };
        let seen: Option<Digest> = self.store.tool_seen(route.key(name)).await?;
        Ok(pins.state(name, seen))
    }
}
