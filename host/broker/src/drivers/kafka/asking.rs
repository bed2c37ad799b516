//! Questions to the cluster that are asked again while it only looks for a leader or a coordinator: one that just went,
//! or whose topic was just made, is there in a moment.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::cluster::ANSWER_MAX;
use super::voice::Voice;
use crate::Error;

/// Pause before it is asked again: at first, and at most.
const AGAIN_PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// How long an answer to who leads what may take: the question that follows says better what is wrong.
const LEADERS_MAX: Duration = Duration::from_secs(5);

/// Ask, and again for as long as the cluster may take to answer while waiting helps. Blocks.
pub(super) fn insist<T>(
    client: &Client<Voice>,
    doing: impl Display,
    mut ask: impl FnMut() -> KafkaResult<T>,
) -> Result<T, Error> {
    let since = Instant::now();
    let [mut pause, pause_max] = AGAIN_PAUSES;
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if passes(&error) && since.elapsed() < ANSWER_MAX => {
                thread::sleep(pause);
                pause = (pause * 2).min(pause_max);
                learn_leaders(client);
            }
            Err(error) => return Err(Error::cluster(&doing.to_string(), &error)),
        }
    }
}

/// Ask the cluster who leads what. The library keeps its answer for minutes, and a question about a partition that had
/// no leader just then is answered from it without being sent. Blocks.
pub(super) fn learn_leaders(client: &Client<Voice>) {
    if let Err(error) = client.fetch_metadata(None, LEADERS_MAX) {
        tracing::debug!(%error, "the cluster does not say who leads what");
    }
}

/// Where partitions, by their names in the cluster, end as this client sees it; in their order. One request a node of
/// the cluster, asked once. Blocks.
pub(super) fn ends<'a>(
    client: &BaseConsumer<Voice>,
    places: impl Iterator<Item = (&'a str, i32)> + Clone,
) -> KafkaResult<Vec<u64>> {
    let mut list = TopicPartitionList::new();
    for (name, partition) in places.clone() {
        // This stands for the latest, where times are asked for.
        list.add_partition_offset(name, partition, Offset::End)?;
    }
    let found = client.offsets_for_times(list, ANSWER_MAX)?;
    let end_of = |(name, partition): (&str, i32)| {
        let unknown = KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition);
        let element = found.find_partition(name, partition).ok_or_else(|| unknown.clone())?;
        element.error()?;
        element.offset().to_raw().and_then(|end| u64::try_from(end).ok()).ok_or(unknown)
    };
    places.map(end_of).collect()
}

/// Whether the next one of whom this asks is there in a moment.
fn passes(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::FencedLeaderEpoch
                | RDKafkaErrorCode::UnknownLeaderEpoch
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::OffsetNotAvailable
                | RDKafkaErrorCode::CoordinatorLoadInProgress
                | RDKafkaErrorCode::CoordinatorNotAvailable
                | RDKafkaErrorCode::NotCoordinator
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::DestroyBroker
        )
    )
}
