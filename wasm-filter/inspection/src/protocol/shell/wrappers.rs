//! Programs that run another program, or text as a shell, as their arguments say.

use super::expansion::Argument;
use super::options::{Scanned, options, unclear};
use super::prefixes::{take_assigns, wrapper};
use super::reader::{Read, undecidable};

/// What a program runs.
#[derive(Debug)]
pub(super) enum Runs {
    /// A program with its arguments.
    Program(Vec<Argument>),
    /// A text, as a shell reads it.
    Text(Argument),
    /// A script from its input.
    Input,
    /// A script in a file.
    File(Argument),
}

/// A program that runs what is in its arguments.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Default)]
pub(super) struct Launch {
    pub(super) runs: Vec<Runs>,
    /// It does something of its own, so it is a command, too.
    pub(super) shows: bool,
    pub(super) privileged: bool,
    pub(super) remote: bool,
    pub(super) background: bool,
    /// Variables that it sets.
    pub(super) assigns: Vec<String>,
}

impl Launch {
    pub(super) fn of(runs: Runs) -> Self {
        Self { runs: vec![runs], ..Self::default() }
    }

    pub(super) fn shown(runs: Vec<Runs>) -> Self {
        Self { runs, shows: true, ..Self::default() }
    }
}

/// What `program` runs when it is not, or not only, itself.
pub(super) fn launch(program: &str, arguments: &[Argument]) -> Read<Option<Launch>> {
    match program {
        "sh" | "bash" | "dash" | "zsh" | "ksh" | "ksh93" | "mksh" | "ash" | "rbash" => {
            shell(arguments).map(Some)
        }
        "eval" => Ok(eval(arguments)),
        "." | "source" => Ok(Some(source(arguments))),
        "trap" => trap(arguments),
        "env" => env(arguments),
        "xargs" => xargs(arguments).map(Some),
        "find" => find(arguments).map(Some),
        "su" | "runuser" => switch_user(program, arguments).map(Some),
        "ssh" => ssh(arguments).map(Some),
        "docker" | "podman" | "nerdctl" => container(arguments),
        "kubectl" | "oc" => cluster(arguments),
        "watch" => watch(arguments),
        "script" => script(arguments),
        "flock" => flock(arguments),
        "at" | "batch" => Ok(Some(Launch { background: true, ..Launch::of(Runs::Input) })),
        "crontab" => Ok(Some(crontab(arguments))),
        "parallel" => Ok(Some(Launch::shown(vec![Runs::File(Argument::default())]))),
        _ => wrapper(program, arguments),
    }
}

fn shell(arguments: &[Argument]) -> Read<Launch> {
    let mut takes_text = false;
    let mut reads_input = false;
    let mut rest = arguments;
    while let Some((argument, after)) = rest.split_first() {
        if argument.is_unclear() {
            break;
        }
        let text = argument.text.as_str();
        if !text.starts_with(['-', '+']) {
            break;
        }
        rest = after;
        match text {
            "-" | "--" => break,
            "--login" | "--posix" | "--norc" | "--noprofile" | "--restricted" | "--verbose"
            | "--noediting" | "--debugger" => continue,
            _ => {}
        }
        let letters = text.get(1..).unwrap_or_default();
        if !letters.chars().all(|letter| letter.is_ascii_alphabetic()) {
            return Err(unclear());
        }
        takes_text |= text.starts_with('-') && letters.contains('c');
        reads_input |= letters.contains('s');
        let values = letters.chars().filter(|letter| matches!(letter, 'o' | 'O')).count();
        rest = rest.get(values..).unwrap_or_default();
    }
    match rest.split_first() {
        Some((text, _)) if takes_text => Ok(Launch::of(Runs::Text(text.clone()))),
        None if takes_text => Err(undecidable("a shell without its text")),
        Some((file, _)) if !reads_input => Ok(Launch::of(Runs::File(file.clone()))),
        _ => Ok(Launch::of(Runs::Input)),
    }
}

fn eval(arguments: &[Argument]) -> Option<Launch> {
    let arguments = match arguments.split_first() {
        Some((first, after)) if first.text == "--" => after,
        _ => arguments,
    };
    (!arguments.is_empty()).then(|| Launch::of(Runs::Text(joined(arguments))))
}

