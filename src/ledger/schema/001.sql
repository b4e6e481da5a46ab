-- The first version: events, and what is derived from them.

CREATE TABLE events (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id   BLOB NOT NULL UNIQUE CHECK (length(event_id) = 16),
    -- Nanoseconds since 1970-01-01T00:00:00Z.
    time_ns    INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    repo_id    TEXT,
    card       TEXT,
    actor      TEXT NOT NULL,
    -- A JSON object of strings, keys sorted by their bytes, no white space.
    attributes TEXT NOT NULL,
    hash       BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE INDEX events_by_repo ON events (repo_id, seq) WHERE repo_id IS NOT NULL;

CREATE TRIGGER events_are_not_updated BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;

CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;

-- INSERT OR REPLACE deletes without firing the trigger above.
CREATE TRIGGER events_are_not_replaced BEFORE INSERT ON events
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only')
    WHERE EXISTS (SELECT 1 FROM events WHERE seq >= NEW.seq)
       OR EXISTS (SELECT 1 FROM events WHERE event_id = NEW.event_id);
END;

-- What was judged, by what it was judged against. Derived from events.
CREATE TABLE verdicts (
    repo_id   TEXT NOT NULL,
    base_tree TEXT NOT NULL,
    tree      TEXT NOT NULL,
    policy    TEXT NOT NULL,
    outcome   TEXT NOT NULL CHECK (outcome IN ('pass', 'refuse')),
    seq       INTEGER NOT NULL REFERENCES events (seq),
    PRIMARY KEY (repo_id, base_tree, tree, policy)
) STRICT, WITHOUT ROWID;

-- How each commit stands with the rules. Derived from events.
CREATE TABLE commits (
    repo_id   TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('validated', 'late', 'unvalidated')),
    seq       INTEGER NOT NULL REFERENCES events (seq),
    PRIMARY KEY (repo_id, commit_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX commits_unvalidated ON commits (repo_id) WHERE state = 'unvalidated';
