-- What goes into the institution's own systems. Bytes and control id never change: a repeat is told by its control id.
CREATE TABLE filing (
    position        INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    destination     TEXT NOT NULL,
    referral        TEXT NOT NULL,
    kind            TEXT NOT NULL,
    control_id      TEXT NOT NULL,
    path            TEXT NOT NULL,
    body            BLOB NOT NULL,
    status          TEXT NOT NULL,
    created_at      TEXT NOT NULL,
    next_attempt_at TEXT NOT NULL,
    attempts        INTEGER NOT NULL,
    last_error      TEXT,
    answer          TEXT,
    filed_at        TEXT,
    lease           TEXT,
    lease_until     TEXT
);
CREATE INDEX filing_waiting ON filing (destination, position) WHERE status = 'queued';
CREATE INDEX filing_status ON filing (status, position);
CREATE INDEX filing_referral ON filing (referral, position);