/// The arguments as the words of one text.
fn joined(arguments: &[Argument]) -> Argument {
    let texts: Vec<&str> = arguments.iter().map(|argument| argument.text.as_str()).collect();
    Argument {
        text: texts.join(" "),
        dynamic: arguments.iter().any(|argument| argument.dynamic),
        output: arguments.iter().all(|argument| !argument.dynamic || argument.output),
        ..Argument::default()
    }
}

fn source(arguments: &[Argument]) -> Launch {
    Launch::of(Runs::File(arguments.first().cloned().unwrap_or_default()))
}

fn trap(arguments: &[Argument]) -> Read<Option<Launch>> {
    let rest = match arguments.split_first() {
        Some((first, after)) if first.text == "--" => after,
        _ => arguments,
    };
    match rest.split_first() {
        None => Ok(None),
        Some((first, _)) if first.is_unclear() => Err(unclear()),
        Some((first, after)) => {
            let resets = after.is_empty() || matches!(first.text.as_str(), "" | "-" | "-l" | "-p");
            Ok((!resets).then(|| Launch::shown(vec![Runs::Text(first.clone())])))
        }
    }
}

fn env(arguments: &[Argument]) -> Read<Option<Launch>> {
    let options = options(
        "i0v",
        "uCSPa",
        &["ignore-environment", "null", "debug", "block-signal", "default-signal", "ignore-signal"],
        &["unset", "chdir", "split-string", "argv0"],
    );
    let scanned = options.scan(arguments)?;
    let mut rest = scanned.rest;
    if rest.first().is_some_and(|first| first.text == "-") {
        rest = rest.get(1..).unwrap_or_default();
    }
    let mut words: Vec<Argument> = Vec::new();
    if let Some(text) = scanned.value(&["S", "split-string"]) {
        // It has quotes and variables of its own.
        let is_plain = !text.dynamic && !text.text.contains(['\\', '"', '\'', '$', '#']);
        if !is_plain || scanned.found.iter().filter(|(name, _)| is_split(name)).count() > 1 {
            return Err(unclear());
        }
        words.extend(text.text.split_ascii_whitespace().map(Argument::literal));
    }
    words.extend_from_slice(rest);
    if words.first().is_some_and(|first| first.text.starts_with('-') && first.text != "-") {
        return Err(unclear());
    }
    let mut rest = words.as_slice();
    let assigns = take_assigns(&mut rest);
    if rest.is_empty() {
        return Ok(None);
    }
    Ok(Some(Launch { assigns, ..Launch::of(Runs::Program(rest.to_vec())) }))
}

fn is_split(name: &str) -> bool {
    matches!(name, "S" | "split-string")
}

fn xargs(arguments: &[Argument]) -> Read<Launch> {
    let options = options(
        "0rtpxo",
        "aEILnPsd",
        &[
            "null",
            "no-run-if-empty",
            "verbose",
            "interactive",
            "exit",
            "open-tty",
            "replace",
            "eof",
            "max-lines",
        ],
        &["arg-file", "delimiter", "max-args", "max-procs", "max-chars", "process-slot-var"],
    );
    // These take a value only where it is attached.
    let attached = |argument: &Argument| {
        ["-i", "-e", "-l"].iter().any(|option| argument.text.starts_with(option))
    };
    if arguments.iter().take_while(|argument| argument.text.starts_with('-')).any(attached) {
        return Err(unclear());
    }
    let scanned = options.scan(arguments)?;
    let replaced = match scanned.value(&["I", "replace"]) {
        Some(text) => Some(text.text.clone()),
        None => scanned.has("replace").then(|| "{}".to_owned()),
    };
    let mut program = scanned.rest.to_vec();
    if program.is_empty() {
        program.push(Argument::literal("echo"));
    }
    match replaced {
        Some(text) => program.iter_mut().for_each(|argument| fill(argument, &text, false)),
        None => program.push(Argument {
            text: "…".to_owned(),
            dynamic: true,
            splits: true,
            opens: true,
            ..Argument::default()
        }),
    }
    Ok(Launch::of(Runs::Program(program)))
}

