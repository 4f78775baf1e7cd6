-- +goose Up

-- How many transactions of runs have changed something. By it a run that is resumed knows an older copy of the store.
CREATE TABLE changes (
    count INTEGER NOT NULL
) STRICT;
INSERT INTO changes VALUES (0);

PRAGMA user_version = 3;
