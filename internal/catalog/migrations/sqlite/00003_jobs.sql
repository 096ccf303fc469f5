-- What is asked for and not done yet, and how it went. A worker has a job as long
-- as its lease lasts; fence counts the leases, so that one who lost his changes
-- nothing any more. Runs tell of each attempt.

-- +goose Up

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
-- Of what has a key there is one at a time.
CREATE UNIQUE INDEX jobs_key ON jobs (key) WHERE ended_at IS NULL AND key <> '';
CREATE INDEX jobs_queue ON jobs (agent_id, priority DESC, queued_at, id) WHERE ended_at IS NULL;
CREATE INDEX jobs_queued ON jobs (queued_at, id);
