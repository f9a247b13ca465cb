-- Search rows belong to the position of their resource, which grows as records come in: what one message writes lies side by
-- side on the disk. Ids are derived digests and lie anywhere; an index by id dirtied a page for nearly every row.
CREATE TABLE placed_resource (
    position     INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL,
    id           TEXT NOT NULL,
    version      INTEGER NOT NULL,
    patient      TEXT,
    last_updated TEXT NOT NULL,
    event_time   TEXT,
    json         TEXT NOT NULL,
    message_id   TEXT
);
INSERT INTO placed_resource (kind, id, version, patient, last_updated, event_time, json, message_id)
    SELECT kind, id, version, patient, last_updated, event_time, json, message_id FROM resource ORDER BY rowid;
CREATE UNIQUE INDEX resource_id ON placed_resource (kind, id);

CREATE TABLE placed_token (owner INTEGER NOT NULL, kind TEXT NOT NULL, patient TEXT, parameter TEXT NOT NULL, system TEXT NOT NULL, code TEXT NOT NULL);
INSERT INTO placed_token SELECT r.position, s.kind, s.patient, s.parameter, s.system, s.code
    FROM search_token s JOIN placed_resource r ON r.kind = s.kind AND r.id = s.id;
DROP TABLE search_token;
ALTER TABLE placed_token RENAME TO search_token;
CREATE INDEX search_token_find ON search_token (kind, parameter, code, system, owner, patient);
CREATE INDEX search_token_owner ON search_token (owner);

CREATE TABLE placed_text (owner INTEGER NOT NULL, kind TEXT NOT NULL, parameter TEXT NOT NULL, value TEXT NOT NULL);
INSERT INTO placed_text SELECT r.position, s.kind, s.parameter, s.value
    FROM search_text s JOIN placed_resource r ON r.kind = s.kind AND r.id = s.id;
DROP TABLE search_text;
ALTER TABLE placed_text RENAME TO search_text;
CREATE INDEX search_text_find ON search_text (kind, parameter, value, owner);
CREATE INDEX search_text_owner ON search_text (owner);

CREATE TABLE placed_reference (owner INTEGER NOT NULL, kind TEXT NOT NULL, parameter TEXT NOT NULL, target TEXT NOT NULL);
INSERT INTO placed_reference SELECT r.position, s.kind, s.parameter, s.target
    FROM search_reference s JOIN placed_resource r ON r.kind = s.kind AND r.id = s.id;
DROP TABLE search_reference;
ALTER TABLE placed_reference RENAME TO search_reference;
CREATE INDEX search_reference_find ON search_reference (kind, parameter, target, owner);
CREATE INDEX search_reference_owner ON search_reference (owner);

CREATE TABLE placed_date (owner INTEGER NOT NULL, kind TEXT NOT NULL, patient TEXT, parameter TEXT NOT NULL, date_from TEXT NOT NULL, date_to TEXT NOT NULL);
INSERT INTO placed_date SELECT r.position, s.kind, s.patient, s.parameter, s.date_from, s.date_to
    FROM search_date s JOIN placed_resource r ON r.kind = s.kind AND r.id = s.id;
DROP TABLE search_date;
ALTER TABLE placed_date RENAME TO search_date;
CREATE INDEX search_date_find ON search_date (kind, parameter, date_from, date_to, owner, patient);
CREATE INDEX search_date_owner ON search_date (owner);

CREATE TABLE placed_quantity (owner INTEGER NOT NULL, kind TEXT NOT NULL, patient TEXT, parameter TEXT NOT NULL, unit TEXT NOT NULL, value REAL NOT NULL);
INSERT INTO placed_quantity SELECT r.position, s.kind, s.patient, s.parameter, s.unit, s.value
    FROM search_quantity s JOIN placed_resource r ON r.kind = s.kind AND r.id = s.id;
DROP TABLE search_quantity;
ALTER TABLE placed_quantity RENAME TO search_quantity;
CREATE INDEX search_quantity_owner ON search_quantity (owner, unit, value);

DROP TABLE resource;
ALTER TABLE placed_resource RENAME TO resource;
CREATE INDEX resource_patient ON resource (patient);

-- The history keeps the versions that were replaced; the current one is in `resource` alone.
DELETE FROM resource_history WHERE EXISTS (SELECT 1 FROM resource r WHERE r.kind = resource_history.kind
    AND r.id = resource_history.id AND r.version = resource_history.version);
