//! What is sensitive in a text: one detector a kind, one pass over the bytes.
//!
//! A detector is woken by a byte that is rare in its kind (`@`, the first digit
//! of a number, `-----`), looks around it and gives a verdict. It reads a bounded
//! stretch, and asks for more when a stream has not brought that stretch yet: so
//! the verdict is the same however the stream was cut.

mod alphabet;
mod card;
mod email;
mod iban;
mod secret;
mod ssn;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub(crate) use card::is_number as is_card_number;
pub(crate) use secret::{Opened, Skipped};

/// A kind of sensitive value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum DetectorId {
    Email,
    PaymentCard,
    UsSsn,
    Iban,
    AwsAccessKeyId,
    Jwt,
    PrivateKey,
}

impl DetectorId {
    /// Every detector.
    pub const ALL: [Self; 7] = [
        Self::Email,
        Self::PaymentCard,
        Self::UsSsn,
        Self::Iban,
        Self::AwsAccessKeyId,
        Self::Jwt,
        Self::PrivateKey,
    ];

    /// The name in profiles, counts and masks.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::PaymentCard => "payment_card",
            Self::UsSsn => "us_ssn",
            Self::Iban => "iban",
            Self::AwsAccessKeyId => "aws_access_key_id",
            Self::Jwt => "jwt",
            Self::PrivateKey => "private_key",
        }
    }

    /// What stands in the place of a value that was found. It wakes no detector.
    pub const fn mask(self) -> &'static str {
        match self {
            Self::Email => "[masked:email]",
            Self::PaymentCard => "[masked:payment_card]",
            Self::UsSsn => "[masked:us_ssn]",
            Self::Iban => "[masked:iban]",
            Self::AwsAccessKeyId => "[masked:aws_access_key_id]",
            Self::Jwt => "[masked:jwt]",
            Self::PrivateKey => "[masked:private_key]",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Email => 1,
            Self::PaymentCard => 1 << 1,
            Self::UsSsn => 1 << 2,
            Self::Iban => 1 << 3,
            Self::AwsAccessKeyId => 1 << 4,
            Self::Jwt => 1 << 5,
            Self::PrivateKey => 1 << 6,
        }
    }

    /// The bytes that wake the detector, as classes of [`alphabet`].
    const fn triggers(self) -> u8 {
        match self {
            Self::Email => alphabet::AT,
            Self::PaymentCard | Self::UsSsn | Self::Iban => alphabet::DIGIT,
            Self::AwsAccessKeyId => alphabet::UPPER_A,
            Self::Jwt => alphabet::LOWER_E,
            Self::PrivateKey => alphabet::DASH,
        }
    }
}

/// How many bytes before [`Text::from`] verdicts may look at: what stands before
/// a value decides whether it stands alone.
pub(crate) const CONTEXT_BYTES: usize = 8;

/// A set of detectors, ready for use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Detectors {
    enabled: u8,
    triggers: u8,
}

/// A sensitive value in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) id: DetectorId,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The value goes on after `end`, to where [`Opened::skip`] finds its end.
    pub(crate) open: Option<Opened>,
}

/// What [`Detectors::next`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing is sensitive from [`Text::from`] to the finding's start.
    Found(Finding),
    /// Nothing is sensitive up to here; what follows, if anything, cannot be
    /// judged before more of the text is there.
    Clear(usize),
}

impl Detectors {
    pub(crate) fn new(ids: &BTreeSet<DetectorId>) -> Self {
        Self {
            enabled: ids.iter().fold(0, |bits, id| bits | id.bit()),
            triggers: ids.iter().fold(0, |bits, id| bits | id.triggers()),
        }
    }

    pub(crate) const fn has(self, id: DetectorId) -> bool {
        self.enabled & id.bit() != 0
    }

    /// Whether a text of that length, with or without a digit or an `@`, can hold
    /// anything at all: most strings of a document are let go by this alone.
    pub(crate) const fn may_find(self, bytes: usize, digit: bool, at_sign: bool) -> bool {
        const SHORTEST_SSN: usize = 11;
        const SHORTEST_KEY: usize = 20;
        self.enabled != 0 && (at_sign || (digit && bytes >= SHORTEST_SSN) || bytes >= SHORTEST_KEY)
    }

