//! Which units of an `apply` are taken, and what they write together. Pure: what the database knew of their reads and
//! messages comes in as an argument.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use host_core::id::{BucketName, Lsn};

use super::{Error, SharedUnit, Taken, limits};
use crate::Conflict;

/// What the database holds against the units, as of the moment in which nobody else commits.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The last batch of all hosts.
    pub last: Lsn,
    /// Outcomes that messages of these units have already.
    pub outcomes: HashMap<String, Bytes>,
    /// A read of this unit that was overwritten after its snapshot.
    pub overwritten: HashMap<usize, Conflict>,
}

/// The answer, and the writes of all that were taken.
#[derive(Debug, Default)]
pub(crate) struct Admitted<'a> {
    pub units: Vec<Result<Taken, Conflict>>,
    /// The last write of each key.
    pub writes: BTreeMap<(&'a str, &'a str), Option<&'a Bytes>>,
    pub outcomes: Vec<(String, &'a Bytes)>,
}

impl Admitted<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.outcomes.is_empty()
    }
}

/// Refuse what no backend should be asked for.
pub(crate) fn check(units: &[SharedUnit]) -> Result<(), Error> {
    let of_unit = |unit: &SharedUnit| {
        let writes = unit.key_values.writes.iter();
        let writes = writes.map(|(_, key, value)| key.len() + value.as_ref().map_or(0, Bytes::len));
        writes.sum::<usize>() + unit.outcome.as_ref().map_or(0, Bytes::len)
    };
    let byte_count = units.iter().map(of_unit).sum();
    if byte_count > limits::APPLY_BYTES_MAX {
        return Err(Error::TooLarge { byte_count, byte_count_max: limits::APPLY_BYTES_MAX });
    }
    match units.iter().find(|unit| unit.outcome.is_none() && !unit.key_values.writes.is_empty()) {
        Some(unit) => Err(Error::NoOutcome { message_id: unit.message_id.to_string() }),
        None => Ok(()),
    }
}

/// Decide unit by unit, each as if those before it had been committed: what was taken counts against the reads of the
/// next, since no snapshot lies between two units of a batch.
pub(crate) fn admit<'a>(units: &'a [SharedUnit], mut known: Known) -> Admitted<'a> {
    let mut admitted = Admitted::default();
    let mut buckets: BTreeSet<&'a str> = BTreeSet::new();
    for (index, unit) in units.iter().enumerate() {
        let message_id = unit.message_id.to_string();
        if let Some(outcome) = known.outcomes.get(&message_id) {
            admitted.units.push(Ok(Taken::Before(outcome.clone())));
            continue;
        }
        let conflict = known.overwritten.remove(&index);
        let conflict = conflict.or_else(|| overtaken(unit, known.last, &admitted, &buckets));
        if let Some(conflict) = conflict {
            admitted.units.push(Err(conflict));
            continue;
        }
        for (bucket, key, value) in &unit.key_values.writes {
            buckets.insert(bucket.as_str());
            admitted.writes.insert((bucket.as_str(), key), value.as_ref());
        }
        if let Some(outcome) = &unit.outcome {
            known.outcomes.insert(message_id.clone(), outcome.clone());
            admitted.outcomes.push((message_id, outcome));
        }
        admitted.units.push(Ok(Taken::Now));
    }
    admitted
}

