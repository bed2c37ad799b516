//! Rules about the source tree that no compiler checks: who may know whom, how large things may grow, what must not
//! be written. Each checker takes text and gives findings, so that it is itself tested on text that breaks its rule.

pub mod docs;
pub mod edges;
pub mod rust_source;
pub mod sdk_copies;
pub mod size;
pub mod text;
pub mod tree;
pub mod words;

use std::fmt;

/// One breach of a rule, in the form that editors make a link of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Relative to the root of the repository.
    pub path: String,
    /// From 1; 0 where the breach has no line.
    pub line: usize,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl Finding {
    pub fn new(path: &str, line: usize, problem: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, problem: problem.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.problem)
    }
}

/// Fail with all findings, so that one run shows everything there is to mend.
pub fn assert_none(rule: &str, findings: &[Finding]) {
    let list: Vec<String> = findings.iter().map(|finding| format!("  {finding}")).collect();
    assert!(findings.is_empty(), "{rule}: {} findings\n{}", findings.len(), list.join("\n"));
}
