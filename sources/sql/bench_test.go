package sqlsource

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/usher-id/usher/value"
)

const benchRows = 100_000

// benchTable makes a table of users as a PHP application keeps them, about 300 bytes a row.
func (d target) benchTable(b *testing.B) {
	d.exec(b, `CREATE TABLE users (id BIGINT PRIMARY KEY, login VARCHAR(60), pass VARCHAR(255), nicename VARCHAR(50), email VARCHAR(100), url VARCHAR(100),
		registered `+map[string]string{"MariaDB": "DATETIME", "PostgreSQL": "TIMESTAMP", "SQLite": "DATETIME"}[d.name]+`, status INT, display_name VARCHAR(250), balance DECIMAL(12,2))`)
	for from := 0; from < benchRows; from += 1000 {
		var values strings.Builder
		for i := from; i < from+1000; i++ {
			if i > from {
				values.WriteString(", ")
			}
			fmt.Fprintf(&values, "(%d, 'user%d', '$2y$10$%053d', 'user-%[2]d', 'user%[2]d@mail.example.org', 'https://example.org/~user%[2]d', '2024-01-%02[4]d 10:11:12', 0, 'User Number %[2]d', %[2]d.50)",
				1_000_000+i*7, i, i, 1+i%28)
		}
		d.exec(b, "INSERT INTO users VALUES "+values.String())
	}
	d.exec(b, map[string]string{"MariaDB": "ANALYZE TABLE users", "PostgreSQL": "ANALYZE users", "SQLite": "ANALYZE"}[d.name])
}

// bare is what a program written for this one table would do: one query, one loop, the same values.
func (d target) bare(b *testing.B) {
	rows, err := d.db.Query(`SELECT * FROM users`)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	n := 0
	var sink *value.Object
	for rows.Next() {
		var id, status int64
		var login, pass, nicename, email, url, display, balance string
		if d.name == "MariaDB" {
			var registered string
			err = rows.Scan(&id, &login, &pass, &nicename, &email, &url, &registered, &status, &display, &balance)
			at, timeErr := time.Parse(time.DateTime, registered)
			if timeErr != nil {
				b.Fatal(timeErr)
			}
			sink = benchObject(id, status, login, pass, nicename, email, url, display, balance, at)
		} else {
			var registered time.Time
			err = rows.Scan(&id, &login, &pass, &nicename, &email, &url, &registered, &status, &display, &balance)
			sink = benchObject(id, status, login, pass, nicename, email, url, display, balance, registered)
		}
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	if err := rows.Err(); err != nil || n != benchRows || sink.Len() != 10 {
		b.Fatalf("%d rows, %v", n, err)
	}
}

func benchObject(id, status int64, login, pass, nicename, email, url, display, balance string, at time.Time) *value.Object {
	o := value.NewObject(10)
	o.Append("id", id)
	o.Append("login", login)
	o.Append("pass", pass)
	o.Append("nicename", nicename)
	o.Append("email", email)
	o.Append("url", url)
	o.Append("registered", at)
	o.Append("status", status)
	o.Append("display_name", display)
	o.Append("balance", value.ParseNumber(balance))
	return o
}

func (d target) throughSource(b *testing.B, options string) {
	s := d.source(b, options)
	if err := s.Open(context.Background()); err != nil {
		b.Fatal(err)
	}
	n := 0
	for {
		batch, err := s.Next(context.Background(), 1000)
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		n += len(batch.Records)
	}
	if err := s.Close(); err != nil || n != benchRows {
		b.Fatalf("%d rows, %v", n, err)
	}
}

// BenchmarkRead reads a table of 100 000 users by pages, and by the loop of a program that does nothing else. The two
// take turns, so that their ratio holds on a busy machine.
func BenchmarkRead(b *testing.B) {
	for name, make := range map[string]func(testing.TB) target{"MariaDB": mariaDB, "PostgreSQL": postgres, "SQLite": sqliteFile} {
		b.Run(name, func(b *testing.B) {
			d := make(b)
			d.benchTable(b)
			var bare, pages, stream time.Duration
			for b.Loop() {
				bare += took(func() { d.bare(b) })
				pages += took(func() { d.throughSource(b, "table: users") })
				stream += took(func() { d.throughSource(b, "table: users, page: {key: id, size: 0}") })
			}
			b.ReportMetric(benchRows*float64(b.N)/pages.Seconds(), "rows/s")
			b.ReportMetric(bare.Seconds()/pages.Seconds(), "×bare")
			b.ReportMetric(bare.Seconds()/stream.Seconds(), "stream×bare")
		})
	}
}

func took(do func()) time.Duration {
	start := time.Now()
	do()
	return time.Since(start)
}
