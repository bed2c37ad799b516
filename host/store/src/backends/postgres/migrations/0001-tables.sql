-- The tables of the shared state. They are made in the schema that the host is configured with.

-- One row. Whoever commits holds its lock from the beginning to the end of the transaction, so commits of all hosts
-- happen one after the other. It is locked and, but by the cleaning, not updated: a row that is updated with each
-- commit would leave a trail of dead versions behind while any long transaction, a backup for instance, is open.
CREATE TABLE turn (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    -- Where a key is in no table, it was last written here or before.
    floor bigint NOT NULL DEFAULT 0
);
INSERT INTO turn DEFAULT VALUES;

-- The order of commits. The newest row is the point up to which everything is visible, and is never removed.
CREATE TABLE batch (
    lsn bigint PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The broker holds everything that follows from it.
    published boolean NOT NULL DEFAULT false
) WITH (fillfactor = 90);
CREATE INDEX batch_by_at ON batch (at);

-- What came of a message. That the row is there is the mark that the message was processed.
CREATE TABLE outcome (
    -- global-id/direction/position
    message_id text COLLATE "C" PRIMARY KEY,
    lsn bigint NOT NULL,
    outcome bytea NOT NULL
);
CREATE INDEX outcome_by_lsn ON outcome (lsn);

-- Key-values of the steps, with the place of their last write. A removed key stays for a while, without a value: a call
-- that read it must learn that it was removed. The key's UTF-8 is kept as bytes, for their order and for the zero byte,
-- which no text of PostgreSQL holds. No index has a column that a new value changes, so that an update needs none.
CREATE TABLE key_value (
    bucket text COLLATE "C" NOT NULL,
    key bytea NOT NULL,
    lsn bigint NOT NULL,
    value bytea,
    PRIMARY KEY (bucket, key)
) WITH (fillfactor = 80);

-- Keys that were removed, in the order in which they can be forgotten.
CREATE TABLE removed (
    lsn bigint NOT NULL,
    bucket text COLLATE "C" NOT NULL,
    key bytea NOT NULL,
    PRIMARY KEY (lsn, bucket, key)
);

-- The last write to any key of a bucket, for calls that listed it.
CREATE TABLE bucket (
    name text COLLATE "C" PRIMARY KEY,
    lsn bigint NOT NULL
) WITH (fillfactor = 50);
