package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/usher-id/usher/bench/users"
	"github.com/usher-id/usher/internal/testserver"
)

// input is what a job reads: as usher and as the loader are told of it.
type input struct{ usher, limit string }

// file is the input of both where it is a file.
func file(path string, err error) (input, error) { return input{path, path}, err }

// prepare makes the input of a job where there is none from an earlier job or call.
func (b *bench) prepare(ctx context.Context, j job) (err error) {
	if _, err := b.variant(j); err != nil {
		return err
	}
	if _, there := b.inputs[j.reads]; there {
		return nil
	}
	var in input
	switch j.reads {
	case "":
		in, err = file(generate(b.data, b.n, 0, false))
	case "table":
		in, err = b.table(ctx)
	case "workbook":
		in, err = file(b.workbook(ctx, "xlsx"))
	case "shared workbook":
		in, err = file(b.workbook(ctx, "xlsx-shared"))
	}
	if err == nil {
		b.inputs[j.reads] = in
	}
	return err
}

// variant gives the users of a job that does not read them as they were made.
func (b *bench) variant(j job) (input, error) {
	changed := 0.0
	if j.half {
		changed = 0.5
	}
	if changed == 0 && !j.shuffled {
		return b.inputs[j.reads], nil
	}
	return file(generate(b.data, b.n, changed, j.shuffled))
}

// close stops the server.
func (b *bench) close() {
	if b.server != nil {
		b.server.Close()
	}
}

// table starts a MariaDB server and fills a table of users.
func (b *bench) table(ctx context.Context) (in input, err error) {
	if b.server, err = testserver.NewMariaDB(); err != nil {
		return in, err
	}
	if _, err := b.server.Admin().ExecContext(ctx, "CREATE DATABASE legacy"); err != nil {
		return in, err
	}
	in = input{b.server.URL("legacy"), b.server.DSN("legacy") + "&parseTime=true"}
	db, err := sql.Open("mysql", b.server.DSN("legacy"))
	if err != nil {
		return in, err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, `CREATE TABLE users (id BIGINT PRIMARY KEY, uid BIGINT NOT NULL, nickname VARCHAR(80), account_id VARCHAR(40), mail VARCHAR(120),
		password VARCHAR(100), phone VARCHAR(20), email_verified TINYINT(1), logins_count INT, created DATETIME, city VARCHAR(40), locale VARCHAR(10), plan VARCHAR(10),
		score DECIMAL(8,2)) DEFAULT CHARSET=utf8mb4`)
	if err != nil {
		return in, err
	}
	maker := users.Maker{Seed: 1}
	var cells []string
	for from := 0; from < b.n; from += 1000 {
		var values strings.Builder
		for i := from; i < min(from+1000, b.n); i++ {
			if i > from {
				values.WriteByte(',')
			}
			cells = maker.Cells(cells[:0], i)
			cells[8] = strings.NewReplacer("T", " ", "Z", "").Replace(cells[8])
			values.WriteString("(" + strconv.Itoa(i+1))
			for k, c := range cells {
				switch users.Columns[k] {
				case "uid", "emailVerified", "loginsCount", "app_metadata.score":
					values.WriteString("," + c)
				default:
					values.WriteString(",'" + c + "'")
				}
			}
			values.WriteByte(')')
		}
		if _, err := db.ExecContext(ctx, "INSERT INTO users VALUES "+values.String()); err != nil {
			return in, err
		}
	}
	_, err = db.ExecContext(ctx, "ANALYZE TABLE users")
	return in, err
}

// workbook makes a workbook of users, where it is not there from an earlier call. A program of its own writes it: the peak of
// this one's memory would count as that of the programs that it starts.
func (b *bench) workbook(ctx context.Context, format string) (string, error) {
	path := filepath.Join(b.data, fmt.Sprintf("users-%d.%s.xlsx", b.n, format))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	program, err := build(ctx, b.dir, "./bench/generate")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, "-n", strconv.Itoa(b.n), "-format", format, "-o", path+".new")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
}
