//! From the syntax tree to commands: what is run, by whom, with which files.

use std::rc::Rc;

use serde_json::Value;

use super::context::{Context, Hidden, Input};
use super::expansion::{self, Argument, Values};
use super::output;
use super::reader::{Budget, Notes, Read, Reader, undecidable};
use super::redefinition::{check_assign, refuse_redefinition};
use super::simple::{ASSIGNING, DECLARING};
use super::syntax::{
    Assign, Compound, Here, Operator, Pipeline, Redirect, Script, Simple, Stage, Target,
};
use super::wrappers::{self, Launch, Runs};
use crate::facts::{Action, Attributes, Command, Unparsed, UnparsedCode};
use crate::plan::Limits;
use crate::vocabulary::{SHELL_ASSIGN, SHELL_EXEC, SHELL_REDIRECT};

/// One text: its here-documents, and the variables that it sets.
struct Scope<'s> {
    heredocs: &'s [Here],
    notes: &'s Notes,
    values: Values,
}

pub(super) struct Walker<'l> {
    limits: &'l Limits,
    pub(super) budget: Budget,
    pub(super) commands: Vec<Command>,
    /// A function was defined, which may stand for any program.
    functions: bool,
}

impl<'l> Walker<'l> {
    pub(super) fn new(bytes: usize, limits: &'l Limits) -> Self {
        Self {
            limits,
            budget: Budget::new(bytes, limits.depth),
            commands: Vec::new(),
            functions: false,
        }
    }

    /// The commands of a text that a shell reads.
    pub(super) fn text(&mut self, text: &str, context: Context) -> Read<()> {
        if text.contains('\0') {
            return Err(undecidable("a zero byte"));
        }
        self.budget.enter()?;
        let mut reader = Reader::new(text, &mut self.budget);
        let script = reader.script_to_end()?;
        let (heredocs, notes) = reader.into_parts();
        // The bracket may be the result of an escape, too.
        let subscripts = text.contains('[') || text.contains("$'");
        if notes.evaluates && notes.loaded && subscripts {
            return Err(undecidable("a text that runs commands when it is evaluated as a number"));
        }
        self.functions |= notes.functions;
        let mut scope = Scope { heredocs: &heredocs, notes: &notes, values: Values::new() };
        self.script(&script, &mut scope, &Context { certain: true, ..context })?;
        self.budget.leave();
        Ok(())
    }

    fn script(&mut self, script: &Script, scope: &mut Scope<'_>, context: &Context) -> Read<()> {
        for pipeline in script {
            self.pipeline(pipeline, scope, context)?;
        }
        Ok(())
    }

    fn pipeline(
        &mut self,
        pipeline: &Pipeline,
        scope: &mut Scope<'_>,
        context: &Context,
    ) -> Read<()> {
        let alone = pipeline.stages.len() == 1 && !pipeline.background;
        let mut input = context.input.clone();
        for stage in &pipeline.stages {
            let mut context = Context { input, ..context.clone() };
            context.background |= pipeline.background;
            context.certain &= pipeline.certain && alone;
            let fetched = context.input.fetched;
            let first = self.commands.len();
            let text = match stage {
                Stage::Simple(simple) => self.simple(simple, scope, context)?,
                Stage::Compound(compound) => {
                    self.compound(compound, scope, context)?;
                    None
                }
            };
            let fetched = fetched || self.talks_since(first);
            input = Input { text: text.map(Rc::from), fetched, redirected: true };
        }
        Ok(())
    }

    /// Whether a command from the one at `first` on talks to the network.
    fn talks_since(&self, first: usize) -> bool {
        let mut commands = self.commands.iter().skip(first);
        commands.any(|command| command.attributes.get("network") == Some(&Value::Bool(true)))
    }

    fn compound(
        &mut self,
        compound: &Compound,
        scope: &mut Scope<'_>,
        mut context: Context,
    ) -> Read<()> {
        self.budget.enter()?;
        context.background |= compound.background;
        context.certain = false;
        // Any of its commands may take a part of the input.
        context.input.text = None;
        self.nested(&compound.nested, scope, &context)?;
        self.redirects(&compound.redirects, scope, &mut context)?;
        context.input.text = None;
        self.emit_files(&mut context)?;
        if let Some(words) = &compound.test {
            let words = words.iter().map(|word| expansion::single(word, &scope.values));
            let words: Vec<Argument> = words.collect();
            self.emit_program("[[", &words, &context, Hidden::default())?;
        }
        for body in &compound.bodies {
            self.script(body, scope, &context)?;
        }
        self.budget.leave();
        Ok(())
    }

    /// The substitutions in words.
    fn nested(&mut self, scripts: &[Script], scope: &mut Scope<'_>, context: &Context) -> Read<()> {
        for script in scripts {
            let mut context = Context { certain: false, ..context.clone() };
            context.input.text = None;
            self.script(script, scope, &context)?;
        }
        Ok(())
    }

