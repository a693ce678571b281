//! Server-sent events, each with one message (HTML, section 9.2; MCP 2025-11-25,
//! Transports, Streamable HTTP).
//!
//! An event is kept until it is whole, unless it grows past a bound; then it streams,
//! and an event that turns out not to pass ends the stream before its own end, so that
//! no reader dispatches it.
//!
//! What passes is written anew: known fields, then the data on one line. Some readers
//! end a line at more characters than the standard does (Python's `splitlines` at nine
//! more), so such characters are written as the escapes that JSON has for them.

use super::watch::Watch;
use super::{Refused, Rules};

/// The most that is kept of an event.
const MAX_KEPT: usize = 64 * 1024;

/// Enough of a line to tell what it is: a byte order mark, `data:` and a space.
const TELLING: usize = 9;

/// Passes an event stream.
#[derive(Debug)]
pub(super) struct Events {
    line: Line,
    event: Event,
    /// The last line ended in a carriage return: a line feed belongs to it.
    after_return: bool,
    /// No line has ended yet: a byte order mark may come.
    first: bool,
}

/// A line as far as it was read.
#[derive(Debug)]
enum Line {
    /// Its beginning, or all of it when it is none of data.
    Kept(Vec<u8>),
    /// A line of data.
    Data,
}

/// The current event.
#[derive(Debug, Default)]
struct Event {
    /// Its other fields, as they are written on.
    fields: Vec<u8>,
    /// Its data that was not written on yet.
    data: Vec<u8>,
    watch: Option<Watch>,
    refused: Option<Refused>,
    /// Its beginning was written on.
    streams: bool,
}

/// An event that ends the work on a list.
#[derive(Debug)]
pub(super) enum Found {
    /// The list, which was not written on, with the fields of its event.
    List { fields: Vec<u8>, message: Vec<u8> },
    /// Another answer, which was.
    Answer,
}

impl Default for Events {
    fn default() -> Self {
        let line = Line::Kept(Vec::new());
        Self { line, event: Event::default(), after_return: false, first: true }
    }
}

impl Events {
    /// Takes a chunk. Where lists are let through, stops after the event that answers,
    /// and gives it and how many bytes of the chunk it has taken.
    pub(super) fn push(
        &mut self,
        rules: &mut Rules,
        chunk: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<(Found, usize)>, Refused> {
        let mut rest = chunk;
        while let Some((&first, after)) = rest.split_first() {
            if std::mem::take(&mut self.after_return) && first == b'\n' {
                rest = after;
                continue;
            }
            let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, ending) =
                rest.split_at_checked(length.unwrap_or(rest.len())).unwrap_or_default();
            self.part(rules, part, out)?;
            let Some((&ending, after)) = ending.split_first() else { break };
            self.after_return = ending == b'\r';
            rest = after;
            if let Some(found) = self.end_line(rules, out)? {
                return Ok(Some((found, chunk.len().saturating_sub(rest.len()))));
            }
        }
        Ok(None)
    }

    /// Ends the stream, and the event that it leaves open: some readers dispatch it.
    pub(super) fn finish(
        &mut self,
        rules: &mut Rules,
        out: &mut Vec<u8>,
    ) -> Result<Option<Found>, Refused> {
        if !matches!(&self.line, Line::Kept(line) if line.is_empty()) {
            self.end_line(rules, out)?;
        }
        self.end_event(rules, out)
    }

    /// A part of a line, without its end.
    fn part(&mut self, rules: &mut Rules, part: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        let mut part = part;
        while let Line::Kept(line) = &mut self.line {
            let missing = TELLING.saturating_sub(line.len());
            let wanted = if missing > 0 { missing } else { MAX_KEPT };
            let (head, tail) = part.split_at_checked(wanted.min(part.len())).unwrap_or_default();
            line.extend_from_slice(head);
            part = tail;
            if line.len() > MAX_KEPT {
                let refused = Refused::Unreadable("a field of an event is longer than 64 KiB");
                rules.remove(refused);
                return Err(refused);
            }
            if line.len() == TELLING
                && let Some(value) = data_of(line, self.first)
            {
                let value = value.to_vec();
                self.line = Line::Data;
                self.event.begin_data_line(rules, out)?;
                self.event.add_data(rules, &value, out)?;
            }
            if part.is_empty() {
                return Ok(());
            }
        }
        self.event.add_data(rules, part, out)
    }

    fn end_line(&mut self, rules: &mut Rules, out: &mut Vec<u8>) -> Result<Option<Found>, Refused> {
        let line = std::mem::replace(&mut self.line, Line::Kept(Vec::new()));
        let first = std::mem::take(&mut self.first);
        let Line::Kept(line) = line else { return Ok(None) };
        if line.is_empty() {
            return self.end_event(rules, out);
        }
        if let Some(value) = data_of(&line, first) {
            self.event.begin_data_line(rules, out)?;
            self.event.add_data(rules, value, out)?;
            return Ok(None);
        }
        if line.starts_with(b":") {
            // A sign of life.
            if !self.event.streams {
                out.extend_from_slice(b":\n");
            }
            return Ok(None);
        }
        self.event.add_field(&line);
        Ok(None)
    }

