//! Server-sent events: the data of each event is masked as the JSON or text that
//! it is, every other field as text.
//!
//! An event is kept until it is whole, as its reader keeps it, unless it grows
//! past a bound; then its data streams. Lines are written `data: …` and end in a
//! line feed, which every reader reads alike (HTML, section 9.2.6).

use super::json::{JsonMasker, begins_like_json, without_byte_order_mark};
use super::text::TextMasker;
use super::{CompiledProfile, Counts, Unmaskable};

/// The most that is kept of an event.
const MAX_KEPT: usize = 64 * 1024;

/// Masks an event stream.
#[derive(Debug)]
pub(super) struct SseMasker {
    line: Line,
    data: Data,
    /// Lines that came after data began to stream.
    deferred: Vec<u8>,
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
    /// A line of data, whose value goes to [`Data`].
    Data,
}

/// The data of the current event.
#[derive(Debug)]
enum Data {
    None,
    Kept(Vec<u8>),
    Json(Box<JsonMasker>),
    Text(TextMasker),
}

impl SseMasker {
    pub(super) const fn new() -> Self {
        Self {
            line: Line::Kept(Vec::new()),
            data: Data::None,
            deferred: Vec::new(),
            after_return: false,
            first: true,
        }
    }

    pub(super) fn push(
        &mut self,
        profile: &CompiledProfile,
        counts: &mut Counts,
        chunk: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Unmaskable> {
        let mut sink = Sink { profile, counts, out };
        let mut rest = chunk;
        while let Some((&first, after)) = rest.split_first() {
            if std::mem::take(&mut self.after_return) && first == b'\n' {
                rest = after;
                continue;
            }
            let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, ending) =
                rest.split_at_checked(length.unwrap_or(rest.len())).unwrap_or_default();
            self.part(part, &mut sink)?;
            let Some((&ending, after)) = ending.split_first() else { break };
            self.after_return = ending == b'\r';
            self.end_line(&mut sink)?;
            rest = after;
        }
        Ok(())
    }

    pub(super) fn finish(
        &mut self,
        profile: &CompiledProfile,
        counts: &mut Counts,
        out: &mut Vec<u8>,
    ) -> Result<(), Unmaskable> {
        let mut sink = Sink { profile, counts, out };
        if !matches!(&self.line, Line::Kept(line) if line.is_empty()) {
            self.end_line(&mut sink)?;
        }
        self.end_data(&mut sink)
    }

    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(super) fn held_bytes(&self) -> usize {
        let line = if let Line::Kept(line) = &self.line { line.capacity() } else { 0 };
        let data = match &self.data {
            Data::None => 0,
            Data::Kept(data) => data.capacity(),
            Data::Json(masker) => masker.held_bytes(),
            Data::Text(masker) => masker.held_bytes(),
        };
        line.saturating_add(data).saturating_add(self.deferred.capacity())
    }

    /// A part of a line, without its end.
    fn part(&mut self, part: &[u8], sink: &mut Sink<'_>) -> Result<(), Unmaskable> {
        let mut part = part;
        while let Line::Kept(line) = &mut self.line {
            // Enough to tell: a byte order mark, `data:` and a space.
            let wanted = if line.len() < 9 { 9_usize.saturating_sub(line.len()) } else { MAX_KEPT };
            let (head, tail) = part.split_at_checked(wanted.min(part.len())).unwrap_or_default();
            line.extend_from_slice(head);
            part = tail;
            if line.len() > MAX_KEPT {
                return Err(Unmaskable::EventTooLong);
            }
            if line.len() == 9
                && let Some(value) = data_of(line, self.first)
            {
                let value = value.to_vec();
                self.line = Line::Data;
                self.begin_data_line(sink)?;
                self.add_data(&value, sink)?;
            }
            if part.is_empty() {
                return Ok(());
            }
        }
        self.add_data(part, sink)
    }

    fn end_line(&mut self, sink: &mut Sink<'_>) -> Result<(), Unmaskable> {
        let line = std::mem::replace(&mut self.line, Line::Kept(Vec::new()));
        let first = std::mem::take(&mut self.first);
        let Line::Kept(line) = line else { return Ok(()) };
        if line.is_empty() {
            self.end_data(sink)?;
            sink.out.push(b'\n');
            return Ok(());
        }
        if let Some(value) = data_of(&line, first) {
            self.begin_data_line(sink)?;
            return self.add_data(value, sink);
        }
        let mut masked = sink.text(&line)?;
        masked.push(b'\n');
        if matches!(self.data, Data::None | Data::Kept(_)) {
            sink.out.append(&mut masked);
        } else {
            self.deferred.append(&mut masked);
        }
        if self.deferred.len() > MAX_KEPT { Err(Unmaskable::EventTooLong) } else { Ok(()) }
    }

