-- The whole database of mintkeep. `sqlite3 tokens.db < schema.sql` and
-- `mintkeep init` give the same file; a database made by php-mintoken gets the
-- columns it lacks first and then this.
--
-- Times are UTC text, YYYY-MM-DD HH:MM:SS. Tokens, codes, refresh tokens and
-- server secrets are here only as SHA-256 (hex) of at least 256 random bits.

-- Access tokens that this site issued. The first eight columns are php-mintoken's.
--   token_id    shown to people and used to revoke; random, not part of a new token
--   token_hash  SHA-256 of the token text; a bcrypt hash in rows that php-mintoken
--               wrote and nobody has used since
--   last_use    written at most once an hour
--   revoked     dead from this moment on; may lie in the future
--   grant_id    the grant it belongs to; empty in php-mintoken's rows
--   last_server the resource server that last introspected it
CREATE TABLE IF NOT EXISTS tokens (
    token_id       CHAR(64)     NOT NULL PRIMARY KEY,
    token_hash     VARCHAR(255) NOT NULL,
    auth_me        VARCHAR(255) NOT NULL,
    auth_client_id VARCHAR(255) NOT NULL,
    auth_scope     VARCHAR(255) NOT NULL,
    created        TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_use       TIMESTAMP    DEFAULT NULL,
    revoked        TIMESTAMP    DEFAULT NULL,
    grant_id       INTEGER,
    last_server    TEXT
);
CREATE INDEX IF NOT EXISTS tokens_by_hash ON tokens (token_hash);
CREATE INDEX IF NOT EXISTS tokens_by_grant ON tokens (grant_id);

-- What the owner set up: trusted endpoints and the rest of the README's list.
-- Two columns for ever, so that INSERT INTO settings VALUES ('endpoint', '…') works.
CREATE TABLE IF NOT EXISTS settings (
    setting_name   VARCHAR(255) NOT NULL,
    setting_value  VARCHAR(255) NOT NULL,
    CONSTRAINT setting UNIQUE (setting_name, setting_value)
);

-- One row for each code that became tokens (or token made by hand): everything
-- issued from it ends together. `ended` is the moment, `end_reason` why.
CREATE TABLE IF NOT EXISTS grants (
    grant_id   INTEGER PRIMARY KEY,
    me         TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    scope      TEXT NOT NULL,
    endpoint   TEXT NOT NULL,
    created    TEXT NOT NULL,
    ended      TEXT,
    end_reason TEXT
);

-- Refresh tokens; a family is all of one grant.
--   token_id  the access token issued together with it
--   rotated   when it was used, successor the hash of what replaced it
--   killed    it was replaced before anybody used it
--   reply     the answer of the rotation, sealed with a key that only the holder
--             of this refresh token can derive; wiped after 30 seconds
CREATE TABLE IF NOT EXISTS refresh_tokens (
    refresh_hash TEXT    NOT NULL PRIMARY KEY,
    grant_id     INTEGER NOT NULL,
    token_id     TEXT    NOT NULL,
    created      TEXT    NOT NULL,
    rotated      TEXT,
    successor    TEXT,
    killed       TEXT,
    reply        BLOB
);
CREATE INDEX IF NOT EXISTS refresh_tokens_by_grant ON refresh_tokens (grant_id);
CREATE INDEX IF NOT EXISTS refresh_tokens_with_reply ON refresh_tokens (rotated) WHERE reply IS NOT NULL;

-- The replay ledger: codes that were redeemed in the last 24 hours.
CREATE TABLE IF NOT EXISTS redeemed_codes (
    code_key TEXT    NOT NULL PRIMARY KEY,
    grant_id INTEGER NOT NULL,
    redeemed TEXT    NOT NULL
);
CREATE INDEX IF NOT EXISTS redeemed_codes_by_time ON redeemed_codes (redeemed);

-- Which endpoint confirmed codes of which shape, to ask that one first.
CREATE TABLE IF NOT EXISTS code_shapes (
    shape     TEXT NOT NULL,
    endpoint  TEXT NOT NULL,
    confirmed TEXT NOT NULL,
    PRIMARY KEY (shape, endpoint)
);

-- Refused redemptions of the last five minutes, to slow down guessing.
CREATE TABLE IF NOT EXISTS refusals (
    address TEXT NOT NULL,
    refused TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS refusals_by_address ON refusals (address, refused);

-- Resource servers that may introspect.
CREATE TABLE IF NOT EXISTS resource_servers (
    name        TEXT NOT NULL PRIMARY KEY,
    secret_hash TEXT NOT NULL UNIQUE,
    created     TEXT NOT NULL,
    last_use    TEXT
);

-- What happened, for `mintkeep log`.
CREATE TABLE IF NOT EXISTS events (
    event_id  INTEGER PRIMARY KEY,
    at        TEXT NOT NULL,
    event     TEXT NOT NULL,
    me        TEXT,
    client_id TEXT,
    token_id  TEXT,
    address   TEXT,
    detail    TEXT
);

PRAGMA user_version = 1;
