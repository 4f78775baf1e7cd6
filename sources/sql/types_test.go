package sqlsource

import (
	"database/sql"
	"strings"
	"testing"
)

func TestMariaDBTypes(t *testing.T) {
	d := mariaDB(t)
	d.exec(t, `CREATE TABLE users (
			id BIGINT UNSIGNED PRIMARY KEY,
			small TINYINT, flag TINYINT(1), bit1 BIT(1), bit12 BIT(12), year4 YEAR,
			money DECIMAL(30,10), ratio DOUBLE, single FLOAT,
			raw BINARY(16), hash BINARY(60), photo BLOB,
			doc JSON, kind ENUM('staff','guest'), tags SET('a','b','c'),
			born DATE, seen DATETIME(6), made TIMESTAMP NULL, at TIME,
			latin VARCHAR(40) CHARACTER SET latin1, chinese VARCHAR(40) CHARACTER SET gbk, full VARCHAR(40) CHARACTER SET utf8mb4
		)`,
		`SET sql_mode = ''`,
		`INSERT INTO users VALUES (18446744073709551615, -128, 1, b'1', b'101010101010', 1999,
			12345678901234567890.1234567890, 0.1, 0.1,
			x'000102030405060708090a0b0c0d0e0f', '$2b$12$abcdefghijklmnopqrstuv', x'89504e47',
			'{"n": 1.10, "list": [true, null]}', 'guest', 'a,c',
			'1990-02-28', '2024-01-02 03:04:05.000006', '2024-06-07 08:09:10', '-12:30:00',
			'Müller €', '张三', '😀')`,
		`INSERT INTO users VALUES (1, 0, 0, b'0', b'0', 0, -0.5, 0, 0, 'printable-16char', '', '', '[]', 'staff', '',
			'0000-00-00', '0000-00-00 00:00:00', NULL, NULL, '', NULL, '')`)
	want := []string{
		`{"id":1,"small":0,"flag":false,"bit1":false,"bit12":0,"year4":0,"money":-0.5000000000,"ratio":0,"single":0,` +
			`"raw":"cHJpbnRhYmxlLTE2Y2hhcg==","hash":"","photo":"","doc":[],"kind":"staff","tags":[],"born":null,"seen":null,"made":null,"at":null,"latin":"","chinese":null,"full":""}`,
		`{"id":18446744073709551615,"small":-128,"flag":true,"bit1":true,"bit12":2730,"year4":1999,"money":12345678901234567890.1234567890,"ratio":0.1,"single":0.1,` +
			`"raw":"AAECAwQFBgcICQoLDA0ODw==","hash":"$2b$12$abcdefghijklmnopqrstuv","photo":"iVBORw==","doc":{"n":1.10,"list":[true,null]},"kind":"guest","tags":["a","c"],` +
			`"born":"1990-02-28","seen":"2024-01-02T03:04:05.000006Z","made":"2024-06-07T08:09:10Z","at":"-12:30:00","latin":"Müller €","chinese":"张三","full":"😀"}`,
	}
	// The server's zone is not the session's: TIMESTAMP is an instant, whatever it is.
	d.exec(t, `SET GLOBAL time_zone = '+05:00'`)
	t.Cleanup(func() { d.exec(t, `SET GLOBAL time_zone = 'SYSTEM'`) })
	if _, err := d.db.Exec(`SET time_zone = '+00:00'; UPDATE users SET made = '2024-06-07 08:09:10' WHERE made IS NOT NULL`); err != nil {
		t.Fatal(err)
	}
	equal(t, d.read(t, "table: users"), want...)
	equal(t, d.read(t, "table: users, page: {key: id, size: 1}"), want...)
	equal(t, d.read(t, "query: SELECT u.* FROM users AS u ORDER BY id"), want...)
	equal(t, d.read(t, `query: "SELECT u.* FROM users AS u WHERE id > :n ORDER BY id", params: {n: "0"}`), want...)

	equal(t, d.read(t, "table: users, columns: [raw, flag, seen, made], types: {raw: uuid, flag: number}, time_zone: Europe/Berlin"),
		`{"raw":"7072696e-7461-626c-652d-313663686172","flag":0,"seen":null,"made":null}`,
		`{"raw":"00010203-0405-0607-0809-0a0b0c0d0e0f","flag":1,"seen":"2024-01-02T03:04:05.000006+01:00","made":"2024-06-07T08:09:10Z"}`)
	equal(t, d.read(t, "table: users, columns: [raw, id], types: {raw: hex, id: text}"),
		`{"raw":"7072696e7461626c652d313663686172","id":"1"}`,
		`{"raw":"000102030405060708090a0b0c0d0e0f","id":"18446744073709551615"}`)
}

func TestMariaDBOddValues(t *testing.T) {
	d := mariaDB(t)
	d.exec(t, `CREATE TABLE t (id INT PRIMARY KEY, flag TINYINT(1), doc TEXT, day DATE, at DATETIME)`,
		`SET sql_mode = 'ALLOW_INVALID_DATES'`,
		`INSERT INTO t VALUES (1, 2, '{', '2024-00-00', '2024-02-31 00:00:00')`)
	if _, err := d.db.Exec(`SET sql_mode = 'ALLOW_INVALID_DATES'; UPDATE t SET day = '2024-00-00', at = '2024-02-31 00:00:00'`); err != nil {
		t.Fatal(err)
	}
	equal(t, d.read(t, "table: t"),
		`{"id":1,"flag":2,"doc":"{","day":"2024-00-00","at":"2024-02-31 00:00:00"} sql.not_boolean(flag) sql.bad_time(at)`)
	equal(t, d.read(t, "table: t, columns: [doc, flag], types: {doc: json, flag: bool}"),
		`{"doc":null,"flag":null} sql.bad_value(doc) sql.bad_value(flag)`)
}

