package sqlsource

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// increment runs the source as a completed run would: from the stored cursor, to the end.
func (d target) increment(t *testing.T, options string, stored []byte) (ids []string, next []byte) {
	t.Helper()
	s := d.source(t, options)
	c := s.(pipeline.Cursored)
	c.SetCursor(stored)
	open(t, s)
	for _, r := range drain(t, s) {
		id, _ := r.Source.Get("id")
		ids = append(ids, string(value.AppendJSON(nil, id)))
	}
	if next = c.Cursor(); next == nil {
		next = stored
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return ids, next
}

func TestCursorOfTimes(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		for _, typ := range []string{"TIMESTAMP(6)", "DATETIME(6)", "TIMESTAMP", "TEXT", "TIMESTAMPTZ"} {
			switch {
			case d.name == "PostgreSQL" && (typ == "DATETIME(6)" || typ == "TEXT"), d.name != "PostgreSQL" && typ == "TIMESTAMPTZ",
				d.name == "SQLite" && typ != "TIMESTAMP" && typ != "TEXT", d.name == "MariaDB" && typ == "TEXT":
				continue
			}
			for name, options := range map[string]string{
				"table":        `table: users, cursor: {field: updated_at}`,
				"pages of one": `table: users, page: {key: id, size: 1}, cursor: {field: updated_at}`,
				"query":        `query: "SELECT id, updated_at FROM users WHERE updated_at > :cursor ORDER BY updated_at, id", cursor: {field: updated_at, initial: "1970-01-02"}`,
				"wrapped":      `query: "SELECT id, updated_at FROM users", page: {key: id}, cursor: {field: updated_at}`,
			} {
				t.Run(typ+" "+name, func(t *testing.T) {
					d.exec(t, `DROP TABLE IF EXISTS users`, `CREATE TABLE users (id INT PRIMARY KEY, updated_at `+typ+` NULL)`,
						`INSERT INTO users VALUES (1, '2024-01-01 10:00:00'), (2, '2024-01-01 11:00:00'), (3, '2024-01-01 12:00:00')`)
					ids, mark := d.increment(t, options, nil)
					equal(t, ids, "1", "2", "3")
					// A row of the same second as the last one, a row that was committed late, and a new one.
					d.exec(t, `INSERT INTO users VALUES (4, '2024-01-01 12:00:00'), (5, '2024-01-01 11:59:30'), (6, '2024-01-01 13:00:00')`)
					ids, mark = d.increment(t, options, mark)
					if name == "query" {
						equal(t, ids, "5", "3", "4", "6")
					} else {
						equal(t, ids, "3", "4", "5", "6")
					}
					ids, mark = d.increment(t, options, mark)
					equal(t, ids, "6")
					ids, _ = d.increment(t, options, mark)
					equal(t, ids, "6")
					t.Logf("the cursor is %s", mark)
					// Everything again.
					if ids, _ = d.increment(t, options, nil); len(ids) != 6 {
						t.Errorf("a full run gives %v", ids)
					}
				})
			}
		}
	})
}

