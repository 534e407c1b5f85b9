-- The tables of the keeper (outbound half). Times are UTC text, YYYY-MM-DD HH:MM:SS.
-- "sealed" = AES-256-GCM, mks1.KEYID.BASE64URL, bound to its table, column and row.

-- Which key of the key file seals new values. One row; `key rotate` changes it in the
-- transaction that re-seals everything, so that a process with old keys in memory notices.
CREATE TABLE IF NOT EXISTS sealing (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  key_id TEXT NOT NULL
);

-- Sites that give us tokens. auth_style: header or body (RFC 6749 section 2.3.1), never guessed.
-- client_secret is sealed; options is JSON (extra parameters, JSON login fields, assumed lifetime).
CREATE TABLE IF NOT EXISTS providers (
  provider_name TEXT PRIMARY KEY,
  preset TEXT NOT NULL DEFAULT '',
  issuer TEXT NOT NULL DEFAULT '',
  auth_url TEXT NOT NULL DEFAULT '',
  token_url TEXT NOT NULL DEFAULT '',
  device_url TEXT NOT NULL DEFAULT '',
  revoke_url TEXT NOT NULL DEFAULT '',
  introspect_url TEXT NOT NULL DEFAULT '',
  client_id TEXT NOT NULL DEFAULT '',
  client_secret TEXT,
  auth_style TEXT NOT NULL CHECK (auth_style IN ('header', 'body')),
  scope TEXT NOT NULL DEFAULT '',
  options TEXT NOT NULL DEFAULT '{}',
  created TEXT NOT NULL,
  updated TEXT NOT NULL
);

-- What is kept: one row for each user and name. access_token, refresh_token,
-- previous_refresh_token (until its successor has worked), client_secret, password and extra
-- are sealed. No foreign key to providers: changing or removing one never takes a token along.
-- generation grows with every change of the tokens and decides which of two writers wins;
-- lease_until says until when one process alone may ask the provider.
-- state: ok, failing (tried again after retry_after), dead (connect again), forgetting
-- (the provider has not yet confirmed the revocation).
CREATE TABLE IF NOT EXISTS connections (
  connection_id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id TEXT NOT NULL,
  connection_name TEXT NOT NULL,
  provider_name TEXT NOT NULL,
  grant_type TEXT NOT NULL,
  token_kind TEXT NOT NULL CHECK (token_kind IN ('oauth2', 'api_key', 'jwt')),
  token_type TEXT NOT NULL DEFAULT 'Bearer',
  token_field TEXT NOT NULL DEFAULT 'access_token',
  scope TEXT NOT NULL DEFAULT '',
  requested_scope TEXT NOT NULL DEFAULT '',
  scopes TEXT,
  client_id TEXT NOT NULL DEFAULT '',
  client_secret TEXT,
  access_token TEXT,
  refresh_token TEXT,
  previous_refresh_token TEXT,
  username TEXT NOT NULL DEFAULT '',
  password TEXT,
  extra TEXT,
  expires TEXT,
  refresh_expires TEXT,
  generation INTEGER NOT NULL DEFAULT 1,
  lease_holder TEXT,
  lease_until TEXT,
  state TEXT NOT NULL DEFAULT 'ok' CHECK (state IN ('ok', 'failing', 'dead', 'forgetting')),
  failures INTEGER NOT NULL DEFAULT 0,
  retry_after TEXT,
  last_error TEXT NOT NULL DEFAULT '',
  recovered TEXT,
  created TEXT NOT NULL,
  updated TEXT NOT NULL,
  refreshed TEXT,
  last_use TEXT,
  UNIQUE (user_id, connection_name)
);

-- Callers of the HTTP API. key_hash is SHA-256 (hex) of a key with 256 random bits.
-- user_id and provider_name limit the key; NULL = all.
CREATE TABLE IF NOT EXISTS api_keys (
  api_key_name TEXT PRIMARY KEY,
  key_hash TEXT NOT NULL UNIQUE,
  user_id TEXT,
  provider_name TEXT,
  can_write INTEGER NOT NULL DEFAULT 0,
  created TEXT NOT NULL,
  last_use TEXT
);

-- When which key last read which connection; an event is recorded at most once a minute for each.
CREATE TABLE IF NOT EXISTS api_reads (
  api_key_name TEXT NOT NULL REFERENCES api_keys ON DELETE CASCADE,
  connection_id INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
  last_use TEXT NOT NULL,
  PRIMARY KEY (api_key_name, connection_id)
) WITHOUT ROWID;

-- Connections being made in a browser: a ticket (link of `connect -web`) becomes a code flow
-- when it is opened. flow_hash is SHA-256 (hex) of the ticket or of `state`; browser_hash of the
-- cookie; verifier (RFC 7636) is sealed. Rows are deleted when used or expired.
CREATE TABLE IF NOT EXISTS flows (
  flow_hash TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('ticket', 'code')),
  provider_name TEXT NOT NULL,
  user_id TEXT NOT NULL,
  connection_name TEXT NOT NULL,
  scope TEXT NOT NULL DEFAULT '',
  browser_hash TEXT NOT NULL DEFAULT '',
  verifier TEXT,
  created TEXT NOT NULL,
  expires TEXT NOT NULL
);

-- Tokens that are gone from connections but that the provider has not yet confirmed as revoked.
-- token and access_token are sealed; hint as in RFC 7009 section 2.1, or `logout` (JSON login).
CREATE TABLE IF NOT EXISTS revocations (
  revocation_id TEXT PRIMARY KEY,
  provider_name TEXT NOT NULL,
  client_id TEXT NOT NULL DEFAULT '',
  client_secret TEXT,
  hint TEXT NOT NULL,
  token TEXT NOT NULL,
  access_token TEXT,
  tries INTEGER NOT NULL DEFAULT 0,
  retry_after TEXT NOT NULL,
  last_error TEXT NOT NULL DEFAULT '',
  created TEXT NOT NULL
);
