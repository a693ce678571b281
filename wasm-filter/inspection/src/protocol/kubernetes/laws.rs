//! Laws of the reading of paths and bodies.

use proptest::prelude::*;

use super::tests::read;

proptest! {
    /// A path is read as the parts that it was made of.
    #[test]
    fn a_path_of_a_resource_is_read_as_what_it_was_made_of(
        group in prop::option::of("[a-z]{1,6}(\\.[a-z]{1,4}){0,2}"),
        version in "v[1-9](beta[1-9])?",
        namespace in prop::option::of("[a-z]([a-z0-9-]{0,5}[a-z0-9])?"),
        resource in "[a-oq-v][a-z]{3,9}",
        name in prop::option::of("[a-z]([a-zA-Z0-9:.-]{0,6}[a-z0-9])?"),
        subresource in prop::option::of("[a-z]{4,9}"),
        slash in any::<bool>(),
    ) {
        let resource = if resource == "namespaces" { "namespace".to_owned() } else { resource };
        let subresource = subresource.filter(|_| name.is_some());
        let version = if group.is_some() { version } else { "v1".to_owned() };
        let mut parts = vec![""];
        match &group {
            Some(group) => parts.extend(["apis", group, &version]),
            None => parts.extend(["api", "v1"]),
        }
        if let Some(namespace) = &namespace {
            parts.extend(["namespaces", namespace]);
        }
        parts.push(&resource);
        parts.extend(name.as_deref().into_iter().chain(subresource.as_deref()));
        parts.extend(slash.then_some(""));
        let path = parts.join("/");
        let special = namespace.is_none() && matches!(resource.as_str(), "watch");
        let of_namespace = matches!(resource.as_str(), "status" | "finalize");
        prop_assume!(!special && !of_namespace);
        let command = read("GET", &path, b"").unwrap_or_else(|code| panic!("{path}: {code:?}"));
        for (attribute, part) in [
            ("group", group),
            ("version", Some(version)),
            ("namespace", namespace),
            ("resource", Some(resource)),
            ("name", name.clone()),
            ("subresource", subresource),
        ] {
            prop_assert_eq!(&command.attributes[attribute], &part.unwrap_or_default());
        }
        let verb = if name.is_some() { "get" } else { "list" };
        prop_assert_eq!(&command.attributes["verb"], verb);
    }
}
