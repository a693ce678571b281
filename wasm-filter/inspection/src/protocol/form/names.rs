//! Names of fields that some reader takes for one another.

/// Whether a reader could take a field called `key` for the field `name`, for a part of
/// it, or for what it is a part of.
///
/// ASP.NET does not mind case; PHP, Rails and qs make `a[b]` of `a` and of each other;
/// Spring and ASP.NET do so with `a.b`; PHP makes `a_b` of `a.b`, `a b` and `a[b`, and
/// leaves out leading spaces.
pub(super) fn may_be(key: &str, name: &str) -> bool {
    if key == name {
        return true;
    }
    let (key, name) = (folded(key), folded(name));
    let mut pair = (parts(&key), parts(&name));
    let mut alike = 0_usize;
    let nested = loop {
        match (pair.0.next(), pair.1.next()) {
            (Some(a), Some(b)) if a == b => alike = alike.saturating_add(1),
            (Some(_), Some(_)) => break false,
            // One begins with the other.
            _ => break alike > 0,
        }
    };
    nested || (flat(&key).eq(flat(&name)) && !key.is_empty())
}

/// Without case and without the blanks around it. By way of upper case, so that `ſ`
/// and the Kelvin sign are `s` and `k`.
fn folded(name: &str) -> String {
    name.trim().chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split(['[', ']', '.']).map(str::trim).filter(|part| !part.is_empty())
}

fn flat(name: &str) -> impl Iterator<Item = char> {
    let flat = |c| if matches!(c, '[' | '.' | ' ') { '_' } else { c };
    name.chars().filter(|&c| c != ']').map(flat)
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_name_may_be_taken_for_another_one() {
        for (key, name) in [
            ("a", "a"),
            ("A", "a"),
            (" a ", "a"),
            ("a[]", "a"),
            ("a[b]", "a"),
            ("a", "a[b]"),
            ("a[b][]", "a[b]"),
            ("a.b", "a[b]"),
            ("A[B]", "a[b]"),
            ("a.b", "a_b"),
            ("a b", "a_b"),
            ("a[b", "a_b"),
            ("a[b", "a[b]"),
            ("\u{212a}", "k"),
            ("a[0]", "a[]"),
        ] {
            assert!(may_be(key, name) && may_be(name, key), "{key} {name}");
        }
        for (key, name) in [
            ("a", "b"),
            ("", "a"),
            ("ab", "a"),
            ("a[b]", "a[c]"),
            ("[]", "a"),
            ("a_", "a"),
            ("b[a]", "a"),
        ] {
            assert!(!may_be(key, name) && !may_be(name, key), "{key} {name}");
        }
    }
}
