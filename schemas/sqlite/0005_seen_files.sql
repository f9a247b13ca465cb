-- How each file of a feed looked when it was last taken in. Only spares reading it again; what it held is in message.
CREATE TABLE seen_file (
    channel     TEXT NOT NULL,
    feed        TEXT NOT NULL,
    source      TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    sha256      TEXT NOT NULL,
    PRIMARY KEY (channel, feed, source)
) WITHOUT ROWID;