func TestCursorOfNumbers(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY, version BIGINT)`,
			`INSERT INTO users VALUES (1, 9007199254740993), (2, 9007199254740995), (3, NULL)`)
		options := `table: users, cursor: {field: version, overlap: 0}`
		ids, mark := d.increment(t, options, nil)
		equal(t, ids, "1", "2", "3")
		equal(t, []string{string(mark)}, "9007199254740995")
		d.exec(t, `INSERT INTO users VALUES (4, 9007199254740996), (5, 9007199254740995)`)
		ids, mark = d.increment(t, options, mark)
		equal(t, ids, "2", "3", "4", "5") // a row without a version may have changed
		equal(t, []string{string(mark)}, "9007199254740996")
		ids, _ = d.increment(t, `table: users, cursor: {field: version, overlap: 3}`, mark)
		equal(t, ids, "1", "2", "3", "4", "5")
	})
}

// Seconds with a fraction have an overlap as whole ones do, also where a float has none for once.
func TestCursorOfFractions(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		for _, typ := range []string{"DECIMAL(20,6)", "DOUBLE PRECISION", ""} {
			if typ == "" && d.name != "SQLite" {
				continue
			}
			d.exec(t, `DROP TABLE IF EXISTS users`, `CREATE TABLE users (id INT PRIMARY KEY, version `+typ+`)`,
				`INSERT INTO users VALUES (1, 1704103200.25), (2, 1704103260.75)`)
			options := `table: users, cursor: {field: version, overlap: 10}`
			ids, mark := d.increment(t, options, nil)
			equal(t, ids, "1", "2")
			d.exec(t, `INSERT INTO users VALUES (3, 1704103255.5), (4, 1704103260.75), (5, 1704103261)`)
			ids, mark = d.increment(t, options, mark)
			equal(t, ids, "2", "3", "4", "5")
			ids, _ = d.increment(t, options, mark)
			equal(t, ids, "2", "3", "4", "5")
		}
	})
}

// Numbers that are text keep their zeros, and may go on with letters.
func TestCursorOfDigits(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY, version VARCHAR(20))`, `INSERT INTO users VALUES (1, '0000009'), (2, '0000018')`)
		options := `table: users, cursor: {field: version, overlap: 5}`
		_, mark := d.increment(t, options, nil)
		d.exec(t, `INSERT INTO users VALUES (3, '0000019')`)
		ids, mark := d.increment(t, options, mark)
		equal(t, ids, "2", "3")
		if d.name == "MariaDB" {
			return // there text is compared with a number as one
		}
		d.exec(t, `INSERT INTO users VALUES (4, '000001a')`)
		ids, _ = d.increment(t, options, mark)
		equal(t, ids, "2", "3", "4")
	})
}

// MariaDB would find every row, SQLite none.
func TestCursorOfAnotherKind(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY, updated_at TIMESTAMP NULL, word VARCHAR(10))`,
			`INSERT INTO users VALUES (1, '2024-01-01 10:00:00', 'b')`)
		for options, cursor := range map[string]string{
			"table: users, cursor: {field: updated_at}":                                                                   "yesterday",
			"table: users, cursor: {field: updated_at, initial: soon}":                                                    "",
			"query: SELECT * FROM users, page: {key: id}, cursor: {field: updated_at}":                                    "2024-13-01",
			"query: 'SELECT * FROM users WHERE updated_at > :cursor', cursor: {field: updated_at, initial: '1970-01-01'}": "x",
		} {
			s := d.source(t, options)
			s.(pipeline.Cursored).SetCursor([]byte(cursor))
			checkError(t, s.Open(context.Background()), "sql.bad_cursor", false)
			s.Close()
		}
		ids, _ := d.increment(t, "table: users, cursor: {field: word}", []byte("a"))
		equal(t, ids, "1")
	})
}

// A time in the future must not hide what changes until then.
func TestCursorInTheFuture(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY, updated_at TIMESTAMP NULL)`,
			`INSERT INTO users VALUES (1, '2024-01-01 10:00:00'), (2, '2037-01-01 00:00:00')`)
		_, mark := d.increment(t, "table: users, cursor: {field: updated_at}", nil)
		d.exec(t, `INSERT INTO users VALUES (3, '2024-01-01 10:00:01')`)
		ids, _ := d.increment(t, "table: users, cursor: {field: updated_at}", mark)
		equal(t, ids, "1", "2", "3")
	})
}

