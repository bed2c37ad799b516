//! The numbers of a run, for people and for programs.

use std::time::Duration;

use serde_json::json;

use super::load::Counted;
use crate::terminal::{Terminal, Tone, printable, span};

/// Characters of the longest bar.
const BAR_CHARACTERS: f64 = 40.0;

pub struct Report {
    pub configuration: String,
    pub clients: u32,
    pub counted: Counted,
    pub fsync_p50: Duration,
}

impl Report {
    fn per_second(&self) -> f64 {
        self.counted.saga_count as f64 / self.counted.took.as_secs_f64()
    }

    fn at(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.counted.latencies.value_at_quantile(quantile))
    }

    /// The shape of the contract.
    pub fn json(&self) -> serde_json::Value {
        let ms = |span: Duration| (span.as_secs_f64() * 1e6).round() / 1e3;
        json!({
            "configuration": self.configuration,
            "clients": self.clients,
            "seconds": self.counted.took.as_secs_f64(),
            "sagas": self.counted.saga_count,
            "sagas-per-second": self.per_second().round(),
            "p50-ms": ms(self.at(0.5)),
            "p90-ms": ms(self.at(0.9)),
            "p99-ms": ms(self.at(0.99)),
            "max-ms": ms(Duration::from_micros(self.counted.latencies.max())),
            "fsync-p50-ms": ms(self.fsync_p50),
            "errors": self.counted.error_count,
        })
    }

    pub fn page(&self, terminal: Terminal) -> String {
        let counted = &self.counted;
        let rate = format!("{:.0}", self.per_second());
        let mut lines = vec![
            format!("configuration   {}", self.configuration),
            format!("clients         {}, each waits for its saga to end before it starts the next", self.clients),
            format!(
                "sagas           {} in {}: {} a second",
                counted.saga_count,
                span(counted.took),
                terminal.bold(rate)
            ),
            format!(
                "latency         p50 {}  p90 {}  p99 {}  max {}",
                span(self.at(0.5)),
                span(self.at(0.9)),
                span(self.at(0.99)),
                span(Duration::from_micros(counted.latencies.max()))
            ),
            format!("sync of disk    p50 {}", span(self.fsync_p50)),
        ];
        let tone = if counted.error_count == 0 { Tone::Good } else { Tone::Bad };
        let first =
            counted.error.as_deref().map(|error| format!(", the first: {}", printable(error))).unwrap_or_default();
        lines.push(format!("errors          {}{first}", terminal.paint(tone, counted.error_count)));
        lines.extend(self.histogram(terminal));
        lines.join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;

    fn report() -> Report {
        let mut latencies = Histogram::new_with_bounds(1, 120_000_000, 3).expect("bounds");
        for micros in [900, 1_000, 1_100, 1_200, 9_000] {
            latencies.record(micros).expect("within the bounds");
        }
        let counted = Counted { saga_count: 5, error_count: 0, took: Duration::from_secs(2), latencies, error: None };
        Report { configuration: "a test".to_owned(), clients: 4, counted, fsync_p50: Duration::from_micros(2_500) }
    }

    #[test]
    fn the_json_has_the_shape_of_the_contract() {
        let json = report().json();
        let keys: Vec<&String> = json.as_object().expect("an object").keys().collect();
        let promised = [
            "configuration",
            "clients",
            "seconds",
            "sagas",
            "sagas-per-second",
            "p50-ms",
            "p90-ms",
            "p99-ms",
            "max-ms",
            "fsync-p50-ms",
            "errors",
        ];
        assert_eq!(keys, promised);
        assert_eq!(json["sagas-per-second"], 3.0);
        assert_eq!(json["fsync-p50-ms"], 2.5);
    }

    #[test]
    fn the_page_shows_rate_latency_and_bars() {
        let page = report().page(Terminal::plain());
        assert!(page.contains("5 in 2.0 s: 3 a second") || page.contains("5 in 2.0 s: 2 a second"), "{page}");
        assert!(page.contains("below    1.0 ms         2"), "{page}");
        assert!(page.contains("█"), "{page}");
    }

    #[test]
    fn a_run_without_a_saga_is_still_told() {
        let mut report = report();
        report.counted.latencies.reset();
        report.counted.saga_count = 0;
        assert!(report.page(Terminal::plain()).contains("0 a second"));
    }
}
