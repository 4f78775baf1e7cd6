-- +goose Up

-- One row a user. seq is the order of insertion and what other tables refer to; id is what the outside knows.
-- Objects and lists are JSON. mark belongs to usher: it tells that a record has not changed since it was last read.
-- Who changes a row by hand sets mark to NULL.
CREATE TABLE users (
    seq                   INTEGER PRIMARY KEY,
    id                    TEXT NOT NULL UNIQUE,
    external_id           TEXT,
    email                 TEXT,
    email_verified        INTEGER NOT NULL DEFAULT 0,
    phone_number          TEXT,
    phone_number_verified INTEGER NOT NULL DEFAULT 0,
    preferred_username    TEXT,
    name                  TEXT,
    given_name            TEXT,
    family_name           TEXT,
    middle_name           TEXT,
    nickname              TEXT,
    profile               TEXT,
    picture               TEXT,
    website               TEXT,
    gender                TEXT,
    birthdate             TEXT,
    zoneinfo              TEXT,
    locale                TEXT,
    address               TEXT,
    disabled              INTEGER NOT NULL DEFAULT 0,
    custom_attributes     TEXT,
    user_metadata         TEXT,
    app_metadata          TEXT,
    roles                 TEXT,
    groups                TEXT,
    identities            TEXT,
    logins_count          INTEGER,
    last_login            TEXT,
    created_at            TEXT,
    updated_at            TEXT,
    mark                  BLOB
) STRICT;

-- What is unique over all users and finds them: email:ann@example.com, phone:+8613100000001, username:ann,
-- external:42, linked:["google","1234"].
CREATE TABLE keys (
    key      TEXT PRIMARY KEY,
    user_seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Apart from users, so that looking at users shows no secret.
CREATE TABLE credentials (
    user_seq                  INTEGER PRIMARY KEY,
    password                  TEXT,
    password_expire_after     TEXT,
    mfa_email                 TEXT,
    mfa_phone_number          TEXT,
    mfa_password              TEXT,
    mfa_password_expire_after TEXT,
    mfa_totp                  TEXT,
    mfa_recovery_codes        TEXT
) STRICT;

-- The record as the source had it, where the sink was told to keep it.
CREATE TABLE raw_records (
    user_seq INTEGER PRIMARY KEY,
    record   TEXT NOT NULL
) STRICT;

CREATE TABLE roles (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE groups (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- What became of the records since the last checkpoint of a run that is not over.
CREATE TABLE receipts (
    run_id      TEXT NOT NULL,
    first_index INTEGER NOT NULL,
    outcomes    BLOB NOT NULL,
    PRIMARY KEY (run_id, first_index)
) STRICT, WITHOUT ROWID;

PRAGMA application_id = 1970497650;
PRAGMA user_version = 1;
