-- Systems that come in by SMART Backend Services, registered by IT, with their public keys.
CREATE TABLE client (
    id            TEXT NOT NULL PRIMARY KEY,
    scope         TEXT NOT NULL,
    keys          TEXT NOT NULL,
    keys_url      TEXT,
    clearance     TEXT,
    purpose       TEXT,
    actors        TEXT,
    registered_at TEXT NOT NULL
);
-- A token of a client names it; a token with scopes may do those and no more.
ALTER TABLE api_token ADD COLUMN client TEXT;
ALTER TABLE api_token ADD COLUMN scope TEXT;