func TestPostgresTypes(t *testing.T) {
	d := postgres(t)
	d.exec(t, `CREATE TYPE mood AS ENUM ('sad', 'happy')`,
		`CREATE TABLE users (id UUID PRIMARY KEY, big BIGINT, amount NUMERIC, nan NUMERIC, f8 FLOAT8, f4 REAL, ok BOOL, b1 BIT(1), b3 BIT(3),
			bytes BYTEA, hash BYTEA, j JSON, jb JSONB, m mood, born DATE, seen TIMESTAMP, made TIMESTAMPTZ, at TIME,
			roles TEXT[], nums INT[], oks BOOL[], grid INT[][], addr INET, c CHAR(5), o OID)`,
		`INSERT INTO users VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 9223372036854775807, 123456789012345678901234567890.10, 'NaN', 0.1, 0.1, true, '1', '101',
			'\xff00', '$2y$10$abc', '{"a": 1.0}', '{"b": [1]}', 'happy', '1990-02-28', '2024-01-02 03:04:05.6', '2024-06-07 08:09:10+02', '12:30',
			'{a,"b c",NULL,"q\"\\","t"}', '{1,NULL}', '{t,f}', '{{1,2},{3,4}}', '10.0.0.1', 'ab', 42)`,
		`INSERT INTO users (id) VALUES ('b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')`)
	got := d.read(t, "table: users, page: {key: id, size: 1}")
	equal(t, got[:1], `{"id":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11","big":9223372036854775807,"amount":123456789012345678901234567890.10,"nan":"NaN","f8":0.1,"f4":0.1,"ok":true,"b1":true,"b3":"101",`+
		`"bytes":"/wA=","hash":"$2y$10$abc","j":{"a":1.0},"jb":{"b":[1]},"m":"happy","born":"1990-02-28","seen":"2024-01-02T03:04:05.6Z","made":"2024-06-07T06:09:10Z","at":"12:30:00",`+
		`"roles":["a","b c",null,"q\"\\","t"],"nums":[1,null],"oks":[true,false],"grid":[[1,2],[3,4]],"addr":"10.0.0.1","c":"ab   ","o":42}`)
	if !strings.HasPrefix(got[1], `{"id":"b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11","big":null,"amount":null`) {
		t.Error(got[1])
	}
	equal(t, d.read(t, "table: users, columns: [seen], time_zone: Asia/Shanghai")[:1], `{"seen":"2024-01-02T03:04:05.6+08:00"}`)
}

// A database in another encoding gives UTF-8 all the same.
func TestPostgresLatin1(t *testing.T) {
	d := postgres(t)
	d.exec(t, `CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0`)
	t.Cleanup(func() { d.exec(t, `DROP DATABASE latin WITH (FORCE)`) })
	db, err := sql.Open("pgx", d.server.URL("latin")+"&client_encoding=UTF8")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	latin := target{"PostgreSQL", d.server.URL("latin"), db, d.server}
	latin.exec(t, `CREATE TABLE t (n TEXT)`, `INSERT INTO t VALUES ('Müller')`)
	equal(t, latin.read(t, "table: t"), `{"n":"Müller"}`)
}

func TestSQLiteTypes(t *testing.T) {
	d := sqliteFile(t)
	d.exec(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, flag BOOLEAN, tiny TINYINT(1), price DECIMAL(10,2), text_price DECIMAL, doc JSON,
			born DATE, seen DATETIME, made TIMESTAMP, any, raw BLOB, hash BLOB)`,
		`INSERT INTO users VALUES (1, 1, 0, 1.5, '12345678901234567890.10', '{"a":1}', '1990-02-28', '2024-01-02 03:04:05', '0000-00-00 00:00:00', 'x', x'ff', CAST('$2b$' AS BLOB))`,
		`INSERT INTO users VALUES (2, NULL, 5, 2, NULL, 'no', NULL, '2024-01-02T03:04:05+02:00', NULL, 7, CAST('ÿ' AS BLOB), NULL)`,
		`INSERT INTO users (id, any) VALUES (3, CAST(x'ff' AS TEXT))`)
	got := d.read(t, "table: users")
	equal(t, got,
		`{"id":1,"flag":true,"tiny":false,"price":1.5,"text_price":12345678901234567000,"doc":{"a":1},"born":"1990-02-28","seen":"2024-01-02T03:04:05Z","made":null,"any":"x","raw":"/w==","hash":"$2b$"}`,
		`{"id":2,"flag":null,"tiny":5,"price":2,"text_price":null,"doc":"no","born":null,"seen":"2024-01-02T03:04:05+02:00","made":null,"any":7,"raw":"w78=","hash":null} sql.not_boolean(tiny) sql.bad_json(doc)`,
		`{"id":3,"flag":null,"tiny":null,"price":null,"text_price":null,"doc":null,"born":null,"seen":null,"made":null,"any":"/w==","raw":null,"hash":null}`)
	equal(t, d.read(t, "table: users, columns: [id, seen], time_zone: Asia/Shanghai")[:1], `{"id":1,"seen":"2024-01-02T03:04:05+08:00"}`)
}
