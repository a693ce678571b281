//! Envoy's protocols, and ours with the filter: translation only, no rules.

mod answer;
mod check;
mod outcomes;
mod tools;

pub use check::CheckService;
pub use outcomes::OutcomesService;
pub use tools::ToolsService;
