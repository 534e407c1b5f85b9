-- The whole database of mintkeep. `sqlite3 tokens.db < schema.sql` and
-- `mintkeep init` give the same file; a database made by php-mintoken gets the
-- columns it lacks first and then this.
--
-- Times are UTC text, YYYY-MM-DD HH:MM:SS. Tokens, codes, refresh tokens, flows and
-- server secrets are here only as SHA-256 (hex) of at least 256 random bits.
-- What other sites gave is sealed with a key that is not in this file.

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
-- issued from it ends together. `ended` is the moment, `end_reason` why, `resource`
-- the one place where its tokens are good (RFC 8707); empty if that is the site.
CREATE TABLE IF NOT EXISTS grants (
    grant_id   INTEGER PRIMARY KEY,
    me         TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    scope      TEXT NOT NULL,
    endpoint   TEXT NOT NULL,
    created    TEXT NOT NULL,
    ended      TEXT,
    end_reason TEXT,
    resource   TEXT NOT NULL DEFAULT ''
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

-- Codes of authorization endpoints that were redeemed in the last 24 hours, so that
-- one that is used again is recognised.
CREATE TABLE IF NOT EXISTS redeemed_codes (
    code_key TEXT    NOT NULL PRIMARY KEY,
    grant_id INTEGER NOT NULL,
    redeemed TEXT    NOT NULL
);
CREATE INDEX IF NOT EXISTS redeemed_codes_by_time ON redeemed_codes (redeemed);

-- (Every process reads the whole schema before its first statement, so tables of
-- few rows have no index besides their key.)

-- Authorization requests that were sent on to an upstream (the authorization endpoint
-- behind this one), finished ones too, since a browser may come back twice: at most
-- 1,000, of one address 50, for ten minutes.
--   flow_hash    of the id that goes through URLs, cookie_hash of the secret in
--                the cookie that ties the flow to one browser
--   endpoint     the upstream that the browser was sent to
--   own          1 if towards that upstream we are the client
--   state        the client's, to be given back
--   challenge    PKCE, S256; empty if the client sent none
--   grant_id, person  once the upstream has said who it is
--   address      the browser's, as it is counted
--   resource     as in grants
CREATE TABLE IF NOT EXISTS authorizations (
    flow_hash    TEXT    NOT NULL PRIMARY KEY,
    cookie_hash  TEXT    NOT NULL,
    endpoint     TEXT    NOT NULL,
    own          INTEGER NOT NULL,
    client_id    TEXT    NOT NULL,
    redirect_uri TEXT    NOT NULL,
    state        TEXT,
    scope        TEXT    NOT NULL,
    challenge    TEXT    NOT NULL,
    me           TEXT    NOT NULL,
    created      TEXT    NOT NULL,
    grant_id     INTEGER NOT NULL,
    person       TEXT    NOT NULL,
    address      TEXT    NOT NULL,
    resource     TEXT    NOT NULL DEFAULT ''
);

-- Codes that this authorization endpoint issued: valid once, for a minute, and kept
-- for a day so that one that is used again is recognised.
CREATE TABLE IF NOT EXISTS codes (
    code_hash    TEXT    NOT NULL PRIMARY KEY,
    grant_id     INTEGER NOT NULL,
    redirect_uri TEXT    NOT NULL,
    challenge    TEXT    NOT NULL,
    created      TEXT    NOT NULL,
    used         TEXT
) WITHOUT ROWID;

-- What kind of upstream an endpoint is: scoped (it asks the owner for the scopes),
-- identity (it says only who signed in) or unknown (it was probed and did not tell). A
-- probe that failed moves learned to where what was known last holds ten minutes more.
CREATE TABLE IF NOT EXISTS endpoint_kinds (
    endpoint TEXT NOT NULL PRIMARY KEY,
    kind     TEXT NOT NULL,
    learned  TEXT NOT NULL
) WITHOUT ROWID;

-- What pages said: of apps their name and, on a line of its own, their home page (about
-- client), of people their profile in
-- JSON (about profile) and where it leads apps (about home); empty if they say nothing. tried is when the page was last
-- asked for, fetched when it last answered.
CREATE TABLE IF NOT EXISTS pages (
    about   TEXT NOT NULL,
    url     TEXT NOT NULL,
    said    TEXT NOT NULL,
    fetched TEXT,
    tried   TEXT NOT NULL,
    PRIMARY KEY (about, url)
) WITHOUT ROWID;

-- Which endpoint confirmed codes of which shape, to ask that one first.
CREATE TABLE IF NOT EXISTS code_shapes (
    shape     TEXT NOT NULL,
    endpoint  TEXT NOT NULL,
    confirmed TEXT NOT NULL,
    PRIMARY KEY (shape, endpoint)
);

-- Refused redemptions of the last five minutes, and those that are being looked at,
-- to slow down guessing: at most 2,000.
--   address   of the client: public, IPv6 by /64; empty where a proxy names none
--   code_key  the first 16 characters of that of redeemed_codes, or of the hash of an app and
--             its redirect
CREATE TABLE IF NOT EXISTS refusals (
    refusal_id INTEGER PRIMARY KEY,
    address    TEXT NOT NULL,
    refused    TEXT NOT NULL,
    code_key   TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS refusals_by_address ON refusals (address);

-- Resource servers that may introspect: with a resource, the tokens for that one,
-- otherwise those for the site. scope is what is offered if an app asks for none.
CREATE TABLE IF NOT EXISTS resource_servers (
    name        TEXT NOT NULL PRIMARY KEY,
    secret_hash TEXT NOT NULL UNIQUE,
    created     TEXT NOT NULL,
    last_use    TEXT,
    resource    TEXT NOT NULL DEFAULT '',
    scope       TEXT NOT NULL DEFAULT ''
);

-- Browsers that are signed in to the owner's pages.
--   session_hash  of the id in the cookie
--   expires       whatever its use; without use it ends earlier
CREATE TABLE IF NOT EXISTS sessions (
    session_hash TEXT NOT NULL PRIMARY KEY,
    me           TEXT NOT NULL,
    user_agent   TEXT NOT NULL,
    created      TEXT NOT NULL,
    last_use     TEXT NOT NULL,
    expires      TEXT NOT NULL
);

-- The outbound half. "Sealed" means mks1.KEYID.DATA: AES-256-GCM, bound to its
-- table, column and row, so that it opens nowhere else.

-- Which key of the key file seals new values; one row. `key rotate` changes it
-- in the transaction that seals everything again, so that a process with the
-- old keys in memory notices.
CREATE TABLE IF NOT EXISTS sealing (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    key_id TEXT NOT NULL
);

-- Sites that give us tokens.
--   auth_style     header or body (RFC 6749 section 2.3.1), or header-raw; never guessed
--   client_secret  sealed
--   options        JSON: more parameters, the fields of a JSON login, …
CREATE TABLE IF NOT EXISTS providers (
    provider_name  TEXT NOT NULL PRIMARY KEY,
    preset         TEXT NOT NULL DEFAULT '',
    issuer         TEXT NOT NULL DEFAULT '',
    auth_url       TEXT NOT NULL DEFAULT '',
    token_url      TEXT NOT NULL DEFAULT '',
    device_url     TEXT NOT NULL DEFAULT '',
    revoke_url     TEXT NOT NULL DEFAULT '',
    introspect_url TEXT NOT NULL DEFAULT '',
    client_id      TEXT NOT NULL DEFAULT '',
    client_secret  TEXT,
    auth_style     TEXT NOT NULL CHECK (auth_style IN ('header', 'header-raw', 'body')),
    scope          TEXT NOT NULL DEFAULT '',
    options        TEXT NOT NULL DEFAULT '{}',
    created        TEXT NOT NULL,
    updated        TEXT NOT NULL,
    registration   TEXT
);

-- What is kept: one row for each user and name. Nothing refers to providers:
-- changing or removing one never takes a token along.
--   sealed          client_secret, access_token, refresh_token, password, extra, and
--                   previous_refresh_token, kept until its successor has worked
--   token_field     what the Tokens API calls the token: access_token, api_key, …
--   scope           as granted, requested_scope as asked for, scopes (a JSON list)
--                   as somebody gave them to the Tokens API
--   lifetime        seconds that the access token had when it came; 0 if unknown
--   generation      grows with every change of the tokens; of two writers, the one
--                   that knew the newest wins
--   lease_until     until then one process alone may ask the provider
--   state           ok; failing (tried again after retry_after); dead (connect again);
--                   forgetting (the provider has yet to confirm the revocation)
CREATE TABLE IF NOT EXISTS connections (
    connection_id          INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id                TEXT NOT NULL,
    connection_name        TEXT NOT NULL,
    provider_name          TEXT NOT NULL,
    grant_type             TEXT NOT NULL,
    token_kind             TEXT NOT NULL CHECK (token_kind IN ('oauth2', 'api_key', 'jwt')),
    token_type             TEXT NOT NULL DEFAULT 'Bearer',
    token_field            TEXT NOT NULL DEFAULT 'access_token',
    scope                  TEXT NOT NULL DEFAULT '',
    requested_scope        TEXT NOT NULL DEFAULT '',
    scopes                 TEXT,
    client_id              TEXT NOT NULL DEFAULT '',
    client_secret          TEXT,
    access_token           TEXT,
    refresh_token          TEXT,
    previous_refresh_token TEXT,
    username               TEXT NOT NULL DEFAULT '',
    password               TEXT,
    extra                  TEXT,
    expires                TEXT,
    refresh_expires        TEXT,
    generation             INTEGER NOT NULL DEFAULT 1,
    lease_until            TEXT,
    state                  TEXT NOT NULL DEFAULT 'ok' CHECK (state IN ('ok', 'failing', 'dead', 'forgetting')),
    failures               INTEGER NOT NULL DEFAULT 0,
    retry_after            TEXT,
    last_error             TEXT NOT NULL DEFAULT '',
    recovered              TEXT,
    created                TEXT NOT NULL,
    updated                TEXT NOT NULL,
    refreshed              TEXT,
    last_use               TEXT,
    lifetime               INTEGER NOT NULL DEFAULT 0,
    UNIQUE (user_id, connection_name)
);

-- Callers of the HTTP API. key_hash is SHA-256 (hex) of a key with 256 random
-- bits, or of a key of the owner's own salt:HMAC-SHA-256 (hex) under a random salt; user_id and provider_name limit the key, NULL is all.
CREATE TABLE IF NOT EXISTS api_keys (
    api_key_name  TEXT NOT NULL PRIMARY KEY,
    key_hash      TEXT NOT NULL UNIQUE,
    user_id       TEXT,
    provider_name TEXT,
    can_write     INTEGER NOT NULL DEFAULT 0,
    created       TEXT NOT NULL,
    last_use      TEXT
);

-- When which key last read which connection: an event is recorded at most once
-- a minute for each pair. Rows go with the key or the connection.
CREATE TABLE IF NOT EXISTS api_reads (
    api_key_name  TEXT    NOT NULL,
    connection_id INTEGER NOT NULL,
    last_use      TEXT    NOT NULL,
    PRIMARY KEY (api_key_name, connection_id)
) WITHOUT ROWID;

-- Connections being made in a browser: the ticket of `connect -web` becomes a
-- code flow when its link is opened. Rows are deleted when used or expired.
--   flow_hash     SHA-256 (hex) of the ticket or of `state`
--   browser_hash  of the cookie that ties the flow to one browser
--   verifier      of PKCE (RFC 7636), sealed
CREATE TABLE IF NOT EXISTS flows (
    flow_hash       TEXT NOT NULL PRIMARY KEY,
    kind            TEXT NOT NULL CHECK (kind IN ('ticket', 'code')),
    provider_name   TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    connection_name TEXT NOT NULL,
    scope           TEXT NOT NULL DEFAULT '',
    browser_hash    TEXT NOT NULL DEFAULT '',
    verifier        TEXT,
    created         TEXT NOT NULL,
    expires         TEXT NOT NULL
);

-- Tokens that are forgotten here but that the provider has not yet confirmed as
-- revoked. token, access_token and client_secret are sealed; hint is that of
-- RFC 7009 section 2.1, or `logout` for a JSON login.
CREATE TABLE IF NOT EXISTS revocations (
    revocation_id TEXT NOT NULL PRIMARY KEY,
    provider_name TEXT NOT NULL,
    client_id     TEXT NOT NULL DEFAULT '',
    client_secret TEXT,
    hint          TEXT NOT NULL,
    token         TEXT NOT NULL,
    access_token  TEXT,
    tries         INTEGER NOT NULL DEFAULT 0,
    retry_after   TEXT NOT NULL,
    last_error    TEXT NOT NULL DEFAULT '',
    created       TEXT NOT NULL
);

-- What happened, for `mintkeep log`. `connection` is user/name of a kept token,
-- `actor` the API key that acted. Of refused and replay, which strangers can cause, the
-- last 1,000 each are kept.
CREATE TABLE IF NOT EXISTS events (
    event_id   INTEGER PRIMARY KEY,
    at         TEXT NOT NULL,
    event      TEXT NOT NULL,
    me         TEXT,
    client_id  TEXT,
    token_id   TEXT,
    address    TEXT,
    detail     TEXT,
    connection TEXT,
    actor      TEXT
);
CREATE INDEX IF NOT EXISTS events_by_kind ON events (event);

PRAGMA user_version = 3;
