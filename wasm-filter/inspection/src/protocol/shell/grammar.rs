//! Pipelines, lists and compound commands (POSIX.1-2024, XCU 2.9 and 2.10; the bash
//! manual, "Shell Commands").

use super::reader::{Read, Reader, is_delimiter, undecidable};
use super::syntax::{Compound, Pipeline, Redirect, Script, Simple, Stage};

/// Where a list of commands ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Text,
    Parenthesis,
    /// One of these reserved words, which is not taken.
    Words(&'static [&'static str]),
    /// `;;`, `;&`, `;;&` or `esac`.
    Item,
}

/// Reserved words that no command can begin with.
const CLOSING: [&str; 8] = ["then", "elif", "else", "fi", "do", "done", "esac", "}"];

impl Reader<'_, '_> {
    /// The whole text.
    pub(super) fn script_to_end(&mut self) -> Read<Script> {
        let script = self.script(End::Text)?;
        self.here_texts()?;
        Ok(script)
    }

    /// A list, with the parenthesis that ends it.
    pub(super) fn script_to_parenthesis(&mut self) -> Read<Script> {
        let script = self.script(End::Parenthesis)?;
        self.skip(1);
        Ok(script)
    }

    fn script(&mut self, end: End) -> Read<Script> {
        let mut script = Script::new();
        loop {
            self.skip_lines()?;
            if self.is_at(end)? {
                return Ok(script);
            }
            self.and_or(&mut script)?;
            self.skip_blanks();
            match self.peek() {
                None | Some('\n' | ')') => {}
                Some(';') if self.ahead(";;") || self.ahead(";&") => {
                    if !matches!(end, End::Item) {
                        return Err(undecidable("`;;` outside of `case`"));
                    }
                }
                Some(';' | '&') => self.skip(1),
                _ => return Err(undecidable("a command that ends in what cannot follow it")),
            }
        }
    }

    fn is_at(&self, end: End) -> Read<bool> {
        let unexpected = || Err(undecidable("a word or a sign where no command can be"));
        if let (End::Parenthesis, Some(')')) | (End::Text, None) = (end, self.peek()) {
            return Ok(true);
        }
        let word = self.word_ahead();
        match end {
            End::Words(words) if words.contains(&word) => Ok(true),
            End::Item if word == "esac" || self.ahead(";;") || self.ahead(";&") => Ok(true),
            _ if self.at_end() || CLOSING.contains(&word) => unexpected(),
            _ if self.peek().is_some_and(|c| matches!(c, ')' | ';' | '&' | '|')) => {
                // `&> file` is a command of its own.
                if self.ahead("&>") { Ok(false) } else { unexpected() }
            }
            _ => Ok(false),
        }
    }

    /// `a && b || c`, and whether `&` follows.
    fn and_or(&mut self, script: &mut Script) -> Read<()> {
        let first = script.len();
        let mut certain = true;
        loop {
            let pipeline = self.pipeline(certain)?;
            // What only assigns texts succeeds.
            certain = certain && pipeline.only_assigns();
            script.push(pipeline);
            self.skip_blanks();
            if self.eat("||") {
                certain = false;
            } else if !self.eat("&&") {
                break;
            }
            self.skip_lines()?;
        }
        if self.ahead("&") && !self.ahead("&>") {
            for pipeline in script.iter_mut().skip(first) {
                pipeline.background = true;
            }
        }
        Ok(())
    }

    fn pipeline(&mut self, certain: bool) -> Read<Pipeline> {
        loop {
            self.skip_blanks();
            match self.word_ahead() {
                "!" => self.skip(1),
                "time" if self.is_time_reserved() => self.skip(4),
                _ => break,
            }
        }
        let mut stages = vec![self.command()?];
        loop {
            self.skip_blanks();
            if !self.ahead("|") || self.ahead("||") {
                break;
            }
            self.skip(1);
            self.eat("&");
            self.skip_lines()?;
            stages.push(self.command()?);
        }
        Ok(Pipeline { stages, background: false, certain })
    }

    /// `time` before a compound command; before a program it is like any other
    /// program that runs one.
    fn is_time_reserved(&self) -> bool {
        let rest = self.rest().get(4..).unwrap_or_default().trim_start_matches([' ', '\t']);
        rest.starts_with(['(', '!'])
            || ["{", "if", "while", "until", "for", "case", "select", "[["].iter().any(|word| {
                rest.strip_prefix(word).is_some_and(|after| after.starts_with(is_delimiter))
            })
    }

    fn command(&mut self) -> Read<Stage> {
        self.budget.enter()?;
        self.skip_blanks();
        let outer = std::mem::take(&mut self.nested);
        let mut stage = if self.ahead("((") && self.is_arithmetic(2)? {
            Stage::Compound(self.arithmetic_command()?)
        } else if self.ahead("(") {
            self.skip(1);
            let script = self.script_to_parenthesis()?;
            Stage::Compound(group(non_empty(script)?))
        } else {
            self.worded_command()?
        };
        if let Stage::Compound(compound) = &mut stage {
            self.redirects(&mut compound.redirects)?;
        }
        let nested = std::mem::replace(&mut self.nested, outer);
        match &mut stage {
            Stage::Simple(simple) => simple.nested = nested,
            Stage::Compound(compound) => compound.nested = nested,
        }
        self.budget.leave();
        Ok(stage)
    }

