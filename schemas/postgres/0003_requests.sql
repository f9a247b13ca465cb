-- The trail of requests: what was asked, by whom, whose data was shown. Never changed: a chain for each replica; each hash
-- covers the one before. Times are milliseconds since 1970 UTC.
CREATE TABLE request (
    chain      text COLLATE "C" NOT NULL,
    position   bigint NOT NULL,
    at         bigint NOT NULL,
    actor      text COLLATE "C" NOT NULL,
    role       text COLLATE "C" NOT NULL,
    act        text COLLATE "C" NOT NULL,
    target     text COLLATE "C" NOT NULL,
    parameters text COLLATE "C" NOT NULL,
    patients   text COLLATE "C" NOT NULL,
    shown      bigint NOT NULL,
    outcome    bigint NOT NULL,
    purpose    text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    origin     text COLLATE "C" NOT NULL,
    hash       bytea NOT NULL,
    PRIMARY KEY (chain, position)
);

-- What the rows of each full stretch are found by; made from them, and compared with them by `audit verify`.
CREATE TABLE request_segment (
    chain    text COLLATE "C" NOT NULL,
    last     bigint NOT NULL,
    first_at bigint NOT NULL,
    last_at  bigint NOT NULL,
    subjects bytea NOT NULL,
    PRIMARY KEY (chain, last)
);