// An hour of the future is one where the column says when that is.
func TestCursorOfAFastClock(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		typ, zone := "TIMESTAMP", ""
		switch d.name {
		case "PostgreSQL":
			typ = "TIMESTAMPTZ"
		case "SQLite":
			typ, zone = "TEXT", "Z"
		}
		at := func(ago time.Duration) string {
			return time.Now().UTC().Add(-ago).Format(time.DateTime) + zone
		}
		d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY, updated_at `+typ+` NULL)`,
			`INSERT INTO users VALUES (1, '`+at(2*time.Hour)+`'), (2, '`+at(-time.Hour)+`')`)
		_, mark := d.increment(t, "table: users, cursor: {field: updated_at}", nil)
		d.exec(t, `INSERT INTO users VALUES (3, '`+at(time.Hour)+`')`)
		ids, _ := d.increment(t, "table: users, cursor: {field: updated_at}", mark)
		equal(t, ids, "1", "2", "3")
	})
}

func TestCursorOfInfinity(t *testing.T) {
	d := postgres(t)
	for _, typ := range []string{"TIMESTAMPTZ", "TIMESTAMP", "DATE"} {
		d.exec(t, `DROP TABLE IF EXISTS users`, `CREATE TABLE users (id INT PRIMARY KEY, updated_at `+typ+`)`,
			`INSERT INTO users VALUES (1, '2024-01-01'), (2, 'infinity'), (3, '20240-01-01')`)
		_, mark := d.increment(t, "table: users, cursor: {field: updated_at}", nil)
		d.exec(t, `INSERT INTO users VALUES (4, '2024-01-02')`)
		ids, mark := d.increment(t, "table: users, cursor: {field: updated_at}", mark)
		equal(t, ids, "1", "2", "3", "4")
		equal(t, []string{string(mark)[:10]}, "2024-01-02")
	}
}

// PostgreSQL sorts NaN above all numbers, and Infinity next.
func TestCursorOfNoNumber(t *testing.T) {
	for _, c := range []struct {
		d             target
		typ           string
		above, beyond string
		below         string
	}{
		{postgres(t), "NUMERIC", "'NaN'", "'Infinity'", "'-Infinity'"}, {postgres(t), "DOUBLE PRECISION", "'NaN'", "'Infinity'", "'-Infinity'"},
		{postgres(t), "REAL", "'Infinity'", "'NaN'", "'-Infinity'"},
		{sqliteFile(t), "REAL", "9e999", "9e999", "-9e999"}, {sqliteFile(t), "", "9e999", "9e999", "-9e999"},
	} {
		t.Run(c.d.name+" "+c.typ, func(t *testing.T) {
			c.d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY, version `+c.typ+`)`, `INSERT INTO users VALUES (1, 5), (2, `+c.above+`), (3, `+c.beyond+`)`)
			const options = "table: users, columns: [id], cursor: {field: version}"
			_, mark := c.d.increment(t, options, nil)
			equal(t, []string{strings.TrimSuffix(string(mark), ".0")}, "5")
			c.d.exec(t, `INSERT INTO users VALUES (4, 7)`)
			ids, mark := c.d.increment(t, options, mark)
			equal(t, ids, "1", "2", "3", "4")
			equal(t, []string{strings.TrimSuffix(string(mark), ".0")}, "7")
			// What an earlier run has left there passes over every number.
			for _, stored := range []string{"NaN", "Infinity", "Inf"} {
				s := c.d.source(t, options)
				s.(pipeline.Cursored).SetCursor([]byte(stored))
				checkError(t, s.Open(context.Background()), "sql.bad_cursor", false)
				s.Close()
			}
			// Nothing but what is below all numbers is nothing.
			c.d.exec(t, `DELETE FROM users`, `INSERT INTO users VALUES (1, `+c.below+`)`)
			_, mark = c.d.increment(t, options, nil)
			equal(t, []string{string(mark)}, "")
		})
	}
}

// Where no row has a time yet, everything is read until one does.
func TestCursorOfNoTime(t *testing.T) {
	for _, c := range []struct {
		d       target
		nothing string
	}{{mariaDB(t), "0000-00-00 00:00:00"}, {postgres(t), "-infinity"}} {
		c.d.db.SetMaxOpenConns(1)
		if c.d.name == "MariaDB" {
			c.d.exec(t, `SET SESSION sql_mode = ''`)
		}
		c.d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY, updated_at TIMESTAMP NULL)`, `INSERT INTO users VALUES (1, '`+c.nothing+`')`)
		_, mark := c.d.increment(t, "table: users, cursor: {field: updated_at}", nil)
		c.d.exec(t, `INSERT INTO users VALUES (2, '2024-01-02')`)
		ids, mark := c.d.increment(t, "table: users, cursor: {field: updated_at}", mark)
		equal(t, ids, "1", "2")
		ids, _ = c.d.increment(t, "table: users, cursor: {field: updated_at}", mark)
		equal(t, ids, "2")
	}
}

// SQLite takes any text for a time.
func TestCursorOfAWord(t *testing.T) {
	d := sqliteFile(t)
	d.exec(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, updated_at TEXT)`, `INSERT INTO users VALUES (1, '2024-01-01 10:00:00'), (2, 'never')`)
	s := d.source(t, "table: users, cursor: {field: updated_at}")
	s.(pipeline.Cursored).SetCursor([]byte("2024-01-01 09:00:00"))
	checkError(t, s.Open(context.Background()), "sql.bad_cursor", false)
	s.Close()
}

