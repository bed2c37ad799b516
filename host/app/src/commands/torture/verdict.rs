//! Holds one saga to the promises: what its client was told, what the host answers, and what its journal says, record
//! by record. Pure: evidence in, violations out.

use host_core::id::Position;
use host_core::record::{Event, Record};
use host_core::saga::Saga;

use super::ledger::Wish;
use super::plan::End;

/// Everything that is wrong with a saga. `status` is what the host answers; none if it knows no such saga.
pub fn judge(wish: &Wish, status: Option<&str>, records: &[Record]) -> Vec<String> {
    let Some(status) = status else {
        let mut wrong = Vec::new();
        if wish.is_accepted || !wish.heard.is_empty() {
            wrong.push("it was acknowledged and is lost: the host knows no such saga".to_owned());
        }
        if !records.is_empty() {
            wrong.push("it has a journal and the host knows no such saga".to_owned());
        }
        return wrong;
    };
    if !matches!(status, "completed" | "compensated") {
        return vec![format!("it has not ended: {}", standing(status, records))];
    }
    let mut wrong = Vec::new();
    let told = wish.told.iter().filter(|told| *told != status);
    wrong.extend(told.map(|told| format!("its client was told {told}, and it is {status}")));
    let ended: Vec<String> =
        records.iter().filter(|record| is_end(record)).map(|record| record.at.to_string()).collect();
    let heard = wish.heard.iter().filter(|heard| !ended.contains(heard));
    wrong.extend(heard.map(|heard| format!("a live event told that it ended at {heard}, its journal says {ended:?}")));
    if status != wish.expected.as_str() {
        let expected = wish.expected.as_str();
        wrong.push(format!("it is {status}, and everything it meets leads to {expected}: {}", reason(records)));
    }
    match Saga::fold(records) {
        Some(saga) if saga.status.as_str() != status => {
            wrong.push(format!("the host answers {status}, and its journal says {}", saga.status.as_str()));
        }
        Some(_) => {}
        None => wrong.push("it is there, and its journal is empty".to_owned()),
    }
    wrong.extend(frame(records));
    wrong.extend(path(records, status));
    wrong
}

/// How a saga that counts as ended has ended.
pub fn end(status: Option<&str>) -> Option<End> {
    match status? {
        "completed" => Some(End::Completed),
        "compensated" => Some(End::Compensated),
        _ => None,
    }
}

fn is_end(record: &Record) -> bool {
    matches!(record.event, Event::Ended { .. })
}

fn standing(status: &str, records: &[Record]) -> String {
    let last = records.last().map(|record| {
        let (code, reason) = record.event.cause();
        let cause = [code, reason].into_iter().flatten().collect::<Vec<_>>().join(": ");
        let at = format!("{} {}", record.address, record.direction.as_str());
        format!("the last record is {} at {at} at {} {cause}", record.event.as_str(), record.at)
    });
    format!("it is {status}; {}", last.unwrap_or_else(|| "it has no journal".to_owned()))
}

fn reason(records: &[Record]) -> String {
    let cause = records.iter().rev().find_map(|record| record.event.cause().1);
    cause.unwrap_or("no record gives a reason").to_owned()
}

/// One start, which comes first, and one end, which comes last.
fn frame(records: &[Record]) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_late = |record: &&Record| matches!(record.event, Event::LateDropped { .. });
    let live: Vec<&Record> = records.iter().filter(|record| !is_late(record)).collect();
    let count = |name: &str| live.iter().filter(|record| record.event.as_str() == name).count();
    for (name, place) in [("started", live.first()), ("ended", live.last())] {
        if count(name) != 1 {
            wrong.push(format!("its journal has {} records {name} instead of one", count(name)));
        } else if place.is_some_and(|record| record.event.as_str() != name) {
            wrong.push(format!("its journal has the record {name} in the midst of others"));
        }
    }
    for name in ["dead-lettered", "acted"] {
        if count(name) > 0 {
            wrong.push(format!("its journal has a record {name}, for which there was no cause"));
        }
    }
    wrong
}

/// Forward without a gap, back in exactly the reverse order, nothing twice, each undo by the version that did it.
fn path(records: &[Record], status: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut done: Vec<&Record> = Vec::new();
    let mut undone: Vec<Position> = Vec::new();
    let mut is_turned = false;
    let mut step_count = 0;
    for record in records {
        let position = record.position;
        match &record.event {
            Event::Started { steps, .. } => step_count = steps.len(),
            Event::Done { .. } if done.iter().any(|other| other.position == position) => {
                wrong.push(format!("{} did its work twice", record.address));
            }
            Event::Done { .. } => {
                if usize::from(position.0) != done.len() || is_turned {
                    wrong.push(format!("{} did its work out of turn", record.address));
                }
                done.push(record);
            }
            Event::Rejected { .. } => is_turned = true,
            Event::Compensated { .. } | Event::NotRun if undone.contains(&position) => {
                wrong.push(format!("{} was undone twice", record.address));
            }
            Event::Compensated { .. } | Event::NotRun => {
                undone.push(position);
                let handled = done.iter().find(|other| other.position == position);
                if let Some(handled) = handled.filter(|handled| handled.digest != record.digest) {
                    let [did, undid] = [handled.digest, record.digest].map(|digest| format!("{digest:?}"));
                    wrong.push(format!("{} was done by {did} and undone by {undid}", record.address));
                }
            }
            Event::Retried { .. }
            | Event::Waiting { .. }
            | Event::Signalled { .. }
            | Event::DeadLettered { .. }
            | Event::LateDropped { .. }
            | Event::Acted { .. }
            | Event::Ended { .. } => {}
        }
    }
    let backwards: Vec<Position> = done.iter().rev().map(|record| record.position).collect();
    if status == "completed" && (done.len() != step_count || is_turned || !undone.is_empty()) {
        wrong.push(format!(
            "it is completed with {} of {step_count} steps done and {} undone",
            done.len(),
            undone.len()
        ));
    }
    if status == "compensated" && undone != backwards {
        wrong.push(format!("it was undone in the order {undone:?}, the reverse of what was done is {backwards:?}"));
    }
    wrong
}

#[cfg(test)]
mod tests;
