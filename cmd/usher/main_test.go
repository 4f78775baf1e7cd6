package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite"

	"github.com/usher-id/usher/internal/testplugin"

	"github.com/usher-id/usher/internal/testserver"
)

func TestMain(m *testing.M) {
	testscript.Main(withServers{m}, map[string]func(){"usher": main, "testplugin": testplugin.Serve})
}

// withServers stops the database servers that tests have started.
type withServers struct{ m *testing.M }

func (w withServers) Run() int { return testserver.Main(w.m) }

// TestScripts replays testdata/script: each file is a session at the command line, with its files.
func TestScripts(t *testing.T) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("EXAMPLES", examples)
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"sqlite": sqlite,
			"makedb": makedb,
			"json":   jsonAt,
		},
	})
}

// exits CODE COMMAND… runs a command and wants that exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT…]")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// makedb FILE STATEMENTS runs statements on a SQLite database, which it makes if it is not there.
func makedb(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: makedb FILE STATEMENTS")
	}
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	statements := args[1]
	if strings.HasSuffix(statements, ".sql") {
		statements = ts.ReadFile(statements)
	}
	_, err = db.Exec(statements)
	ts.Check(err)
}

// sqlite FILE QUERY WANT wants the first row of a query, its columns with | between them.
func sqlite(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: sqlite FILE QUERY WANT")
	}
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0])+"?mode=ro")
	ts.Check(err)
	defer db.Close()
	rows, err := db.Query(args[1])
	ts.Check(err)
	defer rows.Close()
	columns, err := rows.Columns()
	ts.Check(err)
	if !rows.Next() {
		ts.Fatalf("no row")
	}
	values, at := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		at[i] = &values[i]
	}
	ts.Check(rows.Scan(at...))
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	if got := strings.Join(texts, "|"); (got == args[2]) == neg {
		ts.Fatalf("%s gives %s", args[1], got)
	}
}

// json FILE PATH WANT wants the JSON text of what stands at a dotted path in one JSON document; - as PATH is the whole.
func jsonAt(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH WANT")
	}
	decoder := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	decoder.UseNumber()
	var v any
	ts.Check(decoder.Decode(&v))
	if decoder.More() {
		ts.Fatalf("more than one JSON document")
	}
	if args[1] != "-" {
		for _, name := range strings.Split(args[1], ".") {
			switch parent := v.(type) {
			case map[string]any:
				member, ok := parent[name]
				if !ok {
					member = "absent"
				}
				v = member
			case []any:
				i, err := strconv.Atoi(name)
				if err != nil || i >= len(parent) {
					ts.Fatalf("no element %s of %d", name, len(parent))
				}
				v = parent[i]
			default:
				ts.Fatalf("nothing below %s", name)
			}
		}
	}
	text, err := json.Marshal(v)
	ts.Check(err)
	if (string(text) == args[2]) == neg {
		ts.Fatalf("%s is %s", args[1], text)
	}
}