// SQLite compares texts, so that times of two forms are in no order: rows would be passed over.
func TestCursorOfMixedForms(t *testing.T) {
	for _, c := range []struct {
		typ, values, stored string
		refused             bool
	}{
		{"TEXT", "'2024-01-02 03:04:05', '2024-01-01T03:04:05Z'", "", true},
		{"DATETIME", "'2024-01-02 03:04:05', '2024-01-01T03:04:05'", "", true},
		{"TIMESTAMP", "'2024-01-02 03:04:05', 1704164645", "", true},
		{"TEXT", "'2024-01-02 03:04:05', '1704164645'", "", true},
		{"TEXT", "'2024-01-02T03:04:05+01:00', '2024-07-02T03:04:05+02:00'", "", true},
		{"TEXT", "'2024-01-02 03:04:05', '2024-01-02'", "", true},
		{"TEXT", "'2024-01-02', '2024-01-01 03:04:05'", "", true},
		{"TEXT", "'2024-01-02 03:04:05', ''", "", true},
		{"TEXT", "'2024-01-02 03:04:05', 'never'", "", true},
		{"TEXT", "'9', '10'", "", true},
		{"TEXT", "'9.5', '10'", "", true},
		{"", "'never', 17", "", true},
		{"TEXT", "'2024-01-02 03:04:05'", "2024-01-01T03:04:05Z", true},
		{"INTEGER", "1704164645", "2024-01-01 03:04:05", true},

		{"TEXT", "'2024-01-02 03:04:05', '2024-01-01 03:04:05.123456', NULL", "2023-01-01 00:00:00", false},
		{"TEXT", "'2024-01-02T03:04:05Z', '2024-01-01T03:04:05.1+00:00'", "2023-01-01", false},
		{"TEXT", "'2024-07-02T03:04:05+02:00', '2024-01-01T03:04:05+02:00'", "", false},
		{"TEXT", "'2024-01-02 03:04', '2024-01-01 03:04'", "", false},
		{"DATE", "'2024-01-02', '2024-01-01'", "2024-01-01", false},
		{"TEXT", "'2024-01-02 03:04:05'", "0", false},
		{"", "9, 10.5, 1e20", "8", false},
		{"TEXT", "'0009', '0010.5'", "0008", false},
		{"TEXT", "'v9', 'w10', '17'", "v8", false},
	} {
		d := sqliteFile(t)
		d.exec(t, `CREATE TABLE users (changed `+c.typ+`)`, `INSERT INTO users VALUES (`+strings.ReplaceAll(c.values, ", ", "), (")+`)`)
		for _, options := range []string{"table: users", "query: SELECT * FROM users"} {
			s := d.source(t, options+", cursor: {field: changed}")
			s.(pipeline.Cursored).SetCursor([]byte(c.stored))
			err := s.Open(context.Background())
			if c.refused {
				checkError(t, err, "sql.bad_cursor", false)
			} else if err != nil {
				t.Errorf("%s %s after %s: %v", c.typ, c.values, c.stored, err)
			}
			s.Close()
		}
	}
	// What the hint says to write.
	d := sqliteFile(t)
	d.exec(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, changed)`, `INSERT INTO users VALUES (1, '2024-01-02T03:04:05+02:00'), (2, 1704164645), (3, 'never')`)
	options := `query: "SELECT id, strftime('%Y-%m-%d %H:%M:%f', changed, 'auto') AS changed FROM users", page: {key: id}, cursor: {field: changed}`
	ids, mark := d.increment(t, options, nil)
	equal(t, append(ids, string(mark)), "1", "2", "3", "2024-01-02 03:04:05.000")
}

// In autumn an hour comes twice.
func TestCursorWhereClocksArePutBack(t *testing.T) {
	d := mariaDB(t)
	d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY, updated_at DATETIME)`, `INSERT INTO users VALUES (1, '2024-10-27 02:50:00')`)
	options := "table: users, time_zone: Europe/Berlin, cursor: {field: updated_at}"
	_, mark := d.increment(t, options, nil)
	d.exec(t, `INSERT INTO users VALUES (2, '2024-10-27 02:05:00')`)
	ids, mark := d.increment(t, options, mark)
	equal(t, ids, "1", "2")
	d.exec(t, `INSERT INTO users VALUES (3, '2024-11-02 10:00:00')`)
	_, mark = d.increment(t, options, mark)
	ids, _ = d.increment(t, options, mark)
	equal(t, ids, "3")
}

