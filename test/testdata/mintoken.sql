-- DO NOT EDIT: a database as php-mintoken makes it, with rows as PHP writes them.
-- The hashes are those of password_hash() over 72 random bytes; the tokens are
-- the row's id and those bytes in hex, which php-mintoken gives to clients only.
-- Its `revoked` is the date of expiry from the start, a moment past or to come.
--
-- LIVE 7ecebdfcda4cf65a6853a2af1b53e0bdc5c76319e01977af1c8340898a8d04a0_3c7ee08e94cd48344127e069e1f103ea2d0abb1f214d399e64c43e724e1777141d893b1f7a5a495c39720797574dce2481c2195d885a0146ff9546a4fb3a6aa2311d5b26f1282cb8
-- LASTING 324f2da35288345a454f8cf36ec4a17581fa2bc5a471bd52aa115d3a0e5c0d67_4c807290f7b11b11dc451f116dbad9967d72d28396b06c482eac1789e63371f963b4c446c7664f463a0cc959aa72913e7d9d52d7de66774a1e8a0bdd4282475cad5c914edf9a5184
-- EXPIRED 91f33802e4c78d719a197fdd25a232e9f1fdaab81469e2b2d286b929bf1afc70_c597b96f4454f76ec929be2b81e0f272758e507b312499f22f0e884ce4b022d482d94bf5ee2228337c65cea91c39a95359d4febad47f1b48d7749b31ed391bdf5edcc4aa40489192
-- REVOKED 167bb30a9e3848dc7ab88bb5b449ea0558b2eb95eef49c37459afe8912813595_de9a3af36c72bb23ca491c5feb24bd57ffb130982673855406690904c7561774f9bc404b13aae39616e4749a953e29db8caf7ea14b8fa2e59729511af11f4d1eb0f717aaaee5293d

CREATE TABLE tokens (
    token_id       CHAR(64)                               NOT NULL UNIQUE,
    token_hash     VARCHAR(255)                           NOT NULL,
    auth_me        VARCHAR(255)                           NOT NULL,
    auth_client_id VARCHAR(255)                           NOT NULL,
    auth_scope     VARCHAR(255)                           NOT NULL,
    created        TIMESTAMP    DEFAULT CURRENT_TIMESTAMP NOT NULL,
    last_use       TIMESTAMP    DEFAULT NULL,
    revoked        TIMESTAMP    DEFAULT NULL,
    PRIMARY KEY (token_id)
);
CREATE TABLE settings (
    setting_name   VARCHAR(255) NOT NULL,
    setting_value  VARCHAR(255) NOT NULL,
                   CONSTRAINT setting UNIQUE (setting_name, setting_value)
);

INSERT INTO tokens VALUES ('7ecebdfcda4cf65a6853a2af1b53e0bdc5c76319e01977af1c8340898a8d04a0',
    '$2y$10$mWoZYANRJ8Cu0A8yKUf.ouocl6QZFwBag4t2NnGVIdSVMMhkLvi.C',
    'https://you.example/', 'https://quill.p3k.io/', 'create update', datetime('now', '-3 days'), datetime('now', '-1 day'), datetime('now', '+4 days'));
INSERT INTO tokens VALUES ('324f2da35288345a454f8cf36ec4a17581fa2bc5a471bd52aa115d3a0e5c0d67',
    '$2y$10$0u2lFFXJaBauWKHlNz8Tc.Em1Bg88PiE7Mp6V8oGxxxHVEGbhcC/e',
    'https://you.example/', 'https://quill.p3k.io/', 'create update', datetime('now', '-60 days'), datetime('now', '-2 days'), NULL);
INSERT INTO tokens VALUES ('91f33802e4c78d719a197fdd25a232e9f1fdaab81469e2b2d286b929bf1afc70',
    '$2y$10$6NFB18Uun6s7BxZLDqV/5OrGo6nw9GURDZkl2eiC2EMwHHtPJVwUi',
    'https://you.example/', 'https://quill.p3k.io/', 'create update', datetime('now', '-10 days'), datetime('now', '-9 days'), datetime('now', '-3 days'));
INSERT INTO tokens VALUES ('167bb30a9e3848dc7ab88bb5b449ea0558b2eb95eef49c37459afe8912813595',
    '$2y$10$ccvsX1d7KnNnkLwhvSYYKO9j6pfyleqeiKXzs9QY.IIpWvdM.oDjm',
    'https://you.example/', 'https://quill.p3k.io/', 'create update', datetime('now', '-3 days'), NULL, datetime('now', '-1 hour'));
