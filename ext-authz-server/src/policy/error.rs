//! What is wrong with a set of policies, where, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Everything that is wrong with a set of policies, in the order of the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PolicyErrors(Vec<PolicyError>);

impl PolicyErrors {
    pub(super) fn new(mut errors: Vec<PolicyError>) -> Self {
        errors.sort_by(|a, b| a.place.cmp(&b.place));
        Self(errors)
    }

    /// Each error.
    pub fn errors(&self) -> &[PolicyError] {
        &self.0
    }
}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, error) in self.0.iter().enumerate() {
            if nth > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyErrors {}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyError {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// The stable code of the problem.
    pub code: &'static str,
    /// What.
    #[serde(serialize_with = "as_text", rename = "message")]
    pub problem: Problem,
    /// What to do, where that can be said.
    pub help: Option<String>,
}

impl PolicyError {
    pub(super) fn new(place: Place, problem: Problem) -> Self {
        Self { place, code: problem.code(), help: problem.help(), problem }
    }

    pub(super) fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

fn as_text<S: serde::Serializer>(problem: &Problem, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(problem)
}

/// A place in a policy file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; `None` for the file as a whole.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
}

impl Place {
    /// The file as a whole.
    pub(super) fn whole(file: &Path) -> Self {
        Self { file: file.to_owned(), line: None, column: None }
    }

    /// The place in `file` at that byte of its `text`.
    pub(super) fn at(file: &Path, text: &str, offset: usize) -> Self {
        let before = text.get(..offset.min(text.len())).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            file: file.to_owned(),
            line: Some(before.matches('\n').count() + 1),
            column: Some(before[line_start..].chars().count() + 1),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        Ok(())
    }
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file or folder cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The folder holds no policies.
    #[error("the folder has no *.cedar file")]
    FolderEmpty,
    /// Not Cedar.
    #[error("{0}")]
    Syntax(String),
    /// Cedar, but not of our schema.
    #[error("policy `{policy}`: {message}")]
    Invalid {
        /// The policy's id.
        policy: String,
        /// What the validator found.
        message: String,
    },
    /// A template, which nothing here links.
    #[error("templates (`?principal`, `?resource`) are not used here")]
    Template,
    /// A policy without a name.
    #[error("the policy has no @id")]
    IdMissing,
    /// A name that is not one.
    #[error("an @id is not empty and has no control characters")]
    IdInvalid,
    /// Two policies with one name.
    #[error("the @id `{id}` is already used at {first}")]
    IdTaken {
        /// The name.
        id: String,
        /// The policy that has it.
        first: Place,
    },
    /// An annotation that means nothing here.
    #[error("unknown annotation @{name}")]
    AnnotationUnknown {
        /// The annotation.
        name: String,
        /// The known one that is nearest.
        near: Option<&'static str>,
    },
    /// An annotation whose value cannot be read.
    #[error("@{name}: {problem}")]
    AnnotationInvalid {
        /// The annotation.
        name: &'static str,
        /// What is wrong with its value.
        problem: String,
    },
    /// An annotation that only means something on a permit.
    #[error("@{name} goes with a permission, and this policy forbids")]
    AnnotationOnForbid {
        /// The annotation.
        name: &'static str,
    },
    /// An annotation that only means something on a prohibition.
    #[error("@{name} tells what would lift a prohibition, and this policy permits")]
    AnnotationOnPermit {
        /// The annotation.
        name: &'static str,
    },
    /// Terms of an approval that is not asked for.
    #[error("@{name} without @requires_approval")]
    ApprovalNotRequired {
        /// The annotation.
        name: &'static str,
    },
    /// A masking profile that is not configured.
    #[error("@mask: unknown masking profile `{name}`")]
    ProfileUnknown {
        /// The profile.
        name: String,
        /// The profiles there are.
        known: Vec<String>,
        /// The known one that is nearest.
        near: Option<String>,
    },
}

impl Problem {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "policy_unreadable",
            Self::FolderEmpty => "policy_folder_empty",
            Self::Syntax(_) => "policy_syntax",
            Self::Invalid { .. } => "policy_invalid",
            Self::Template => "policy_template",
            Self::IdMissing => "policy_id_missing",
            Self::IdInvalid => "policy_id_invalid",
            Self::IdTaken { .. } => "policy_id_taken",
            Self::AnnotationUnknown { .. } => "annotation_unknown",
            Self::AnnotationInvalid { .. } => "annotation_invalid",
            Self::AnnotationOnForbid { .. } => "annotation_on_forbid",
            Self::AnnotationOnPermit { .. } => "annotation_on_permit",
            Self::ApprovalNotRequired { .. } => "approval_not_required",
            Self::ProfileUnknown { .. } => "mask_profile_unknown",
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::IdMissing => Some("name it: @id(\"why-it-is-there\")".to_owned()),
            Self::AnnotationUnknown { near: Some(near), .. } => {
                Some(format!("did you mean @{near}?"))
            }
            Self::AnnotationUnknown { near: None, .. } => {
                let known: Vec<_> = super::annotations::NAMES.map(|name| format!("@{name}")).into();
                Some(format!("expected one of: {}", known.join(", ")))
            }
            Self::ProfileUnknown { near: Some(near), .. } => {
                Some(format!("did you mean `{near}`?"))
            }
            Self::ProfileUnknown { near: None, known, .. } => {
                Some(format!("expected one of: {}", known.join(", ")))
            }
            _ => None,
        }
    }
}

/// A policy that is valid and perhaps not meant so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyWarning {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What to look at.
    pub message: String,
}

impl fmt::Display for PolicyWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}
