//! The page that tells what policies can say, made from the table that the schema is
//! made from.

use std::fmt::Write as _;

use chaperone_inspection::detect::DetectorId;
use chaperone_inspection::facts::UnparsedCode;
use chaperone_inspection::vocabulary::{
    ActionGroup, ActionSpec, AttributeKind, AttributeSpec, VOCABULARY, Vocabulary, groups,
};

/// The page, in Markdown.
pub fn text() -> String {
    let mut page = INTRODUCTION.to_owned();
    let of_families: Vec<_> = VOCABULARY.iter().flat_map(|part| part.groups).collect();
    let general = groups().filter(|group| !of_families.iter().any(|own| own.name == group.name));
    put(&mut page, format_args!("| group | |\n| --- | --- |\n"));
    for group in general {
        put(&mut page, format_args!("| `{}` | {} |\n", group.name, cell(group.doc)));
    }
    for part in VOCABULARY {
        family(&mut page, part);
    }
    put(&mut page, format_args!("\n{DETECTORS}"));
    let detectors: Vec<_> = DetectorId::ALL.iter().map(|id| format!("`{}`", id.name())).collect();
    put(&mut page, format_args!("{}.\n", detectors.join(", ")));
    put(&mut page, format_args!("\n{UNPARSED}| code | |\n| --- | --- |\n"));
    for code in UnparsedCode::ALL {
        put(&mut page, format_args!("| `{}` | {} |\n", code.name(), cell(code.doc().trim())));
    }
    page
}

const INTRODUCTION: &str = "\
# What policies can say of a request

<!-- Made by `chaperone policy reference`; change the table in
`wasm-filter/inspection/src/vocabulary/` instead. -->

A request is read into *commands*. Each is an action on a resource, with attributes under
`context.<family>`; policy is asked about every one of them and the strictest answer wins.
A request whose body cannot be read is denied before policy is asked, with one of the
codes at the end of this page.

Every action applies to `Service`, the service as a whole, and to the resource of its kind
within it. Groups are actions that stand for all in them: `action in Action::\"read\"`.

";

const DETECTORS: &str = "\
## Sensitive data in requests

`context.request.contains` is a `Set<String>` with the names of those detectors that
found something, of the ones that the route's `detect` names. The detectors are ";

const UNPARSED: &str = "\
## Why a request is not read

";

fn family(page: &mut String, part: &Vocabulary) {
    put(page, format_args!("\n## `context.{}`\n\n", part.family.name));
    put(page, format_args!("| attribute | type | |\n| --- | --- | --- |\n"));
    for attribute in part.family.attributes {
        attribute_row(page, attribute);
    }
    put(page, format_args!("\n| action | in | resource | |\n| --- | --- | --- | --- |\n"));
    for ActionGroup { name, parents, doc } in part.groups {
        put(page, format_args!("| `{name}` | {} | | {} |\n", names(parents), cell(doc)));
    }
    for ActionSpec { name, parents, resource, doc, .. } in part.actions {
        let resource = resource.name();
        let row =
            format_args!("| `{name}` | {} | `{resource}` | {} |\n", names(parents), cell(doc));
        put(page, row);
    }
}

fn attribute_row(page: &mut String, attribute: &AttributeSpec) {
    let kind = match attribute.kind {
        AttributeKind::Bool => "`Bool`",
        AttributeKind::Long => "`Long`",
        AttributeKind::Text => "`String`",
        AttributeKind::TextSet => "`Set<String>`",
        AttributeKind::Fields => "`Fields`: tags by path",
        AttributeKind::Carried => return,
    };
    let optional = if attribute.required { "" } else { ", optional" };
    let AttributeSpec { name, doc, .. } = attribute;
    put(page, format_args!("| `{name}` | {kind}{optional} | {} |\n", cell(doc)));
}

fn names(groups: &[&str]) -> String {
    let groups: Vec<_> = groups.iter().map(|group| format!("`{group}`")).collect();
    groups.join(", ")
}

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a string has no way to fail.
    let _ = page.write_fmt(text);
}
