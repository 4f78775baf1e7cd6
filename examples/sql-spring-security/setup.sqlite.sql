CREATE TABLE users (username VARCHAR(50) NOT NULL PRIMARY KEY, password VARCHAR(500) NOT NULL, enabled BOOLEAN NOT NULL);
CREATE TABLE authorities (username VARCHAR(50) NOT NULL, authority VARCHAR(50) NOT NULL, FOREIGN KEY (username) REFERENCES users (username));
CREATE UNIQUE INDEX ix_auth_username ON authorities (username, authority);
INSERT INTO users VALUES
  ('ann@bank.example', '{bcrypt}$2a$05$1nQFtllTtSKE8ZQPcXpEkOUV7YSNdeELNy7iqWgxSdgjGnLVki0BG', TRUE),
  ('bob@bank.example', '{argon2}$argon2id$v=19$m=4096,t=3,p=1$IVDUAnj0NBu9j/+KB2WMkw$VBNXXJuv/rbbPZzlmhmosdOqUypVUSn4M2AK7f5hskY', FALSE);
INSERT INTO authorities VALUES ('ann@bank.example', 'ROLE_USER'), ('ann@bank.example', 'ROLE_TELLER'), ('bob@bank.example', 'ROLE_USER');