    /// The lines of data are joined by line feeds.
    fn begin_data_line(&mut self, sink: &mut Sink<'_>) -> Result<(), Unmaskable> {
        if matches!(self.data, Data::None) {
            self.data = Data::Kept(Vec::new());
            return Ok(());
        }
        self.add_data(b"\n", sink)
    }

    fn add_data(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), Unmaskable> {
        match &mut self.data {
            Data::None => Ok(()),
            Data::Json(masker) => {
                sink.data(|sink, out| masker.push(sink.profile, sink.counts, bytes, out))
            }
            Data::Text(masker) => {
                sink.data(|sink, out| masker.push(sink.profile, sink.counts, bytes, out))
            }
            Data::Kept(kept) => {
                kept.extend_from_slice(bytes);
                if kept.len() <= MAX_KEPT {
                    return Ok(());
                }
                let kept = std::mem::take(kept);
                self.data = if may_be_json(&kept) {
                    Data::Json(Box::new(JsonMasker::document()))
                } else {
                    Data::Text(TextMasker::default())
                };
                sink.out.extend_from_slice(DATA);
                self.add_data(&kept, sink)
            }
        }
    }

    fn end_data(&mut self, sink: &mut Sink<'_>) -> Result<(), Unmaskable> {
        match std::mem::replace(&mut self.data, Data::None) {
            Data::None => return Ok(()),
            Data::Kept(kept) => {
                sink.out.extend_from_slice(DATA);
                let masked = sink.whole(&kept)?;
                sink.lines(&masked);
            }
            Data::Json(mut masker) => {
                sink.data(|sink, out| masker.finish(sink.profile, sink.counts, out))?;
            }
            Data::Text(mut masker) => {
                sink.data(|sink, out| masker.finish(sink.profile, sink.counts, out))?;
            }
        }
        sink.out.push(b'\n');
        sink.out.append(&mut self.deferred);
        Ok(())
    }
}

const DATA: &[u8] = b"data: ";

/// The value of a line of data.
fn data_of(line: &[u8], first: bool) -> Option<&[u8]> {
    let line = if first { without_byte_order_mark(line) } else { line };
    let rest = line.strip_prefix(b"data")?;
    if rest.is_empty() {
        return Some(rest);
    }
    let value = rest.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

/// Where masked events go.
struct Sink<'a> {
    profile: &'a CompiledProfile,
    counts: &'a mut Counts,
    out: &'a mut Vec<u8>,
}

impl Sink<'_> {
    /// Writes what `mask` gives as lines of data.
    fn data(
        &mut self,
        mask: impl FnOnce(&mut Self, &mut Vec<u8>) -> Result<(), Unmaskable>,
    ) -> Result<(), Unmaskable> {
        let mut masked = Vec::new();
        mask(self, &mut masked)?;
        self.lines(&masked);
        Ok(())
    }

    /// Writes data that goes on in the line that was begun.
    fn lines(&mut self, data: &[u8]) {
        let mut lines = data.split(|byte| *byte == b'\n');
        self.out.extend_from_slice(lines.next().unwrap_or_default());
        for line in lines {
            self.out.push(b'\n');
            self.out.extend_from_slice(DATA);
            self.out.extend_from_slice(line);
        }
    }

    /// Masks the whole data of an event: as JSON if it is that. What only begins
    /// like it is refused, for nothing says which of its fields are which.
    fn whole(&mut self, data: &[u8]) -> Result<Vec<u8>, Unmaskable> {
        if may_be_json(data) {
            match self.json(data) {
                Err(error) if begins_like_json(data) => return Err(error),
                Err(_) => {}
                masked => return masked,
            }
        }
        self.text(data)
    }

    fn json(&mut self, data: &[u8]) -> Result<Vec<u8>, Unmaskable> {
        let mut document = JsonMasker::document();
        let mut counts = Counts::default();
        let mut masked = Vec::with_capacity(data.len());
        document.push(self.profile, &mut counts, data, &mut masked)?;
        document.finish(self.profile, &mut counts, &mut masked)?;
        self.counts.add_all(counts);
        Ok(masked)
    }

    fn text(&mut self, text: &[u8]) -> Result<Vec<u8>, Unmaskable> {
        let mut stream = TextMasker::default();
        let mut masked = Vec::with_capacity(text.len());
        stream.push(self.profile, self.counts, text, &mut masked)?;
        stream.finish(self.profile, self.counts, &mut masked)?;
        Ok(masked)
    }
}

fn may_be_json(data: &[u8]) -> bool {
    let data = without_byte_order_mark(data);
    matches!(data.trim_ascii_start(), [b'{' | b'[' | b'"', ..])
}
