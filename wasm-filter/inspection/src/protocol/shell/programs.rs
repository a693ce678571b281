//! What is known of programs by their names and arguments.

use super::expansion::Argument;

/// What a program does besides running.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traits {
    pub(super) network: bool,
    pub(super) privilege_change: bool,
    pub(super) recursive_force_delete: bool,
    pub(super) inline_code: bool,
    /// It runs its input, when that is a script.
    pub(super) interprets: bool,
}

/// What `program` does with these arguments; `within_find` says that it gets the
/// files below a folder.
pub(super) fn traits(program: &str, arguments: &[Argument], within_find: bool) -> Traits {
    let name = program.to_ascii_lowercase();
    let name = name.as_str();
    let interpreter = interpreter(name);
    Traits {
        network: NETWORK.contains(&name),
        privilege_change: changes_privileges(name, arguments),
        recursive_force_delete: deletes(name, arguments, within_find),
        inline_code: LAUNCHERS.contains(&name)
            || ["ld-linux", "ld-musl", "ld.so"].iter().any(|loader| name.starts_with(loader))
            || interpreter.is_some_and(|options| has_inline_code(options, arguments))
            || runs_by_option(name, arguments),
        interprets: interpreter.is_some() && !arguments.iter().any(is_operand),
    }
}

/// Programs that are there to talk to the network.
static NETWORK: &[&str] = &[
    "aria2c",
    "axel",
    "curl",
    "dig",
    "fetch",
    "ftp",
    "host",
    "http",
    "https",
    "httpie",
    "lftp",
    "lwp-request",
    "lynx",
    "nc",
    "ncat",
    "netcat",
    "nmap",
    "nslookup",
    "ping",
    "rsync",
    "scp",
    "sftp",
    "socat",
    "ssh",
    "telnet",
    "tftp",
    "w3m",
    "wget",
    "wget2",
    "xh",
];

/// Programs that run others in ways that are not looked into.
static LAUNCHERS: &[&str] = &[
    "ansible",
    "awk",
    "aws-vault",
    "bundle",
    "bwrap",
    "capsh",
    "chpst",
    "chronic",
    "daemon",
    "daemonize",
    "dbus-run-session",
    "direnv",
    "docker-compose",
    "dotenv",
    "eatmydata",
    "entr",
    "envdir",
    "expect",
    "faketime",
    "firejail",
    "flatpak",
    "gawk",
    "gdb",
    "hyperfine",
    "lldb",
    "ltrace",
    "make",
    "mawk",
    "nawk",
    "nix",
    "nix-shell",
    "numactl",
    "parallel",
    "perf",
    "pipenv",
    "poetry",
    "prlimit",
    "proot",
    "proxychains",
    "rlwrap",
    "runcon",
    "s6-setuidgid",
    "screen",
    "sem",
    "setarch",
    "setpriv",
    "setuidgid",
    "sg",
    "snap",
    "softlimit",
    "start-stop-daemon",
    "strace",
    "systemd-run",
    "tmux",
    "torsocks",
    "ts",
    "tsp",
    "uv",
    "valgrind",
    "xvfb-run",
];

/// The options of an interpreter that have code in them, by the letter; an empty text
/// where its arguments are always code.
fn interpreter(name: &str) -> Option<&'static str> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    Some(match stem {
        "python" | "pypy" | "fish" | "csh" | "tcsh" | "nu" | "elvish" => "c",
        "perl" | "ruby" | "lua" | "luajit" | "julia" | "elixir" | "rscript" | "ghc" | "groovy"
        | "raku" | "osascript" | "swipl" => "eE",
        "node" | "nodejs" | "bun" => "ep",
        "php" => "rBRE",
        "pwsh" | "powershell" => "cCeE",
        "deno" | "tclsh" | "wish" | "erl" | "ghci" | "irb" | "jshell" => "",
        _ => return None,
    })
}

fn has_inline_code(options: &str, arguments: &[Argument]) -> bool {
    if options.is_empty() {
        return !arguments.is_empty();
    }
    arguments.iter().any(|argument| {
        let text = argument.text.as_str();
        let long =
            ["--eval", "--print", "--run", "--command", "-Command", "-EncodedCommand", "eval"];
        argument.is_unclear()
            || long.iter().any(|option| text.starts_with(option))
            || text.strip_prefix('-').is_some_and(|letters| {
                !letters.starts_with('-') && letters.contains(|c| options.contains(c))
            })
    })
}

