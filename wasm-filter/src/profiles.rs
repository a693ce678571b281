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