    fn worded_command(&mut self) -> Read<Stage> {
        let word = self.word_ahead();
        let compound = match word {
            "{" => {
                self.skip(1);
                let script = self.script_before(&["}"])?;
                self.skip(1);
                group(script)
            }
            "if" => self.condition()?,
            "while" | "until" => {
                self.skip(5);
                let condition = self.script_before(&["do"])?;
                Compound { bodies: vec![condition, self.do_group()?], ..Compound::default() }
            }
            "for" | "select" => {
                self.skip(word.len());
                self.loop_over_words()?
            }
            "case" => self.case()?,
            "function" => {
                self.skip(8);
                self.skip_blanks();
                self.function_name()?;
                self.skip_blanks();
                if self.eat("(") {
                    self.close_parenthesis()?;
                }
                self.function_body()?
            }
            "[[" => self.test()?,
            "coproc" => return self.coprocess(),
            _ => return self.simple(),
        };
        Ok(Stage::Compound(compound))
    }

    /// A list that is not empty, before one of these words.
    fn script_before(&mut self, words: &'static [&'static str]) -> Read<Script> {
        non_empty(self.script(End::Words(words))?)
    }

    fn do_group(&mut self) -> Read<Script> {
        self.skip_lines()?;
        if self.word_ahead() == "{" {
            self.skip(1);
            let script = self.script_before(&["}"])?;
            self.skip(1);
            return Ok(script);
        }
        self.expect_word("do")?;
        let script = self.script_before(&["done"])?;
        self.skip(4);
        Ok(script)
    }

    fn condition(&mut self) -> Read<Compound> {
        let mut bodies = Vec::new();
        self.skip(2);
        loop {
            bodies.push(self.script_before(&["then"])?);
            self.skip(4);
            bodies.push(self.script_before(&["elif", "else", "fi"])?);
            match self.word_ahead() {
                "elif" => self.skip(4),
                "else" => {
                    self.skip(4);
                    bodies.push(self.script_before(&["fi"])?);
                    break;
                }
                _ => break,
            }
        }
        self.skip(2);
        Ok(Compound { bodies, ..Compound::default() })
    }

    /// After `for` or `select`.
    fn loop_over_words(&mut self) -> Read<Compound> {
        self.skip_blanks();
        if self.ahead("((") {
            self.skip(2);
            self.arithmetic()?;
        } else {
            let name = self.take_name().to_owned();
            if name.is_empty() || !self.peek().is_none_or(is_delimiter) {
                return Err(undecidable("a loop over what is no variable"));
            }
            self.notes.name(&name);
            self.notes.name(&name);
            self.skip_lines()?;
            if self.word_ahead() == "in" {
                self.skip(2);
                self.skip_blanks();
                while self.word()?.is_some() {
                    self.skip_blanks();
                }
                if !self.peek().is_some_and(|next| matches!(next, ';' | '\n')) {
                    return Err(undecidable("a loop without its end"));
                }
            }
        }
        self.skip_blanks();
        self.eat(";");
        Ok(Compound { bodies: vec![self.do_group()?], ..Compound::default() })
    }

    fn case(&mut self) -> Read<Compound> {
        self.skip(4);
        self.skip_blanks();
        self.word()?.ok_or_else(|| undecidable("`case` without a word"))?;
        self.skip_lines()?;
        self.expect_word("in")?;
        let mut bodies = Vec::new();
        loop {
            self.skip_lines()?;
            if self.word_ahead() == "esac" {
                break;
            }
            self.eat("(");
            loop {
                self.skip_blanks();
                self.word()?.ok_or_else(|| undecidable("`case` without a pattern"))?;
                self.skip_blanks();
                if !self.eat("|") {
                    break;
                }
            }
            if !self.eat(")") {
                return Err(undecidable("a pattern of `case` without its parenthesis"));
            }
            bodies.push(self.script(End::Item)?);
            if !(self.eat(";;&") || self.eat(";;") || self.eat(";&")) {
                break;
            }
        }
        self.expect_word("esac")?;
        Ok(Compound { bodies, ..Compound::default() })
    }

    fn function_name(&mut self) -> Read<()> {
        let word = self.word()?.ok_or_else(|| undecidable("a function without a name"))?;
        let name = word.literal().unwrap_or_default();
        if name.is_empty() || name.contains('=') {
            return Err(undecidable("a function whose name is not plain"));
        }
        Ok(())
    }

    /// After the first parenthesis of `name()`.
    pub(super) fn close_parenthesis(&mut self) -> Read<()> {
        self.skip_blanks();
        if self.eat(")") { Ok(()) } else { Err(undecidable("a parenthesis after a word")) }
    }

    /// Its commands count when it is defined; whoever calls it adds the call.
    pub(super) fn function_body(&mut self) -> Read<Compound> {
        self.notes.functions = true;
        self.skip_lines()?;
        let stage = self.command()?;
        Ok(group(vec![Pipeline { stages: vec![stage], background: false, certain: false }]))
    }

    fn coprocess(&mut self) -> Read<Stage> {
        self.skip(6);
        self.skip_blanks();
        let name = self.name_ahead();
        let after = self.rest().get(name.len()..).unwrap_or_default();
        let begins = after.trim_start_matches([' ', '\t']);
        let compound = ["{", "(", "if", "while", "until", "for", "case", "select", "[["];
        if !name.is_empty()
            && !compound.contains(&name)
            && after.starts_with([' ', '\t'])
            && compound.iter().any(|word| begins.starts_with(word))
        {
            self.notes.name(name);
            self.skip(name.len());
        }
        let mut stage = self.command()?;
        match &mut stage {
            Stage::Simple(simple) => {
                simple.background = true;
                self.nested.append(&mut simple.nested);
            }
            Stage::Compound(compound) => {
                compound.background = true;
                self.nested.append(&mut compound.nested);
            }
        }
        Ok(stage)
    }

    fn redirects(&mut self, redirects: &mut Vec<Redirect>) -> Read<()> {
        loop {
            self.skip_blanks();
            match self.redirect()? {
                Some(redirect) => redirects.push(redirect),
                None => return Ok(()),
            }
        }
    }

    /// Blanks, comments and ends of lines.
    pub(super) fn skip_lines(&mut self) -> Read<()> {
        loop {
            self.skip_blanks();
            if self.peek() != Some('\n') {
                return Ok(());
            }
            self.end_line()?;
        }
    }

    /// What stands here as it is written, up to where a word without quotes ends.
    pub(super) fn word_ahead(&self) -> &str {
        // No reserved word is longer than eight characters.
        let end = self.rest().char_indices().take(9).find(|(_, c)| is_delimiter(*c));
        let end = end.map_or_else(|| self.rest().len().min(9), |(at, _)| at);
        self.rest().get(..end).unwrap_or_default()
    }

    fn expect_word(&mut self, word: &'static str) -> Read<()> {
        if self.word_ahead() == word {
            self.skip(word.len());
            return Ok(());
        }
        Err(undecidable("a loop, a condition or a choice that is not complete"))
    }
}

