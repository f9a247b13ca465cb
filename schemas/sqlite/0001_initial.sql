-- What never changes after it is written is said so; everything else is the present state of a row.
-- Times are RFC 3339 UTC text with milliseconds: they sort as text.

-- The record: current versions. Clinical rows carry the patient they are about.
CREATE TABLE resource (
    kind         TEXT NOT NULL,
    id           TEXT NOT NULL,
    version      INTEGER NOT NULL,
    patient      TEXT,
    last_updated TEXT NOT NULL,
    event_time   TEXT,
    json         TEXT NOT NULL,
    message_id   TEXT,
    PRIMARY KEY (kind, id)
);
CREATE INDEX resource_patient ON resource (patient, kind, id);

-- Every version ever, never changed.
CREATE TABLE resource_history (
    kind         TEXT NOT NULL,
    id           TEXT NOT NULL,
    version      INTEGER NOT NULL,
    last_updated TEXT NOT NULL,
    event_time   TEXT,
    json         TEXT NOT NULL,
    message_id   TEXT,
    PRIMARY KEY (kind, id, version)
);

-- Search rows of the current versions.
CREATE TABLE search_token (
    kind TEXT NOT NULL, id TEXT NOT NULL, patient TEXT,
    parameter TEXT NOT NULL, system TEXT NOT NULL, code TEXT NOT NULL
);
CREATE INDEX search_token_find ON search_token (kind, parameter, code, system, id, patient);
CREATE INDEX search_token_owner ON search_token (kind, id);
CREATE TABLE search_text (
    kind TEXT NOT NULL, id TEXT NOT NULL, parameter TEXT NOT NULL, value TEXT NOT NULL
);
CREATE INDEX search_text_find ON search_text (kind, parameter, value, id);
CREATE INDEX search_text_owner ON search_text (kind, id);
CREATE TABLE search_reference (
    kind TEXT NOT NULL, id TEXT NOT NULL, parameter TEXT NOT NULL, target TEXT NOT NULL
);
CREATE INDEX search_reference_find ON search_reference (kind, parameter, target, id);
CREATE INDEX search_reference_owner ON search_reference (kind, id);
CREATE TABLE search_date (
    kind TEXT NOT NULL, id TEXT NOT NULL, patient TEXT,
    parameter TEXT NOT NULL, date_from TEXT NOT NULL, date_to TEXT NOT NULL
);
CREATE INDEX search_date_find ON search_date (kind, parameter, date_from, date_to, id, patient);
CREATE INDEX search_date_owner ON search_date (kind, id);
CREATE TABLE search_quantity (
    kind TEXT NOT NULL, id TEXT NOT NULL, patient TEXT,
    parameter TEXT NOT NULL, unit TEXT NOT NULL, value REAL NOT NULL
);
CREATE INDEX search_quantity_owner ON search_quantity (kind, id, unit, value);

-- Received messages, never changed but for status, reason and what was written.
CREATE TABLE message (
    position    INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    channel     TEXT NOT NULL,
    source      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    control_id  TEXT,
    received_at TEXT NOT NULL,
    raw         BLOB NOT NULL,
    sha256      TEXT NOT NULL,
    status      TEXT NOT NULL,
    reason      TEXT,
    losses      TEXT,
    resources   TEXT NOT NULL,
    patient     TEXT
);
CREATE INDEX message_status ON message (status, position);
CREATE INDEX message_sha256 ON message (sha256);

-- Paired institutions: keys are pinned at pairing.
CREATE TABLE peer (
    id                 TEXT NOT NULL PRIMARY KEY,
    names              TEXT NOT NULL,
    country            TEXT NOT NULL,
    url                TEXT NOT NULL,
    certificate_sha256 TEXT NOT NULL UNIQUE,
    signing_key        TEXT NOT NULL,
    status             TEXT NOT NULL,
    paired_at          TEXT NOT NULL,
    services           TEXT NOT NULL
);
-- Every key that signed for an institution, ours included, never changed: evidence outlives a pairing.
CREATE TABLE signing_key (
    institution TEXT NOT NULL,
    jwk         TEXT NOT NULL,
    since       TEXT NOT NULL,
    PRIMARY KEY (institution, jwk)
);
CREATE TABLE invite (
    secret_sha256 TEXT NOT NULL PRIMARY KEY,
    expires_at    TEXT NOT NULL,
    used          INTEGER NOT NULL
);

