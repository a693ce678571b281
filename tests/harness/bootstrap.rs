//! Envoy's bootstrap, made from the example that users copy.

use serde_json::Value;

use crate::failure::{Failure, Result};

/// Fills `{{NAME}}` in a template; every placeholder must be named, and every name
/// be in it.
pub fn fill(template: &str, values: &[(&str, &str)]) -> Result<String> {
    let mut filled = template.to_owned();
    for (name, value) in values {
        let placeholder = format!("{{{{{name}}}}}");
        if !filled.contains(&placeholder) {
            return Err(Failure::unexpected("filling a template", format!("no {placeholder}")));
        }
        filled = filled.replace(&placeholder, value);
    }
    match filled.split_once("{{").and_then(|(_, rest)| rest.split_once("}}")) {
        Some((left, _)) if is_name(left) => {
            Err(Failure::unexpected("filling a template", format!("{{{{{left}}}}} has no value")))
        }
        _ => Ok(filled),
    }
}

fn is_name(text: &str) -> bool {
    let named = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    !text.is_empty() && text.bytes().all(named)
}

/// The bootstrap, in JSON, with one more listener on `port`: the first one's like,
/// but without the Wasm filter. It is what a misconfigured mesh or an attacker
/// inside it would have: a way to ext_authz around the filter.
pub fn with_bypass(bootstrap: &str, port: u16) -> Result<String> {
    let wrong = |why: &str| Failure::unexpected("adding a listener", why.to_owned());
    let mut bootstrap: Value = serde_saphyr::from_str(bootstrap)
        .map_err(|error| Failure::unexpected("reading the bootstrap", error))?;
    let listeners = bootstrap.pointer_mut("/static_resources/listeners");
    let listeners = listeners.and_then(Value::as_array_mut).ok_or_else(|| wrong("no listeners"))?;
    let mut bypass = listeners.first().cloned().ok_or_else(|| wrong("no listener"))?;
    bypass["name"] = "bypass".into();
    let listens = bypass.pointer_mut("/address/socket_address/port_value");
    *listens.ok_or_else(|| wrong("the listener has no port"))? = port.into();
    let manager = bypass.pointer_mut("/filter_chains/0/filters/0/typed_config");
    let manager = manager.ok_or_else(|| wrong("the listener has no filter"))?;
    let filters = manager.get_mut("http_filters").and_then(Value::as_array_mut);
    let filters = filters.ok_or_else(|| wrong("the listener has no HTTP filters"))?;
    let before = filters.len();
    filters.retain(|filter| !is_wasm(filter));
    if filters.len() == before {
        return Err(wrong("the listener has no Wasm filter"));
    }
    listeners.push(bypass);
    Ok(bootstrap.to_string())
}

fn is_wasm(filter: &Value) -> bool {
    let kind = filter.pointer("/typed_config/@type").and_then(Value::as_str);
    kind.is_some_and(|kind| kind.ends_with("filters.http.wasm.v3.Wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_whole_or_not_at_all() {
        assert_eq!(fill("a {{B}} {{B}}", &[("B", "x")]).unwrap(), "a x x");
        assert!(fill("a {{B}} {{C}}", &[("B", "x")]).is_err());
        assert!(fill("a", &[("B", "x")]).is_err());
        // Braces that are nobody's placeholder are the file's own.
        assert_eq!(fill("{{B}} { x: {{}} }", &[("B", "b")]).unwrap(), "b { x: {{}} }");
    }

    #[test]
    fn the_bypass_has_every_filter_but_the_wasm_one() {
        let bootstrap = "
static_resources:
  listeners:
    - name: main
      address: { socket_address: { address: 127.0.0.1, port_value: 1 } }
      filter_chains:
        - filters:
            - name: http
              typed_config:
                http_filters:
                  - name: chaperone
                    typed_config:
                      '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
                  - { name: router, typed_config: { '@type': router } }
";
        let with: Value = serde_json::from_str(&with_bypass(bootstrap, 2).unwrap()).unwrap();
        let listeners = with["static_resources"]["listeners"].as_array().unwrap();
        let filters = |listener: &Value| {
            let typed = &listener["filter_chains"][0]["filters"][0]["typed_config"];
            typed["http_filters"].as_array().unwrap().len()
        };
        assert_eq!(filters(&listeners[0]), 2);
        assert_eq!(filters(&listeners[1]), 1);
        assert_eq!(listeners[1]["address"]["socket_address"]["port_value"], 2);
    }
}