/// Where `placeholder` stands, something else will.
fn fill(argument: &mut Argument, placeholder: &str, is_path: bool) {
    if placeholder.is_empty() || argument.text.contains(placeholder) {
        argument.dynamic = true;
        argument.output = false;
        argument.tail = argument.text.len();
        argument.opens |= !is_path && argument.text.starts_with(placeholder);
    }
}

fn find(arguments: &[Argument]) -> Read<Launch> {
    let mut launch = Launch { shows: true, ..Launch::default() };
    let mut rest = arguments;
    while let Some((argument, after)) = rest.split_first() {
        rest = after;
        if !matches!(argument.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir") {
            continue;
        }
        let end = rest.iter().position(|argument| argument.text == ";");
        let many = rest.windows(2).position(
            |pair| matches!(pair, [files, plus] if files.text == "{}" && plus.text == "+"),
        );
        let many = many.map(|at| at.saturating_add(1));
        let end = match (end, many) {
            (Some(one), Some(many)) => one.min(many),
            (one, many) => one.or(many).ok_or_else(unclear)?,
        };
        let mut program = rest.get(..end).unwrap_or_default().to_vec();
        rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
        for argument in &mut program {
            fill(argument, "{}", true);
        }
        launch.runs.push(Runs::Program(program));
    }
    Ok(launch)
}

fn switch_user(program: &str, arguments: &[Argument]) -> Read<Launch> {
    let options = options(
        "lmpPf-",
        "cgGswu",
        &["login", "preserve-environment", "pty", "fast"],
        &[
            "command",
            "session-command",
            "group",
            "supp-group",
            "shell",
            "whitelist-environment",
            "user",
        ],
    );
    let mut launch = Launch { shows: true, privileged: true, ..Launch::default() };
    let mut text = None;
    let mut rest = arguments;
    let mut operands = Vec::new();
    // The options may stand after the user, too.
    loop {
        let Scanned { found, rest: after } = options.scan(rest)?;
        if program == "runuser"
            && found.iter().any(|(name, _)| matches!(name.as_str(), "u" | "user"))
        {
            launch.runs.push(Runs::Program(after.to_vec()));
            return Ok(launch);
        }
        for (name, value) in found {
            if matches!(name.as_str(), "c" | "command" | "session-command") {
                text = value;
            }
        }
        let Some((operand, after)) = after.split_first() else { break };
        operands.push(operand);
        rest = after;
    }
    launch.runs.push(if let Some(text) = text {
        Runs::Text(text)
    } else {
        // `su - user file`.
        let mut operands = operands.into_iter().filter(|operand| operand.text != "-").skip(1);
        operands.next().map_or(Runs::Input, |file| Runs::File(file.clone()))
    });
    Ok(launch)
}

fn ssh(arguments: &[Argument]) -> Read<Launch> {
    let options = options("46AaCfGgKkMNnqsTtVvXxYy", "BbcDEeFIiJLlmOoPpQRSWw", &[], &[]);
    let mut launch = Launch { shows: true, remote: true, ..Launch::default() };
    let scanned = options.scan(arguments)?;
    let Some((host, after)) = scanned.rest.split_first() else { return Ok(launch) };
    if host.is_unclear() {
        return Err(unclear());
    }
    // Options may stand after the host, too.
    let after = options.scan(after)?.rest;
    launch.runs.push(if after.is_empty() { Runs::Input } else { Runs::Text(joined(after)) });
    Ok(launch)
}

fn container(arguments: &[Argument]) -> Read<Option<Launch>> {
    let mut rest = arguments;
    let is = |argument: Option<&Argument>, text: &str| argument.is_some_and(|a| a.text == text);
    if is(rest.first(), "container") || is(rest.first(), "compose") {
        rest = rest.get(1..).unwrap_or_default();
    }
    if !is(rest.first(), "exec") {
        // Another place for the word, after options that are not known here.
        let hides = arguments.iter().any(|argument| argument.text == "exec" || argument.splits);
        return if hides { Err(unclear()) } else { Ok(None) };
    }
    let options = options(
        "ditTq",
        "euwl",
        &["detach", "interactive", "tty", "privileged", "no-TTY", "latest"],
        &["env", "env-file", "user", "workdir", "detach-keys", "index", "preserve-fds"],
    );
    let scanned = options.scan(rest.get(1..).unwrap_or_default())?;
    let Some((name, program)) = scanned.rest.split_first() else { return Ok(None) };
    if name.is_unclear() {
        return Err(unclear());
    }
    let privileged = scanned.has("privileged") || scanned.has("u") || scanned.has("user");
    let runs = vec![Runs::Program(program.to_vec())];
    Ok(Some(Launch { remote: true, privileged, ..Launch::shown(runs) }))
}

