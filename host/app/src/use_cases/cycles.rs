//! Use cases that may start each other for ever: a step of one emits to the trigger topic of another, and so on round.
//! Such a circle can be meant, so it is shown and not refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use host_core::id::{StepAddress, TopicName, UseCaseName};
use host_core::use_case::UseCase;

/// One line a circle. `emits` answers where a step may publish to.
pub fn trigger_cycles(use_cases: &[Arc<UseCase>], emits: impl Fn(&StepAddress) -> Vec<TopicName>) -> Vec<String> {
    let triggered: BTreeMap<&TopicName, Vec<&UseCaseName>> =
        use_cases.iter().fold(BTreeMap::new(), |mut triggered, use_case| {
            if let Some(topic) = &use_case.trigger_topic {
                triggered.entry(topic).or_default().push(&use_case.name);
            }
            triggered
        });
    let starts: BTreeMap<&UseCaseName, BTreeSet<&UseCaseName>> = use_cases
        .iter()
        .map(|use_case| {
            let topics: Vec<TopicName> = use_case.steps.iter().flat_map(&emits).collect();
            let started = topics.iter().filter_map(|topic| triggered.get(topic)).flatten().copied();
            (&use_case.name, started.collect())
        })
        .collect();
    let mut told = BTreeSet::new();
    starts
        .keys()
        .filter_map(|name| circle_through(name, &starts))
        .filter(|circle| told.insert(members(circle)))
        .map(tell)
        .collect()
}

/// The shortest way from a use case back to itself.
fn circle_through<'a>(
    origin: &'a UseCaseName,
    starts: &BTreeMap<&'a UseCaseName, BTreeSet<&'a UseCaseName>>,
) -> Option<Vec<&'a UseCaseName>> {
    let mut ways: Vec<Vec<&UseCaseName>> = vec![vec![origin]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last().expect("a way begins with its origin");
            for next in starts.get(last).into_iter().flatten() {
                if *next == origin {
                    return Some(way);
                }
                if seen.insert(*next) {
                    longer.push(way.iter().copied().chain([*next]).collect());
                }
            }
        }
        ways = longer;
    }
    None
}

fn members(circle: &[&UseCaseName]) -> BTreeSet<UseCaseName> {
    circle.iter().map(|name| (*name).clone()).collect()
}

fn tell(circle: Vec<&UseCaseName>) -> String {
    let names: Vec<&str> = circle.iter().chain(circle.first()).map(|name| name.as_str()).collect();
    format!(
        "use cases may start each other for ever: {}; make sure that a step ends the circle, or emit to another topic",
        names.join(" → ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_core::use_case::Policy;

    fn use_case(name: &str, step: &str, trigger: Option<&str>) -> Arc<UseCase> {
        Arc::new(UseCase {
            name: UseCaseName::try_new(name).expect("a name"),
            version: 1,
            owner: String::new(),
            description: String::new(),
            steps: vec![StepAddress::try_new(step).expect("an address")].into(),
            policy: Policy::default(),
            deadline: None,
            trigger_topic: trigger.map(|topic| TopicName::try_new(topic).expect("a topic")),
            body_schema: None,
        })
    }

    fn emits(step: &StepAddress) -> Vec<TopicName> {
        let topics: &[&str] = match step.as_str() {
            "a.a.a" => &["to-b"],
            "b.b.b" => &["to-c", "nowhere"],
            "c.c.c" => &["to-a"],
            _ => &[],
        };
        topics.iter().map(|topic| TopicName::try_new(topic).expect("a topic")).collect()
    }

    #[test]
    fn a_circle_is_told_once() {
        let use_cases = [
            use_case("a", "a.a.a", Some("to-a")),
            use_case("b", "b.b.b", Some("to-b")),
            use_case("c", "c.c.c", Some("to-c")),
        ];
        let told = trigger_cycles(&use_cases, emits);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("a → b → c → a"), "{told:?}");
    }

    #[test]
    fn a_chain_is_no_circle() {
        let use_cases =
            [use_case("a", "a.a.a", None), use_case("b", "b.b.b", Some("to-b")), use_case("c", "c.c.c", Some("to-c"))];
        assert_eq!(trigger_cycles(&use_cases, emits), Vec::<String>::new());
    }

    #[test]
    fn a_use_case_that_starts_itself_is_a_circle() {
        let told = trigger_cycles(&[use_case("c", "c.c.c", Some("to-a"))], emits);
        assert!(told[0].contains("c → c"), "{told:?}");
    }
}
