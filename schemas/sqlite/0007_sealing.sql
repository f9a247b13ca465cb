-- Received bytes, bodies and documents are sealed under data keys (src/store/sealing). The column beside a value has the
-- number of its key; 0 is plain, from before this migration: the node seals those in the background.
CREATE TABLE data_key (
    number     INTEGER PRIMARY KEY,
    -- Id of the master key, which is not in the database.
    wrapped_by TEXT NOT NULL,
    wrapped    BLOB NOT NULL,
    -- Values sealed under it.
    sealed     INTEGER NOT NULL
);
ALTER TABLE message ADD COLUMN raw_key INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN body_key INTEGER NOT NULL DEFAULT 0;
ALTER TABLE seen_message ADD COLUMN body_key INTEGER NOT NULL DEFAULT 0;
ALTER TABLE filing ADD COLUMN body_key INTEGER NOT NULL DEFAULT 0;
ALTER TABLE referral ADD COLUMN package_key INTEGER NOT NULL DEFAULT 0;
ALTER TABLE referral ADD COLUMN outcome_key INTEGER NOT NULL DEFAULT 0;
-- Stands as long as there may be plain values; without it they are not let through.
INSERT INTO data_key (number, wrapped_by, wrapped, sealed)
    SELECT 0, '', x'', 0 WHERE EXISTS (SELECT 1 FROM message) OR EXISTS (SELECT 1 FROM delivery)
        OR EXISTS (SELECT 1 FROM seen_message) OR EXISTS (SELECT 1 FROM filing) OR EXISTS (SELECT 1 FROM referral);
