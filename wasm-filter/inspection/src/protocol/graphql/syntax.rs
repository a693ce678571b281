//! GraphQL documents as trees (September 2025, section 2): executable definitions
//! only. Names and unescaped texts are parts of the document's text.

use std::borrow::Cow;

use super::lexer::{Fault, Lexer, Token};
use crate::facts::UnparsedCode;
use crate::json::document;

/// What a request's document defines.
#[derive(Debug, Default)]
pub(super) struct Document<'t> {
    pub(super) operations: Vec<Operation<'t>>,
    pub(super) fragments: Vec<Fragment<'t>>,
}

/// The kinds of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OperationKind {
    Query,
    Mutation,
    Subscription,
}

/// An operation.
#[derive(Debug)]
pub(super) struct Operation<'t> {
    pub(super) kind: OperationKind,
    pub(super) name: Option<&'t str>,
    pub(super) variables: Vec<Variable<'t>>,
    pub(super) directives: Vec<&'t str>,
    pub(super) selections: Vec<Selection<'t>>,
}

/// A variable that an operation declares; its type does not matter here.
#[derive(Debug)]
pub(super) struct Variable<'t> {
    pub(super) name: &'t str,
    pub(super) default: Option<Literal<'t>>,
}

/// A named fragment; its type condition needs a schema to mean anything.
#[derive(Debug)]
pub(super) struct Fragment<'t> {
    pub(super) name: &'t str,
    pub(super) directives: Vec<&'t str>,
    pub(super) selections: Vec<Selection<'t>>,
}

/// What is selected; directives are kept by their names.
#[derive(Debug)]
pub(super) enum Selection<'t> {
    Field(Field<'t>),
    Spread { fragment: &'t str, directives: Vec<&'t str> },
    Inline { directives: Vec<&'t str>, selections: Vec<Selection<'t>> },
}

/// A field.
#[derive(Debug)]
pub(super) struct Field<'t> {
    pub(super) name: &'t str,
    pub(super) aliased: bool,
    pub(super) arguments: Members<'t>,
    pub(super) directives: Vec<&'t str>,
    pub(super) selections: Vec<Selection<'t>>,
}

/// Names with their values, each name once.
pub(super) type Members<'t> = Vec<(&'t str, Literal<'t>)>;

