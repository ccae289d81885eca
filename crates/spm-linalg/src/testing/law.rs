//! What a law check reports.

use core::fmt;

/// A law that an implementation breaks: which one, and the numbers that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LawViolation {
    /// The name of the law.
    pub law: &'static str,
    /// Where and by how much it fails.
    pub detail: String,
}

impl fmt::Display for LawViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "law `{}` violated: {}", self.law, self.detail)
    }
}

impl core::error::Error for LawViolation {}
