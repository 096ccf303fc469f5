-- The names of people whose data was erased, so that they can be forgotten:
-- nothing else holds them, and no copy of the catalog that is kept does.
-- No reference to vaults: recover empties those, and storage has no names.

-- +goose Up

CREATE TABLE erasure_subjects (
    vault_id   TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (vault_id, id)
);

-- What governance records say of erasures, for when those are damaged.
CREATE TABLE erasure_facts (
    vault_id TEXT   NOT NULL,
    record   BIGINT NOT NULL,
    place    BIGINT NOT NULL,
    kind     TEXT   NOT NULL,
    value    BLOB   NOT NULL,
    PRIMARY KEY (vault_id, record, place)
);
