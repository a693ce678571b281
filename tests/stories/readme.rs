//! Text for people is true: what the README shows is what is there.

use harness::artifacts::{self, FilterForm, Progress, workspace};
use harness::binaryen;

fn readme() -> String {
    std::fs::read_to_string(workspace().join("README.md")).expect("there is a README.md")
}

/// The ten lines that the README tells people to add are those of the bootstrap that
/// these stories run.
#[test]
fn the_envoy_example_is_part_of_the_bootstrap_that_is_tested() {
    let bootstrap =
        std::fs::read_to_string(workspace().join("envoy-config/envoy.yaml")).expect("a bootstrap");
    let lines: Vec<_> = bootstrap.lines().map(str::trim).collect();
    let readme = readme();
    let example = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let example = example.expect("the README has a YAML example");
    let told: Vec<_> = example
        .lines()
        .map(|line| line.split("  #").next().unwrap_or(line).trim())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    assert!(told.len() >= 10, "{told:?}");
    for line in told {
        let there = lines.contains(&line) || line.contains("filename:") || line.contains("value:");
        assert!(there, "not in envoy-config/envoy.yaml: {line}");
    }
}

#[test]
fn every_file_that_the_readme_links_to_is_there() {
    let readme = readme();
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files: Vec<_> =
        links.filter(|link| !link.contains("://") && !link.starts_with('#')).collect();
    assert!(!files.is_empty());
    for file in files {
        assert!(workspace().join(file).exists(), "README.md links to {file}");
    }
}

/// The story that the demo plays is played here command by command; what is left is
/// that `cargo demo` finds it, with its options behind `--`.
#[test]
fn cargo_demo_is_a_command() {
    assert!(readme().contains("cargo demo -- --serve"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ran = std::process::Command::new(cargo)
        .args(["demo", "--", "--help"])
        .current_dir(workspace())
        .output()
        .expect("cargo runs");
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && told.contains("--serve"), "{ran:?}");
}

#[test]
fn the_filter_is_as_light_as_promised() {
    assert!(readme().contains("less than 2.9 MB"));
    assert!(readme().contains(&binaryen::ARGUMENTS.join(" ")));
    let built = artifacts::build(Progress::Quiet).expect("it builds");
    let shipped = built.filter(FilterForm::Shipped, Progress::Quiet).expect("it can be made");
    let bytes = std::fs::metadata(shipped).expect("it is there").len();
    assert!(bytes < 2_900_000, "the filter has {bytes} bytes");
}
