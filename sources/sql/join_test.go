package sqlsource

import (
	"fmt"
	"strings"
	"testing"

	"github.com/usher-id/usher/value"
)

func TestJoined(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY, email VARCHAR(80), company INT)`,
			`INSERT INTO users VALUES (1, 'ann@x.org', 10), (2, 'bob@x.org', 10), (3, 'cid@x.org', NULL), (4, 'dan@x.org', 11)`,
			`CREATE TABLE roles (user_id INT, role VARCHAR(20), since VARCHAR(20))`,
			`INSERT INTO roles VALUES (1, 'admin', '2020'), (1, 'staff', NULL), (4, 'guest', '2021'), (99, 'x', ''), (NULL, 'y', '')`,
			`CREATE TABLE meta (user_id INT, name VARCHAR(20), value VARCHAR(20))`,
			`INSERT INTO meta VALUES (1, 'city', 'Rome'), (1, 'tag', 'a'), (1, 'tag', 'b'), (1, 'tag', 'c'), (2, 'city', NULL)`,
			`CREATE TABLE companies (id INT PRIMARY KEY, title VARCHAR(20), active INT)`,
			`INSERT INTO companies VALUES (10, 'ACME', 1)`)
		options := `table: users, columns: [email], types: {company.active: bool}, with: {
			roles: {query: "SELECT user_id, role FROM roles WHERE role <> :not ORDER BY role", on: user_id},
			since: {query: "SELECT user_id, role, since FROM roles WHERE user_id IN (:keys) ORDER BY role DESC", on: user_id, as: list},
			meta: {query: "SELECT user_id, name, value FROM meta", on: user_id, as: map},
			company: {query: "SELECT * FROM companies", on: id, key: company, as: object}}, params: {not: staff}`
		options = strings.Join(strings.Fields(options), " ")
		want := []string{
			`{"email":"ann@x.org","company":{"title":"ACME","active":true},"meta":{"city":"Rome","tag":["a","b","c"]},"roles":["admin"],"since":[{"role":"staff","since":null},{"role":"admin","since":"2020"}]}`,
			`{"email":"bob@x.org","company":{"title":"ACME","active":true},"meta":{"city":null},"roles":[],"since":[]}`,
			`{"email":"cid@x.org","company":null,"meta":{},"roles":[],"since":[]}`,
			`{"email":"dan@x.org","company":null,"meta":{},"roles":["guest"],"since":[{"role":"guest","since":"2021"}]}`,
		}
		equal(t, d.read(t, options), want...)
		equal(t, d.read(t, options+", page: {key: id, size: 1}"), want...)
		equal(t, d.read(t, options+", page: {key: id, size: 0}"), want...)
		equal(t, d.read(t, options+", snapshot: true"), want...)
	})
}

// More keys than one joined query takes, and a number of queries that does not grow with the records.
func TestJoinedInSets(t *testing.T) {
	d := mariaDB(t)
	d.fill(t, 7000)
	before := d.queries(t)
	n := len(d.read(t, modes["pages"]))
	if n != 7000 {
		t.Errorf("%d records", n)
	}
	// Eight pages of 900, each with its transaction, its query and one joined query; prepared statements count twice.
	if queries := d.queries(t) - before; queries > 8*2*2+20 {
		t.Errorf("%d queries for %d records", queries, n)
	}
}

// queries counts the SELECTs that the server has seen.
func (d target) queries(t testing.TB) (n int) {
	t.Helper()
	var name string
	if err := d.db.QueryRow(`SHOW GLOBAL STATUS LIKE 'Com_select'`).Scan(&name, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A database that passes over case joins rows whose keys differ in it; one that does not keeps them apart.
func TestJoinedByText(t *testing.T) {
	d := mariaDB(t)
	for collation, want := range map[string][]string{
		"utf8mb4_general_ci": {`{"name":"Ann ","roles":["a"]}`, `{"name":"Müller","roles":["m"]}`},
		"utf8mb4_bin":        {`{"name":"Ann ","roles":[]}`, `{"name":"Müller","roles":[]}`, `{"name":"müller","roles":["m"]}`},
	} {
		d.exec(t, `DROP TABLE IF EXISTS users, roles`,
			fmt.Sprintf(`CREATE TABLE users (name VARCHAR(20) COLLATE %s PRIMARY KEY)`, collation),
			fmt.Sprintf(`CREATE TABLE roles (name VARCHAR(20) COLLATE %s, role VARCHAR(20))`, collation),
			`INSERT IGNORE INTO users VALUES ('Ann '), ('Müller'), ('müller')`,
			`INSERT INTO roles VALUES ('ann', 'a'), ('müller', 'm')`)
		if collation == "utf8mb4_bin" {
			d.exec(t, `DELETE FROM roles WHERE name = 'ann'`)
		}
		equal(t, d.read(t, `table: users, with: {roles: {query: "SELECT name, role FROM roles", on: name}}`), want...)
	}
}

// A row belongs to every key that the database takes for its own, also where several are read at once.
func TestJoinedByTextsThatAreTheSame(t *testing.T) {
	for _, c := range []struct {
		collation, names, rows string
		want                   map[string]string
	}{
		{"utf8mb4_general_ci", "('Al'), ('al'), ('ÁL'), ('Bo')", "('AL', 'a'), ('al', 'b'), ('bo', 'c')",
			map[string]string{"Al": `["a","b"]`, "al": `["a","b"]`, "ÁL": `["a","b"]`, "Bo": `["c"]`}},
		{"utf8mb4_bin", "('Al'), ('al'), ('Bo')", "('AL', 'a'), ('al', 'b'), ('bo', 'c')",
			map[string]string{"Al": `[]`, "al": `["b"]`, "Bo": `[]`}},
		{"utf8mb4_unicode_ci", "('straße'), ('strasse'), ('ハナ'), ('はな'), ('😀'), ('😎')", "('STRASSE', 'a'), ('ハな', 'b'), ('😀', 'c')",
			map[string]string{"straße": `["a"]`, "strasse": `["a"]`, "ハナ": `["b"]`, "はな": `["b"]`, "😀": `["c"]`, "😎": `["c"]`}},
		// None of ours has one form for these.
		{"utf8mb4_unicode_ci", "('Ⴜ'), ('x'), ('y'), ('z'), ('৴')", "('წ', 'a'), ('x', 'b'), ('1', 'c')",
			map[string]string{"Ⴜ": `["a"]`, "x": `["b"]`, "y": `[]`, "z": `[]`, "৴": `["c"]`}},
	} {
		d := mariaDB(t)
		d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20) COLLATE utf8mb4_bin)`,
			`CREATE TABLE roles (name VARCHAR(20) COLLATE `+c.collation+`, role VARCHAR(20))`,
			`INSERT INTO users (name) VALUES `+c.names, `INSERT INTO roles VALUES `+c.rows)
		for _, query := range []string{"SELECT name, role FROM roles ORDER BY role", "SELECT name, role FROM roles WHERE name IN (:keys) ORDER BY role"} {
			if strings.Contains(query, ":keys") && strings.Contains(c.names, "Ⴜ") {
				continue // such a query may give rows for others
			}
			s := open(t, d.source(t, `table: users, with: {roles: {query: "`+query+`", on: name, key: name}}`))
			for _, r := range drain(t, s) {
				name, _ := r.Source.Get("name")
				roles, _ := r.Source.Get("roles")
				if got := string(value.AppendJSON(nil, roles)); got != c.want[name.(string)] {
					t.Errorf("%s: %s has %s, want %s", c.collation, name, got, c.want[name.(string)])
				}
			}
			s.Close()
		}
	}
}

// Numbers and texts are the same to MariaDB where they say one number.
func TestJoinedByNumbersInTexts(t *testing.T) {
	d := mariaDB(t)
	d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY)`, `INSERT INTO users VALUES (7), (8), (9)`,
		`CREATE TABLE roles (user_id VARCHAR(20), role VARCHAR(20))`, `INSERT INTO roles VALUES ('007', 'a'), ('8', 'b'), ('8.0', 'c'), ('10', 'd')`)
	equal(t, d.read(t, `table: users, with: {roles: {query: "SELECT user_id, role FROM roles", on: user_id}}`),
		`{"id":7,"roles":["a"]}`, `{"id":8,"roles":["b","c"]}`, `{"id":9,"roles":[]}`)
}