impl Pipeline {
    fn only_assigns(&self) -> bool {
        matches!(self.stages.as_slice(), [Stage::Simple(simple)] if simple.words.is_empty()
            && simple.redirects.is_empty()
            && simple.nested.is_empty()
            && !simple.assigns.is_empty())
    }
}

fn group(script: Script) -> Compound {
    Compound { bodies: vec![script], ..Compound::default() }
}

fn non_empty(script: Script) -> Read<Script> {
    if script.is_empty() { Err(undecidable("a group without a command")) } else { Ok(script) }
}

impl Reader<'_, '_> {
    fn simple(&mut self) -> Read<Stage> {
        match self.simple_or_function()? {
            Ok(simple) => Ok(Stage::Simple(simple)),
            Err(function) => Ok(Stage::Compound(function)),
        }
    }

    fn simple_or_function(&mut self) -> Read<Result<Simple, Compound>> {
        let mut simple = Simple::default();
        let mut program = None;
        let mut ends = false;
        loop {
            self.skip_blanks();
            // A shell that has no `&>` reads `&` and begins another command there.
            let both = self.ahead("&>");
            if let Some(redirect) = self.redirect()? {
                ends |= both;
                simple.redirects.push(redirect);
            } else if simple.words.is_empty()
                && let Some(assign) = self.assignment()?
            {
                simple.assigns.push(assign);
            } else if let Some(word) = self.word()? {
                if ends {
                    return Err(undecidable("a word after `&>`, which not every shell has"));
                }
                if simple.words.is_empty() {
                    program = word.literal();
                }
                simple.words.push(word);
                self.argument(&simple, program.as_deref())?;
            } else if self.peek() == Some('(') {
                let alone = simple.words.len() == 1
                    && simple.assigns.is_empty()
                    && simple.redirects.is_empty();
                let named = program.is_some_and(|name| !name.is_empty() && !name.contains('='));
                if !alone || !named {
                    return Err(undecidable("a parenthesis after a word"));
                }
                self.skip(1);
                self.close_parenthesis()?;
                return Ok(Err(self.function_body()?));
            } else {
                break;
            }
        }
        if simple.words.is_empty() && simple.assigns.is_empty() && simple.redirects.is_empty() {
            return Err(undecidable("a word or a sign where no command can be"));
        }
        Ok(Ok(simple))
    }
}
