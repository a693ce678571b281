//! The pages in `docs/`: every piece of configuration in them loads, every policy in
//! them is valid, and what they list is what there is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use chaperone::identity::Preset;

const ISSUERS: &str = include_str!("../docs/issuers.md");

/// A configuration by sections, each of which a page's piece may replace.
const SECTIONS: [(&str, &str); 6] = [
    ("listen", "listen: { grpc: 127.0.0.1:0, http: 127.0.0.1:0 }"),
    ("storage", "storage: { sqlite: { path: chaperone.db } }"),
    ("keys", "keys: { facts: [{ id: k1, file: facts.key }] }"),
    ("issuers", "issuers: { idp: { issuer: https://idp.example, audiences: [orders] } }"),
    ("services", "services: { customers: { hosts: [customers.example] } }"),
    ("policies", "policies: { paths: [policies] }"),
];

/// What stands between lines of three backticks and `kind`, and three backticks.
fn pieces(page: &str, kind: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.trim() == format!("```{kind}") {
            let piece: Vec<_> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
            pieces.push(piece.join("\n"));
        }
    }
    pieces
}

/// The sections of a piece, by name: a section begins where a line is not indented.
fn sections(piece: &str) -> BTreeMap<String, String> {
    let mut sections: BTreeMap<String, String> = BTreeMap::new();
    let mut current = String::new();
    for line in piece.lines() {
        if line.starts_with(|c: char| c.is_ascii_lowercase()) {
            line.split(':').next().unwrap_or_default().clone_into(&mut current);
        }
        let section = sections.entry(current.clone()).or_default();
        section.push_str(line);
        section.push('\n');
    }
    sections
}

fn folder(page: &Path, number: usize) -> PathBuf {
    let name = page.file_stem().expect("a page has a name").to_string_lossy();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("docs-{name}-{number}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("policies")).expect("a folder");
    std::fs::write(folder.join("facts.key"), "QUJD".repeat(12)).expect("a file");
    folder
}

/// Every file that the piece names is there, with something in it.
fn make_files(folder: &Path, piece: &str) {
    for named in piece.split("file: ").skip(1) {
        let name = named.split([' ', ',', '}', '\n']).next().unwrap_or_default();
        let path = folder.join(name.trim_matches('"'));
        if !path.exists() {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            let content = match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt" | "pem") => certificate(),
                _ => "something".to_owned(),
            };
            std::fs::write(path, content).expect("a file");
        }
    }
}

fn certificate() -> String {
    let made = rcgen::generate_simple_self_signed(["k8s.example".to_owned()]);
    made.expect("a certificate").cert.pem()
}

fn check(folder: &Path, what: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_chaperone"))
        .args([what, "check", "--config"])
        .arg(folder.join("chaperone.yaml"))
        .output()
        .expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{}: {told}", folder.display());
}

fn check_page(page: &Path) {
    let text = std::fs::read_to_string(page).expect("a page");
    let policies = pieces(&text, "cedar").join("\n");
    let everything = "@id(\"everything\") permit (principal, action, resource);";
    let configurations = pieces(&text, "yaml").into_iter().filter(|piece| {
        // Manifests for Kubernetes are for somebody else.
        !piece.starts_with("apiVersion:")
    });
    let whole = SECTIONS.map(|(_, text)| text).join("\n");
    for (number, piece) in configurations.chain([whole]).enumerate() {
        let folder = folder(page, number);
        let mut config: BTreeMap<_, _> =
            SECTIONS.iter().map(|(name, text)| ((*name).to_owned(), format!("{text}\n"))).collect();
        config.extend(sections(&piece));
        make_files(&folder, &piece);
        let config: String = config.into_values().collect();
        std::fs::write(folder.join("chaperone.yaml"), config).expect("a file");
        let policies = if policies.is_empty() { everything } else { &policies };
        std::fs::write(folder.join("policies/page.cedar"), policies).expect("a file");
        check(&folder, "config");
        check(&folder, "policy");
        let _ = std::fs::remove_dir_all(&folder);
    }
}

#[test]
fn what_the_pages_show_works() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let entries = std::fs::read_dir(docs).expect("the folder of the pages");
    let pages: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    assert!(!pages.is_empty());
    for page in pages {
        check_page(&page);
    }
}

#[test]
fn the_page_of_actions_is_made_from_the_table() {
    let output = Command::new(env!("CARGO_BIN_EXE_chaperone"))
        .args(["policy", "reference"])
        .output()
        .expect("the binary runs");
    let made = String::from_utf8(output.stdout).expect("a page");
    let same = made == include_str!("../docs/actions.md");
    assert!(same, "write it anew: chaperone policy reference > ext-authz-server/docs/actions.md");
}

/// The attributes that the section of `preset` lists: `name`, or `name` from `claim`.
fn listed(preset: Preset) -> Vec<(String, String)> {
    let section = ISSUERS.split(&format!("### {preset}\n")).nth(1).expect("a section");
    let list = section.split("Attributes: ").nth(1).and_then(|rest| rest.split("`.\n").next());
    let list = list.expect("a list").replace('\n', " ").replace('`', "");
    let entry = |entry: &str| {
        let (name, claim) = entry.split_once(" from ").unwrap_or((entry, entry));
        (name.trim().to_owned(), claim.trim().to_owned())
    };
    list.split(", ").map(entry).collect()
}

#[test]
fn the_attributes_that_are_listed_are_those_that_there_are() {
    for preset in Preset::ALL {
        let attributes = preset.attributes();
        let attributes = attributes.iter();
        let there: Vec<_> = attributes
            .map(|attribute| (attribute.name().to_owned(), attribute.claim().to_owned()))
            .collect();
        assert_eq!(listed(preset), there, "{preset}");
        assert!(ISSUERS.contains(preset.spec().documentation), "{preset}");
        let line = format!("preset: {preset}");
        assert!(pieces(ISSUERS, "yaml").iter().any(|piece| piece.contains(&line)), "{preset}");
    }
}
