//! Every statement that this backend prepares, once a connection. Tables are named without their schema, which is the
//! connection's `search_path`.

use tokio_postgres::{Client, Error, Statement};

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident: $text:literal,)*) => {
        pub(super) struct Statements {
            $($(#[$doc])* pub $name: Statement,)*
        }

        impl Statements {
            /// All in one round trip.
            pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
                let ($($name,)*) = tokio::try_join!($(client.prepare($text),)*)?;
                Ok(Self { $($name,)* })
            }
        }
    };
}

statements! {
    /// Wait until no other commit is under way, and keep it so until this transaction ends.
    turn: "SELECT floor FROM turn WHERE single FOR UPDATE",
    last: "SELECT coalesce(max(lsn), 0) FROM batch",
    outcomes: "SELECT message_id, outcome FROM outcome WHERE message_id = ANY ($1::text[])",
    /// Places of the reads that were overwritten after their snapshot. A key that no table holds was last written at
    /// the floor or before.
    overwritten: "SELECT r.place FROM unnest($1::text[], $2::bytea[], $3::bigint[]) \
            WITH ORDINALITY AS r (bucket, key, snapshot, place) \
        LEFT JOIN key_value k ON k.bucket = r.bucket AND k.key = r.key \
        WHERE coalesce(k.lsn, (SELECT floor FROM turn WHERE single)) > r.snapshot",
    /// Places of the listed buckets in which a key was written after the snapshot.
    changed: "SELECT l.place FROM unnest($1::text[], $2::bigint[]) \
            WITH ORDINALITY AS l (bucket, snapshot, place) \
        JOIN bucket b ON b.name = l.bucket WHERE b.lsn > l.snapshot",

    write_batch: "INSERT INTO batch (lsn) VALUES ($1)",
    write_values: "INSERT INTO key_value (bucket, key, value, lsn) \
        SELECT w.bucket, w.key, w.value, $4 \
        FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS w (bucket, key, value) \
        ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value, lsn = excluded.lsn",
    write_removed: "INSERT INTO removed (lsn, bucket, key) \
        SELECT $3, r.bucket, r.key FROM unnest($1::text[], $2::bytea[]) AS r (bucket, key)",
    write_buckets: "INSERT INTO bucket (name, lsn) SELECT b.name, $2 FROM unnest($1::text[]) AS b (name) \
        ON CONFLICT (name) DO UPDATE SET lsn = excluded.lsn",
    write_outcomes: "INSERT INTO outcome (message_id, lsn, outcome) \
        SELECT o.message_id, $3, o.outcome FROM unnest($1::text[], $2::bytea[]) AS o (message_id, outcome)",

    value: "SELECT value FROM key_value WHERE bucket = $1 AND key = $2",
    keys: "SELECT key FROM key_value WHERE bucket = $1 AND key >= $2 AND value IS NOT NULL ORDER BY key LIMIT $3",
    keys_after: "SELECT key FROM key_value WHERE bucket = $1 AND key > $2 AND value IS NOT NULL ORDER BY key LIMIT $3",
    outcome: "SELECT outcome FROM outcome WHERE message_id = $1",

    published: "UPDATE batch SET published = true WHERE lsn = ANY ($1::bigint[]) AND NOT published",
    forget_outcomes: "DELETE FROM outcome WHERE message_id IN (\
            SELECT o.message_id FROM batch b JOIN outcome o ON o.lsn = b.lsn \
            WHERE b.at < $1 AND (b.published OR b.at < $2) ORDER BY b.at LIMIT $3)",
    forget_batches: "DELETE FROM batch WHERE lsn IN (\
            SELECT b.lsn FROM batch b \
            WHERE b.at < $1 AND (b.published OR b.at < $2) AND b.lsn < (SELECT max(lsn) FROM batch) \
                AND NOT EXISTS (SELECT FROM outcome o WHERE o.lsn = b.lsn) \
            ORDER BY b.at LIMIT $3)",
    /// The last batch before a time. Where the log of batches begins later, everything older is before that.
    last_before: "SELECT coalesce(\
            (SELECT lsn FROM batch WHERE at < $1 ORDER BY at DESC LIMIT 1), (SELECT min(lsn) - 1 FROM batch), 0)",
    /// Forget removed keys up to a batch, unless they were written again.
    forget_removed: "WITH gone AS (\
            DELETE FROM removed WHERE (lsn, bucket, key) IN (\
                SELECT lsn, bucket, key FROM removed WHERE lsn <= $1 ORDER BY lsn LIMIT $2) \
            RETURNING lsn, bucket, key), \
        keys AS (\
            DELETE FROM key_value k USING gone g \
            WHERE k.bucket = g.bucket AND k.key = g.key AND k.lsn = g.lsn AND k.value IS NULL) \
        SELECT count(*), coalesce(max(lsn), 0) FROM gone",
    raise_floor: "UPDATE turn SET floor = greatest(floor, $1) WHERE single",
}
