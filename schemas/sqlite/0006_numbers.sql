-- Texts that recur (types, parameters, code systems, units) and addresses of resources get numbers, and search rows hold
-- those: a row is some 20 bytes instead of 200, stands once, in the order of its value. What a resource is found by also
-- stands with it (`keys`), so that a new version takes away what no longer holds, and no row is kept in a second order.
-- src/store/sqlite/renumber.rs fills these tables from those of the schema before, and drops them.
DROP INDEX resource_id;
DROP INDEX resource_patient;
ALTER TABLE resource RENAME TO old_resource;
ALTER TABLE resource_history RENAME TO old_resource_history;
ALTER TABLE search_token RENAME TO old_search_token;
ALTER TABLE search_text RENAME TO old_search_text;
ALTER TABLE search_reference RENAME TO old_search_reference;
ALTER TABLE search_date RENAME TO old_search_date;
ALTER TABLE search_quantity RENAME TO old_search_quantity;

-- Never changed, never deleted: the writer keeps them in memory.
CREATE TABLE word (
    number INTEGER PRIMARY KEY,
    text   TEXT NOT NULL UNIQUE
);
-- Every resource that is held or referred to. Positions grow as records come in.
CREATE TABLE address (
    position INTEGER PRIMARY KEY,
    kind     INTEGER NOT NULL,
    id       TEXT NOT NULL
);
CREATE UNIQUE INDEX address_id ON address (kind, id);

-- Current versions, by the position of their address. `patient` is the position of the patient they are about.
CREATE TABLE resource (
    position     INTEGER PRIMARY KEY,
    kind         INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    patient      INTEGER,
    last_updated TEXT NOT NULL,
    event_time   TEXT,
    message_id   TEXT,
    keys         BLOB NOT NULL,
    json         TEXT NOT NULL
);
CREATE INDEX resource_patient ON resource (patient, kind);
-- The versions that were replaced, never changed.
CREATE TABLE resource_history (
    position     INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    last_updated TEXT NOT NULL,
    event_time   TEXT,
    message_id   TEXT,
    json         TEXT NOT NULL,
    PRIMARY KEY (position, version)
);

-- `parameter` is the number of `Observation?code`: a parameter of one type. Times are milliseconds since 1970 UTC.
CREATE TABLE search_token (
    parameter INTEGER NOT NULL,
    code      TEXT NOT NULL,
    owner     INTEGER NOT NULL,
    system    INTEGER NOT NULL,
    -- Only with the parameter `code`, which cohort questions count patients by.
    patient   INTEGER,
    PRIMARY KEY (parameter, code, owner, system)
) WITHOUT ROWID;
CREATE TABLE search_text (
    parameter INTEGER NOT NULL,
    value     TEXT NOT NULL,
    owner     INTEGER NOT NULL,
    PRIMARY KEY (parameter, value, owner)
) WITHOUT ROWID;
CREATE TABLE search_reference (
    target    INTEGER NOT NULL,
    parameter INTEGER NOT NULL,
    owner     INTEGER NOT NULL,
    PRIMARY KEY (target, parameter, owner)
) WITHOUT ROWID;
CREATE TABLE search_date (
    parameter INTEGER NOT NULL,
    date_from INTEGER NOT NULL,
    date_to   INTEGER NOT NULL,
    owner     INTEGER NOT NULL,
    PRIMARY KEY (parameter, date_from, date_to, owner)
) WITHOUT ROWID;
-- By owner: a number is asked for together with a code.
CREATE TABLE search_quantity (
    owner     INTEGER NOT NULL,
    parameter INTEGER NOT NULL,
    unit      INTEGER NOT NULL,
    value     REAL NOT NULL,
    PRIMARY KEY (owner, parameter, unit, value)
) WITHOUT ROWID;