/// Options by which ordinary programs run others.
fn runs_by_option(name: &str, arguments: &[Argument]) -> bool {
    let options: &[&str] = match name {
        "tar" | "bsdtar" => &[
            "--to-command",
            "--checkpoint-action",
            "-I",
            "--use-compress-program",
            "--rsh-command",
            "-F",
            "--info-script",
            "--new-volume-script",
        ],
        "rsync" => &["-e", "--rsh", "--rsync-path"],
        "ssh" | "scp" | "sftp" => {
            return arguments.iter().any(|argument| {
                let text = argument.text.to_ascii_lowercase();
                let words = ["command=", "command ", "provider", "include", "match"];
                argument.text.starts_with("-F")
                    || (name != "ssh" && argument.text.starts_with("-S"))
                    || words.iter().any(|word| text.contains(word))
            });
        }
        "git" => &[
            "-c",
            "--config-env",
            "--exec-path",
            "--upload-pack",
            "--receive-pack",
            "filter-branch",
            "bisect",
            "submodule",
            "ext::",
            "-x",
            "--exec",
        ],
        "nc" | "ncat" | "netcat" => &["-e", "-c", "--exec", "--sh-exec", "--lua-exec"],
        "socat" => &["EXEC", "SYSTEM", "exec", "system", "SHELL", "shell"],
        "vi" | "vim" | "nvim" | "ex" | "view" | "emacs" => {
            &["-c", "+", "--cmd", "-S", "-s", "--eval", "-f", "-l", "--load"]
        }
        "ed" | "sed" | "gsed" => {
            return name == "ed"
                || !arguments.iter().any(is_operand)
                || arguments.iter().any(runs_in_sed);
        }
        "zip" => &["-T", "-TT", "--unzip-command"],
        "tcpdump" => &["-z"],
        "man" => &["-P", "--pager", "-H", "--html"],
        "less" | "more" => &["+"],
        "mysql" | "psql" | "sqlite3" => &["-e", "-c", "--execute", "--command", "."],
        "sort" => &["--compress-program"],
        "docker" | "podman" | "nerdctl" | "kubectl" | "oc" | "crictl" => {
            return arguments.iter().any(|argument| {
                matches!(argument.text.as_str(), "run" | "create" | "debug" | "build" | "up")
            });
        }
        "split" => &["--filter"],
        "wget" => &["--use-askpass"],
        "openssl" => &["-engine", "-provider"],
        "npx" | "bunx" | "pipx" | "uvx" => return true,
        "pip" | "pip3" | "npm" | "pnpm" | "yarn" | "cargo" | "go" | "gem" => {
            let words = ["install", "i", "add", "run", "exec", "x", "ci", "test", "t", "generate"];
            return arguments.iter().any(|argument| words.contains(&argument.text.as_str()));
        }
        _ => return false,
    };
    arguments.iter().any(|argument| {
        options.iter().any(|option| argument.text.starts_with(option)) || argument.is_unclear()
    })
}

/// Whether an argument of sed could run a program: by `e`, or by `s///e`. `w` writes.
fn runs_in_sed(argument: &Argument) -> bool {
    let text = argument.text.as_str();
    if argument.dynamic || ["--expression", "--file", "-f"].iter().any(|o| text.starts_with(o)) {
        return true;
    }
    let flags = |letters: &str| letters.chars().all(|c| "nErsuzi".contains(c));
    let script = match text.strip_prefix("-e").or(text.strip_prefix('-')) {
        Some(letters) if flags(letters) || text.starts_with("--") => return false,
        Some(script) => script,
        None => text,
    };
    let letter = |c: char| c.is_ascii_alphabetic();
    let mut before = None;
    for character in script.chars() {
        if matches!(character, 'e' | 'w') && !before.is_some_and(letter) {
            return true;
        }
        before = Some(character);
    }
    // The flags of a substitution.
    let flags = script.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    script.starts_with('s') && flags.contains(['e', 'w'])
}

fn deletes(name: &str, arguments: &[Argument], within_find: bool) -> bool {
    let has = |letter: char, words: &[&str]| {
        options(arguments).any(|option| has_letter(option, letter) || is_long(option, words))
    };
    match name {
        "rm" | "srm" | "grm" => {
            let recursive = has('r', &["--recursive"]) || has('R', &[]);
            let force = has('f', &["--force"])
                || options(arguments).any(|option| {
                    option
                        .split_once("=n")
                        .is_some_and(|(long, _)| is_long(long, &["--interactive"]))
                });
            // What is not known may be such options.
            let unclear = options_end(arguments).iter();
            let openings = unclear.clone().filter(|argument| argument.opens).count();
            let splits = unclear.clone().any(|argument| argument.opens && argument.splits);
            (recursive || within_find) && force
                || splits
                || openings > 1
                || (openings > 0 && (recursive || force))
        }
        "find" => arguments.iter().any(|a| a.text == "-delete" || a.splits),
        "shred" | "rimraf" | "wipe" | "trash-empty" | "remove-item" => true,
        "rsync" => options(arguments).any(|option| option.starts_with("--del")),
        "git" => arguments.iter().any(|a| a.text == "clean") && has('f', &["--force"]),
        _ => false,
    }
}