/// A value as a document writes it.
#[derive(Debug)]
pub(super) enum Literal<'t> {
    Variable(&'t str),
    /// As it is written.
    Number(&'t str),
    Text(Cow<'t, str>),
    Bool(bool),
    Null,
    Enum(&'t str),
    List(Vec<Literal<'t>>),
    Object(Members<'t>),
}

/// Reads a document whose selections and values nest at most `depth` deep.
pub(super) fn parse(text: &str, depth: usize) -> Result<Document<'_>, Fault> {
    let mut lexer = Lexer::new(text)?;
    let (token, at) = lexer.next()?;
    let left = depth.min(document::MAX_DEPTH);
    Parser { lexer, token, at, left }.document()
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    /// The token that is looked at, and where it begins.
    token: Token<'t>,
    at: usize,
    /// How much deeper it may nest.
    left: usize,
}

impl<'t> Parser<'t> {
    fn document(mut self) -> Result<Document<'t>, Fault> {
        let mut document = Document::default();
        loop {
            self.definition(&mut document)?;
            if matches!(self.token, Token::End) {
                return Ok(document);
            }
        }
    }

    fn definition(&mut self, document: &mut Document<'t>) -> Result<(), Fault> {
        let described = self.description()?;
        let operation = match self.token {
            Token::Punctuator(b'{') if !described => self.shorthand()?,
            Token::Name("query") => self.operation(OperationKind::Query)?,
            Token::Name("mutation") => self.operation(OperationKind::Mutation)?,
            Token::Name("subscription") => self.operation(OperationKind::Subscription)?,
            Token::Name("fragment") => {
                document.fragments.push(self.fragment()?);
                return Ok(());
            }
            _ => return Err(self.malformed("an operation or a fragment was expected")),
        };
        document.operations.push(operation);
        Ok(())
    }

    /// What stands before a definition for people to read.
    fn description(&mut self) -> Result<bool, Fault> {
        let there = matches!(self.token, Token::Text(_));
        if there {
            self.advance()?;
        }
        Ok(there)
    }

    fn shorthand(&mut self) -> Result<Operation<'t>, Fault> {
        Ok(Operation {
            kind: OperationKind::Query,
            name: None,
            variables: Vec::new(),
            directives: Vec::new(),
            selections: self.selections()?,
        })
    }

    fn operation(&mut self, kind: OperationKind) -> Result<Operation<'t>, Fault> {
        self.advance()?;
        let name = match self.token {
            Token::Name(name) => {
                self.advance()?;
                Some(name)
            }
            _ => None,
        };
        let mut directives = Vec::new();
        let variables = self.variables(&mut directives)?;
        self.directives(false, &mut directives)?;
        Ok(Operation { kind, name, variables, directives, selections: self.selections()? })
    }

    fn variables(&mut self, directives: &mut Vec<&'t str>) -> Result<Vec<Variable<'t>>, Fault> {
        let mut variables = Vec::new();
        if !self.take(b'(')? {
            return Ok(variables);
        }
        let at = self.at;
        loop {
            self.description()?;
            self.expect(b'$', "a variable was expected")?;
            let name = self.name()?;
            self.expect(b':', "a colon was expected")?;
            self.type_reference()?;
            let default = if self.take(b'=')? { Some(self.literal(true)?) } else { None };
            self.directives(true, directives)?;
            variables.push(Variable { name, default });
            if self.take(b')')? {
                break;
            }
        }
        unique(variables.iter().map(|variable| variable.name).collect(), at)?;
        Ok(variables)
    }

    fn type_reference(&mut self) -> Result<(), Fault> {
        if self.take(b'[')? {
            self.deeper()?;
            self.type_reference()?;
            self.expect(b']', "the end of a list type was expected")?;
            self.shallower();
        } else {
            self.name()?;
        }
        self.take(b'!').map(drop)
    }

    fn fragment(&mut self) -> Result<Fragment<'t>, Fault> {
        self.advance()?;
        let at = self.at;
        let name = self.name()?;
        if name == "on" {
            return Err(Fault::malformed("a fragment cannot be named `on`", at));
        }
        if !matches!(self.token, Token::Name("on")) {
            return Err(self.malformed("`on` was expected"));
        }
        self.advance()?;
        self.name()?;
        let mut directives = Vec::new();
        self.directives(false, &mut directives)?;
        Ok(Fragment { name, directives, selections: self.selections()? })
    }

    fn selections(&mut self) -> Result<Vec<Selection<'t>>, Fault> {
        self.expect(b'{', "a selection was expected")?;
        self.deeper()?;
        let mut selections = Vec::new();
        loop {
            selections.push(self.selection()?);
            if self.take(b'}')? {
                self.shallower();
                return Ok(selections);
            }
        }
    }

    fn selection(&mut self) -> Result<Selection<'t>, Fault> {
        if !matches!(self.token, Token::Spread) {
            return self.field().map(Selection::Field);
        }
        self.advance()?;
        let mut directives = Vec::new();
        match self.token {
            Token::Name("on") => {
                self.advance()?;
                self.name()?;
            }
            Token::Name(fragment) => {
                self.advance()?;
                self.directives(false, &mut directives)?;
                return Ok(Selection::Spread { fragment, directives });
            }
            _ => {}
        }
        self.directives(false, &mut directives)?;
        Ok(Selection::Inline { directives, selections: self.selections()? })
    }

    fn field(&mut self) -> Result<Field<'t>, Fault> {
        let mut name = self.name()?;
        let aliased = self.take(b':')?;
        if aliased {
            name = self.name()?;
        }
        let arguments = self.arguments(false)?;
        let mut directives = Vec::new();
        self.directives(false, &mut directives)?;
        let selections = match self.token {
            Token::Punctuator(b'{') => self.selections()?,
            _ => Vec::new(),
        };
        Ok(Field { name, aliased, arguments, directives, selections })
    }

    fn directives(&mut self, constant: bool, names: &mut Vec<&'t str>) -> Result<(), Fault> {
        while self.take(b'@')? {
            names.push(self.name()?);
            self.arguments(constant)?;
        }
        Ok(())
    }

    fn arguments(&mut self, constant: bool) -> Result<Members<'t>, Fault> {
        if !self.take(b'(')? {
            return Ok(Members::new());
        }
        let arguments = self.members(constant, b')')?;
        if arguments.is_empty() {
            return Err(self.malformed("an argument was expected"));
        }
        Ok(arguments)
    }

    /// What stands before `end`, and that.
    fn members(&mut self, constant: bool, end: u8) -> Result<Members<'t>, Fault> {
        let at = self.at;
        let mut members = Members::new();
        while !self.take(end)? {
            let name = self.name()?;
            self.expect(b':', "a colon was expected")?;
            members.push((name, self.literal(constant)?));
        }
        unique(members.iter().map(|(name, _)| *name).collect(), at)?;
        Ok(members)
    }

    fn literal(&mut self, constant: bool) -> Result<Literal<'t>, Fault> {
        let at = self.at;
        match self.advance()? {
            Token::Punctuator(b'$') if !constant => self.name().map(Literal::Variable),
            Token::Punctuator(b'[') => {
                self.deeper()?;
                let mut items = Vec::new();
                while !self.take(b']')? {
                    items.push(self.literal(constant)?);
                }
                self.shallower();
                Ok(Literal::List(items))
            }
            Token::Punctuator(b'{') => {
                self.deeper()?;
                let members = self.members(constant, b'}')?;
                self.shallower();
                Ok(Literal::Object(members))
            }
            Token::Number(number) => Ok(Literal::Number(number)),
            Token::Text(text) => Ok(Literal::Text(text)),
            Token::Name("true") => Ok(Literal::Bool(true)),
            Token::Name("false") => Ok(Literal::Bool(false)),
            Token::Name("null") => Ok(Literal::Null),
            Token::Name(name) => Ok(Literal::Enum(name)),
            _ => Err(Fault::malformed("a value was expected", at)),
        }
    }

    fn name(&mut self) -> Result<&'t str, Fault> {
        let Token::Name(name) = self.token else {
            return Err(self.malformed("a name was expected"));
        };
        self.advance()?;
        Ok(name)
    }

    fn expect(&mut self, punctuator: u8, what: &'static str) -> Result<(), Fault> {
        if self.take(punctuator)? { Ok(()) } else { Err(self.malformed(what)) }
    }

    fn take(&mut self, punctuator: u8) -> Result<bool, Fault> {
        let there = matches!(self.token, Token::Punctuator(byte) if byte == punctuator);
        if there {
            self.advance()?;
        }
        Ok(there)
    }

    /// Goes on to the next token and gives the one that was looked at.
    fn advance(&mut self) -> Result<Token<'t>, Fault> {
        let (token, at) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        let what = "the document nests deeper than the limit";
        let fault = Fault { code: UnparsedCode::TooDeep, what, at: self.at };
        self.left = self.left.checked_sub(1).ok_or(fault)?;
        Ok(())
    }

    const fn shallower(&mut self) {
        self.left = self.left.saturating_add(1);
    }

    const fn malformed(&self, what: &'static str) -> Fault {
        Fault::malformed(what, self.at)
    }
}

/// Of two that have one name, readers may take either.
fn unique(mut names: Vec<&str>, at: usize) -> Result<(), Fault> {
    names.sort_unstable();
    if names.windows(2).any(|two| matches!(two, [one, other] if one == other)) {
        return Err(Fault::malformed("a list has the same name twice", at));
    }
    Ok(())
}
