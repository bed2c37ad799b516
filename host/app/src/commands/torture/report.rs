//! The numbers of a run, for people and for programs.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::round::Outcome;
use super::row::Row;
use crate::terminal::{Field, Terminal, Tone, count, printable, span};

/// Violations shown on a page; all of them are in the JSON.
const SHOWN_MAX: usize = 20;

/// What happened at each row, in the order of the table.
pub struct Report {
    pub seed: u64,
    pub took: Duration,
    pub rows: Vec<(Row, Outcome)>,
    /// Where the evidence lies, if there is something to look at.
    pub kept: Option<PathBuf>,
    /// The command that does the same again.
    pub again: String,
}

impl Report {
    pub fn new(seed: u64, rows: &[Row]) -> Self {
        let rows = rows.iter().map(|row| (*row, Outcome::default())).collect();
        Self { seed, took: Duration::ZERO, rows, kept: None, again: String::new() }
    }

    pub fn add(&mut self, row: Row, outcome: Outcome) {
        let Some((_, sum)) = self.rows.iter_mut().find(|(other, _)| *other == row) else { return };
        sum.kills += outcome.kills;
        sum.sagas += outcome.sagas;
        sum.completed += outcome.completed;
        sum.compensated += outcome.compensated;
        sum.told += outcome.told;
        sum.heard += outcome.heard;
        sum.violations.extend(outcome.violations);
    }

    fn sum(&self, of: impl Fn(&Outcome) -> u64) -> u64 {
        self.rows.iter().map(|(_, outcome)| of(outcome)).sum()
    }

    pub fn kills(&self) -> u64 {
        self.sum(|outcome| outcome.kills)
    }

    pub fn sagas(&self) -> u64 {
        self.sum(|outcome| outcome.sagas)
    }

    pub fn violation_count(&self) -> usize {
        self.rows.iter().map(|(_, outcome)| outcome.violations.len()).sum()
    }

    fn violations(&self) -> impl Iterator<Item = String> {
        let of_row = |(row, outcome): &(Row, Outcome)| {
            let row = row.as_str();
            outcome.violations.iter().map(move |what| format!("{row}: {}", printable(what))).collect::<Vec<_>>()
        };
        self.rows.iter().flat_map(of_row)
    }

    /// The shape of the contract, and the rows.
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|(row, outcome)| {
                json!({
                    "row": row.as_str(), "kills": outcome.kills, "sagas": outcome.sagas,
                    "completed": outcome.completed, "compensated": outcome.compensated,
                    "violations": outcome.violations.len(),
                })
            })
            .collect();
        json!({
            "kills": self.kills(),
            "sagas": self.sagas(),
            "completed": self.sum(|outcome| outcome.completed),
            "compensated": self.sum(|outcome| outcome.compensated),
            "violations": self.violations().collect::<Vec<_>>(),
            "seed": self.seed,
            "told": {
                "by-answers": self.sum(|outcome| outcome.told),
                "by-live-events": self.sum(|outcome| outcome.heard),
            },
            "seconds": self.took.as_secs_f64().round(),
            "rows": rows,
            "kept": self.kept,
        })
    }

    pub fn page(&self, terminal: Terminal) -> String {
        let row = |name: &str, outcome: &Outcome| {
            let tone = if outcome.violations.is_empty() { Tone::Good } else { Tone::Bad };
            let numbers = [outcome.kills, outcome.sagas, outcome.completed, outcome.compensated];
            let mut fields = vec![Field::new(name)];
            fields.extend(numbers.map(Field::new));
            fields.push(Field::toned(tone, outcome.violations.len()));
            fields
        };
        let rows = self.rows.iter().map(|(name, outcome)| row(name.as_str(), outcome));
        let header = ["killed", "kills", "sagas", "completed", "compensated", "violations"];
        let mut lines = vec![terminal.table(&header, rows.collect())];
        let verdict = match self.violation_count() {
            0 => terminal.paint(Tone::Good, "every promise was kept"),
            broken => terminal.paint(Tone::Bad, count(broken, "violation")),
        };
        let (kills, sagas) = (self.kills(), self.sagas());
        lines.push(format!("{kills} kills, {sagas} sagas in {}: {verdict}", span(self.took)));
        let (told, heard) = (self.sum(|outcome| outcome.told), self.sum(|outcome| outcome.heard));
        lines.push(format!("held to {told} ends that clients were told, and to {heard} that live events told"));
        lines.extend(self.violations().take(SHOWN_MAX).map(|what| format!("  {what}")));
        let hidden = self.violation_count().saturating_sub(SHOWN_MAX);
        if hidden > 0 {
            lines.push(format!("  and {hidden} more, see --json"));
        }
        if let Some(kept) = &self.kept {
            lines.push(format!("look at {}: ledger.jsonl, host.log, data/", kept.display()));
            lines
                .push("    `saga run` there and `saga show <global-id>` tell what the host knows of a saga".to_owned());
        }
        lines.push(format!("again: {}", self.again));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use host_engine::failpoint::FailPoint;

    use super::*;

    fn report(violations: &[&str]) -> Report {
        let mut report = Report::new(7, &Row::ALL);
        let violations = violations.iter().map(|what| (*what).to_owned()).collect();
        report.add(Row::Random, Outcome { kills: 3, sagas: 40, completed: 30, compensated: 10, ..Outcome::default() });
        let outcome = Outcome { kills: 2, sagas: 5, completed: 5, violations, ..Outcome::default() };
        report.add(Row::At(FailPoint::BeforeSync), outcome);
        report.again = "saga torture --seconds 60 --seed 7".to_owned();
        report
    }

    #[test]
    fn the_json_has_the_shape_of_the_contract() {
        let json = report(&["saga t-1: lost"]).json();
        for (key, value) in [("kills", 5), ("sagas", 45), ("completed", 35), ("compensated", 10), ("seed", 7)] {
            assert_eq!(json[key], value, "{key}");
        }
        assert_eq!(json["violations"][0], "before-sync: saga t-1: lost");
        assert_eq!(json["rows"].as_array().map(Vec::len), Some(Row::ALL.len()));
    }

    #[test]
    fn the_page_names_violations_the_evidence_and_the_way_to_repeat_it() {
        let mut report = report(&["saga t-1: lost\u{1b}[31m"]);
        report.kept = Some("there".into());
        let page = report.page(Terminal::plain());
        for words in
            ["1 violation", "before-sync: saga t-1: lost\u{fffd}", "look at there", "--seed 7", "5 kills, 45 sagas"]
        {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(self::report(&[]).page(Terminal::plain()).contains("every promise was kept"));
    }

    #[test]
    fn many_violations_are_counted_and_not_all_shown() {
        let page = report(&["x"; 25]).page(Terminal::plain());
        assert!(page.contains("25 violations") && page.contains("and 5 more"), "{page}");
    }
}
