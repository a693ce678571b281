//! Programs whose options stand before the program that they run: `nice -n 5 ls`.

use super::expansion::Argument;
use super::options::{NO_OPTIONS, Options, options, unclear};
use super::reader::Read;
use super::wrappers::{Launch, Runs};

/// What `program` runs, if it is one of these.
pub(super) fn wrapper(program: &str, arguments: &[Argument]) -> Read<Option<Launch>> {
    let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wrapper.name == program) else {
        return Ok(None);
    };
    if is_query(program, arguments) {
        return Ok(None);
    }
    let scanned = wrapper.options.scan(arguments)?;
    let mut rest = scanned.rest;
    for _ in 0..wrapper.operands {
        match rest.split_first() {
            Some((operand, after)) if !operand.is_unclear() => rest = after,
            Some(_) => return Err(unclear()),
            None => return Ok(None),
        }
    }
    let assigns = if program == "sudo" { take_assigns(&mut rest) } else { Vec::new() };
    // It runs the login shell, which expands variables in the program's arguments.
    let by_shell = ["s", "i", "shell", "login"].iter().any(|option| scanned.has(option));
    if program == "sudo" && by_shell {
        if rest.is_empty() {
            let runs = vec![Runs::Input];
            return Ok(Some(Launch { privileged: true, assigns, ..Launch::shown(runs) }));
        }
        if rest.iter().any(|argument| argument.text.contains('$')) {
            return Err(unclear());
        }
    }
    if rest.is_empty() {
        return Ok(None);
    }
    if program == "time" && scanned.value(&["o", "output"]).is_some() {
        return Err(unclear());
    }
    Ok(Some(Launch {
        runs: vec![Runs::Program(rest.to_vec())],
        shows: wrapper.shows,
        privileged: wrapper.privileged,
        remote: false,
        background: wrapper.background,
        assigns,
    }))
}

/// Whether the arguments ask the program for something else than to run another.
fn is_query(program: &str, arguments: &[Argument]) -> bool {
    let Some(first) = arguments.first().filter(|first| !first.dynamic) else { return false };
    let options: &[&str] = match program {
        "command" => &["-v", "-V"],
        "sudo" => &[
            "-l",
            "-v",
            "-K",
            "-V",
            "-h",
            "--list",
            "--validate",
            "--remove-timestamp",
            "--version",
            "--help",
        ],
        "busybox" | "toybox" => &["--help", "--list", "--list-full", "--install"],
        _ => &["--help", "--version"],
    };
    options.contains(&first.text.as_str()) && (program == "command" || arguments.len() == 1)
}

/// The assignments before the program.
pub(super) fn take_assigns(rest: &mut &[Argument]) -> Vec<String> {
    let mut names = Vec::new();
    while let Some((first, after)) = rest.split_first()
        && !first.opens
        && let Some((name, _)) = first.text.split_once('=')
    {
        names.push(name.to_owned());
        *rest = after;
    }
    names
}

/// A program whose options stand before the program that it runs.
struct Wrapper {
    name: &'static str,
    options: Options,
    /// How many arguments stand between them.
    operands: usize,
    shows: bool,
    privileged: bool,
    background: bool,
}

const PLAIN: Wrapper = Wrapper {
    name: "",
    options: NO_OPTIONS,
    operands: 0,
    shows: false,
    privileged: false,
    background: false,
};

