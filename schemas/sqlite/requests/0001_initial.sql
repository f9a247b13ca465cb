-- The trail of requests, in a file of its own: what was asked, by whom, whose data was shown. Never changed; each hash covers
-- the one before. Times are milliseconds since 1970 UTC.
CREATE TABLE request (
    position   INTEGER NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    role       TEXT NOT NULL,
    act        TEXT NOT NULL,
    target     TEXT NOT NULL,
    parameters TEXT NOT NULL,
    patients   TEXT NOT NULL,
    shown      INTEGER NOT NULL,
    outcome    INTEGER NOT NULL,
    purpose    TEXT NOT NULL,
    request_id TEXT NOT NULL,
    origin     TEXT NOT NULL,
    hash       BLOB NOT NULL
);

-- What the rows of each full stretch are found by; made from them, and compared with them by `audit verify`.
CREATE TABLE request_segment (
    last     INTEGER NOT NULL PRIMARY KEY,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    subjects BLOB NOT NULL
);