/// A read that was overwritten by a unit before this one, or that rests on a point which this database has not reached.
fn overtaken(unit: &SharedUnit, last: Lsn, admitted: &Admitted<'_>, buckets: &BTreeSet<&str>) -> Option<Conflict> {
    let txn = &unit.key_values;
    let conflict = |bucket: &BucketName, key: &str| Conflict { bucket: bucket.clone(), key: key.to_owned() };
    // The database was brought back from a copy that is older than the call: what it read is not known to be there.
    let is_ahead = txn.snapshot > last;
    let mut reads = txn.reads.iter();
    let read = reads.find(|(bucket, key)| is_ahead || admitted.writes.contains_key(&(bucket.as_str(), &**key)));
    if let Some((bucket, key)) = read {
        return Some(conflict(bucket, key));
    }
    let listed = txn.listed.iter().find(|bucket| is_ahead || buckets.contains(bucket.as_str()));
    listed.map(|bucket| conflict(bucket, "*"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use host_core::id::{Direction, GlobalId, MessageId, Position};
    use host_core::unit::KeyValueTxn;

    use super::*;

    fn bucket() -> BucketName {
        BucketName::try_new("test.step.s1").expect("a bucket")
    }

    fn unit(saga: &str, reads: &[&str], writes: &[(&str, Option<&'static str>)]) -> SharedUnit {
        let global_id = GlobalId::try_new(saga).expect("a global-id");
        let value = |text: &'static str| Bytes::from_static(text.as_bytes());
        SharedUnit {
            message_id: MessageId { global_id, direction: Direction::Handle, position: Position(0) },
            key_values: KeyValueTxn {
                snapshot: Lsn(5),
                reads: reads.iter().map(|key| (bucket(), Arc::from(*key))).collect(),
                listed: Vec::new(),
                writes: writes.iter().map(|(key, text)| (bucket(), Arc::from(*key), text.map(value))).collect(),
            },
            outcome: Some(Bytes::copy_from_slice(saga.as_bytes())),
        }
    }

    fn known() -> Known {
        Known { last: Lsn(7), ..Known::default() }
    }

    #[test]
    fn a_read_of_what_an_earlier_unit_wrote_is_refused_and_the_others_are_taken() {
        let units = [
            unit("a", &["x"], &[("y", Some("1")), ("y", Some("2"))]),
            unit("b", &["y"], &[("z", Some("3"))]),
            unit("c", &["z"], &[("y", None)]),
        ];
        let admitted = admit(&units, known());
        assert_eq!(admitted.units[0], Ok(Taken::Now));
        assert_eq!(admitted.units[1], Err(Conflict { bucket: bucket(), key: "y".into() }));
        assert_eq!(admitted.units[2], Ok(Taken::Now), "what a refused unit wrote is not there");
        let name = bucket();
        assert_eq!(admitted.writes.keys().collect::<Vec<_>>(), [&(name.as_str(), "y")]);
        assert_eq!(admitted.writes[&(name.as_str(), "y")], None, "the last write counts");
        assert_eq!(admitted.outcomes.len(), 2);
    }

    #[test]
    fn a_bucket_that_an_earlier_unit_changed_counts_as_listed_before() {
        let mut listing = unit("b", &[], &[]);
        listing.key_values.listed.push(bucket());
        let units = [unit("a", &[], &[("x", Some("1"))]), listing];
        let admitted = admit(&units, known());
        assert_eq!(admitted.units[1], Err(Conflict { bucket: bucket(), key: "*".into() }));
    }

    #[test]
    fn a_message_is_taken_once_whatever_its_reads_say() {
        let units =
            [unit("a", &[], &[("x", Some("1"))]), unit("a", &["x"], &[("x", Some("2"))]), unit("b", &["x"], &[])];
        let mut before = known();
        before.outcomes.insert("b/handle/0".into(), Bytes::from_static(b"earlier"));
        before.overwritten.insert(2, Conflict { bucket: bucket(), key: "x".into() });
        let admitted = admit(&units, before);
        assert_eq!(admitted.units[1], Ok(Taken::Before(Bytes::from_static(b"a"))));
        assert_eq!(admitted.units[2], Ok(Taken::Before(Bytes::from_static(b"earlier"))));
        assert_eq!(admitted.outcomes.len(), 1);
    }

    #[test]
    fn a_snapshot_that_this_database_never_reached_is_refused() {
        let units = [unit("a", &["x"], &[]), unit("b", &[], &[("x", Some("1"))])];
        let admitted = admit(&units, Known { last: Lsn(4), ..Known::default() });
        assert!(admitted.units[0].is_err(), "its reads came from another life of the database");
        assert_eq!(admitted.units[1], Ok(Taken::Now), "it read nothing");
    }
}
