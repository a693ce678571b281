//! Pages for people are true: what they tell to write loads, and what they list is
//! what there is.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chaperone::identity::Preset;

const ISSUERS: &str = include_str!("../docs/issuers.md");

/// A configuration without issuers.
const CONFIG: &str = r"
listen: { grpc: 127.0.0.1:0, http: 127.0.0.1:0 }
storage: { sqlite: { path: chaperone.db } }
keys: { facts: [{ id: k1, file: facts.key }] }
services: { customers: { hosts: [customers.example] } }
policies: { paths: [policies] }
";

/// What stands in the page's blocks of `language`.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("```{language}\n");
    page.split(begin.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

fn folder(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(root.join("policies")).expect("a folder");
    let authority = rcgen::generate_simple_self_signed(["k8s.example".to_owned()]);
    let authority = authority.expect("a certificate").cert.pem();
    for (name, text) in [
        ("facts.key", "QUJD".repeat(12)),
        ("ca.crt", authority),
        ("policies/a.cedar", blocks(ISSUERS, "cedar").concat()),
    ] {
        std::fs::write(root.join(name), text).expect("a file");
    }
    root
}

fn check(folder: &Path, what: &str, issuers: &str) -> Output {
    let config = folder.join("chaperone.yaml");
    std::fs::write(&config, format!("{CONFIG}{issuers}")).expect("a file");
    Command::new(env!("CARGO_BIN_EXE_chaperone"))
        .args([what, "check", "--config"])
        .arg(config)
        .output()
        .expect("the binary runs")
}

#[test]
fn every_issuer_that_is_shown_loads() {
    let folder = folder("docs-issuers");
    let shown = blocks(ISSUERS, "yaml");
    for issuers in &shown {
        let ran = check(&folder, "config", issuers);
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{issuers}\n{told}");
    }
    for preset in Preset::ALL {
        let line = format!("preset: {preset}");
        assert!(shown.iter().any(|issuers| issuers.contains(&line)), "{preset} is not shown");
    }
}

#[test]
fn every_policy_that_is_shown_is_one() {
    let folder = folder("docs-policies");
    let issuers = blocks(ISSUERS, "yaml");
    let ran = check(&folder, "policy", issuers.first().expect("an issuer"));
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{told}");
    assert!(String::from_utf8_lossy(&ran.stdout).contains("main-deploys-read"));
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
    }
}
