-- The second version: the list of snapshots.

-- Snapshots that are in the store. Derived from events.
CREATE TABLE snapshots (
    snapshot_id TEXT NOT NULL PRIMARY KEY,
    -- Empty: a copy of this ledger.
    repo_id     TEXT NOT NULL,
    repo_name   TEXT NOT NULL,
    -- When it was taken, which is not when it was recorded: nanoseconds since
    -- 1970-01-01T00:00:00Z.
    time_ns     INTEGER NOT NULL,
    "trigger"   TEXT NOT NULL,
    branch      TEXT,
    head        TEXT,
    status      TEXT NOT NULL CHECK (status IN ('complete', 'partial', 'torn')),
    files       INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    added       INTEGER NOT NULL,
    ledger_seq  INTEGER,
    seq         INTEGER NOT NULL REFERENCES events (seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX snapshots_by_repo ON snapshots (repo_id, time_ns, snapshot_id);
