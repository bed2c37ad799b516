//! What was measured, beside what it must not exceed: as a table for people, as JSON for programs.

use std::fmt;

use serde_json::{Value, json};

/// One number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) what: String,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    /// What the value must not be above; none: it is told for its own sake.
    pub(super) bound: Option<f64>,
}

/// All numbers of one measurement.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Table {
    pub(super) measure: &'static str,
    pub(super) rows: Vec<Row>,
}

impl Table {
    pub(super) fn new(measure: &'static str) -> Self {
        Self { measure, rows: Vec::new() }
    }

    /// A number with a bound.
    pub(super) fn bounded(&mut self, what: impl Into<String>, value: f64, unit: &'static str, bound: f64) {
        self.rows.push(Row { what: what.into(), value, unit, bound: Some(bound) });
    }

    /// A number that explains another.
    pub(super) fn told(&mut self, what: impl Into<String>, value: f64, unit: &'static str) {
        self.rows.push(Row { what: what.into(), value, unit, bound: None });
    }

    pub(super) fn is_met(&self) -> bool {
        self.rows.iter().all(Row::is_met)
    }

    pub(super) fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let value = (row.value * 1e3).round() / 1e3;
                json!({"what": row.what, "value": value, "unit": row.unit, "bound": row.bound, "met": row.is_met()})
            })
            .collect();
        json!({"measure": self.measure, "met": self.is_met(), "rows": rows})
    }
}

impl Row {
    fn is_met(&self) -> bool {
        self.bound.is_none_or(|bound| self.value <= bound)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.what.chars().count()).max().unwrap_or_default();
        for (index, row) in self.rows.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{:width$}  {:>12.2} {:<8}", row.what, row.value, row.unit)?;
            if let Some(bound) = row.bound {
                write!(f, "  {} {bound} {}", if row.is_met() { "within" } else { "OVER" }, row.unit)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_over_its_bound_fails_the_whole() {
        let mut table = Table::new("idle");
        table.told("explains", 1e9, "ms");
        table.bounded("small", 59.9, "MiB", 60.0);
        assert!(table.is_met());
        table.bounded("large", 60.1, "MiB", 60.0);
        assert!(!table.is_met());
        assert_eq!(table.json()["rows"][1]["met"], true);
        assert_eq!(table.json()["rows"][2]["met"], false);
        let text = table.to_string();
        assert!(text.contains("within 60 MiB") && text.contains("OVER 60 MiB"), "{text}");
        assert_eq!(text.lines().count(), 3);
    }
}
