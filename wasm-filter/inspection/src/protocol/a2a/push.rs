//! Where an agent is to report: a URL that the agent will call, from inside.

use serde_json::{Map, Value};

use super::super::uri;
use super::malformed;
use super::params::{either, object};
use crate::facts::{Attributes, Unparsed, UnparsedCode};

/// Where versions and bindings have a configuration, in each other.
const NESTED: [(&str, &str); 4] = [
    ("config", "config"),
    ("pushNotification", "push_notification"),
    ("pushNotificationConfig", "push_notification_config"),
    ("taskPushNotificationConfig", "task_push_notification_config"),
];

/// Adds every URL of `config` and of the configurations in it to `urls`.
pub(super) fn urls(config: &Map<String, Value>, urls: &mut Vec<String>) -> Result<(), Unparsed> {
    match either(config, "url", "url")? {
        None => {}
        Some(Value::String(url)) => urls.push(url.clone()),
        Some(_) => return Err(malformed("the `url` of push notifications is not a string")),
    }
    for (name, other) in NESTED {
        if let Some(nested) = object(config, name, other)? {
            self::urls(nested, urls)?;
        }
    }
    Ok(())
}

/// Writes where the one URL leads; an error if there are several.
pub(super) fn describe(urls: &[String], attributes: &mut Attributes) -> Result<(), Unparsed> {
    let url = match urls {
        [] => return Ok(()),
        [url] => url,
        _ => return Err(malformed("push notifications have more than one `url`")),
    };
    let uri = uri::parse(url).map_err(|why| {
        Unparsed::new(
            UnparsedCode::FieldMalformed,
            format!("the URL of push notifications can be read in more than one way: {why}"),
        )
    })?;
    let host = uri.host.ok_or_else(|| malformed("the URL of push notifications has no host"))?;
    attributes.insert("push_url_scheme".to_owned(), Value::from(uri.scheme));
    attributes.insert("push_url_host".to_owned(), Value::from(host));
    Ok(())
}
