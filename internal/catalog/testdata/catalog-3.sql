CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
CREATE TABLE vaults (
    id               TEXT   NOT NULL PRIMARY KEY,
    name             TEXT   NOT NULL UNIQUE,
    url              TEXT   NOT NULL,
    kind             TEXT   NOT NULL,
    created_at       BIGINT NOT NULL,
    min_retention    TEXT   NOT NULL,
    max_retention    TEXT   NOT NULL,
    soft_delete_days BIGINT NOT NULL,
    assurance_level  BIGINT NOT NULL,
    signing_key      TEXT   NOT NULL,
    detail           TEXT   NOT NULL
);
CREATE TABLE policies (
    name       TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    body       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (name, version)
);
CREATE TABLE sources (
    id              TEXT   NOT NULL PRIMARY KEY,
    name            TEXT   NOT NULL UNIQUE,
    kind            TEXT   NOT NULL,
    vault_id        TEXT   NOT NULL REFERENCES vaults (id),
    policy_name     TEXT   NOT NULL,
    policy_version  BIGINT NOT NULL,
    paths           TEXT   NOT NULL,
    excludes        TEXT   NOT NULL,
    exclude_larger  BIGINT NOT NULL,
    exclude_caches  BIGINT NOT NULL,
    one_file_system BIGINT NOT NULL,
    classes         TEXT   NOT NULL,
    owner           TEXT   NOT NULL,
    criticality     TEXT   NOT NULL,
    rpo             TEXT   NOT NULL,
    rto             TEXT   NOT NULL,
    sensitivity     TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    detail          TEXT   NOT NULL
);
CREATE TABLE points (
    id              TEXT   NOT NULL PRIMARY KEY,
    vault_id        TEXT   NOT NULL REFERENCES vaults (id),
    source_id       TEXT   NOT NULL,
    number          BIGINT NOT NULL,
    received_at     BIGINT NOT NULL,
    started_at      BIGINT NOT NULL,
    retain_until    BIGINT,
    unlimited       BIGINT NOT NULL,
    size            BIGINT NOT NULL,
    stored          BIGINT NOT NULL,
    files           BIGINT NOT NULL,
    dirs            BIGINT NOT NULL,
    entries         BIGINT NOT NULL,
    complete        BIGINT NOT NULL,
    fuzzy           BIGINT NOT NULL,
    problems        BIGINT NOT NULL,
    tags            TEXT   NOT NULL,
    reasons         TEXT   NOT NULL,
    state           TEXT   NOT NULL,
    state_at        BIGINT NOT NULL,
    level           TEXT   NOT NULL,
    level_at        BIGINT NOT NULL,
    root            TEXT   NOT NULL,
    manifest_sha256 TEXT   NOT NULL,
    detail          TEXT   NOT NULL
);
CREATE TABLE damages (
    vault_id TEXT   NOT NULL REFERENCES vaults (id),
    object   TEXT   NOT NULL,
    reason   TEXT   NOT NULL,
    found_at BIGINT NOT NULL,
    PRIMARY KEY (vault_id, object)
);
CREATE TABLE runs (
    id         TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    vault_id   TEXT   NOT NULL,
    source_id  TEXT   NOT NULL,
    point_id   TEXT   NOT NULL,
    host       TEXT   NOT NULL,
    pid        BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT,
    result     TEXT   NOT NULL,
    error_kind TEXT   NOT NULL,
    message    TEXT   NOT NULL,
    detail     TEXT   NOT NULL
);
CREATE TABLE outbox (
    seq       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id        TEXT    NOT NULL UNIQUE,
    at        BIGINT  NOT NULL,
    body      BLOB,
    digest    TEXT    NOT NULL,
    log_index BIGINT  UNIQUE
);
CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE erasure_subjects (
    vault_id   TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (vault_id, id)
);
CREATE TABLE erasure_facts (
    vault_id TEXT   NOT NULL,
    record   BIGINT NOT NULL,
    place    BIGINT NOT NULL,
    kind     TEXT   NOT NULL,
    value    BLOB   NOT NULL,
    PRIMARY KEY (vault_id, record, place)
);
CREATE TABLE jobs (
    id          TEXT   NOT NULL PRIMARY KEY,
    kind        TEXT   NOT NULL,
    key         TEXT   NOT NULL,
    vault_id    TEXT   NOT NULL,
    source_id   TEXT   NOT NULL,
    agent_id    TEXT   NOT NULL,
    actor       TEXT   NOT NULL,
    request     TEXT   NOT NULL,
    priority    BIGINT NOT NULL,
    queued_at   BIGINT NOT NULL,
    not_before  BIGINT NOT NULL,
    fence       BIGINT NOT NULL,
    worker      TEXT   NOT NULL,
    lease_until BIGINT,
    cancel_at   BIGINT,
    cancel_by   TEXT   NOT NULL,
    ended_at    BIGINT,
    result      TEXT   NOT NULL,
    error_kind  TEXT   NOT NULL,
    message     TEXT   NOT NULL,
    outcome     TEXT   NOT NULL,
    progress    TEXT   NOT NULL
);
CREATE UNIQUE INDEX goose_db_version_once ON goose_db_version (version_id);
CREATE INDEX sources_vault ON sources (vault_id);
CREATE INDEX points_received ON points (received_at, number, id);
CREATE INDEX points_source ON points (source_id, received_at, number, id);
CREATE INDEX points_vault ON points (vault_id, received_at, number, id);
CREATE INDEX runs_started ON runs (started_at, id);
CREATE INDEX runs_source ON runs (source_id, started_at, id);
CREATE INDEX outbox_pending ON outbox (seq) WHERE log_index IS NULL;
CREATE UNIQUE INDEX jobs_key ON jobs (key) WHERE ended_at IS NULL AND key <> '';
CREATE INDEX jobs_queue ON jobs (agent_id, priority DESC, queued_at, id) WHERE ended_at IS NULL;
CREATE INDEX jobs_queued ON jobs (queued_at, id);
INSERT INTO goose_db_version VALUES (1, 0, 1, '2026-01-01 00:00:00');
INSERT INTO goose_db_version VALUES (2, 1, 1, '2026-01-01 00:00:00');
INSERT INTO goose_db_version VALUES (3, 2, 1, '2026-01-01 00:00:00');
INSERT INTO goose_db_version VALUES (4, 3, 1, '2026-01-01 00:00:00');
INSERT INTO vaults VALUES ('00000000000000000000000000000001', 'vault-1', 'file:///srv/vault', 'unlocked', 1774958400000123, 'P7D', 'P12Y', 14, 1, 'ed25519:AAAA', '{"x":1}');
INSERT INTO vaults VALUES ('00000000000000000000000000000002', 'vault-2', 'file:///srv/vault', 'unlocked', 1774958400000123, 'P7D', 'P12Y', 14, 1, 'ed25519:AAAA', '{"x":1}');
INSERT INTO policies VALUES ('sox', 1, '{"keep":"30d"}', 1774958460000123);
INSERT INTO sources VALUES ('01KQ0000000000000000000001', 'source-1', 'files', '00000000000000000000000000000001', 'sox', 1, '[{"bytes":"L3Nydi9sZWRnZXJz","text":"/srv/ledgers"},{"bytes":"L3Nydi//Cg==","text":"/srv/�\n"}]', '["*.tmp","!é"]', 1099511627776, 1, 1, '["ledger"]', 'ann', 'high', 'PT24H', 'PT4H', 'confidential', 1774958400000123, '{}');
INSERT INTO points VALUES ('01KQ0000000000000000000101', '00000000000000000000000000000001', '01KQ0000000000000000000001', 1, 1774958460000123, 1774958400000123, 2090577600000123, 0, 35184372088832, 7, 3, 2, 6, 1, 1, 0, '["daily","yearly"]', '[{"rule":"yearly"}]', 'protected', 1774958460000123, 'stored', 1774958460000123, '0000000000000000000000000000000000000000000000000000000000000001', '0000000000000000000000000000000000000000000000000000000000000002', '{"previous":null}');
INSERT INTO points VALUES ('01KQ0000000000000000000102', '00000000000000000000000000000001', '01KQ0000000000000000000001', 2, 1774958520000123, 1774958460000123, NULL, 1, 35184372088832, 7, 3, 2, 6, 1, 1, 0, '["daily","yearly"]', '[{"rule":"yearly"}]', 'protected', 1774958520000123, 'stored', 1774958520000123, '0000000000000000000000000000000000000000000000000000000000000002', '0000000000000000000000000000000000000000000000000000000000000003', '{"previous":null}');
INSERT INTO damages VALUES ('00000000000000000000000000000001', 'packs/1', 'it''s gone', 1774958460000123);
INSERT INTO runs VALUES ('01KQ0000000000000000000001', 'backup', '', '01KQ0000000000000000000001', '01KQ0000000000000000000101', '', 0, 1774958460000123, 1774958580000123, 'done', '', '', '');
INSERT INTO runs VALUES ('01KQ0000000000000000000002', 'verify', '', '', '', '', 0, 1774958520000123, NULL, '', '', '', '');
INSERT INTO outbox VALUES (1, 'e1', 1774958460000123, NULL, '26a66b061e8f48f39927c312f25293959729eee95978e2892d49d3512a5cc092', 0);
INSERT INTO outbox VALUES (2, 'e2', 1774958520000123, X'74776F', '3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3', NULL);
INSERT INTO settings VALUES ('server_id', 's1');
