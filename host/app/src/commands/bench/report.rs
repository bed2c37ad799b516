//! The numbers of a run, for people and for programs.

use std::time::Duration;

use serde_json::json;

use super::load::Counted;
use super::open::Kept;
use crate::terminal::{Terminal, Tone, printable, span};

/// Characters of the longest bar.
const BAR_CHARACTERS: f64 = 40.0;
/// Latencies that are told, by their names.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)];

/// A run: one load, or the two of --half-peak in their order.
pub struct Report {
    pub configuration: String,
    pub clients: u32,
    pub parts: Vec<Part>,
}

/// One load and what came of it.
pub struct Part {
    counted: Counted,
    schedule: Option<Scheduled>,
    /// What a sync of the disk took just before.
    fsync_p50: Duration,
}

/// How the schedule of an open loop was kept.
struct Scheduled {
    rate: u32,
    due_count: u64,
    left_count: u64,
    is_kept: bool,
    late_p99: Duration,
}

impl Report {
    /// Whether everything went as it was asked for.
    pub fn is_good(&self) -> bool {
        !self.parts.is_empty() && self.parts.iter().all(Part::is_good)
    }

    /// The shape of the contract: the first load at the top, the one at half its rate under a name of its own.
    pub fn json(&self) -> serde_json::Value {
        let mut json = json!({ "configuration": self.configuration, "clients": self.clients });
        for (number, part) in self.parts.iter().enumerate() {
            match part.json() {
                serde_json::Value::Object(fields) if number == 0 => {
                    for (name, value) in fields {
                        json[name] = value;
                    }
                }
                half => json["half-peak"] = half,
            }
        }
        json
    }

    pub fn page(&self, terminal: Terminal) -> String {
        let mut lines = vec![format!("configuration   {}", self.configuration)];
        for (number, part) in self.parts.iter().enumerate() {
            if number > 0 {
                lines.push(String::new());
            }
            lines.extend(part.lines(self.clients, terminal));
        }
        lines.join("\n")
    }
}

impl Part {
    pub fn closed(counted: Counted, fsync_p50: Duration) -> Self {
        Self { counted, schedule: None, fsync_p50 }
    }

    pub fn open(kept: Kept, fsync_p50: Duration) -> Self {
        let scheduled = Scheduled {
            rate: kept.rate,
            due_count: kept.due_count,
            left_count: kept.left_count,
            is_kept: kept.is_kept(),
            late_p99: Duration::from_micros(kept.late.value_at_quantile(0.99)),
        };
        Self { counted: kept.counted, schedule: Some(scheduled), fsync_p50 }
    }

    fn is_good(&self) -> bool {
        let is_kept = self.schedule.as_ref().is_none_or(|schedule| schedule.is_kept);
        is_kept && self.counted.saga_count > 0 && self.counted.error_count == 0
    }

    fn at(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.counted.latencies.value_at_quantile(quantile))
    }

    fn json(&self) -> serde_json::Value {
        let ms = |span: Duration| (span.as_secs_f64() * 1e6).round() / 1e3;
        let mut json = json!({
            "seconds": self.counted.took.as_secs_f64(),
            "sagas": self.counted.saga_count,
            "sagas-per-second": self.counted.per_second().round(),
        });
        for (name, quantile) in QUANTILES {
            json[format!("{name}-ms")] = ms(self.at(quantile)).into();
        }
        json["max-ms"] = ms(Duration::from_micros(self.counted.latencies.max())).into();
        json["fsync-p50-ms"] = ms(self.fsync_p50).into();
        json["errors"] = self.counted.error_count.into();
        if let Some(schedule) = &self.schedule {
            json["rate"] = schedule.rate.into();
            json["rate-kept"] = schedule.is_kept.into();
            json["due"] = schedule.due_count.into();
            json["not-begun"] = schedule.left_count.into();
            json["late-p99-ms"] = ms(schedule.late_p99).into();
        }
        json
    }

    fn lines(&self, clients: u32, terminal: Terminal) -> Vec<String> {
        let counted = &self.counted;
        let mut lines = match &self.schedule {
            None => {
                vec![format!("clients         {clients}, each waits for its saga to end before it starts the next")]
            }
            Some(schedule) => schedule.lines(clients, terminal),
        };
        let rate = terminal.bold(format!("{:.0}", counted.per_second()));
        lines.push(format!("sagas           {} in {}: {rate} a second", counted.saga_count, span(counted.took)));
        let latencies = QUANTILES.map(|(name, quantile)| format!("{name} {}  ", span(self.at(quantile))));
        let max = span(Duration::from_micros(counted.latencies.max()));
        lines.push(format!("latency         {}max {max}", latencies.concat()));
        lines.push(format!("sync of disk    p50 {}", span(self.fsync_p50)));
        let tone = if counted.error_count == 0 { Tone::Good } else { Tone::Bad };
        let first =
            counted.error.as_deref().map(|error| format!(", the first: {}", printable(error))).unwrap_or_default();
        lines.push(format!("errors          {}{first}", terminal.paint(tone, counted.error_count)));
        lines.extend(self.histogram(terminal));
        lines
    }

    /// Latencies in steps that double.
    fn histogram(&self, terminal: Terminal) -> Vec<String> {
        let latencies = &self.counted.latencies;
        if latencies.is_empty() {
            return Vec::new();
        }
        let mut from = 1u64;
        let mut rows = Vec::new();
        while from <= latencies.max() {
            rows.push((from, latencies.count_between(from, from * 2 - 1)));
            from *= 2;
        }
        let first = rows.iter().position(|(_, count)| *count > 0).unwrap_or(0);
        let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
        let bars = rows[first..].iter().map(|(from, count)| {
            let length = (*count as f64 / most as f64 * BAR_CHARACTERS).ceil();
            let bar = "█".repeat(length as usize);
            let below = span(Duration::from_micros(from * 2));
            format!("  below {below:>9} {:>9}  {}", count, terminal.paint(Tone::Moving, bar))
        });
        [String::new()].into_iter().chain(bars).collect()
    }
}