fn changes_privileges(name: &str, arguments: &[Argument]) -> bool {
    match name {
        "sudo" | "su" | "doas" | "pkexec" | "runuser" | "gosu" | "su-exec" | "setpriv"
        | "capsh" | "newgrp" | "sg" | "setcap" | "usermod" | "useradd" | "userdel" | "adduser"
        | "deluser" | "groupadd" | "groupmod" | "groupdel" | "gpasswd" | "passwd" | "chpasswd"
        | "visudo" | "vipw" | "vigr" | "nsenter" | "unshare" | "chroot" | "setfacl" | "chsh"
        | "newusers" | "update-passwd" | "setuidgid" => true,
        "chown" | "chgrp" => arguments.iter().any(|argument| {
            let owner = argument.text.split([':', '.']).next().unwrap_or_default();
            argument.opens
                || matches!(owner, "root" | "0" | "+0")
                || argument.text.ends_with(":root")
        }),
        "chmod" => arguments.iter().any(|argument| argument.opens || sets_id(&argument.text)),
        "install" | "mkdir" => arguments.iter().any(|argument| {
            let mode = argument.text.trim_start_matches("--mode=").trim_start_matches("-m");
            sets_id(mode) && !argument.text.contains(['/', '.'])
        }),
        "find" | "tee" | "dd" | "cp" | "mv" | "ln" | "sed" | "gsed" | "vi" | "vim" | "nano"
        | "ed" | "rsync" | "scp" | "curl" | "wget" | "perl" | "ruby" | "patch" | "truncate"
        | "sponge" => arguments.iter().any(|argument| guards_privileges(&argument.text)),
        _ => false,
    }
}

/// Whether a mode of `chmod` sets the user or the group that a file runs as.
fn sets_id(mode: &str) -> bool {
    if !mode.is_empty() && mode.chars().all(|c| c.is_digit(8)) {
        let mode = u32::from_str_radix(mode, 8).unwrap_or(u32::MAX);
        return mode & 0o6000 != 0;
    }
    mode.split(',').any(|clause| {
        let permissions = clause.trim_start_matches(['u', 'g', 'o', 'a']);
        permissions.len() < clause.len().saturating_add(1)
            && permissions.starts_with(['+', '=', '-'])
            && permissions.chars().all(|c| "+-=rwxXstugo01234567".contains(c))
            && permissions.contains(['s', '2', '3', '4', '6'])
            && permissions.contains(['+', '='])
    })
}

/// Whether a file decides who may do what.
pub(super) fn guards_privileges(path: &str) -> bool {
    let folders = ["/etc/sudoers", "/etc/pam.d", "/etc/security", "/etc/polkit-1", "/etc/cron"];
    let files = [
        "/etc/passwd",
        "/etc/shadow",
        "/etc/group",
        "/etc/gshadow",
        "/etc/ld.so.preload",
        "/etc/doas.conf",
        "authorized_keys",
    ];
    let path = normal(path);
    folders.iter().chain(&files).any(|guarded| path.contains(guarded))
}

/// The path without `//`, `.` and `..`.
pub(super) fn normal(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
        if name == ".." {
            names.pop();
        } else {
            names.push(name);
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    root.to_owned() + &names.join("/")
}

/// Whether setting the variable changes which programs run, or what they load.
pub(super) fn alters_execution(variable: &str) -> bool {
    let prefixes = ["LD_", "DYLD_", "BASH_", "GIT_", "PYTHON", "PERL", "RUBY", "NODE_", "GCONV_"];
    let names = [
        "PATH",
        "IFS",
        "ENV",
        "SHELL",
        "SHELLOPTS",
        "BASHOPTS",
        "PAGER",
        "MANPAGER",
        "EDITOR",
        "VISUAL",
        "BROWSER",
        "LESSOPEN",
        "LESSCLOSE",
        "PS0",
        "PS1",
        "PS2",
        "PS4",
        "PROMPT_COMMAND",
        "CDPATH",
        "HOME",
        "ZDOTDIR",
        "FPATH",
        "JAVA_TOOL_OPTIONS",
        "_JAVA_OPTIONS",
        "CLASSPATH",
        "MAKEFLAGS",
        "CC",
        "CXX",
        "TAR_OPTIONS",
        "RSYNC_RSH",
        "SUDO_ASKPASS",
        "SSH_ASKPASS",
        "PHPRC",
        "LUA_INIT",
        "LUA_PATH",
        "path",
        "GLIBC_TUNABLES",
        "TERMINFO",
        "LOCPATH",
    ];
    names.contains(&variable) || prefixes.iter().any(|prefix| variable.starts_with(prefix))
}

fn is_operand(argument: &Argument) -> bool {
    argument.text == "-" && argument.dynamic || !argument.text.starts_with('-')
}

/// The arguments before `--`.
fn options_end(arguments: &[Argument]) -> &[Argument] {
    let end = arguments.iter().position(|argument| argument.text == "--" && !argument.dynamic);
    arguments.get(..end.unwrap_or(arguments.len())).unwrap_or_default()
}

/// The options, which may stand between the operands.
fn options(arguments: &[Argument]) -> impl Iterator<Item = &str> {
    let options = options_end(arguments).iter().map(|argument| argument.text.as_str());
    options.filter(|text| text.starts_with('-') && text.len() > 1)
}

fn has_letter(option: &str, letter: char) -> bool {
    !option.starts_with("--") && option.contains(letter)
}

/// Whether it is one of these long options, which may be cut short.
fn is_long(option: &str, words: &[&str]) -> bool {
    option.starts_with("--")
        && option.len() > 2
        && words.iter().any(|word| word.starts_with(option))
}
