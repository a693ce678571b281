//! Laws of reading a shell text.

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::facts::UnparsedCode;

/// A text of the size that a body may have.
const BYTES: usize = 64 * 1024;

/// What reading may take, in a build without optimisation, which takes more.
#[cfg(not(target_arch = "wasm32"))]
const STACK_BYTES: usize = 768 * 1024;

fn programs(text: &str) -> Vec<String> {
    let commands = commands(text, &Limits::default()).unwrap_or_else(|e| panic!("{text}: {e:?}"));
    commands.into_iter().map(|command| command.resource).collect()
}

#[test]
fn a_command_says_what_it_runs() {
    let commands = commands("/bin/rm -rf \"$d\" x", &Limits::default()).unwrap();
    let [command] = commands.as_slice() else { panic!("{commands:?}") };
    assert_eq!(command.action.name(), "shell:exec");
    assert_eq!(command.resource, "rm");
    assert_eq!(command.attributes["path"], "/bin/rm");
    assert_eq!(command.attributes["arguments"], serde_json::json!(["$d", "-rf", "x"]));
    assert_eq!(command.attributes["command_line"], "/bin/rm -rf $d x");
    assert_eq!(command.attributes["dynamic"], true);
    assert_eq!(command.attributes["recursive_force_delete"], true);
}

#[test]
fn reasons_do_not_quote_the_text() {
    for text in ["secret$((", "$secret x", "a \"secret", "sh -c \"secret $x\"", "secret)"] {
        let unparsed = commands(text, &Limits::default()).unwrap_err();
        assert_eq!(unparsed.code, UnparsedCode::ShellUndecidable, "{text}");
        assert!(!unparsed.detail.contains("secret"), "{text}: {}", unparsed.detail);
    }
}

#[test]
fn depth_is_bounded_by_the_limit() {
    let shallow = Limits { depth: 4, ..Limits::default() };
    assert!(commands("(ls)", &shallow).is_ok());
    let unparsed = commands("( ls; ( ( ls ) ) )", &shallow).unwrap_err();
    assert_eq!(unparsed.code, UnparsedCode::TooDeep);
    let text = "sh -c 'sh -c \"sh -c ls\"'";
    assert_eq!(commands(text, &shallow).unwrap_err().code, UnparsedCode::TooDeep);
    assert_eq!(programs(text), ["ls"]);
}

/// The steps that reading `text` takes, and whether it was given up for their number.
fn steps(text: &str) -> (usize, bool) {
    let limits = Limits { commands: usize::MAX, ..Limits::default() };
    let mut walker = Walker::new(text.len(), &limits);
    let before = walker.budget.steps_left();
    let result = walker.text(text, Context::default());
    let given_up = result.is_err_and(|unparsed| unparsed.detail.contains("too long"));
    (before - walker.budget.steps_left(), given_up)
}

#[test]
fn a_text_takes_time_in_proportion_to_its_length() {
    let units = [
        "a",
        " ",
        "'",
        "\"",
        "\"\"",
        "''",
        "\\",
        "\\\n",
        "`",
        "``",
        "$",
        "$(",
        "${",
        "${x",
        "${x:-",
        "$((",
        "((",
        "(",
        "{",
        "{a,",
        "{}",
        "}",
        "{a,b}",
        "[",
        "*",
        "#",
        "\n",
        ";",
        "&",
        "|",
        "<",
        "<<a\n",
        "<<a ",
        "<<<a ",
        "<(",
        ">",
        "x=",
        "x=1;",
        "x=(",
        "a[",
        "eval ",
        "sh -c ",
        "env ",
        "xargs ",
        "time ",
        "! ",
        "coproc ",
        "coproc a ",
        "f()",
        "if a;",
        "case a in ",
        "[[ ",
        "$'",
        "\t",
        "command ",
        "find -exec ",
        "sudo ",
        "for x in ",
        "2>",
        "{a}>",
        "a&&",
        "echo x|",
        "1",
        "$(case x in ",
        "{..}",
        "busybox ",
        "$((a)",
        "$(a)",
        "`a`",
        "{{a,b},",
        "trap ",
        "su -c ",
    ];
    for unit in units {
        let text = unit.repeat(BYTES / unit.len());
        let (taken, given_up) = steps(&text);
        assert!(taken < 257 * BYTES, "{unit:?} takes {} steps a byte", taken / BYTES);
        // Only braces look for their ends again and again.
        assert!(!given_up || unit.contains('{'), "{unit:?} is given up");
    }
}