fn cluster(arguments: &[Argument]) -> Read<Option<Launch>> {
    let end = arguments.iter().position(|argument| argument.text == "--");
    let before = arguments.get(..end.unwrap_or(arguments.len())).unwrap_or_default();
    let runs = before.iter().any(|argument| {
        argument.splits || matches!(argument.text.as_str(), "exec" | "debug" | "run" | "rsh")
    });
    match end {
        Some(end) if runs => {
            let program = arguments.get(end.saturating_add(1)..).unwrap_or_default().to_vec();
            Ok(Some(Launch { remote: true, ..Launch::shown(vec![Runs::Program(program)]) }))
        }
        None if before.iter().any(|argument| argument.text == "exec") => Err(unclear()),
        _ => Ok(None),
    }
}

fn watch(arguments: &[Argument]) -> Read<Option<Launch>> {
    let options = options(
        "bcCdegprtwx",
        "nq",
        &[
            "beep",
            "color",
            "no-color",
            "errexit",
            "chgexit",
            "precise",
            "no-title",
            "no-wrap",
            "differences",
            "exec",
        ],
        &["interval", "equexit"],
    );
    let scanned = options.scan(arguments)?;
    if scanned.rest.is_empty() {
        return Ok(None);
    }
    Ok(Some(Launch::of(if scanned.has("x") || scanned.has("exec") {
        Runs::Program(scanned.rest.to_vec())
    } else {
        Runs::Text(joined(scanned.rest))
    })))
}

fn script(arguments: &[Argument]) -> Read<Option<Launch>> {
    let options = options(
        "aefq",
        "cBEIImOoTt",
        &["append", "return", "flush", "force", "quiet"],
        &[
            "command",
            "echo",
            "log-in",
            "log-io",
            "log-out",
            "log-timing",
            "logging-format",
            "output-limit",
        ],
    );
    let scanned = options.scan(arguments)?;
    let launch = match scanned.value(&["c", "command"]) {
        Some(text) => Launch::shown(vec![Runs::Text(text.clone())]),
        // BSD's has the program after the file.
        None if scanned.rest.len() > 1 => {
            let program = scanned.rest.get(1..).unwrap_or_default().to_vec();
            Launch::shown(vec![Runs::Program(program)])
        }
        None => Launch::shown(vec![Runs::Input]),
    };
    Ok(Some(launch))
}

fn flock(arguments: &[Argument]) -> Read<Option<Launch>> {
    let options = options(
        "sxenuoFv",
        "wE",
        &["shared", "exclusive", "unlock", "nonblock", "close", "no-fork", "verbose"],
        &["timeout", "wait", "conflict-exit-code"],
    );
    let scanned = options.scan(arguments)?;
    let Some((file, rest)) = scanned.rest.split_first() else { return Ok(None) };
    if file.is_unclear() {
        return Err(unclear());
    }
    match rest.split_first() {
        None => Ok(None),
        Some((option, after)) if matches!(option.text.as_str(), "-c" | "--command") => {
            let text = after.first().ok_or_else(unclear)?;
            Ok(Some(Launch::shown(vec![Runs::Text(text.clone())])))
        }
        Some(_) => Ok(Some(Launch::shown(vec![Runs::Program(rest.to_vec())]))),
    }
}

fn crontab(arguments: &[Argument]) -> Launch {
    let lists = arguments.iter().any(|argument| matches!(argument.text.as_str(), "-l" | "-r"));
    if lists {
        return Launch::shown(Vec::new());
    }
    // The lines of a table have times before their commands.
    Launch::shown(vec![Runs::File(arguments.last().cloned().unwrap_or_default())])
}
