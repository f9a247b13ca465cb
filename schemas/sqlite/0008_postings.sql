-- What is found by a value stands as postings: one row for a value and for all the resources of one commit that have it,
-- `first` and, in `owners`, how far behind it the others stand (src/store/keys.rs). What a resource is found by stands in
-- `search_entry`, and that is what counts: a posting may name a resource that no longer has the value.
-- Resources that were written before are indexed anew at the next start (src/records/reindex.rs).
DROP TABLE search_token;
DROP TABLE search_text;
DROP TABLE search_reference;
DROP TABLE search_date;
DROP TABLE search_quantity;
DROP INDEX resource_patient;
ALTER TABLE resource DROP COLUMN keys;

-- The other way round, for every resource that is held; small rows side by side, so that many are looked at quickly.
CREATE TABLE search_entry (
    position INTEGER PRIMARY KEY,
    kind     INTEGER NOT NULL,
    patient  INTEGER,
    -- Milliseconds since 1970 UTC.
    updated  INTEGER NOT NULL,
    keys     BLOB NOT NULL
);
-- By which edition of the search parameters all resources up to a position are indexed.
CREATE TABLE search_state (
    edition INTEGER NOT NULL,
    reached INTEGER NOT NULL
);
INSERT INTO search_state VALUES (0, 0);

-- `path` is the number of `Observation?code`: an element of one type. Times are milliseconds since 1970 UTC.
CREATE TABLE search_kind (
    kind   INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    owners BLOB NOT NULL,
    PRIMARY KEY (kind, first)
) WITHOUT ROWID;
CREATE TABLE search_token (
    path   INTEGER NOT NULL,
    code   TEXT NOT NULL,
    system INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    owners BLOB NOT NULL,
    PRIMARY KEY (path, code, system, first)
) WITHOUT ROWID;
CREATE TABLE search_text (
    path   INTEGER NOT NULL,
    value  TEXT NOT NULL,
    first  INTEGER NOT NULL,
    owners BLOB NOT NULL,
    PRIMARY KEY (path, value, first)
) WITHOUT ROWID;
CREATE TABLE search_reference (
    target INTEGER NOT NULL,
    path   INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    owners BLOB NOT NULL,
    PRIMARY KEY (target, path, first)
) WITHOUT ROWID;
CREATE TABLE search_date (
    path      INTEGER NOT NULL,
    date_from INTEGER NOT NULL,
    date_to   INTEGER NOT NULL,
    first     INTEGER NOT NULL,
    owners    BLOB NOT NULL,
    PRIMARY KEY (path, date_from, date_to, first)
) WITHOUT ROWID;
