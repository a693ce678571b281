//! Masks what a request holds before it is kept or shown to a person.

use std::sync::Arc;

use chaperone_inspection::facts::Command;
use chaperone_inspection::mask::profile::Profile;
use chaperone_inspection::mask::{CompiledProfile, Masker, ProfileError};
use serde_json::Value;

use crate::audit::CommandRecord;

/// What stands where a value could not be masked.
const WITHHELD: &str = "[withheld]";

/// Masks by the built-in profile `all`, whatever the configuration says: records
/// and approvals outlive it.
#[derive(Clone, Debug)]
pub struct Redactor(Arc<CompiledProfile>);

impl Redactor {
    /// A redactor; an error only if the built-in profile does not compile.
    pub fn new() -> Result<Self, ProfileError> {
        let all = Profile::built_in("all").unwrap_or_default();
        CompiledProfile::new(&all).map(|profile| Self(Arc::new(profile)))
    }

    /// The commands as they may be kept and shown.
    pub fn commands(&self, commands: &[Command]) -> Vec<CommandRecord> {
        let record = |command: &Command| CommandRecord {
            action: command.action.name().to_owned(),
            resource: self.text(&command.resource),
            attributes: match self.json(&Value::Object(command.attributes.clone())) {
                Value::Object(attributes) => attributes,
                withheld => [("attributes".to_owned(), withheld)].into_iter().collect(),
            },
        };
        commands.iter().map(record).collect()
    }

    /// The text with what is sensitive in it masked.
    pub fn text(&self, text: &str) -> String {
        match self.json(&Value::from(text)) {
            Value::String(masked) => masked,
            _ => WITHHELD.to_owned(),
        }
    }

    /// The document with what is sensitive in it masked.
    pub fn json(&self, document: &Value) -> Value {
        self.masked(document).unwrap_or_else(|| Value::from(WITHHELD))
    }

    fn masked(&self, document: &Value) -> Option<Value> {
        let bytes = serde_json::to_vec(document).ok()?;
        let mut masker = Masker::new(Arc::clone(&self.0), Some("application/json"), None).ok()?;
        let mut masked = Vec::with_capacity(bytes.len());
        masker.push(&bytes, &mut masked).ok()?;
        masker.finish(&mut masked).ok()?;
        serde_json::from_slice(&masked).ok()
    }
}

#[cfg(test)]
mod tests {
    use chaperone_inspection::facts::Action;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_person_put_into_a_request_is_masked_before_it_is_kept() {
        let attributes = json!({
            "method": "tools/call",
            "arguments": { "email": "ada@example.com", "password": "hunter2", "id": 7 },
        });
        let command = Command {
            action: Action::named("mcp:tools/call").unwrap(),
            resource: "lookup".to_owned(),
            attributes: attributes.as_object().unwrap().clone(),
        };
        let records = Redactor::new().unwrap().commands(&[command]);
        let text = json!(records).to_string();
        assert!(text.contains("\"id\":7") && text.contains("lookup"), "{text}");
        assert!(!text.contains("ada@example.com") && !text.contains("hunter2"), "{text}");
    }
}
