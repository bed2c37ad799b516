//! What is counted, under which names, and that nobody outside can grow the labels.

use std::collections::BTreeSet;

use super::*;
use crate::door::{Sample, SampleKind};
use crate::samples;

#[test]
fn every_name_is_one_of_ours_says_its_unit_and_stands_once() {
    let mut seen = BTreeSet::new();
    for name in names::ALL {
        assert!(seen.insert(name.name), "{} stands twice", name.name);
        assert!(name.name.starts_with("saga_"), "{}", name.name);
        assert!(name.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", name.name);
        assert_eq!(name.name.ends_with("_total"), name.kind == names::Kind::Counter, "{}", name.name);
        let is_seconds = name.name.ends_with("_seconds");
        assert!(is_seconds || name.kind != names::Kind::Histogram, "{}", name.name);
        assert!(name.help.ends_with('.'), "{}", name.name);
    }
}

fn text(metrics: &Metrics) -> String {
    let mut page = Page::default();
    metrics.render(&mut page);
    page.finish()
}

#[test]
fn the_journal_is_counted_by_what_happened() {
    let metrics = Metrics::default();
    metrics.see(&[samples::started("a"), samples::done("a", 0, "1"), samples::done("a", 1, "1")]);
    metrics.see(&[samples::done("a", 2, "1"), samples::completed("a"), samples::started("b")]);
    let text = text(&metrics);
    for line in [
        "saga_started_total 2",
        "saga_ended_total{status=\"completed\"} 1",
        "saga_ended_total{status=\"closed\"} 0",
        "saga_step_calls_total{step=\"shop.test.one\",direction=\"handle\",event=\"done\"} 1",
        "saga_step_call_seconds_count{step=\"shop.test.three\",direction=\"handle\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn a_stranger_cannot_grow_the_labels_without_end() {
    let metrics = Metrics::default();
    for number in 0..LABEL_VALUES_MAX + 50 {
        let mut record = samples::done("a", 0, "1");
        record.address = samples::step(&format!("s{number}"));
        metrics.see(&[record]);
    }
    let text = text(&metrics);
    let steps: BTreeSet<_> = text.lines().filter(|line| line.starts_with("saga_step_calls_total{")).collect();
    assert_eq!(steps.len(), LABEL_VALUES_MAX + 1);
    assert!(text.contains("saga_step_calls_total{step=\"other\",direction=\"handle\",event=\"done\"} 50"));
}

#[test]
fn a_histogram_counts_up_to_each_bound() {
    let metrics = Metrics::default();
    metrics.request("/v1/sagas", 200, Duration::from_millis(1));
    metrics.request("/v1/sagas", 200, Duration::from_millis(40));
    metrics.request("/v1/sagas", 204, Duration::from_secs(60));
    metrics.request("/v1/sagas", 404, Duration::ZERO);
    let text = text(&metrics);
    for line in [
        "saga_http_requests_total{route=\"/v1/sagas\",status=\"2xx\"} 3",
        "saga_http_requests_total{route=\"/v1/sagas\",status=\"4xx\"} 1",
        "saga_http_request_seconds_bucket{route=\"/v1/sagas\",status=\"2xx\",le=\"0.001\"} 1",
        "saga_http_request_seconds_bucket{route=\"/v1/sagas\",status=\"2xx\",le=\"0.05\"} 2",
        "saga_http_request_seconds_bucket{route=\"/v1/sagas\",status=\"2xx\",le=\"10\"} 2",
        "saga_http_request_seconds_bucket{route=\"/v1/sagas\",status=\"2xx\",le=\"+Inf\"} 3",
        "saga_http_request_seconds_count{route=\"/v1/sagas\",status=\"2xx\"} 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn each_metric_is_declared_once_and_label_values_are_escaped() {
    let sample = |name, value: &str| Sample {
        name,
        help: "Help.",
        kind: SampleKind::Gauge,
        labels: vec![("label", value.to_owned())],
        value: 1.5,
    };
    let mut page = Page::default();
    page.samples(vec![sample("saga_b", "x"), sample("saga_a", "quote\" slash\\ line\n"), sample("saga_b", "y")]);
    let text = page.finish();
    let expected = "# HELP saga_a Help.\n# TYPE saga_a gauge\nsaga_a{label=\"quote\\\" slash\\\\ line\\n\"} 1.5\n\
                    # HELP saga_b Help.\n# TYPE saga_b gauge\nsaga_b{label=\"x\"} 1.5\nsaga_b{label=\"y\"} 1.5\n";
    assert_eq!(text, expected);
}
