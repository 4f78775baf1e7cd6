-- +goose Up

-- The wrapped hash that a login has replaced, so that a run can tell whether the legacy hash under it has changed since.
ALTER TABLE credentials ADD COLUMN password_replaced TEXT;

PRAGMA user_version = 4;
