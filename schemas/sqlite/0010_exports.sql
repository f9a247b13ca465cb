-- Exports of the record: what was asked for and how far it has come; the row is a fence for what is written later
-- (src/store/exports.rs).
CREATE TABLE export (
    id          TEXT NOT NULL PRIMARY KEY,
    owner       TEXT NOT NULL,
    asked       BLOB NOT NULL,
    asked_key   INTEGER NOT NULL,
    moment      TEXT NOT NULL,
    status      TEXT NOT NULL,
    reached     INTEGER NOT NULL,
    resources   INTEGER NOT NULL,
    error       TEXT,
    created_at  TEXT NOT NULL,
    expires_at  TEXT NOT NULL,
    lease       TEXT,
    lease_until TEXT
);
-- Parts of their files, compressed; `piece` is `file.number`.
CREATE TABLE export_piece (
    export    TEXT NOT NULL,
    piece     TEXT NOT NULL,
    file      TEXT NOT NULL,
    number    INTEGER NOT NULL,
    resources INTEGER NOT NULL,
    length    INTEGER NOT NULL,
    crc       INTEGER NOT NULL,
    stored    INTEGER NOT NULL,
    bytes     BLOB NOT NULL,
    bytes_key INTEGER NOT NULL,
    PRIMARY KEY (export, piece)
);
-- What was replaced or deleted since a moment.
CREATE INDEX resource_history_updated ON resource_history (last_updated);
