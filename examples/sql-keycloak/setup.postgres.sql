CREATE TABLE realm (id varchar(36) PRIMARY KEY, name varchar(255));
CREATE TABLE user_entity (
  id varchar(36) PRIMARY KEY,
  email varchar(255),
  email_constraint varchar(255),
  email_verified boolean DEFAULT false NOT NULL,
  enabled boolean DEFAULT false NOT NULL,
  federation_link varchar(255),
  first_name varchar(255),
  last_name varchar(255),
  realm_id varchar(255),
  username varchar(255),
  created_timestamp bigint,
  service_account_client_link varchar(255),
  not_before integer DEFAULT 0 NOT NULL
);
CREATE TABLE credential (
  id varchar(36) PRIMARY KEY, salt bytea, type varchar(255), user_id varchar(36), created_date bigint, user_label varchar(255),
  secret_data text, credential_data text, priority integer
);
CREATE TABLE user_attribute (name varchar(255) NOT NULL, value varchar(255), user_id varchar(36) NOT NULL, id varchar(36) PRIMARY KEY);
CREATE TABLE keycloak_role (id varchar(36) PRIMARY KEY, client_role boolean DEFAULT false NOT NULL, name varchar(255), realm_id varchar(255));
CREATE TABLE user_role_mapping (role_id varchar(255) NOT NULL, user_id varchar(36) NOT NULL, PRIMARY KEY (role_id, user_id));
CREATE TABLE federated_identity (
  identity_provider varchar(255) NOT NULL, realm_id varchar(36), federated_user_id varchar(255), federated_username varchar(255), token text,
  user_id varchar(36) NOT NULL, PRIMARY KEY (identity_provider, user_id)
);
INSERT INTO realm VALUES ('7a1f0000-0000-4000-8000-000000000001', 'master'), ('7a1f0000-0000-4000-8000-000000000002', 'customers');
INSERT INTO user_entity VALUES
  ('0b000000-0000-4000-8000-000000000001', 'admin@kc.example', 'admin@kc.example', true, true, NULL, NULL, NULL, '7a1f0000-0000-4000-8000-000000000001', 'admin', 1600000000000, NULL, 0),
  ('0b000000-0000-4000-8000-000000000002', 'kim@kc.example', 'kim@kc.example', true, true, NULL, 'Kim', 'Lee', '7a1f0000-0000-4000-8000-000000000002', 'kim', 1700000000123, NULL, 0),
  ('0b000000-0000-4000-8000-000000000003', NULL, '5d6f', false, false, NULL, NULL, NULL, '7a1f0000-0000-4000-8000-000000000002', 'lou', NULL, NULL, 0),
  ('0b000000-0000-4000-8000-000000000004', NULL, '5d70', false, true, NULL, NULL, NULL, '7a1f0000-0000-4000-8000-000000000002', 'service-account-api', 1700000000123, '99', 0);
INSERT INTO credential VALUES
  ('c1', NULL, 'password', '0b000000-0000-4000-8000-000000000002', 1700000000123, NULL, '{"value":"BPNOjaR8X4095YfAVRJVgtmEmAacpt9mJugEgS+XbA4=","salt":"x/bm4Y3DcuV9eU97ervkPA==","additionalParameters":{}}', '{"hashIterations":1000,"algorithm":"pbkdf2-sha256","additionalParameters":{}}', 10),
  ('c2', NULL, 'otp', '0b000000-0000-4000-8000-000000000002', 1700000000123, 'phone', '{"value":"JBSWY3DPEHPK3PXP"}', '{"subType":"totp","digits":6,"period":30,"algorithm":"HmacSHA1"}', 20);
INSERT INTO user_attribute VALUES ('locale', 'ko', '0b000000-0000-4000-8000-000000000002', 'a1'), ('tier', 'gold', '0b000000-0000-4000-8000-000000000002', 'a2'), ('tier', 'beta', '0b000000-0000-4000-8000-000000000002', 'a3');
INSERT INTO keycloak_role VALUES ('r1', false, 'buyer', '7a1f0000-0000-4000-8000-000000000002'), ('r2', true, 'manage-account', '7a1f0000-0000-4000-8000-000000000002');
INSERT INTO user_role_mapping VALUES ('r1', '0b000000-0000-4000-8000-000000000002'), ('r2', '0b000000-0000-4000-8000-000000000002');
INSERT INTO federated_identity VALUES ('google', '7a1f0000-0000-4000-8000-000000000002', '1077', 'lou@gmail.example', NULL, '0b000000-0000-4000-8000-000000000003');
