//! What only a running host knows.

use std::collections::BTreeSet;

use super::{Check, State};
use crate::cli::Target;
use crate::client::Client;
use crate::client::view::{ErrorGroups, Plugins, Topics, UseCases};
use crate::commands::topics::is_dangling;
use crate::exit::{self, Exit};
use crate::terminal::count;

/// Ask the host everything. That none answers is a finding, not an error.
pub fn look(target: &Target) -> anyhow::Result<Vec<Check>> {
    let client = Client::new(target)?;
    if let Err(error) = client.get("/healthz", Vec::new()) {
        let state = if exit::of_error(&error) == Exit::Unreachable { State::Unreachable } else { State::Problem };
        return Ok(vec![Check { name: "host", state, text: error.to_string() }]);
    }
    let mut checks = vec![match client.get("/readyz", Vec::new()) {
        Ok(_) => Check::ok("host", format!("{} takes work", client.base())),
        Err(error) => Check::problem("host", format!("{} takes no work: {error}", client.base())),
    }];
    match ask(&client) {
        Ok(found) => checks.extend(found),
        Err(error) => checks.push(Check::problem("host", error.to_string())),
    }
    Ok(checks)
}

fn ask(client: &Client) -> anyhow::Result<Vec<Check>> {
    let page: Plugins = client.get("/v1/plugins", Vec::new())?.read()?;
    let use_cases: UseCases = client.get("/v1/use-cases", Vec::new())?.read()?;
    let topics: Topics = client.get("/v1/topics", Vec::new())?.read()?;
    let errors: ErrorGroups = client.get("/v1/errors", Vec::new())?.read()?;
    let mut checks = served(&page);
    checks.extend(definitions(&use_cases, &page));
    checks.extend(waiting(&topics));
    checks.extend(standing(&errors));
    Ok(checks)
}

fn served(page: &Plugins) -> Vec<Check> {
    let serving = page.plugins.iter().filter(|plugin| plugin.state == "serving").count();
    let rejected = page.plugins.iter().filter(|plugin| plugin.state == "rejected").map(|plugin| {
        let reason = plugin.reason.as_deref().unwrap_or("no reason was given");
        Check::problem("served steps", format!("{} is rejected: {reason}", plugin.address))
    });
    [Check::ok("served steps", count(serving, "step"))].into_iter().chain(rejected).collect()
}

fn definitions(page: &UseCases, plugins: &Plugins) -> Vec<Check> {
    let served: BTreeSet<&str> = plugins
        .plugins
        .iter()
        .filter(|plugin| plugin.state == "serving")
        .map(|plugin| plugin.address.as_str())
        .collect();
    let mut checks = vec![Check::ok("definitions", format!("{} in force", count(page.use_cases.len(), "use case")))];
    checks.extend(page.problems.iter().map(|problem| Check::problem("definitions", problem)));
    for use_case in &page.use_cases {
        let missing: Vec<&str> =
            use_case.steps.iter().map(String::as_str).filter(|step| !served.contains(step)).collect();
        if !missing.is_empty() {
            let text = format!(
                "{} has steps that are not served here: {}; its sagas stop there unless another service takes them",
                use_case.name,
                missing.join(", ")
            );
            checks.push(Check::warning("definitions", text));
        }
    }
    checks
}

fn waiting(page: &Topics) -> Vec<Check> {
    let dangling = page.topics.iter().filter(|topic| is_dangling(topic)).map(|topic| {
        let messages = usize::try_from(topic.messages + topic.delayed).unwrap_or(usize::MAX);
        Check::warning(
            "topics",
            format!("{} holds {} that nobody here serves", topic.topic, count(messages, "message")),
        )
    });
    [Check::ok("topics", count(page.topics.len(), "topic"))].into_iter().chain(dangling).collect()
}

fn standing(page: &ErrorGroups) -> Vec<Check> {
    if page.groups.is_empty() {
        return vec![Check::ok("errors", "nothing stands in the way")];
    }
    let groups = page.groups.iter().map(|group| {
        let step = group.step.as_deref().unwrap_or("-");
        let reason = group.reason.as_deref().or(group.code.as_deref()).unwrap_or(&group.kind);
        let sagas = count(usize::try_from(group.count).unwrap_or(usize::MAX), "saga");
        Check::warning("errors", format!("{sagas} at {step}: {reason} (group {})", group.group))
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_case_with_a_step_that_is_not_served_is_a_warning() {
        let plugins: Plugins = serde_json::from_value(serde_json::json!({"plugins": [
            {"address": "a.b.c", "digest": null, "state": "serving", "reason": null},
            {"address": "a.b.d", "digest": null, "state": "rejected", "reason": "no component"}
        ]}))
        .expect("the shape of the contract");
        let use_cases: UseCases = serde_json::from_value(serde_json::json!({"use-cases": [
            {"name": "shop", "version": 1, "steps": ["a.b.c", "a.b.d"]}, {"name": "pay", "version": 1, "steps": ["a.b.c"]}
        ]}))
        .expect("the shape of the API");
        let checks = definitions(&use_cases, &plugins);
        let warnings: Vec<&Check> = checks.iter().filter(|check| check.state == State::Warning).collect();
        assert_eq!(warnings.len(), 1, "{checks:?}");
        assert!(
            warnings[0].text.starts_with("shop has steps that are not served here: a.b.d;"),
            "{}",
            warnings[0].text
        );
        assert!(served(&plugins).iter().any(|check| check.state == State::Problem));
    }

    #[test]
    fn no_host_is_a_finding() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let target = Target { host: format!("http://127.0.0.1:{port}"), token: None, json: false };
        let checks = look(&target).expect("no error");
        assert_eq!(checks.len(), 1);
        assert_eq!(checks[0].state, State::Unreachable);
    }
}
