CREATE TABLE users (
  uid int(10) unsigned NOT NULL AUTO_INCREMENT,
  uuid varchar(128) CHARACTER SET ascii NOT NULL,
  langcode varchar(12) CHARACTER SET ascii NOT NULL,
  PRIMARY KEY (uid),
  UNIQUE KEY user_field__uuid__value (uuid)
) DEFAULT CHARSET=utf8mb4;

CREATE TABLE users_field_data (
  uid int(10) unsigned NOT NULL,
  langcode varchar(12) CHARACTER SET ascii NOT NULL,
  preferred_langcode varchar(12) CHARACTER SET ascii DEFAULT NULL,
  name varchar(60) NOT NULL,
  pass varchar(255) DEFAULT NULL,
  mail varchar(254) DEFAULT NULL,
  timezone varchar(32) DEFAULT NULL,
  status tinyint(4) DEFAULT NULL,
  created int(11) NOT NULL,
  changed int(11) DEFAULT NULL,
  access int(11) NOT NULL,
  login int(11) DEFAULT NULL,
  init varchar(254) DEFAULT NULL,
  default_langcode tinyint(4) NOT NULL,
  PRIMARY KEY (uid, langcode)
) DEFAULT CHARSET=utf8mb4;

CREATE TABLE user__roles (
  bundle varchar(128) CHARACTER SET ascii NOT NULL DEFAULT '',
  deleted tinyint(4) NOT NULL DEFAULT 0,
  entity_id int(10) unsigned NOT NULL,
  revision_id int(10) unsigned NOT NULL,
  langcode varchar(32) CHARACTER SET ascii NOT NULL DEFAULT '',
  delta int(10) unsigned NOT NULL,
  roles_target_id varchar(255) CHARACTER SET ascii NOT NULL,
  PRIMARY KEY (entity_id, deleted, delta, langcode)
) DEFAULT CHARSET=utf8mb4;

SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
INSERT INTO users VALUES
  (0, '3d5a4b9e-3d0c-4b6a-9a55-000000000000', 'en'), (1, '3d5a4b9e-3d0c-4b6a-9a55-000000000001', 'en'), (5, '3d5a4b9e-3d0c-4b6a-9a55-000000000005', 'de');
INSERT INTO users_field_data VALUES
  (0, 'en', 'en', '', NULL, NULL, '', 0, 1500000000, 1500000000, 0, 0, NULL, 1),
  (1, 'en', 'en', 'root', '$S$C20340258nzjDWpoQthrdNTR02f0pmev0K/5/Nx80WSkOQcPEQRh', 'root@portal.example', 'Europe/Vienna', 1, 1500000000, 1700000000, 1700000001, 1700000002, 'root@portal.example', 1),
  (5, 'de', 'de', 'Jürgen', '$2a$05$MBCzKhG1KhezLh.0LRa0Kuw12nLJtpHy6DIaU.JAnqJUDYspHC.Ou', 'juergen@portal.example', 'Europe/Berlin', 0, 1600000000, 1600000001, 0, 0, 'j@portal.example', 1);
INSERT INTO user__roles VALUES ('user', 0, 1, 1, 'en', 0, 'administrator'), ('user', 0, 1, 1, 'en', 1, 'content_editor');
