//! The text format of Prometheus, version 0.0.4: each metric declared once, before its first number.

use std::fmt::Write;

use super::names::{Kind, Name};
use super::{Histogram, SECONDS_BUCKETS};
use crate::door::Sample;

/// A page being written.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    declared: &'static str,
}

impl Page {
    pub(crate) fn counter(&mut self, name: Name, labels: &[(&str, &str)], value: u64) {
        debug_assert_eq!(name.kind, Kind::Counter, "{}", name.name);
        self.declare(name);
        self.line(name.name, "", labels, None, &value.to_string());
    }

    pub(crate) fn gauge(&mut self, name: Name, labels: &[(&str, &str)], value: f64) {
        debug_assert_eq!(name.kind, Kind::Gauge, "{}", name.name);
        self.declare(name);
        self.line(name.name, "", labels, None, &number(value));
    }

    pub(crate) fn histogram(&mut self, name: Name, labels: &[(&str, &str)], histogram: &Histogram) {
        debug_assert_eq!(name.kind, Kind::Histogram, "{}", name.name);
        self.declare(name);
        let mut below = 0;
        for (bound, count) in SECONDS_BUCKETS.iter().zip(histogram.buckets) {
            below += count;
            self.line(name.name, "_bucket", labels, Some(("le", &number(*bound))), &below.to_string());
        }
        self.line(name.name, "_bucket", labels, Some(("le", "+Inf")), &histogram.count.to_string());
        self.line(name.name, "_sum", labels, None, &number(histogram.seconds_sum));
        self.line(name.name, "_count", labels, None, &histogram.count.to_string());
    }

    /// Numbers of other rooms; those of one name stand together.
    pub(crate) fn samples(&mut self, mut samples: Vec<Sample>) {
        samples.sort_by_key(|sample| sample.name);
        for sample in &samples {
            self.declare(Name { name: sample.name, help: sample.help, kind: sample.kind.into() });
            let labels: Vec<_> = sample.labels.iter().map(|(key, value)| (*key, value.as_str())).collect();
            self.line(sample.name, "", &labels, None, &number(sample.value));
        }
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn declare(&mut self, name: Name) {
        if self.declared == name.name {
            return;
        }
        self.declared = name.name;
        let (name, help, kind) = (name.name, name.help, name.kind.as_str());
        writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("writing to a text cannot fail");
    }

    fn line(&mut self, name: &str, suffix: &str, labels: &[(&str, &str)], last: Option<(&str, &str)>, value: &str) {
        self.text.push_str(name);
        self.text.push_str(suffix);
        let mut separator = '{';
        for (key, value) in labels.iter().copied().chain(last) {
            self.text.push(separator);
            separator = ',';
            self.text.push_str(key);
            self.text.push_str("=\"");
            self.escape(value);
            self.text.push('"');
        }
        if separator == ',' {
            self.text.push('}');
        }
        self.text.push(' ');
        self.text.push_str(value);
        self.text.push('\n');
    }

    fn escape(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                other => self.text.push(other),
            }
        }
    }
}

fn number(value: f64) -> String {
    if value.is_nan() { "NaN".to_owned() } else { value.to_string() }
}
