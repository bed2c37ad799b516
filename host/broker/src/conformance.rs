//! What every driver must do, as a suite that runs over any of them: `broker_conformance!` makes a test of each case.
//! A case knows a driver only as a `Subject`: how it commits, how it crashes and how its time passes is the subject's
//! affair, so that a driver without a commit of its own takes part as well.

pub mod delay;
mod joint;
pub mod logs;
pub mod look;
pub mod order;
pub mod spill;
mod subject;
pub mod survival;

pub use joint::{Disk, JointSubject, MemoryDisk};
pub use subject::{SHORT_LOG, SHORT_LOG_AGE_MAX, SHORT_LOG_BYTES_MAX, Subject};

/// One test per case over what `$subject` makes: an expression that is evaluated anew for each test, in a function
/// that may be async. The crate that uses it needs tokio with its macros.
#[macro_export]
macro_rules! broker_conformance {
    ($subject:expr) => {
        $crate::broker_conformance!($subject;
            order: messages_of_one_key_come_one_at_a_time_in_order, other_keys_pass_one_that_is_out,
                no_more_are_out_than_the_consumer_takes, a_released_delivery_comes_again_before_others_of_its_key,
                a_unit_hands_its_key_on_to_the_message_it_publishes, a_wait_for_a_message_can_be_given_up,
                a_waiting_consumer_is_woken, headers_and_payload_come_as_they_were_sent,
                a_foreign_message_stays_marked, large_and_binary_payloads_come_whole;
            survival: a_crash_redelivers_what_was_not_acknowledged, what_was_acknowledged_never_comes_again,
                what_was_not_synced_is_lost_as_a_whole, what_comes_and_goes_leaves_nothing,
                counts_survive_a_crash, a_group_that_returns_after_a_crash_keeps_the_order_of_keys;
            spill: many_messages_come_in_order, many_messages_wait_for_a_consumer_through_a_crash,
                a_slow_consumer_catches_up_while_others_publish,
                one_key_with_many_messages_does_not_stop_the_consumer, a_consumer_that_leaves_loses_nothing,
                messages_too_large_for_memory_come_one_by_one;
            delay: delayed_messages_come_when_they_are_due, messages_due_together_come_in_the_order_of_publishing,
                delayed_messages_survive_a_crash_once_synced, a_retry_takes_its_turn_again_and_again,
                many_delayed_messages_come_in_order, a_due_time_in_the_past_is_now;
            logs: each_group_gets_every_message, positions_survive_a_crash,
                a_position_that_was_not_synced_goes_back, a_log_longer_than_memory_is_read_by_all,
                a_reader_that_leaves_finds_its_place_again, a_log_forgets_what_is_too_old,
                a_log_forgets_the_oldest_when_it_is_too_large, retention_spares_work_that_waits;
            look: a_fresh_broker_has_no_topics, topics_tell_what_they_hold,
                a_look_sees_messages_wherever_they_are, a_claim_takes_one_message_at_rest,
                a_claim_that_comes_back_is_delivered, a_claim_finds_a_delayed_message,
                a_delayed_claim_that_comes_back_is_due_as_before, a_second_consumer_takes_over,
                a_waiting_consumer_learns_that_it_was_replaced;
        );
    };
    ($subject:expr; $($part:ident: $($case:ident),+;)+) => {
        $($(#[tokio::test]
        async fn $case() {
            let mut subject = $subject;
            $crate::conformance::$part::$case(&mut subject).await;
        })+)+
    };
}
