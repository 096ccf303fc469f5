-- Nothing here fails when it runs a second time, but the note would grow.

-- +goose Up
CREATE TABLE IF NOT EXISTS notes (vault_id TEXT NOT NULL, note TEXT NOT NULL);
INSERT INTO notes SELECT id, '+' FROM vaults;
