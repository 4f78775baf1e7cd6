package sqlsource

import (
	"context"
	"fmt"
	"testing"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// lines gives records as JSON, with a word before those who are gone.
func lines(records []pipeline.Record) (list []string) {
	for _, r := range records {
		line := r.Ref.String() + " " + string(value.AppendJSON(nil, r.Source))
		if r.Gone {
			line = "gone " + line
		}
		list = append(list, line)
	}
	return list
}

func TestDeletedQuery(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY, mail VARCHAR(99), changed TIMESTAMP NULL)`,
			`CREATE TABLE leavers (user_id INT, mail VARCHAR(99), at TIMESTAMP NULL)`,
			`INSERT INTO users VALUES (1, 'a', '2024-01-01 10:00:00'), (4, 'd', '2024-01-01 12:00:00')`,
			`INSERT INTO leavers VALUES (3, 'c', '2024-01-01 11:00:00'), (2, 'b', '2024-01-01 10:30:00'), (4, 'd', '2024-01-01 11:30:00')`)
		for name, options := range map[string]string{"pages": "", "pages of one": ", page: {key: id, size: 1}", "one query": ", page: {key: id, size: 0}", "snapshot": ", snapshot: true"} {
			t.Run(name, func(t *testing.T) {
				s := open(t, d.source(t, `table: users, columns: [id, mail], types: {id: text}, deleted_query: "SELECT user_id AS id, mail FROM leavers;"`+options))
				equal(t, lines(drain(t, s)),
					`gone leavers[key=2] {"id":"2","mail":"b"}`, `gone leavers[key=3] {"id":"3","mail":"c"}`, `gone leavers[key=4] {"id":"4","mail":"d"}`,
					`users[key=1] {"id":"1","mail":"a"}`, `users[key=4] {"id":"4","mail":"d"}`)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

func TestDeletedSinceTheCursor(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY, changed TIMESTAMP NULL)`, `CREATE TABLE leavers (id INT, at TIMESTAMP NULL)`,
			`INSERT INTO users VALUES (1, '2024-01-01 10:00:00'), (2, '2024-01-01 12:00:00')`,
			`INSERT INTO leavers VALUES (7, '2024-01-01 11:00:00'), (8, '2024-01-01 12:00:30')`)
		options := `table: users, cursor: {field: changed, initial: "1970-01-02"}, deleted_query: "SELECT id FROM leavers WHERE at > :cursor"`
		ids, mark := d.increment(t, options, nil)
		equal(t, ids, "7", "8", "1", "2")
		// Who was deleted after the last change is found again: the watermark is that of the users.
		d.exec(t, `INSERT INTO leavers VALUES (9, '2024-01-01 13:00:00')`)
		ids, mark = d.increment(t, options, mark)
		equal(t, ids, "8", "9", "2")
		d.exec(t, `INSERT INTO users VALUES (3, '2024-01-01 14:00:00')`)
		ids, mark = d.increment(t, options, mark)
		equal(t, ids, "8", "9", "2", "3")
		ids, _ = d.increment(t, options, mark)
		equal(t, ids, "3")
	})
}

// A run that was interrupted anywhere goes on from there, with the watermark that it had found.
func TestDeletedQueryGoesOn(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY, changed TIMESTAMP NULL)`, `CREATE TABLE leavers (id INT, at TIMESTAMP NULL)`)
		for i := range 5 {
			d.exec(t, fmt.Sprintf(`INSERT INTO users VALUES (%d, '2024-01-01 10:00:0%d')`, i, i), fmt.Sprintf(`INSERT INTO leavers VALUES (%d, '2024-01-01 10:00:00')`, 10+i))
		}
		options := `table: users, page: {key: id, size: 2}, cursor: {field: changed, initial: "1970-01-02"}, deleted_query: "SELECT id FROM leavers WHERE at > :cursor"`
		var want []string
		for stop := range 11 {
			s := open(t, d.source(t, options))
			var got []pipeline.Record
			var after []byte
			for range stop {
				b, err := s.Next(context.Background(), 1)
				if err != nil {
					t.Fatal(err)
				}
				got, after = append(got, b.Records...), b.After
			}
			s.Close()
			if stop > 0 {
				if stop == 3 {
					d.exec(t, `UPDATE users SET changed = '2024-02-01 00:00:00' WHERE id = 4`)
				}
				s = d.source(t, options)
				t.Cleanup(func() { s.Close() })
				if err := s.(pipeline.Resumer).OpenAt(context.Background(), after); err != nil {
					t.Fatal(err)
				}
			} else {
				s = open(t, d.source(t, options))
			}
			got = append(got, drain(t, s)...)
			if cursor := string(s.(pipeline.Cursored).Cursor()); stop <= 3 && cursor[:10] != "2024-01-01" {
				t.Errorf("stopped after %d: the cursor is %s", stop, cursor)
			}
			if stop == 0 {
				want = lines(got)
			}
			if text := lines(got); stop < 3 {
				equal(t, text, want...)
			} else if len(text) != len(want) {
				t.Errorf("stopped after %d: %q", stop, text)
			}
			s.Close()
		}
	})
}

func TestDeletedQueryRefused(t *testing.T) {
	everywhere(t, func(t *testing.T, d target) {
		d.exec(t, `CREATE TABLE users (id INT PRIMARY KEY)`, `CREATE TABLE leavers (id INT)`, `INSERT INTO leavers VALUES (1), (2), (2), (3)`)
		for query, code := range map[string]string{
			"SELECT id FROM leavers":                                    "sql.key_not_unique",
			"SELECT nobody FROM leavers":                                "sql.query_failed",
			"SELECT NULL AS id FROM leavers WHERE id = 1":               "sql.null_key",
			"SELECT id FROM leavers WHERE id < 2 UNION ALL SELECT NULL": "sql.null_key",
		} {
			s := d.source(t, `table: users, deleted_query: "`+query+`"`)
			err := s.Open(context.Background())
			for err == nil {
				_, err = s.Next(context.Background(), 10)
			}
			checkError(t, err, code, false)
			s.Close()
		}
	})
}
