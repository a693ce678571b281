//! The field rules of a profile, and where a streaming document stands in them.

use std::collections::BTreeMap;

use crate::json::path::{Path, Selector};

/// All field rules of a profile.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// The paths, in the order of their ids.
    paths: Vec<Path>,
    /// Names that are masked wherever they stand (`$..name`), to the path's id:
    /// the common rule, and one look-up a key.
    anywhere: BTreeMap<Vec<u8>, RuleId>,
    /// For each first byte the lengths of those names, as bits; longer than 63 is
    /// bit 63. Nearly every key of a document is let go by this alone.
    lengths: Vec<u64>,
    /// The other paths.
    elsewhere: Vec<RuleId>,
    /// The path `$`.
    root: Option<RuleId>,
}

/// A field rule, by its place in the profile.
pub(super) type RuleId = usize;

impl Fields {
    pub(super) fn new(paths: Vec<Path>) -> Self {
        let mut fields = Self::default();
        for (id, path) in paths.iter().enumerate() {
            if let Some(name) = path.anywhere() {
                fields.lengths.resize(256, 0);
                if let Some(lengths) = fields.lengths.get_mut(first(name)) {
                    *lengths |= length_bit(name.len());
                }
                fields.anywhere.entry(name.to_vec()).or_insert(id);
            } else if path.segments().is_empty() {
                fields.root = Some(id);
            } else {
                fields.elsewhere.push(id);
            }
        }
        fields.paths = paths;
        fields
    }

    /// The path that a rule was configured as.
    pub(super) fn path(&self, rule: RuleId) -> Option<&Path> {
        self.paths.get(rule)
    }

    /// Whether a key, as it stands, may be one of those that are masked anywhere.
    fn may_mask_anywhere(&self, key: &[u8]) -> bool {
        let start = crate::json::path::normalised(key).next().map_or(0, usize::from);
        let lengths = self.lengths.get(start).copied().unwrap_or_default();
        lengths != 0 && lengths & length_bit(crate::json::path::normalised(key).count()) != 0
    }

    fn segment(&self, state: State) -> Option<&crate::json::path::Segment> {
        self.paths.get(state.rule)?.segments().get(state.segment)
    }

    fn is_last(&self, state: State) -> bool {
        let segments = self.paths.get(state.rule).map_or(0, |path| path.segments().len());
        state.segment.saturating_add(1) == segments
    }
}

fn first(name: &[u8]) -> usize {
    name.first().copied().map_or(0, usize::from)
}

fn length_bit(length: usize) -> u64 {
    1_u64.wrapping_shl(u32::try_from(length).unwrap_or(63).min(63))
}

/// A path of which the segments before `segment` have matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    rule: RuleId,
    segment: usize,
}

/// Where a document that streams by stands in the rules.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The open containers.
    frames: Vec<Frame>,
    /// For each open container, what its children have to match; one after the
    /// other.
    states: Vec<State>,
    /// The same for the value that comes next.
    next: Vec<State>,
    name: Vec<u8>,
}

#[derive(Debug)]
struct Frame {
    /// Where its states begin.
    states: usize,
    /// The index of the next element.
    index: u64,
}

impl Place {
    /// The document begins: the rule that masks it whole.
    pub(super) fn begin(&mut self, fields: &Fields) -> Option<RuleId> {
        self.frames.clear();
        self.states.clear();
        self.next.clear();
        self.next.extend(fields.elsewhere.iter().map(|&rule| State { rule, segment: 0 }));
        fields.root
    }

    /// A key, decoded: the rule that masks its value.
    pub(super) fn key(&mut self, fields: &Fields, key: &[u8]) -> Option<RuleId> {
        let states = self.frames.last().map_or(0, |frame| frame.states);
        let elsewhere = states < self.states.len();
        let anywhere = fields.may_mask_anywhere(key);
        self.next.clear();
        if !(elsewhere || anywhere) {
            return None;
        }
        self.name.clear();
        self.name.extend(crate::json::path::normalised(key));
        let anywhere = fields.anywhere.get(&self.name).copied();
        anywhere.or(self.step(fields, Child::Member))
    }

    /// An element of an array begins: the rule that masks it.
    pub(super) fn element(&mut self, fields: &Fields) -> Option<RuleId> {
        let frame = self.frames.last_mut()?;
        let index = frame.index;
        frame.index = index.saturating_add(1);
        if frame.states == self.states.len() {
            self.next.clear();
            return None;
        }
        self.step(fields, Child::Element(index))
    }

    /// The value is a container.
    pub(super) fn enter(&mut self) {
        self.frames.push(Frame { states: self.states.len(), index: 0 });
        self.states.append(&mut self.next);
    }

    /// The container ends.
    pub(super) fn leave(&mut self) {
        if let Some(frame) = self.frames.pop() {
            self.states.truncate(frame.states);
        }
    }

    fn step(&mut self, fields: &Fields, child: Child) -> Option<RuleId> {
        let start = self.frames.last().map_or(0, |frame| frame.states);
        self.next.clear();
        let mut found = None;
        for &state in self.states.get(start..).unwrap_or_default() {
            let Some(segment) = fields.segment(state) else { continue };
            let matched = match (&segment.selector, child) {
                (Selector::Wildcard, _) => true,
                (Selector::Name(name), Child::Member) => name.normalised == self.name,
                (Selector::Index(wanted), Child::Element(index)) => *wanted == index,
                _ => false,
            };
            // In the order of rules and segments, so a repeat stands side by side.
            if segment.descendant && self.next.last() != Some(&state) {
                self.next.push(state);
            }
            if matched && fields.is_last(state) {
                found = found.or(Some(state.rule));
            } else if matched {
                self.next.push(State { segment: state.segment.saturating_add(1), ..state });
            }
        }
        found
    }
}

/// What is stepped into; the name of a member is in [`Place::name`].
#[derive(Clone, Copy, Debug)]
enum Child {
    Member,
    Element(u64),
}
