-- Systems that come in by SMART Backend Services, registered by IT, with their public keys.
CREATE TABLE client (
    id            text COLLATE "C" PRIMARY KEY,
    scope         text COLLATE "C" NOT NULL,
    keys          text COLLATE "C" NOT NULL,
    keys_url      text COLLATE "C",
    clearance     text COLLATE "C",
    purpose       text COLLATE "C",
    actors        text COLLATE "C",
    registered_at text COLLATE "C" NOT NULL
);
-- A token of a client names it; a token with scopes may do those and no more.
ALTER TABLE api_token ADD COLUMN client text COLLATE "C";
ALTER TABLE api_token ADD COLUMN scope text COLLATE "C";