    /// Everything that is found in a whole text, in order.
    pub(crate) fn find_all(self, bytes: &[u8]) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut text = Text { bytes, from: 0, ended: true };
        while let Step::Found(mut finding) = self.next(&text) {
            text.from = finding.end;
            if let Some(opened) = finding.open {
                finding.end = match opened.skip(&text) {
                    Skipped::Closed(at) | Skipped::Open(at) => at,
                };
            }
            text.from = finding.end;
            found.push(finding);
        }
        found
    }

    /// The first finding at or after [`Text::from`].
    pub(crate) fn next(self, text: &Text<'_>) -> Step {
        let mut before = text.before(text.from, 1).map_or(0, alphabet::class);
        let rest = text.bytes.get(text.from..).unwrap_or_default();
        for (index, &byte) in (text.from..).zip(rest) {
            let class = alphabet::class(byte);
            let awake = class & self.triggers & alphabet::live_after(before);
            before = class;
            if awake == 0 {
                continue;
            }
            match self.judge(text, index, awake).and_then(|found| self.widen(text, found)) {
                Ok(None) => {}
                Ok(Some(finding)) => return Step::Found(finding),
                Err(More) => return Step::Clear(email::local_start(text, index)),
            }
        }
        let len = text.bytes.len();
        Step::Clear(if text.ended { len } else { email::local_start(text, len) })
    }

    fn judge(self, text: &Text<'_>, index: usize, awake: u8) -> Judged {
        match awake {
            alphabet::AT => email::around(text, index),
            alphabet::UPPER_A => secret::aws_access_key_id(text, index),
            alphabet::LOWER_E => secret::jwt(text, index),
            alphabet::DASH => secret::private_key(text, index),
            _ => self.judge_digits(text, index),
        }
    }

    fn judge_digits(self, text: &Text<'_>, index: usize) -> Judged {
        if text.before(index, 1).is_some_and(|byte| byte.is_ascii_alphabetic()) {
            return if self.has(DetectorId::Iban) { iban::at(text, index) } else { Ok(None) };
        }
        if self.has(DetectorId::PaymentCard)
            && let Some(found) = card::at(text, index)?
        {
            return Ok(Some(found));
        }
        if self.has(DetectorId::UsSsn) { ssn::at(text, index) } else { Ok(None) }
    }

    /// A number or key that is the local part of an e-mail address is masked as
    /// the address, domain included.
    fn widen(self, text: &Text<'_>, found: Option<Finding>) -> Judged {
        let Some(finding) = found else { return Ok(None) };
        let closed = finding.open.is_none() && finding.id != DetectorId::Email;
        if !(closed && self.has(DetectorId::Email)) {
            return Ok(found);
        }
        let Some(address) = email::through(text, finding.end)? else { return Ok(found) };
        if address.start <= finding.start {
            return Ok(Some(address));
        }
        Ok(Some(Finding { end: address.end, ..finding }))
    }
}

/// A stretch of UTF-8 text, cut between characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    /// The bytes, with up to [`CONTEXT_BYTES`] that were judged before.
    pub(crate) bytes: &'a [u8],
    /// Where to go on.
    pub(crate) from: usize,
    /// Nothing follows.
    pub(crate) ended: bool,
}

impl Text<'_> {
    /// The byte at `index`, `None` after the end.
    fn at(&self, index: usize) -> Result<Option<u8>, More> {
        match self.bytes.get(index) {
            None if !self.ended => Err(More),
            byte => Ok(byte.copied()),
        }
    }

    /// The byte that stands `distance` before `index`.
    fn before(&self, index: usize, distance: usize) -> Option<u8> {
        self.bytes.get(index.checked_sub(distance)?).copied()
    }

    /// The character that starts at `index`, `None` after the end.
    fn char_at(&self, index: usize) -> Result<Option<char>, More> {
        let Some(first) = self.at(index)? else { return Ok(None) };
        if first.is_ascii() {
            return Ok(Some(char::from(first)));
        }
        let rest = self.bytes.get(index..).unwrap_or_default();
        let window = rest.get(..4).unwrap_or(rest);
        Ok(window.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next()))
    }

    /// Whether a letter or digit stands at `index`.
    fn is_word(&self, index: usize) -> Result<bool, More> {
        Ok(self.at(index)?.is_some_and(|byte| byte.is_ascii_alphanumeric()))
    }
}

/// The text that is there does not suffice for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct More;

/// The verdict on one place in a text.
type Judged = Result<Option<Finding>, More>;

#[cfg(test)]
mod tests;
