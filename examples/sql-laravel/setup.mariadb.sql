CREATE TABLE users (
  id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  name varchar(255) NOT NULL,
  email varchar(255) NOT NULL,
  email_verified_at timestamp NULL DEFAULT NULL,
  password varchar(255) NOT NULL,
  settings json DEFAULT NULL,
  newsletter tinyint(1) NOT NULL DEFAULT 0,
  remember_token varchar(100) DEFAULT NULL,
  created_at timestamp NULL DEFAULT NULL,
  updated_at timestamp NULL DEFAULT NULL,
  deleted_at timestamp NULL DEFAULT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY users_email_unique (email)
) DEFAULT CHARSET=utf8mb4;

CREATE TABLE roles (
  id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  name varchar(255) NOT NULL,
  guard_name varchar(255) NOT NULL,
  PRIMARY KEY (id)
) DEFAULT CHARSET=utf8mb4;

CREATE TABLE model_has_roles (
  role_id bigint(20) unsigned NOT NULL,
  model_type varchar(255) NOT NULL,
  model_id bigint(20) unsigned NOT NULL,
  PRIMARY KEY (role_id, model_id, model_type)
) DEFAULT CHARSET=utf8mb4;

SET time_zone = '+00:00';
INSERT INTO users VALUES
  (1, 'Ana Ruiz', 'ana@shop.example', '2023-05-06 07:08:09', '$2a$05$MBCzKhG1KhezLh.0LRa0Kuw12nLJtpHy6DIaU.JAnqJUDYspHC.Ou', '{"theme": "dark", "lang": "es"}', 1, NULL, '2023-05-06 07:00:00', '2024-01-01 00:00:00', NULL),
  (2, 'Bo', 'bo@shop.example', NULL, '$2a$05$MBCzKhG1KhezLh.0LRa0Kuw12nLJtpHy6DIaU.JAnqJUDYspHC.Ou', NULL, 0, 'Zm9v', '2023-05-07 07:00:00', NULL, NULL),
  (3, 'Gone', 'gone@shop.example', NULL, '$2a$05$MBCzKhG1KhezLh.0LRa0Kuw12nLJtpHy6DIaU.JAnqJUDYspHC.Ou', '[]', 0, NULL, '2023-05-08 07:00:00', '2024-02-01 00:00:00', '2024-02-01 00:00:00');
INSERT INTO roles VALUES (1, 'customer', 'web'), (2, 'support', 'web');
INSERT INTO model_has_roles VALUES (1, 'App\\Models\\User', 1), (2, 'App\\Models\\User', 1), (1, 'App\\Models\\User', 2), (2, 'App\\Models\\Team', 2);
