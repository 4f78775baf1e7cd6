CREATE TABLE wp_users (
  ID bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  user_login varchar(60) NOT NULL DEFAULT '',
  user_pass varchar(255) NOT NULL DEFAULT '',
  user_nicename varchar(50) NOT NULL DEFAULT '',
  user_email varchar(100) NOT NULL DEFAULT '',
  user_url varchar(100) NOT NULL DEFAULT '',
  user_registered datetime NOT NULL DEFAULT '0000-00-00 00:00:00',
  user_activation_key varchar(255) NOT NULL DEFAULT '',
  user_status int(11) NOT NULL DEFAULT 0,
  display_name varchar(250) NOT NULL DEFAULT '',
  PRIMARY KEY (ID),
  KEY user_login_key (user_login),
  KEY user_email (user_email)
) DEFAULT CHARSET=utf8mb4;

CREATE TABLE wp_usermeta (
  umeta_id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  user_id bigint(20) unsigned NOT NULL DEFAULT 0,
  meta_key varchar(255) DEFAULT NULL,
  meta_value longtext DEFAULT NULL,
  PRIMARY KEY (umeta_id),
  KEY user_id (user_id),
  KEY meta_key (meta_key(191))
) DEFAULT CHARSET=utf8mb4;

SET sql_mode = '';
INSERT INTO wp_users VALUES
  (1, 'admin', '$P$946647711V1klyitUYhtB8Yw5DMA/w.', 'admin', 'Chief@Blog.example', 'https://blog.example', '2011-03-04 05:06:07', '', 0, 'The Chief'),
  (7, 'zoé', '$2a$05$MBCzKhG1KhezLh.0LRa0Kuw12nLJtpHy6DIaU.JAnqJUDYspHC.Ou', 'zoe', 'zoe@blog.example', '', '0000-00-00 00:00:00', '', 0, 'Zoé 🌻'),
  (9, 'lurker', '$P$946647711V1klyitUYhtB8Yw5DMA/w.', 'lurker', 'lurker@blog.example', '', '2020-02-29 23:59:59', '', 0, 'lurker');
INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES
  (1, 'first_name', 'Maria'), (1, 'last_name', 'Silva'), (1, 'wp_capabilities', 'a:1:{s:13:"administrator";b:1;}'), (1, 'locale', 'pt-BR'),
  (1, 'session_tokens', 'a:1:{s:64:"0000";a:1:{s:10:"expiration";i:1700000000;}}'),
  (7, 'first_name', 'Zoé'), (7, 'last_name', ''), (7, 'wp_capabilities', 'a:2:{s:6:"editor";b:1;s:12:"shop_manager";b:1;}');