// An empty increment keeps the mark, and a resumed run stores the mark of its beginning.
func TestCursorIsKept(t *testing.T) {
	d := sqliteFile(t)
	d.exec(t, `CREATE TABLE users (id INTEGER PRIMARY KEY, version INT)`)
	options := "table: users, page: {key: id, size: 1}, cursor: {field: version}"
	if _, mark := d.increment(t, options, nil); mark != nil {
		t.Errorf("the cursor of nothing is %s", mark)
	}
	if _, mark := d.increment(t, options, []byte("7")); string(mark) != "7" {
		t.Errorf("the cursor is %s", mark)
	}
	d.exec(t, `INSERT INTO users VALUES (1, 8), (2, 9)`)
	s := open(t, d.source(t, options))
	b, err := s.Next(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	// Row 1 changes while nobody reads: the next increment is to read it, so the mark may not be 10.
	d.exec(t, `UPDATE users SET version = 10 WHERE id = 1`)
	s = d.source(t, options)
	if err := s.(pipeline.Resumer).OpenAt(context.Background(), b.After); err != nil {
		t.Fatal(err)
	}
	drain(t, s)
	if mark := string(s.(pipeline.Cursored).Cursor()); mark != "9" {
		t.Errorf("the cursor after a resumed run is %s", mark)
	}
	s.Close()
}

func TestCursorText(t *testing.T) {
	for _, c := range []struct{ stored, overlap, from string }{
		{"2024-01-01 00:00:30", "", "2023-12-31 23:59:30"},
		{"2024-01-01 00:00:30.123456", "10m", "2023-12-31 23:50:30.123456"},
		{"2024-01-01 00:00:30", "0s", "2024-01-01 00:00:29"},
		{"2024-01-01 00:00:30.5+00", "1h", "2023-12-31 23:00:30.5Z"},
		{"2024-01-01T00:00:30Z", "1h", "2023-12-31T23:00:30Z"},
		{"2024-01-01T00:00:30.000+02:00", "1h", "2023-12-31T23:00:30.000+02:00"},
		{"2024-03-01", "0s", "2024-02-29"},
		{"2024-03-01", "48h", "2024-02-28"},
		{"100", "", "99"},
		{"18446744073709551616", "10", "18446744073709551606"},
		{"v2", "10", "v2"},
	} {
		values := map[string]any{"field": "f"}
		if c.overlap != "" {
			values["overlap"] = c.overlap
		}
		k, err := newCursor(pipeline.NewConfig(values), time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		k.stored = c.stored
		if from, ok := k.from(); !ok || from != c.from {
			t.Errorf("%s with an overlap of %q begins at %s, want %s", c.stored, c.overlap, from, c.from)
		}
	}
	if _, err := newCursor(pipeline.NewConfig(map[string]any{"field": "f", "overlap": "soon"}), time.UTC); err == nil {
		t.Error("an overlap of soon")
	}
}

// Rows that change while the pages are read are read again by the next run, whenever it is.
func TestCursorUnderWrites(t *testing.T) {
	d := mariaDB(t)
	d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY, n INT, version BIGINT)`)
	for i := range 300 {
		d.exec(t, fmt.Sprintf(`INSERT INTO users VALUES (%d, 0, %d)`, i, i))
	}
	const options = "table: users, page: {key: id, size: 10}, cursor: {field: version}"
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	writer := make(chan struct{})
	go func() {
		defer close(writer)
		for i := 1000; ctx.Err() == nil; i++ {
			_, _ = d.db.Exec(fmt.Sprintf(`UPDATE users SET n = n + 1, version = %d WHERE id = %d`, i, i*7%300))
		}
	}()
	seen := map[any]any{}
	var mark []byte
	increment := func() {
		s := d.source(t, options)
		s.(pipeline.Cursored).SetCursor(mark)
		open(t, s)
		for _, r := range drain(t, s) {
			id, _ := r.Source.Get("id")
			seen[id], _ = r.Source.Get("n")
		}
		mark = s.(pipeline.Cursored).Cursor()
		s.Close()
	}
	for ctx.Err() == nil {
		increment()
	}
	<-writer
	increment()
	rows, err := d.db.Query(`SELECT id, n FROM users`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, n int64
		if err := rows.Scan(&id, &n); err != nil {
			t.Fatal(err)
		}
		if seen[id] != n {
			t.Errorf("user %d was last seen with %v changes, but has %d", id, seen[id], n)
		}
	}
}