-- The outbox. Body and signature never change; a retry repeats the bytes.
CREATE TABLE delivery (
    message_id      TEXT NOT NULL PRIMARY KEY,
    peer            TEXT NOT NULL,
    stream          TEXT NOT NULL,
    path            TEXT NOT NULL,
    content_type    TEXT NOT NULL,
    purpose         TEXT NOT NULL,
    body            BLOB NOT NULL,
    body_sha256     TEXT NOT NULL,
    signature       TEXT NOT NULL,
    status          TEXT NOT NULL,
    created_at      TEXT NOT NULL,
    next_attempt_at TEXT NOT NULL,
    attempts        INTEGER NOT NULL,
    last_error      TEXT,
    receipt         TEXT,
    delivered_at    TEXT,
    lease           TEXT,
    lease_until     TEXT
);
CREATE INDEX delivery_due ON delivery (status, next_attempt_at);
CREATE INDEX delivery_waiting ON delivery (peer, stream) WHERE status = 'queued';

-- Messages accepted from peers, never changed.
CREATE TABLE seen_message (
    peer        TEXT NOT NULL,
    message_id  TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    body        BLOB NOT NULL,
    signature   TEXT NOT NULL,
    receipt     TEXT NOT NULL,
    received_at TEXT NOT NULL,
    PRIMARY KEY (peer, message_id)
);
CREATE TABLE used_token (
    peer       TEXT NOT NULL,
    jti        TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (peer, jti)
);
CREATE INDEX used_token_expiry ON used_token (expires_at);

CREATE TABLE referral (
    id              TEXT NOT NULL PRIMARY KEY,
    role            TEXT NOT NULL,
    peer            TEXT NOT NULL,
    patient         TEXT,
    patient_name    TEXT NOT NULL,
    status          TEXT NOT NULL,
    business_status TEXT,
    service         TEXT NOT NULL,
    priority        TEXT NOT NULL,
    message_id      TEXT NOT NULL,
    package         BLOB NOT NULL,
    outcome         BLOB,
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL
);
CREATE INDEX referral_role ON referral (role, updated_at);
CREATE TABLE referral_event (
    position    INTEGER PRIMARY KEY AUTOINCREMENT,
    referral    TEXT NOT NULL,
    event       TEXT NOT NULL,
    institution TEXT NOT NULL,
    actor       TEXT NOT NULL,
    from_status TEXT NOT NULL,
    to_status   TEXT NOT NULL,
    note        TEXT,
    message_id  TEXT,
    at          TEXT NOT NULL
);
CREATE INDEX referral_event_referral ON referral_event (referral, position);
CREATE INDEX referral_event_message ON referral_event (message_id);

CREATE TABLE cohort_question (
    sha256   TEXT NOT NULL PRIMARY KEY,
    json     TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at TEXT NOT NULL
);
CREATE TABLE cohort_answer (
    question_sha256 TEXT NOT NULL,
    node            TEXT NOT NULL,
    status          TEXT NOT NULL,
    count           INTEGER,
    evidence        TEXT NOT NULL,
    reason          TEXT,
    answered_at     TEXT NOT NULL,
    PRIMARY KEY (question_sha256, node)
);

-- Digests of secrets; the secrets themselves are never here.
CREATE TABLE sign_in_link (
    secret_sha256 TEXT NOT NULL PRIMARY KEY,
    user          TEXT NOT NULL,
    role          TEXT NOT NULL,
    expires_at    TEXT NOT NULL,
    used          INTEGER NOT NULL
);
CREATE TABLE session (
    secret_sha256 TEXT NOT NULL PRIMARY KEY,
    user          TEXT NOT NULL,
    role          TEXT NOT NULL,
    form_token    TEXT NOT NULL,
    expires_at    TEXT NOT NULL
);
CREATE TABLE api_token (
    secret_sha256 TEXT NOT NULL PRIMARY KEY,
    role          TEXT NOT NULL,
    expires_at    TEXT NOT NULL
);

-- The audit trail, never changed; each hash covers the one before.
CREATE TABLE audit (
    position INTEGER NOT NULL PRIMARY KEY,
    at       TEXT NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    target   TEXT NOT NULL,
    detail   TEXT NOT NULL,
    hash     TEXT NOT NULL
);