    fn end_event(
        &mut self,
        rules: &mut Rules,
        out: &mut Vec<u8>,
    ) -> Result<Option<Found>, Refused> {
        std::mem::take(&mut self.event).end(rules, out)
    }
}

impl Event {
    /// A field other than data. Any that no reader of events knows is left out.
    fn add_field(&mut self, line: &[u8]) {
        let known = [b"event:", b"retry:"].iter().any(|name| line.starts_with(*name));
        if !known && !line.starts_with(b"id:") {
            return;
        }
        let readable = line.iter().all(|byte| matches!(byte, b' '..=b'~'));
        if readable && self.fields.len().saturating_add(line.len()) <= MAX_KEPT {
            self.fields.extend_from_slice(line);
            self.fields.push(b'\n');
        } else {
            self.refused = Some(Refused::Unreadable("a field of an event is not plain text"));
        }
    }

    /// The lines of data are joined by line feeds.
    fn begin_data_line(&mut self, rules: &mut Rules, out: &mut Vec<u8>) -> Result<(), Refused> {
        if self.watch.is_some() {
            return self.add_data(rules, b"\n", out);
        }
        self.watch = Some(Watch::default());
        Ok(())
    }

    fn add_data(
        &mut self,
        rules: &mut Rules,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let Some(watch) = &mut self.watch else { return Ok(()) };
        if self.refused.is_none() {
            self.refused = watch.push(rules, bytes).err();
        }
        if let Some(refused) = self.refused {
            self.data = Vec::new();
            return self.cut(rules, refused);
        }
        self.data.extend_from_slice(bytes);
        // A list is read as a whole; how long it may be is for others to say.
        if self.data.len() > MAX_KEPT && !rules.lists {
            self.write(out);
        }
        Ok(())
    }

    fn end(mut self, rules: &mut Rules, out: &mut Vec<u8>) -> Result<Option<Found>, Refused> {
        let mut found = None;
        if let Some(watch) = &mut self.watch
            && !watch.is_blank()
        {
            if self.refused.is_none() {
                self.refused = watch.finish().err();
            }
            if watch.is_answer() && rules.lists {
                found = Some(watch.lists_tools());
            }
        }
        if let Some(refused) = self.refused {
            self.cut(rules, refused)?;
            rules.remove(refused);
            return Ok(None);
        }
        if found == Some(true) {
            return Ok(Some(Found::List { fields: self.fields, message: self.data }));
        }
        if self.watch.is_some() {
            self.write(out);
            escape_into(&self.data, out);
            out.push(b'\n');
        }
        let nothing = self.fields.is_empty() && self.watch.is_none();
        out.append(&mut self.fields);
        if !nothing {
            out.push(b'\n');
        }
        Ok(found.map(|_| Found::Answer))
    }

    /// Nothing more may follow what a reader has the beginning of.
    fn cut(&self, rules: &mut Rules, refused: Refused) -> Result<(), Refused> {
        if self.streams {
            rules.remove(refused);
            return Err(refused);
        }
        Ok(())
    }

    /// Writes what there is of the event, but not what may be half a character.
    fn write(&mut self, out: &mut Vec<u8>) {
        if !self.streams {
            self.streams = true;
            out.append(&mut self.fields);
            out.extend_from_slice(b"data: ");
        }
        let half = match self.data.as_slice() {
            [.., 0xe2, 0x80] => 2,
            [.., 0xe2 | 0xc2] => 1,
            _ => 0,
        };
        let rest = self.data.split_off(self.data.len().saturating_sub(half));
        escape_into(&self.data, out);
        self.data = rest;
    }
}

/// Appends JSON so that it is one line to every reader. Outside of strings it is plain
/// ASCII, and a line feed is as good as a space.
pub(super) fn escape_into(json: &[u8], out: &mut Vec<u8>) {
    let mut rest = json;
    while let Some((&byte, after)) = rest.split_first() {
        let (written, after): (&[u8], _) = match rest {
            [0xe2, 0x80, 0xa8, after @ ..] => (b"\\u2028", after),
            [0xe2, 0x80, 0xa9, after @ ..] => (b"\\u2029", after),
            [0xc2, 0x85, after @ ..] => (b"\\u0085", after),
            [..=0x1f, ..] => (b" ", after),
            _ => {
                out.push(byte);
                rest = after;
                continue;
            }
        };
        out.extend_from_slice(written);
        rest = after;
    }
}

/// The value of a line of data; `None` if it is another one.
fn data_of(line: &[u8], first: bool) -> Option<&[u8]> {
    let unmarked = if first { line.strip_prefix(b"\xef\xbb\xbf") } else { None };
    let line = unmarked.unwrap_or(line);
    if line == b"data" {
        return Some(b"");
    }
    let value = line.strip_prefix(b"data:")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}
