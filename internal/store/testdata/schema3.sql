-- DO NOT EDIT. A database of schema 3 as the release that introduced it made it,
-- with a row in the tables that must survive every later step. upgrade_test.go
-- opens it with the program of today.
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
CREATE TABLE IF NOT EXISTS settings (
    setting_name   VARCHAR(255) NOT NULL,
    setting_value  VARCHAR(255) NOT NULL,
    CONSTRAINT setting UNIQUE (setting_name, setting_value)
);
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
CREATE TABLE IF NOT EXISTS redeemed_codes (
    code_key TEXT    NOT NULL PRIMARY KEY,
    grant_id INTEGER NOT NULL,
    redeemed TEXT    NOT NULL
);
CREATE INDEX IF NOT EXISTS redeemed_codes_by_time ON redeemed_codes (redeemed);
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
CREATE TABLE IF NOT EXISTS codes (
    code_hash    TEXT    NOT NULL PRIMARY KEY,
    grant_id     INTEGER NOT NULL,
    redirect_uri TEXT    NOT NULL,
    challenge    TEXT    NOT NULL,
    created      TEXT    NOT NULL,
    used         TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS endpoint_kinds (
    endpoint TEXT NOT NULL PRIMARY KEY,
    kind     TEXT NOT NULL,
    learned  TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pages (
    about   TEXT NOT NULL,
    url     TEXT NOT NULL,
    said    TEXT NOT NULL,
    fetched TEXT,
    tried   TEXT NOT NULL,
    PRIMARY KEY (about, url)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS code_shapes (
    shape     TEXT NOT NULL,
    endpoint  TEXT NOT NULL,
    confirmed TEXT NOT NULL,
    PRIMARY KEY (shape, endpoint)
);
CREATE TABLE IF NOT EXISTS refusals (
    refusal_id INTEGER PRIMARY KEY,
    address    TEXT NOT NULL,
    refused    TEXT NOT NULL,
    code_key   TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS refusals_by_address ON refusals (address);
CREATE TABLE IF NOT EXISTS resource_servers (
    name        TEXT NOT NULL PRIMARY KEY,
    secret_hash TEXT NOT NULL UNIQUE,
    created     TEXT NOT NULL,
    last_use    TEXT,
    resource    TEXT NOT NULL DEFAULT '',
    scope       TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS sessions (
    session_hash TEXT NOT NULL PRIMARY KEY,
    me           TEXT NOT NULL,
    user_agent   TEXT NOT NULL,
    created      TEXT NOT NULL,
    last_use     TEXT NOT NULL,
    expires      TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sealing (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    key_id TEXT NOT NULL
);
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
CREATE TABLE IF NOT EXISTS api_keys (
    api_key_name  TEXT NOT NULL PRIMARY KEY,
    key_hash      TEXT NOT NULL UNIQUE,
    user_id       TEXT,
    provider_name TEXT,
    can_write     INTEGER NOT NULL DEFAULT 0,
    created       TEXT NOT NULL,
    last_use      TEXT
);
CREATE TABLE IF NOT EXISTS api_reads (
    api_key_name  TEXT    NOT NULL,
    connection_id INTEGER NOT NULL,
    last_use      TEXT    NOT NULL,
    PRIMARY KEY (api_key_name, connection_id)
) WITHOUT ROWID;
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
INSERT INTO settings VALUES ('endpoint', 'https://you.example/auth/'), ('idle_lifetime', '30d');
INSERT INTO grants VALUES (1, 'https://you.example/', 'https://app.example/', 'create', 'https://you.example/auth/', '2026-04-01 10:00:00', NULL, NULL, '');
INSERT INTO tokens VALUES ('0123456789abcdef', '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', 'https://you.example/',
    'https://app.example/', 'create', '2026-04-01 10:00:00', NULL, NULL, 1, NULL);
INSERT INTO resource_servers VALUES ('blog', '60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752', '2026-04-01 10:00:00', NULL, '', '');
INSERT INTO providers (provider_name, token_url, auth_style, created, updated)
    VALUES ('box', 'https://box.example/token', 'body', '2026-04-01 10:00:00', '2026-04-01 10:00:00');
INSERT INTO connections (user_id, connection_name, provider_name, grant_type, token_kind, created, updated)
    VALUES ('owner', 'box', 'box', 'code', 'oauth2', '2026-04-01 10:00:00', '2026-04-01 10:00:00');
INSERT INTO events (at, event, me) VALUES ('2026-04-01 10:00:00', 'issued', 'https://you.example/');
