-- The catalog, version 1.
-- Times are microseconds since 1970 UTC, truths 0 or 1, lists and details JSON.
-- Text compares byte by byte, SQLite's own habit; list orders rely on it.

-- +goose Up

PRAGMA application_id = 1128686452;

-- A second record of the same version fails, so that no migration runs twice
-- when two processes upgrade at once.
CREATE UNIQUE INDEX goose_db_version_once ON goose_db_version (version_id);

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

-- No reference to policies: recover lists a source whose policy record is lost.
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
CREATE INDEX sources_vault ON sources (vault_id);

-- No reference to sources and no unique number: a point that storage holds is
-- listed even if its source is gone or its number is taken.
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
CREATE INDEX points_received ON points (received_at, number, id);
CREATE INDEX points_source ON points (source_id, received_at, number, id);
CREATE INDEX points_vault ON points (vault_id, received_at, number, id);

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
CREATE INDEX runs_started ON runs (started_at, id);
CREATE INDEX runs_source ON runs (source_id, started_at, id);

-- seq is never used twice. body is dropped once the log holds the event; the
-- digest stays, so that adding the same event again is recognised.
CREATE TABLE outbox (
    seq       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id        TEXT    NOT NULL UNIQUE,
    at        BIGINT  NOT NULL,
    body      BLOB,
    digest    TEXT    NOT NULL,
    log_index BIGINT  UNIQUE
);
CREATE INDEX outbox_pending ON outbox (seq) WHERE log_index IS NULL;

CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