static WRAPPERS: &[Wrapper] = &[
    Wrapper { name: "command", options: options("p", "", &[], &[]), ..PLAIN },
    Wrapper { name: "builtin", ..PLAIN },
    Wrapper { name: "exec", options: options("cl", "a", &[], &[]), ..PLAIN },
    Wrapper { name: "noglob", ..PLAIN },
    Wrapper { name: "nocorrect", ..PLAIN },
    Wrapper { name: "busybox", ..PLAIN },
    Wrapper { name: "toybox", ..PLAIN },
    Wrapper { name: "nohup", background: true, ..PLAIN },
    Wrapper {
        name: "setsid",
        background: true,
        options: options("cfw", "", &["ctty", "fork", "wait"], &[]),
        ..PLAIN
    },
    Wrapper { name: "nice", options: options("0123456789", "n", &[], &["adjustment"]), ..PLAIN },
    Wrapper {
        name: "ionice",
        options: options("t", "cn", &["ignore"], &["class", "classdata"]),
        ..PLAIN
    },
    Wrapper {
        name: "timeout",
        options: options(
            "fpv",
            "ks",
            &["foreground", "preserve-status", "verbose"],
            &["kill-after", "signal"],
        ),
        operands: 1,
        ..PLAIN
    },
    Wrapper {
        name: "time",
        options: options(
            "apqv",
            "fo",
            &["append", "portability", "quiet", "verbose"],
            &["format", "output"],
        ),
        ..PLAIN
    },
    Wrapper {
        name: "stdbuf",
        options: options("", "ioe", &[], &["input", "output", "error"]),
        ..PLAIN
    },
    Wrapper {
        name: "taskset",
        options: options("ac", "", &["all-tasks", "cpu-list"], &[]),
        operands: 1,
        ..PLAIN
    },
    Wrapper { name: "chrt", options: options("abdfioRrv", "DPT", &[], &[]), operands: 1, ..PLAIN },
    Wrapper { name: "repeat", operands: 1, ..PLAIN },
    Wrapper { name: "fakeroot", ..PLAIN },
    Wrapper { name: "linux32", ..PLAIN },
    Wrapper { name: "linux64", ..PLAIN },
    Wrapper { name: "caffeinate", options: options("dimsu", "tw", &[], &[]), ..PLAIN },
    Wrapper { name: "unbuffer", options: options("p", "", &[], &[]), ..PLAIN },
    Wrapper {
        name: "sudo",
        options: options(
            "AbBEHiknNPsS",
            "CDghpRrtTUu",
            &[
                "askpass",
                "background",
                "bell",
                "preserve-env",
                "set-home",
                "login",
                "shell",
                "reset-timestamp",
                "no-update",
                "non-interactive",
                "preserve-groups",
                "stdin",
            ],
            &[
                "close-from",
                "chdir",
                "group",
                "host",
                "prompt",
                "chroot",
                "role",
                "type",
                "command-timeout",
                "other-user",
                "user",
            ],
        ),
        shows: true,
        privileged: true,
        ..PLAIN
    },
    Wrapper {
        name: "doas",
        options: options("n", "Cu", &[], &[]),
        shows: true,
        privileged: true,
        ..PLAIN
    },
    Wrapper {
        name: "pkexec",
        options: options("", "", &["disable-internal-agent", "keep-cwd"], &["user"]),
        shows: true,
        privileged: true,
        ..PLAIN
    },
    Wrapper { name: "gosu", operands: 1, shows: true, privileged: true, ..PLAIN },
    Wrapper { name: "su-exec", operands: 1, shows: true, privileged: true, ..PLAIN },
    Wrapper {
        name: "chroot",
        options: options("", "", &["skip-chdir"], &["groups", "userspec"]),
        operands: 1,
        shows: true,
        privileged: true,
        ..PLAIN
    },
    Wrapper {
        name: "unshare",
        options: options(
            "CTUfimnpruc",
            "GRSw",
            &[
                "cgroup",
                "fork",
                "ipc",
                "map-current-user",
                "map-root-user",
                "mount",
                "mount-proc",
                "net",
                "pid",
                "time",
                "user",
                "uts",
                "kill-child",
            ],
            &[
                "map-group",
                "map-user",
                "propagation",
                "root",
                "setgid",
                "setgroups",
                "setuid",
                "wd",
            ],
        ),
        shows: true,
        privileged: true,
        ..PLAIN
    },
    Wrapper {
        name: "nsenter",
        options: options(
            "CFTUaeimnpruwZ",
            "GSt",
            &[
                "all",
                "cgroup",
                "env",
                "follow-context",
                "ipc",
                "mount",
                "net",
                "no-fork",
                "pid",
                "preserve-credentials",
                "root",
                "time",
                "user",
                "uts",
                "wd",
            ],
            &["setgid", "setuid", "target"],
        ),
        shows: true,
        privileged: true,
        ..PLAIN
    },
];
