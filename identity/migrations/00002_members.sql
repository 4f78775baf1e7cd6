-- +goose Up

-- Which users came by a pipeline that looks for those who are no longer in its source: a bit for each user's seq, 4096 of them
-- in a block.
CREATE TABLE members (
    pipeline TEXT NOT NULL,
    block    INTEGER NOT NULL,
    bits     BLOB NOT NULL,
    PRIMARY KEY (pipeline, block)
) STRICT, WITHOUT ROWID;

-- Which users a run has come across that is not over. Block -1 tells how far it was when that was written.
CREATE TABLE seen (
    pipeline TEXT NOT NULL,
    run_id   TEXT NOT NULL,
    block    INTEGER NOT NULL,
    bits     BLOB NOT NULL,
    PRIMARY KEY (pipeline, run_id, block)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 2;
