-- +goose Up
DELETE FROM points;
ALTER TABLE nowhere ADD COLUMN note TEXT;
