//! Request paths.

use chaperone_inspection::plan::{Limits, ProtocolPlan};
use chaperone_inspection::protocol::inspect_body;
use serde::Deserialize;

use crate::{cases, head};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathCase {
    path: String,
    normal: Option<String>,
    /// A part of the reason.
    ambiguous: Option<String>,
}

#[test]
fn a_path_has_one_reading_or_is_refused() {
    for case in cases::<PathCase>("paths", 20) {
        let head = head("GET", &case.path, &[]);
        let facts = inspect_body(&ProtocolPlan::Http, &Limits::default(), &head, &[]);
        let normal = facts.commands.first().map(|command| command.resource.clone());
        assert_eq!(normal, case.normal, "{}", case.path);
        match (&facts.unparsed, &case.ambiguous) {
            (None, None) => {}
            (Some(unparsed), Some(why)) => {
                assert_eq!(unparsed.code.name(), "path_ambiguous");
                assert!(unparsed.detail.contains(why), "{}: {}", case.path, unparsed.detail);
            }
            (unparsed, why) => panic!("{}: {unparsed:?}, not {why:?}", case.path),
        }
    }
}