    /// A simple command; what it writes, where that is known.
    fn simple(
        &mut self,
        simple: &Simple,
        scope: &mut Scope<'_>,
        mut context: Context,
    ) -> Read<Option<String>> {
        context.background |= simple.background;
        let first = self.commands.len();
        self.nested(&simple.nested, scope, &context)?;
        context.fetches = self.talks_since(first);
        self.redirects(&simple.redirects, scope, &mut context)?;
        let mut arguments = Vec::new();
        for word in &simple.words {
            let before = arguments.len();
            expansion::arguments(word, &scope.values, &mut self.budget, &mut arguments)?;
            let made = arguments.get(before..).unwrap_or_default();
            let assigns = |a: &Argument| ASSIGNING.contains(&a.text.as_str());
            if word.literal().is_none() && made.iter().any(assigns) {
                return Err(undecidable("a builtin whose name the shell puts together"));
            }
        }
        if arguments.is_empty() {
            self.assign(&simple.assigns, scope, context)?;
            return Ok(None);
        }
        for assign in &simple.assigns {
            let value = assign.value.as_ref().map(|value| expansion::single(value, &scope.values));
            check_assign(&assign.name, value.as_ref())?;
            context.dynamic |= value.is_none_or(|value| value.dynamic);
            Rc::make_mut(&mut context.assigns).insert(assign.name.clone());
        }
        self.invoke(&arguments, context)
    }

    /// A command without a program.
    fn assign(
        &mut self,
        assigns: &[Assign],
        scope: &mut Scope<'_>,
        mut context: Context,
    ) -> Read<()> {
        if assigns.is_empty() {
            return self.emit_files(&mut context);
        }
        for assign in assigns {
            let value = assign.value.as_ref().map(|value| expansion::single(value, &scope.values));
            check_assign(&assign.name, value.as_ref())?;
            Rc::make_mut(&mut context.assigns).insert(assign.name.clone());
            match value.filter(|value| !value.dynamic) {
                Some(value) => {
                    let once = scope.notes.names.get(&assign.name) == Some(&1);
                    if context.certain && once && scope.keeps(&assign.name) {
                        scope.values.insert(assign.name.clone(), value.text);
                    }
                }
                None => context.dynamic = true,
            }
        }
        self.emit(Action::of(&SHELL_ASSIGN), "", &[], &context, Hidden::default())
    }

    fn redirects(
        &mut self,
        redirects: &[Redirect],
        scope: &mut Scope<'_>,
        context: &mut Context,
    ) -> Read<()> {
        for redirect in redirects {
            let target = match &redirect.target {
                Target::Here(index) => {
                    let here = scope.heredocs.get(*index);
                    let here = here.ok_or_else(|| undecidable("a here-document is missing"))?;
                    let first = self.commands.len();
                    self.nested(&here.nested, scope, context)?;
                    context.input.fetched |= self.talks_since(first);
                    expansion::single(&here.body, &scope.values)
                }
                Target::Word(word) if redirect.operator == Operator::Text => {
                    expansion::single(word, &scope.values)
                }
                Target::Word(word) => expansion::target(word, &scope.values),
            };
            context.redirect(redirect, target);
        }
        Ok(())
    }

    /// A program with its arguments; what it writes, where that is known.
    pub(super) fn invoke(
        &mut self,
        arguments: &[Argument],
        mut context: Context,
    ) -> Read<Option<String>> {
        let Some((program, arguments)) = arguments.split_first() else { return Ok(None) };
        self.budget.enter()?;
        if !program.is_named() {
            return Err(undecidable("a program whose name only the shell knows"));
        }
        context.dynamic |= program.dynamic;
        let name = program.text.rsplit('/').next().unwrap_or_default();
        if name.is_empty() || name.starts_with('=') {
            return Err(undecidable("a program without a name"));
        }
        refuse_redefinition(name, arguments)?;
        if DECLARING.contains(&name) {
            for argument in arguments {
                if let Some((name, _)) = argument.text.split_once('=') {
                    check_assign(name, Some(argument))?;
                    Rc::make_mut(&mut context.assigns)
                        .insert(name.trim_end_matches('+').to_owned());
                }
            }
        }
        let text = match wrappers::launch(name, arguments)? {
            None => {
                self.emit_program(&program.text, arguments, &context, Hidden::default())?;
                let input = context.input.text.as_deref();
                if self.functions { None } else { output::of(name, arguments, input) }
            }
            Some(launch) => self.launched(&program.text, arguments, launch, context)?,
        };
        self.budget.leave();
        Ok(text)
    }

