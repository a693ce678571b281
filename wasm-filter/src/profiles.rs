//! Compiled masking profiles, kept by digest: a profile is compiled once per VM and
//! not once per response.

use std::collections::VecDeque;
use std::sync::Arc;

use chaperone_inspection::digest::Digest;
use chaperone_inspection::mask::{CompiledProfile, ProfileError};
use chaperone_inspection::obligations::MaskOrder;

/// More than the unions of profiles that one configuration orders in practice.
const CAPACITY: usize = 64;

/// The profiles used last.
#[derive(Debug, Default)]
pub struct Profiles {
    /// The one used last comes first.
    compiled: VecDeque<(Digest, Arc<CompiledProfile>)>,
}

impl Profiles {
    /// The compiled form of what `order` masks.
    pub fn compiled(&mut self, order: &MaskOrder) -> Result<Arc<CompiledProfile>, ProfileError> {
        let known = self.compiled.iter().position(|(digest, _)| *digest == order.digest);
        let entry = match known.and_then(|at| self.compiled.remove(at)) {
            Some(entry) => entry,
            None => (order.digest, Arc::new(CompiledProfile::new(&order.profile)?)),
        };
        let profile = Arc::clone(&entry.1);
        self.compiled.push_front(entry);
        self.compiled.truncate(CAPACITY);
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use chaperone_inspection::mask::profile::Profile;
    use chaperone_inspection::obligations::OnUnmaskable;

    use super::*;

    fn order(field: &str) -> MaskOrder {
        let profile = Profile { fields: [field.to_owned()].into(), ..Profile::default() };
        MaskOrder { digest: profile.digest(), profile, on_unmaskable: OnUnmaskable::Block }
    }

    #[test]
    fn a_profile_is_compiled_once() {
        let mut profiles = Profiles::default();
        let first = profiles.compiled(&order("$.a")).unwrap();
        profiles.compiled(&order("$.b")).unwrap();
        assert!(Arc::ptr_eq(&first, &profiles.compiled(&order("$.a")).unwrap()));
        assert!(profiles.compiled(&order("no path")).is_err());
        assert_eq!(profiles.compiled.len(), 2);
    }

    #[test]
    fn the_profile_used_longest_ago_goes_first() {
        let mut profiles = Profiles::default();
        let kept = profiles.compiled(&order("$.kept")).unwrap();
        for n in 0..2 * CAPACITY {
            profiles.compiled(&order(&format!("$.f{n}"))).unwrap();
            assert!(Arc::ptr_eq(&kept, &profiles.compiled(&order("$.kept")).unwrap()));
        }
        assert_eq!(profiles.compiled.len(), CAPACITY);
    }
}
