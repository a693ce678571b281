//! Shell command lines.

use super::AttributeKind::{Bool, Text, TextSet};
use super::{ActionGroup, ActionSpec, Family, ResourceKind, optional, required};

/// Attributes of these commands.
pub(super) static SHELL: Family = Family {
    name: "shell",
    attributes: &[
        required("program", Text, "The program, without its folder; empty where none is run."),
        optional("path", Text, "The program as it is written, where that has a folder."),
        required(
            "arguments",
            TextSet,
            "Its arguments, without quotes. A part that only the shell can know stands there as it \
             is written: `$HOME`, `$(…)`, `*.log`.",
        ),
        required(
            "command_line",
            Text,
            "Program and arguments in their order, quoted where the shell needs it.",
        ),
        required(
            "dynamic",
            Bool,
            "Whether some argument, variable or file depends on more than the text.",
        ),
        required("assigns", TextSet, "The variables that are set for it, or that it sets."),
        required("reads_files", TextSet, "The files that its input is redirected from."),
        required("writes_files", TextSet, "The files that its output is redirected to."),
        required("appends_files", TextSet, "Those of `writes_files` that are only appended to."),
        required(
            "via",
            TextSet,
            "The programs that it is run by, such as `sudo`, `env`, `sh`, `xargs`, `ssh`.",
        ),
        required(
            "unknown_script",
            Bool,
            "Whether it runs a script that the text does not show: a shell that reads a pipe or a \
             file.",
        ),
        required(
            "fetch_piped_to_shell",
            Bool,
            "Whether that script comes from the network: `curl … | sh`.",
        ),
        required(
            "inline_code",
            Bool,
            "Whether its arguments have code of another language, or a program that it would run \
             and that is not looked for: `python -c`, `awk`, `docker run`.",
        ),
        required(
            "recursive_force_delete",
            Bool,
            "Whether it deletes folders without asking, or may: `rm -rf`, `find -delete`, `shred`.",
        ),
        required(
            "privilege_change",
            Bool,
            "Whether it runs as another user or changes who may do what: `sudo`, `chmod u+s`, \
             `chown root`, `usermod`, a write to `/etc/sudoers`.",
        ),
        required(
            "alters_execution",
            Bool,
            "Whether it sets a variable that changes which programs run or what they load: `PATH`, \
             `LD_PRELOAD`, `BASH_ENV`, `IFS`.",
        ),
        required(
            "network",
            Bool,
            "Whether it is a program that is there to talk to the network, or a redirection to \
             `/dev/tcp`.",
        ),
        required("remote", Bool, "Whether it runs elsewhere: through `ssh` or in a container."),
        required("background", Bool, "Whether it goes on in the background."),
    ],
};

/// The groups of these actions.
pub(super) static GROUPS: &[ActionGroup] = &[];

/// The actions.
pub(super) static ACTIONS: &[ActionSpec] = &[EXEC, ASSIGN, REDIRECT];

const EXEC: ActionSpec = shell("shell:exec", "Runs a program, a function or a builtin.");
const ASSIGN: ActionSpec = shell("shell:assign", "Sets variables for what comes after.");
const REDIRECT: ActionSpec =
    shell("shell:redirect", "Opens files for no program, or for a group of commands.");

/// The row of `shell:exec`.
pub(crate) static SHELL_EXEC: ActionSpec = EXEC;
/// The row of `shell:assign`.
pub(crate) static SHELL_ASSIGN: ActionSpec = ASSIGN;
/// The row of `shell:redirect`.
pub(crate) static SHELL_REDIRECT: ActionSpec = REDIRECT;

const fn shell(name: &'static str, doc: &'static str) -> ActionSpec {
    ActionSpec { name, parents: &["write"], resource: ResourceKind::Program, family: &SHELL, doc }
}