    /// A program that runs another.
    fn launched(
        &mut self,
        program: &str,
        arguments: &[Argument],
        launch: Launch,
        mut context: Context,
    ) -> Read<Option<String>> {
        let name = program.rsplit('/').next().unwrap_or_default().to_owned();
        for variable in launch.assigns {
            check_assign(&variable, None)?;
            Rc::make_mut(&mut context.assigns).insert(variable);
        }
        context.background |= launch.background;
        let hidden = launch.runs.iter().find_map(|runs| context.hides(runs));
        let mut inner = context.clone();
        Rc::make_mut(&mut inner.via).insert(name);
        inner.privileged |= launch.privileged;
        inner.remote |= launch.remote;
        inner.dynamic |= !launch.shows && arguments.iter().any(|argument| argument.dynamic);
        if launch.shows || hidden.is_some() {
            self.emit_program(program, arguments, &context, hidden.unwrap_or_default())?;
            inner.files = Rc::default();
        }
        let mut text = None;
        for runs in launch.runs {
            match runs {
                Runs::Program(program) => text = self.invoke(&program, inner.clone())?,
                Runs::Text(text) if text.dynamic && hidden.is_some() => {}
                Runs::Text(text) if text.dynamic => {
                    return Err(undecidable("a text for a shell that only another shell knows"));
                }
                Runs::Text(text) => {
                    self.emit_files(&mut inner)?;
                    inner.input.text = None;
                    self.text(&text.text, inner.clone())?;
                }
                Runs::Input => {
                    if let Some(text) = inner.input.text.take() {
                        self.emit_files(&mut inner)?;
                        self.text(&text, inner.clone())?;
                    }
                }
                Runs::File(_) => {}
            }
        }
        Ok(text)
    }

    /// Redirections that belong to no program.
    fn emit_files(&mut self, context: &mut Context) -> Read<()> {
        if !context.files.are_none() {
            let action = Action::of(&SHELL_REDIRECT);
            self.emit(action, "", &[], context, Hidden::default())?;
            context.files = Rc::default();
        }
        Ok(())
    }

    fn emit_program(
        &mut self,
        program: &str,
        arguments: &[Argument],
        context: &Context,
        script: Hidden,
    ) -> Read<()> {
        self.emit(Action::of(&SHELL_EXEC), program, arguments, context, script)
    }

    fn emit(
        &mut self,
        action: Action,
        path: &str,
        arguments: &[Argument],
        context: &Context,
        script: Hidden,
    ) -> Read<()> {
        if self.commands.len() >= self.limits.commands {
            return Err(Unparsed::new(
                UnparsedCode::TooManyCommands,
                "the shell text runs more commands than the limit",
            ));
        }
        let program = path.rsplit('/').next().unwrap_or_default();
        let mut attributes = Attributes::new();
        let mut text = |name: &str, text: &str| {
            attributes.insert(name.to_owned(), text.into());
        };
        text("program", program);
        if program != path {
            text("path", path);
        }
        text("command_line", &command_line(path, arguments));
        let texts = arguments.iter().map(|argument| argument.text.clone()).collect();
        for (name, texts) in [
            ("arguments", &texts),
            ("assigns", &*context.assigns),
            ("reads_files", &context.files.reads),
            ("writes_files", &context.files.writes),
            ("appends_files", &context.files.appends),
            ("via", &*context.via),
        ] {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            attributes.insert(name.to_owned(), texts.into());
        }
        let traits = context.traits(program, arguments, script);
        for (name, holds) in [
            ("dynamic", context.dynamic || arguments.iter().any(|argument| argument.dynamic)),
            ("unknown_script", traits.unknown_script),
            ("fetch_piped_to_shell", traits.fetched),
            ("inline_code", traits.of_program.inline_code),
            ("recursive_force_delete", traits.of_program.recursive_force_delete),
            ("privilege_change", traits.of_program.privilege_change),
            ("alters_execution", context.alters_execution(program)),
            ("network", traits.of_program.network),
            ("remote", context.remote),
            ("background", context.background),
        ] {
            attributes.insert(name.to_owned(), holds.into());
        }
        self.commands.push(Command { action, resource: program.to_owned(), attributes });
        Ok(())
    }
}

impl Scope<'_> {
    /// Whether the variable keeps what it is assigned: the shell sets some itself, and
    /// a command may set any that is not seen.
    fn keeps(&self, name: &str) -> bool {
        let prefixes = ["BASH", "COMP_", "EPOCH", "READLINE_", "HIST", "_"];
        let names = [
            "PWD",
            "OLDPWD",
            "RANDOM",
            "SRANDOM",
            "SECONDS",
            "LINENO",
            "OPTARG",
            "OPTIND",
            "REPLY",
            "PIPESTATUS",
            "DIRSTACK",
            "FUNCNAME",
            "GROUPS",
            "MAPFILE",
            "COPROC",
            "EUID",
            "UID",
            "PPID",
            "IFS",
            "SHELLOPTS",
            "LINES",
            "COLUMNS",
            "argv",
            "status",
            "pipestatus",
            "path",
            "signals",
            "options",
            "match",
            "MATCH",
            "TTY",
            "USERNAME",
            "GID",
            "EGID",
        ];
        !self.notes.assigns_unseen
            && !self.notes.names.contains_key("IFS")
            && !names.contains(&name)
            && !prefixes.iter().any(|prefix| name.starts_with(prefix))
    }
}

fn command_line(path: &str, arguments: &[Argument]) -> String {
    let mut line = String::new();
    if !path.is_empty() {
        // A folder that is not known is shown as it is written.
        let dynamic = path.starts_with(['$', '~']);
        Argument { dynamic, ..Argument::literal(path) }.shown(&mut line);
    }
    for argument in arguments {
        line.push(' ');
        argument.shown(&mut line);
    }
    line
}
