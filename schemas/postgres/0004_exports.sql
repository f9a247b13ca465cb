-- Exports of the record: what was asked for and how far it has come; the row is a fence for what is written later
-- (src/store/exports.rs).
CREATE TABLE export (
    id          text COLLATE "C" PRIMARY KEY,
    owner       text COLLATE "C" NOT NULL,
    asked       bytea NOT NULL,
    moment      text COLLATE "C" NOT NULL,
    status      text COLLATE "C" NOT NULL,
    reached     bigint NOT NULL,
    resources   bigint NOT NULL,
    error       text COLLATE "C",
    created_at  text COLLATE "C" NOT NULL,
    expires_at  text COLLATE "C" NOT NULL,
    lease       text COLLATE "C",
    lease_until text COLLATE "C"
);
-- Parts of their files, compressed; `piece` is `file.number`. They are compressed already: the server need not try.
CREATE TABLE export_piece (
    export    text COLLATE "C" NOT NULL,
    piece     text COLLATE "C" NOT NULL,
    file      text COLLATE "C" NOT NULL,
    number    bigint NOT NULL,
    resources bigint NOT NULL,
    length    bigint NOT NULL,
    crc       bigint NOT NULL,
    stored    bigint NOT NULL,
    bytes     bytea NOT NULL,
    PRIMARY KEY (export, piece)
);
ALTER TABLE export_piece ALTER COLUMN bytes SET STORAGE EXTERNAL;
-- What was replaced or deleted since a moment.
CREATE INDEX resource_history_updated ON resource_history (last_updated);
