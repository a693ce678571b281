//! What surrounds a command: who runs it, with which variables, files and input.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::expansion::Argument;
use super::programs::{self, Traits};
use super::syntax::{Operator, Redirect, Target};
use super::wrappers::Runs;

/// What surrounds a command.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    /// The programs that run it.
    pub(super) via: Rc<BTreeSet<String>>,
    /// The variables that are set for it.
    pub(super) assigns: Rc<BTreeSet<String>>,
    pub(super) files: Rc<Files>,
    pub(super) input: Input,
    pub(super) privileged: bool,
    pub(super) remote: bool,
    pub(super) background: bool,
    /// A value or a file is not known.
    pub(super) dynamic: bool,
    /// A substitution in its words talks to the network.
    pub(super) fetches: bool,
    /// It runs once, in the shell that reads the text, whatever came before.
    pub(super) certain: bool,
}

/// Where its input comes from.
#[derive(Clone, Debug, Default)]
pub(super) struct Input {
    /// The input itself.
    pub(super) text: Option<Rc<str>>,
    /// Something before it in the pipeline talks to the network.
    pub(super) fetched: bool,
    /// It is a pipe or a file.
    pub(super) redirected: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    pub(super) reads: BTreeSet<String>,
    pub(super) writes: BTreeSet<String>,
    pub(super) appends: BTreeSet<String>,
}

impl Files {
    pub(super) fn are_none(&self) -> bool {
        self.reads.is_empty() && self.writes.is_empty()
    }
}

/// What is known of a script that the text does not show.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hidden {
    pub(super) unknown: bool,
    pub(super) fetched: bool,
}

/// What is true of a command, by its program and by what surrounds it.
pub(super) struct Judged {
    pub(super) of_program: Traits,
    pub(super) unknown_script: bool,
    pub(super) fetched: bool,
}

impl Context {
    pub(super) fn traits(&self, program: &str, arguments: &[Argument], script: Hidden) -> Judged {
        let within_find = self.via.contains("find") || self.via.contains("xargs");
        let mut traits = programs::traits(program, arguments, within_find);
        let interprets = traits.interprets && self.input.redirected;
        traits.inline_code |= interprets && self.input.text.is_some();
        traits.privilege_change |= self.privileged
            || self.files.writes.iter().any(|file| programs::guards_privileges(file));
        traits.network |= (self.files.reads.iter().chain(&self.files.writes))
            .any(|file| file.starts_with("/dev/tcp/") || file.starts_with("/dev/udp/"));
        Judged {
            of_program: traits,
            unknown_script: script.unknown || (interprets && self.input.text.is_none()),
            fetched: script.fetched || (interprets && self.input.fetched),
        }
    }

    /// Whether a variable changes what is run; how `read` splits a line does not.
    pub(super) fn alters_execution(&self, program: &str) -> bool {
        let reads = |name: &str| name == "IFS" && program == "read";
        self.assigns.iter().any(|name| programs::alters_execution(name) && !reads(name))
    }

    /// What is known of a script that the text does not show.
    pub(super) fn hides(&self, runs: &Runs) -> Option<Hidden> {
        let fetched = match runs {
            Runs::Input if self.input.text.is_some() => return None,
            Runs::Input => self.input.fetched,
            Runs::File(file) if file.process => self.fetches,
            Runs::File(file) => {
                ["/dev/", "/proc/"].iter().any(|folder| file.text.starts_with(folder))
                    && self.input.fetched
            }
            // `sh -c "$(curl …)"` is the same as `curl … | sh`.
            Runs::Text(text) if text.dynamic && text.output && self.fetches => true,
            Runs::Text(_) | Runs::Program(_) => return None,
        };
        Some(Hidden { unknown: true, fetched })
    }

    pub(super) fn redirect(&mut self, redirect: &Redirect, target: Argument) {
        let descriptor = redirect.descriptor.as_deref();
        let to_input = match redirect.operator {
            Operator::Write | Operator::Append | Operator::Duplicate => {
                is_input(descriptor.unwrap_or("1"))
            }
            _ => is_input(descriptor.unwrap_or("0")),
        };
        if to_input {
            let fetched = self.input.fetched || target.process && self.fetches;
            let fetched = fetched || target.text.starts_with("/dev/tcp/");
            self.input = Input { text: None, fetched, redirected: true };
        }
        if redirect.operator == Operator::Text {
            if to_input && !target.dynamic {
                let newline = matches!(redirect.target, Target::Word(_));
                let mut text = target.text;
                text.push_str(if newline { "\n" } else { "" });
                self.input.text = Some(text.into());
            }
            return;
        }
        self.dynamic |= target.dynamic;
        let guarded = programs::normal(&target.text).starts_with("/etc");
        self.privileged |= target.dynamic && guarded && redirect.operator != Operator::Read;
        let file = target.text;
        let files = Rc::make_mut(&mut self.files);
        match redirect.operator {
            Operator::Read => drop(files.reads.insert(file)),
            Operator::ReadWrite => {
                files.reads.insert(file.clone());
                files.writes.insert(file);
            }
            Operator::Write => drop(files.writes.insert(file)),
            Operator::Append => {
                files.appends.insert(file.clone());
                files.writes.insert(file);
            }
            Operator::Duplicate | Operator::DuplicateInput | Operator::Text => {}
        }
    }
}

/// Whether it is the number of the standard input.
fn is_input(descriptor: &str) -> bool {
    descriptor.trim_start_matches('0').is_empty()
}