impl Scheduled {
    fn lines(&self, clients: u32, terminal: Terminal) -> Vec<String> {
        let Self { rate, due_count, left_count, is_kept, late_p99 } = self;
        let late = span(*late_p99);
        let kept = if *is_kept {
            format!("{}, {due_count} were due; they began up to {late} late (p99)", terminal.paint(Tone::Good, "kept"))
        } else {
            let not = terminal.paint(Tone::Bad, "not kept");
            format!(
                "{not}: {left_count} of the {due_count} that were due had not begun at the end; give a lower --rate, \
                 or more --clients if the host has time left"
            )
        };
        vec![
            format!(
                "schedule        {rate} sagas due each second, up to {clients} under way; latency from when one was due"
            ),
            format!("rate            {kept}"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;

    fn counted() -> Counted {
        let mut latencies = Histogram::new_with_bounds(1, 120_000_000, 3).expect("bounds");
        for micros in [900, 1_000, 1_100, 1_200, 9_000] {
            latencies.record(micros).expect("within the bounds");
        }
        Counted { saga_count: 5, error_count: 0, took: Duration::from_secs(2), latencies, error: None }
    }

    fn report(parts: Vec<Part>) -> Report {
        Report { configuration: "a test".to_owned(), clients: 4, parts }
    }

    fn peak() -> Part {
        Part::closed(counted(), Duration::from_micros(2_500))
    }

    fn half(left_count: u64) -> Part {
        let late = counted().latencies;
        let kept = Kept { rate: 3, counted: counted(), late, due_count: 6, left_count };
        Part::open(kept, Duration::from_micros(2_400))
    }

    const PROMISED: [&str; 10] = [
        "seconds",
        "sagas",
        "sagas-per-second",
        "p50-ms",
        "p90-ms",
        "p99-ms",
        "p999-ms",
        "max-ms",
        "fsync-p50-ms",
        "errors",
    ];

    fn keys(json: &serde_json::Value) -> Vec<&str> {
        json.as_object().expect("an object").keys().map(String::as_str).collect()
    }

    #[test]
    fn the_json_has_the_shape_of_the_contract() {
        let json = report(vec![peak()]).json();
        assert_eq!(keys(&json), [&["configuration", "clients"], &PROMISED[..]].concat());
        assert_eq!(json["sagas-per-second"], 3.0);
        assert_eq!(json["p999-ms"], 9.007, "the upper end of its bucket");
        assert_eq!(json["fsync-p50-ms"], 2.5);
    }

    #[test]
    fn the_json_of_a_schedule_tells_whether_it_was_kept() {
        let schedule = ["rate", "rate-kept", "due", "not-begun", "late-p99-ms"];
        let json = report(vec![half(0)]).json();
        assert_eq!(keys(&json), [&["configuration", "clients"], &PROMISED[..], &schedule].concat());
        assert_eq!((&json["rate"], &json["rate-kept"], &json["due"]), (&3.into(), &true.into(), &6.into()));
        let json = report(vec![peak(), half(2)]).json();
        assert_eq!(json["fsync-p50-ms"], 2.5);
        assert_eq!(keys(&json["half-peak"]), [&PROMISED[..], &schedule].concat());
        assert_eq!(json["half-peak"]["fsync-p50-ms"], 2.4);
        assert_eq!(json["half-peak"]["rate-kept"], false);
    }

    #[test]
    fn a_rate_that_is_not_kept_is_told_with_its_cure_and_is_no_success() {
        assert!(report(vec![peak(), half(1)]).is_good());
        let report = report(vec![peak(), half(2)]);
        assert!(!report.is_good());
        let page = report.page(Terminal::plain());
        let line = "rate            not kept: 2 of the 6 that were due had not begun at the end; give a lower --rate";
        assert!(page.contains(line), "{page}");
    }

    #[test]
    fn the_page_shows_rate_latency_and_bars() {
        let page = report(vec![peak()]).page(Terminal::plain());
        assert!(page.contains("5 in 2.0 s: 3 a second") || page.contains("5 in 2.0 s: 2 a second"), "{page}");
        assert!(page.contains("below    1.0 ms         2"), "{page}");
        assert!(page.contains("█"), "{page}");
    }

    #[test]
    fn a_run_without_a_saga_is_still_told() {
        let mut part = peak();
        part.counted.latencies.reset();
        part.counted.saga_count = 0;
        assert!(!report(vec![]).is_good());
        assert!(report(vec![part]).page(Terminal::plain()).contains("0 a second"));
    }
}
