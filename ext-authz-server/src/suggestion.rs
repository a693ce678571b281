//! Slips of the pen: the name that was probably meant.

/// The candidate that `name` is a slip of, if any is near enough: at most a third of
/// its letters differ.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_from_another_name() {
        assert_eq!(nearest("gihtub", ["github", "gitlab"]), Some("github"));
        assert_eq!(nearest("okta", ["github", "gitlab"]), None);
    }
}