/// Wasm has 1 MiB of stack, of which a request may have used some.
#[cfg(not(target_arch = "wasm32"))]
#[test]
fn the_deepest_text_fits_the_stack_of_wasm() {
    let nested = [
        ("( ", " )"),
        ("$(", ")"),
        ("{ ", "\n}"),
        ("\"$(", ")\""),
        ("${x:-", "}"),
        ("{a,", "}"),
        ("if ", "\nthen x\nfi"),
        ("f() { ", "\n}"),
        ("$((", "))"),
        ("a=(", ")"),
        ("eval ", ""),
        ("<(", ")"),
        ("case x in x) ", "\nesac"),
        ("cat <<E\n$(", ")\nE\n"),
        ("sudo ", ""),
        ("for x in a; do ", "\ndone"),
        ("\"${x:-", "}\""),
        ("[[ $(", ") ]]"),
        ("coproc ", ""),
    ];
    let limits = Limits { depth: 112, ..Limits::default() };
    for (open, close) in nested {
        for levels in [30, 62, 70, 2_000] {
            let text = format!("{}x{}", open.repeat(levels), close.repeat(levels));
            std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn(move || drop(commands(&text, &limits)))
                .unwrap()
                .join()
                .unwrap();
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    /// `text` in one of the ways in which a shell takes it as it is.
    fn quoted(text: &str, way: usize) -> String {
        match way {
            0 => format!("'{}'", text.replace('\'', "'\\''")),
            1 => {
                let mut quoted = String::from("\"");
                for character in text.chars() {
                    if matches!(character, '$' | '`' | '"' | '\\') {
                        quoted.push('\\');
                    }
                    quoted.push(character);
                }
                quoted + "\""
            }
            2 => text.chars().flat_map(|c| ['\\', c]).collect(),
            3 => {
                let escaped = |c: char| format!("\\U{:08x}", u32::from(c));
                format!("$'{}'", text.chars().map(escaped).collect::<String>())
            }
            _ => text.chars().map(|c| quoted(&c.to_string(), usize::from(c == '\''))).collect(),
        }
    }

    /// What texts are made of.
    const PIECES: [&str; 64] = [
        "a", "rm", "-rf", "/", "x=", "x", "1", " ", "\n", "\t", "'", "\"", "\\", "$", "`", "(",
        ")", "((", "))", "{", "}", ",", "..", "[", "]", "[[", "]]", "=~", "<", ">", ">>", "<<",
        "<<-", "<<<", "&", "|", ";", ";;", "#", "!", "~", "*", "?", "$(", "${", ":-", "@P", "$'",
        "\\x41", "if", "then", "fi", "for", "in", "do", "done", "case", "esac", "function", "eval",
        "sh -c ", "xargs", "sudo ", "é",
    ];

    fn word() -> impl Strategy<Value = String> {
        "[ -~äß€\t]{1,12}"
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn an_argument_is_the_same_however_it_is_quoted(
            words in prop::collection::vec((word(), 0_usize..5), 1..5),
        ) {
            let line: Vec<String> = words.iter().map(|(text, way)| quoted(text, *way)).collect();
            let line = format!("echo {}", line.join(" "));
            let mut arguments = vec!["echo"];
            arguments.extend(words.iter().map(|(text, _)| text.as_str()));
            let limits = Limits::default();
            prop_assert_eq!(commands(&line, &limits), of_arguments(&arguments, &limits), "{}", line);
        }

        #[test]
        fn no_text_makes_the_reader_panic(
            pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..30),
            more in ".{0,10}",
        ) {
            let limits = Limits::default();
            let text = pieces.concat() + &more;
            drop(commands(&text, &limits));
            drop(commands(&(more + &pieces.join(" ")), &limits));
            drop(of_arguments(&pieces, &limits));
            drop(of_arguments(&["sh", "-c", &text], &limits));
        }

        #[test]
        fn a_text_in_sh_is_read_as_it_is_alone(text in "[a-z ;|&()'\"$<>{}\n-]{0,24}") {
            let limits = Limits { commands: 1000, ..Limits::default() };
            let alone = commands(&text, &limits);
            let inside = commands(&format!("sh -c -- {}", quoted(&text, 0)), &limits);
            let names = |commands: Vec<Command>| -> Vec<String> {
                commands.into_iter().map(|command| command.resource).collect()
            };
            prop_assert_eq!(alone.map(names).ok(), inside.map(names).ok(), "{}", text);
        }
    }
}
