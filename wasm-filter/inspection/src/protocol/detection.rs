//! Sensitive data on the way in: the detectors that mask responses, run over the
//! texts of a request.

use std::collections::BTreeSet;

use super::Reading;
use crate::facts::Unparsed;
use crate::plan::DetectPlan;

/// What was found so far, by the names of detectors.
#[derive(Debug, Default)]
pub(super) struct Detection(BTreeSet<String>);

impl Detection {
    /// Looks for what `plan` names in the query and in the texts of the body.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "nothing is looked for yet")]
    pub(super) fn search(
        &mut self,
        _plan: &DetectPlan,
        _request: &Reading<'_>,
    ) -> Result<(), Unparsed> {
        Ok(())
    }

    /// The names of the detectors that found something.
    pub(super) fn found(self) -> BTreeSet<String> {
        self.0
    }
}
