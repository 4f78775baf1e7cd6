package store_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/pipeline"
)

// The test binary is also the process that is killed: with childVariable set it runs a part of a run and tells what it does.
const childVariable = "USHER_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if args := os.Getenv(childVariable); args != "" {
		child(strings.Split(args, " "))
	}
	os.Exit(m.Run())
}

const (
	killRecords  = 6000
	killBatch    = 100
	killCommit   = 1000
	killSizeByte = 1 << 20
)

// killRecord is record i of the run that is killed: new users, users again with another name, users that clash.
func killRecord(i int64) string {
	n := i * 7919 % 4000
	name := "A"
	if i >= 4000 {
		name = "B"
	}
	phone := ""
	if i%10 == 3 {
		phone = fmt.Sprintf(`,"phone_number":"+86131%08d"`, n%300)
	}
	return fmt.Sprintf(`{"email":"u%d@x.com","name":%q,"roles":["r%d"],"password":{"hash":%q}%s}`, n, name, n%7, hashOf(string("XOe"[i%3])), phone)
}

// child writes the records from an index on. Outcomes go to stdout, and a line "checkpoint" behind those that are durable. It
// kills itself where it is told to: after so many batches, or after so many commits and before the checkpoint.
func child(args []string) {
	dir, dieAt := args[0], args[2]
	from, _ := strconv.ParseInt(args[1], 10, 64)
	ctx := context.Background()
	fail := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	die := func(at string) {
		if at == dieAt {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	if dieAt == "full" {
		signal.Ignore(syscall.SIGXFSZ)
		fail(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: killSizeByte, Max: killSizeByte}))
	}
	sink, err := newSinkOrError(dir, upsert)
	fail(err)
	fail(sink.Open(ctx, pipeline.Run{ID: "killed", StartedAt: started, Resumed: from >= 0, From: max(from, 0)}))
	fmt.Println("open")
	commits := 0
	out := bufio.NewWriter(os.Stdout)
	for first := max(from, 0); first < killRecords; {
		// Batches do not fall on the same records in another life.
		n := min(killBatch+first%37, killRecords-first, killCommit-first%killCommit)
		b := &pipeline.Batch{}
		for i := first; i < first+n; i++ {
			r, err := parseRecord(i, killRecord(i))
			fail(err)
			b.Records = append(b.Records, r)
		}
		fail(sink.Write(ctx, b))
		for i := range b.Records {
			fmt.Fprintf(out, "%d %s %s\n", b.Records[i].Index, b.Records[i].Outcome.UserID, short(b.Records[i].Outcome))
		}
		first += n
		die(fmt.Sprint("write", first/killBatch))
		if first%killCommit == 0 {
			_, err := sink.Commit(ctx)
			fail(err)
			commits++
			die(fmt.Sprint("commit", commits))
			fmt.Fprintln(out, "checkpoint", first)
			fail(out.Flush())
		}
	}
	fail(sink.Finish(ctx))
	fail(sink.Close())
	os.Exit(0)
}

// live runs the child until it ends or, if after is not 0, is killed. It gives the outcomes that were durable, the index to go on from, and
// whether the run came to its end.
func live(t *testing.T, dir string, from int64, dieAt string, after time.Duration) (lines []string, next int64, whole bool) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(executable)
	cmd.Env = append(os.Environ(), childVariable+"="+fmt.Sprint(dir, " ", from, " ", dieAt))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	next = max(from, 0)
	var pending []string
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "open":
		case strings.HasPrefix(line, "error"):
			t.Fatal(line)
		case strings.HasPrefix(line, "checkpoint "):
			lines = append(lines, pending...)
			pending = nil
			next, _ = strconv.ParseInt(strings.TrimPrefix(line, "checkpoint "), 10, 64)
		default:
			pending = append(pending, line)
		}
	}
	return lines, next, err == nil
}

func TestKilledAnywhereEndsTheSame(t *testing.T) {
	calm := t.TempDir()
	want, _, whole := live(t, calm, -1, "", 0)
	if !whole || len(want) != killRecords {
		t.Fatalf("%d outcomes", len(want))
	}
	dies := []string{"write3", "write15", "commit1", "commit2", ""}
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for try, die := range dies {
		dir := t.TempDir()
		var got []string
		from := int64(-1)
		for life := 0; ; life++ {
			var after time.Duration
			if life > 0 && life < 4 || die == "" {
				// Killed from outside, too, wherever it is just then.
				after = time.Duration(30+random.IntN(400)) * time.Millisecond
			}
			if life > 8 {
				after, die = 0, ""
			}
			lines, next, whole := live(t, dir, from, die, after)
			got = append(got, lines...)
			checkIntegrity(t, dir)
			if from = next; whole {
				break
			}
		}
		if !slices.Equal(got, want) {
			for i := range want {
				if i >= len(got) || got[i] != want[i] {
					t.Fatalf("%s: %d outcomes, the first that differs: %q, want %q", dies[try], len(got), got[min(i, len(got)-1)], want[i])
				}
			}
		}
		if got, want := dump(t, dir), dump(t, calm); got != want {
			t.Errorf("%s: the store is not what it is without a kill", dies[try])
		}
	}
}

func checkIntegrity(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "users.db")
	if _, err := os.Stat(path); err != nil {
		return
	}
	if _, err := os.Stat(path + "-journal"); err == nil {
		return // killed as the file was made; who writes next rolls that back
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = sqlitex.ExecuteTransient(conn, "PRAGMA integrity_check", &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		if s.ColumnText(0) != "ok" {
			t.Error(s.ColumnText(0))
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// dump writes down all tables, and finds keys that are not those of the users.
func dump(t *testing.T, dir string) string {
	t.Helper()
	conn, err := sqlite.OpenConn(filepath.Join(dir, "users.db"), sqlite.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var b strings.Builder
	for _, table := range []string{"users", "keys", "credentials", "raw_records", "roles", "groups", "receipts"} {
		fmt.Fprintln(&b, table)
		err := sqlitex.ExecuteTransient(conn, "SELECT * FROM "+table+" ORDER BY 1", &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			for i := range s.ColumnCount() {
				fmt.Fprintf(&b, "%q ", s.ColumnText(i))
			}
			b.WriteByte('\n')
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	count := func(query string) {
		if n, err := sqlitex.ResultInt64(conn.Prep(query)); err != nil || n != 0 {
			t.Errorf("%s: %d, %v", query, n, err)
		}
	}
	count("SELECT count(*) FROM users WHERE email IS NOT NULL AND NOT EXISTS (SELECT 1 FROM keys WHERE key = 'email:' || email AND user_seq = seq)")
	count("SELECT count(*) FROM users WHERE phone_number IS NOT NULL AND NOT EXISTS (SELECT 1 FROM keys WHERE key = 'phone:' || phone_number AND user_seq = seq)")
	count("SELECT count(*) FROM keys WHERE user_seq NOT IN (SELECT seq FROM users)")
	count("SELECT count(*) FROM credentials WHERE user_seq NOT IN (SELECT seq FROM users)")
	count("SELECT (SELECT count(*) FROM keys) - (SELECT count(email) + count(phone_number) + count(preferred_username) + count(external_id) + " +
		"coalesce(sum(json_array_length(identities)), 0) FROM users)")
	return b.String()
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(executable)
	cmd.Env = append(os.Environ(), childVariable+"="+dir+" -1 full")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "[store.full]") {
		tail := out[max(0, len(out)-500):]
		t.Fatalf("%v: %s", err, tail)
	}
	checkIntegrity(t, dir)
	// With room again, the run goes on from its last checkpoint.
	next := int64(0)
	for line := range strings.Lines(string(out)) {
		if n, ok := strings.CutPrefix(line, "checkpoint "); ok {
			next, _ = strconv.ParseInt(strings.TrimSpace(n), 10, 64)
		}
	}
	if _, _, whole := live(t, dir, next, "", 0); !whole {
		t.Error("the run did not come to its end")
	}
	calm := t.TempDir()
	live(t, calm, -1, "", 0)
	if dump(t, dir) != dump(t, calm) {
		t.Error("the store is not what it is on a disk with room")
	}
}

func TestReceiptsAnswerWhatWasWritten(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	texts := []string{`{"email":"a@x.com","name":"A"}`, `{"email":"a@x.com","name":"B"}`, `{"email":"nobody"}`, `{"email":"b@x.com"}`, `{"email":"b@x.com"}`}
	write := func(s pipeline.Sink, from, to int) []string {
		b := &pipeline.Batch{}
		for i := from; i < to; i++ {
			b.Records = append(b.Records, record(t, int64(i), texts[i]))
		}
		if err := s.Write(ctx, b); err != nil {
			t.Fatal(err)
		}
		var lines []string
		for i := range b.Records {
			lines = append(lines, short(b.Records[i].Outcome)+b.Records[i].Outcome.UserID)
		}
		return lines
	}
	run := pipeline.Run{ID: "r", StartedAt: started}
	first := newSink(t, dir, upsert)
	if err := first.Open(ctx, run); err != nil {
		t.Fatal(err)
	}
	told := append(write(first, 0, 2), write(first, 2, 4)...)
	if _, err := first.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	run.Resumed = true
	second := newSink(t, dir, upsert)
	if err := second.Open(ctx, run); err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	// Other batches than before; the last record is new.
	again := append(write(second, 0, 1), write(second, 1, 5)...)
	if !slices.Equal(again[:4], told) || again[4] == told[3] || !strings.HasPrefix(again[4], "skipped unchanged") {
		t.Errorf("first %q\nagain %q", told, again)
	}
	// The same batch once more, as after an error of the engine's.
	if got := write(second, 0, 3); !slices.Equal(got, told[:3]) {
		t.Errorf("%q", got)
	}
	if err := second.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(dump(t, dir), "receipts\n") {
		t.Error("receipts are left behind")
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	first := newSink(t, dir, upsert)
	if err := first.Open(ctx, pipeline.Run{ID: "first", StartedAt: started}); err != nil {
		t.Fatal(err)
	}
	second := newSink(t, dir, upsert)
	err := second.Open(ctx, pipeline.Run{ID: "second", StartedAt: started})
	wantError(t, err, "store.locked", "run first", strconv.Itoa(os.Getpid()))
	second.Close()
	// A plan only reads: it may.
	plan := newSink(t, dir, upsert)
	if err := plan.Open(ctx, pipeline.Run{ID: "plan", StartedAt: started, Plan: true}); err != nil {
		t.Fatal(err)
	}
	plan.Close()
	first.Close()
	third := newSink(t, dir, upsert)
	if err := third.Open(ctx, pipeline.Run{ID: "third", StartedAt: started}); err != nil {
		t.Fatal(err)
	}
	third.Close()
}

// A store has one lock and one log, by whatever name it is opened.
func TestStoreOfTwoNames(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	do(t, dir, upsert, pipeline.Run{}, []string{`{"email":"a@x.com"}`})
	named := t.TempDir()
	if err := errors.Join(os.Symlink(filepath.Join(dir, "users.db"), filepath.Join(named, "users.db")), os.Symlink(dir, filepath.Join(named, "folder"))); err != nil {
		t.Fatal(err)
	}
	writer := newSink(t, dir, upsert)
	defer writer.Close()
	b := &pipeline.Batch{Records: []pipeline.Record{record(t, 0, `{"email":"b@x.com"}`)}}
	if err := errors.Join(writer.Open(ctx, pipeline.Run{ID: "first", StartedAt: started, Secret: pipeline.SecretFunc()}), writer.Write(ctx, b)); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{named, filepath.Join(named, "folder")} {
		run, _ := open(t, other, upsert)
		wantError(t, run, "store.locked", "run first")
		want(t, do(t, other, upsert, pipeline.Run{Plan: true}, []string{`{"email":"a@x.com"}`, `{"email":"b@x.com"}`}), "skipped unchanged", "skipped unchanged")
	}
}

func wantError(t *testing.T, err error, code string, parts ...string) {
	t.Helper()
	var e *pipeline.Error
	if !errors.As(err, &e) || e.Code != code || e.Hint == "" {
		t.Errorf("%v, want %s", err, code)
		return
	}
	for _, part := range parts {
		if !strings.Contains(e.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
}

// open tries to open the store of a folder in both ways and gives the errors.
func open(t *testing.T, dir string, given map[string]any) (run, plan error) {
	t.Helper()
	for _, planned := range []bool{false, true} {
		s := newSink(t, dir, given)
		err := s.Open(context.Background(), pipeline.Run{ID: "r", StartedAt: started, Plan: planned, Secret: pipeline.SecretFunc()})
		s.Close()
		if planned {
			plan = err
		} else {
			run = err
		}
	}
	return run, plan
}

func execute(t *testing.T, dir, query string) {
	t.Helper()
	conn, err := sqlite.OpenConn(filepath.Join(dir, "users.db"), sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := sqlitex.ExecuteScript(conn, query, nil); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNoStore(t *testing.T) {
	for _, tt := range []struct {
		name, code string
		make       func(t *testing.T, dir string)
	}{
		{"newer schema", "store.newer_schema", func(t *testing.T, dir string) {
			do(t, dir, upsert, pipeline.Run{}, []string{`{"email":"a@x.com"}`})
			execute(t, dir, "PRAGMA user_version = 99")
		}},
		{"somebody else's database", "store.foreign", func(t *testing.T, dir string) { execute(t, dir, "CREATE TABLE users(id)") }},
		{"another program's database", "store.foreign", func(t *testing.T, dir string) { execute(t, dir, "PRAGMA application_id = 7; PRAGMA user_version = 1") }},
		{"text", "store.not_a_database", func(t *testing.T, dir string) {
			writeFile(t, dir, strings.Repeat("email,name\na@x.com,Ann\n", 100))
		}},
		{"folder", "store.not_a_file", func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "users.db"), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.make(t, dir)
			run, plan := open(t, dir, upsert)
			wantError(t, run, tt.code, "users.db")
			wantError(t, plan, tt.code, "users.db")
		})
	}
}

func writeFile(t *testing.T, dir, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "users.db"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEmptyFileBecomesAStore(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "")
	want(t, do(t, dir, upsert, pipeline.Run{Plan: true}, []string{`{"email":"a@x.com"}`}), "inserted")
	want(t, do(t, dir, upsert, pipeline.Run{}, []string{`{"email":"a@x.com"}`}), "inserted")
}

func TestFolderThatIsNotThere(t *testing.T) {
	run, plan := open(t, t.TempDir(), map[string]any{"dsn": "sqlite:no/such/users.db"})
	wantError(t, run, "store.no_folder")
	wantError(t, plan, "store.no_folder")
}

func TestDamagedStore(t *testing.T) {
	dir := t.TempDir()
	var batch []string
	for i := range 2000 {
		batch = append(batch, fmt.Sprintf(`{"email":"user%d@example.com","name":"User %d"}`, i, i))
	}
	do(t, dir, upsert, pipeline.Run{}, batch)
	path := filepath.Join(dir, "users.db")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096 * 3; i < len(content); i++ {
		content[i] ^= 0x5a
	}
	writeFile(t, dir, string(content))
	s := newSink(t, dir, upsert)
	defer s.Close()
	ctx := context.Background()
	err = s.Open(ctx, pipeline.Run{ID: "r", StartedAt: started})
	for i := 0; err == nil && i < 20; i++ {
		b := &pipeline.Batch{}
		for j := range 100 {
			b.Records = append(b.Records, record(t, int64(i*100+j), batch[i*100+j]))
		}
		err = s.Write(ctx, b)
	}
	wantError(t, err, "store.corrupt", "users.db")
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	if os.Getuid() == 0 {
		asNobody(t, dir)
		return
	}
	do(t, dir, upsert, pipeline.Run{}, []string{`{"email":"a@x.com"}`})
	for _, path := range []string{filepath.Join(dir, "users.db"), dir} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, info.Mode().Perm()&^0o222); err != nil {
			t.Fatal(err)
		}
	}
	defer os.Chmod(dir, 0o700)
	run, plan := open(t, dir, upsert)
	wantError(t, run, "store.read_only", "users.db")
	if plan != nil {
		t.Errorf("a plan only reads: %v", plan)
	}
	checker := newSink(t, dir, upsert).(pipeline.Checker)
	wantError(t, checker.Check(context.Background()), "store.read_only", "users.db")
	if err := os.Chmod(filepath.Join(dir, "users.db"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, checker.Check(context.Background()), "store.read_only", "users.db") // the folder still is
}

// Files beside the store that another account has left, and that a run must write, are found before it.
func TestReadOnlyBeside(t *testing.T) {
	dir := t.TempDir()
	if os.Getuid() == 0 {
		asNobody(t, dir)
		return
	}
	live(t, dir, -1, "commit2", 0) // it leaves its log
	for _, suffix := range []string{"-wal", "-shm", ".lock"} {
		path := filepath.Join(dir, "users.db"+suffix)
		if err := os.Chmod(path, 0o400); err != nil {
			t.Fatal(err)
		}
		checker := newSink(t, dir, upsert).(pipeline.Checker)
		wantError(t, checker.Check(context.Background()), "store.read_only", "users.db")
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A plan over a store of an older schema says what a run will do, and leaves the upgrade to the run.
func TestPlanOverAnOlderSchema(t *testing.T) {
	for _, log := range []bool{false, true} {
		dir := t.TempDir()
		do(t, dir, upsert, pipeline.Run{}, []string{`{"email":"a@x.com"}`, `{"email":"b@x.com","name":"B"}`})
		execute(t, dir, "ALTER TABLE credentials DROP COLUMN password_replaced; DROP TABLE changes; DROP TABLE members; DROP TABLE seen;"+
			"DELETE FROM goose_db_version WHERE version_id > 1; PRAGMA user_version = 1")
		if log { // of a program that has it open
			conn, err := sqlite.OpenConn(filepath.Join(dir, "users.db"), sqlite.OpenReadWrite)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := sqlitex.ExecuteTransient(conn, "UPDATE users SET name = 'C', mark = NULL WHERE name = 'B'", nil); err != nil {
				t.Fatal(err)
			}
		}
		contents := func() (all []string) {
			for _, suffix := range []string{"", "-wal"} {
				content, _ := os.ReadFile(filepath.Join(dir, "users.db"+suffix))
				all = append(all, string(content))
			}
			return all
		}
		before := contents()
		records := []string{`{"email":"a@x.com"}`, `{"email":"b@x.com","name":"C"}`, `{"email":"c@x.com"}`}
		plan := do(t, dir, upsert, pipeline.Run{ID: "p", Plan: true}, records)
		if !slices.Equal(contents(), before) {
			t.Error("the plan has written")
		}
		checker := newSink(t, dir, upsert).(pipeline.Checker)
		if err := checker.Check(context.Background()); err != nil {
			t.Error(err)
		}
		if run := do(t, dir, upsert, pipeline.Run{ID: "r"}, records); !slices.Equal(run, plan) {
			t.Errorf("planned %q, got %q", plan, run)
		}
	}
}

// Where SQLite cannot read the log that somebody left, the store is not read without it.
func TestReadOnlyWithALog(t *testing.T) {
	dir := t.TempDir()
	if os.Getuid() == 0 {
		asNobody(t, dir)
		return
	}
	live(t, dir, -1, "commit2", 0)
	if err := errors.Join(os.Remove(filepath.Join(dir, "users.db-shm")), os.Chmod(dir, 0o500)); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	for _, mode := range []identity.Mode{identity.Read, identity.Plan} {
		s, err := identity.Open(context.Background(), "sqlite:users.db", dir, "", mode)
		var e *identity.Error
		if !errors.As(err, &e) || e.Code != "store.cannot_open" {
			t.Errorf("mode %d: %v", mode, err)
		}
		if err == nil {
			s.Close()
		}
	}
}

// asNobody runs a test again as a user to whom permissions mean something.
func asNobody(t *testing.T, dir string) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(executable)
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "test")
	if err := os.WriteFile(binary, content, 0o755); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "home")
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Mkdir(home, 0o700), os.Chown(home, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "TMPDIR="+home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestBadDSN(t *testing.T) {
	for _, dsn := range []string{"", "users.db", "sqlite:", "sqlite:folder/", "postgres://u:hunter2@h/db"} {
		_, err := newSinkOrError(t.TempDir(), map[string]any{"dsn": dsn})
		var option *pipeline.OptionError
		if !errors.As(err, &option) || option.Option != "dsn" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", dsn, err)
		}
	}
}

// A process that died has left its write-ahead log: the plan reads what is in it and leaves it there.
func TestPlanOverLeftLog(t *testing.T) {
	dir := t.TempDir()
	live(t, dir, -1, "commit2", 0)
	if info, err := os.Stat(filepath.Join(dir, "users.db-wal")); err != nil || info.Size() == 0 {
		t.Fatal("no log was left", err)
	}
	for _, index := range []string{"index", "no index"} {
		t.Run(index, func(t *testing.T) {
			// The index of the log, users.db-shm, is memory that processes share: no content of the store.
			if index == "no index" {
				_ = os.Remove(filepath.Join(dir, "users.db-shm"))
			}
			before := withoutIndex(t, dir)
			got := do(t, dir, upsert, pipeline.Run{Plan: true}, []string{killRecord(0), killRecord(1999), `{"email":"new@x.com"}`})
			want(t, got, "skipped unchanged", "skipped unchanged", "inserted")
			if after := withoutIndex(t, dir); before != after {
				t.Errorf("the plan wrote: %s became %s", before, after)
			}
		})
	}
}

// Somebody writes into the store that is being planned for. The plan does not take what it reads then for a damaged store, nor for a plan.
func TestPlanDuringARun(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	batches := make([][]string, 20)
	for i := range 4000 {
		batches[i%20] = append(batches[i%20], fmt.Sprintf(`{"email":"u%d@x.com","name":"%s"}`, i, strings.Repeat("x", 1+i%20)))
	}
	do(t, dir, upsert, pipeline.Run{}, batches...)
	removed := make([]string, 4000)
	for i := range removed {
		removed[i] = fmt.Sprintf(gone+`{"email":"u%d@x.com"}`, i)
	}
	open := func() pipeline.Sink {
		s := newSink(t, dir, upsert)
		if err := s.Open(ctx, pipeline.Run{ID: "plan", StartedAt: started, Plan: true, Secret: pipeline.SecretFunc()}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	index := int64(0)
	write := func(s pipeline.Sink, texts []string) ([]string, error) {
		b := &pipeline.Batch{}
		for _, text := range texts {
			b.Records = append(b.Records, record(t, index, text))
			index++
		}
		err := s.Write(ctx, b)
		var out []string
		for i := range b.Records {
			out = append(out, short(b.Records[i].Outcome))
		}
		return out, err
	}
	quiet := open()
	defer quiet.Close()
	if _, err := write(quiet, batches[0]); err != nil {
		t.Fatal(err)
	}
	run := newSink(t, dir, map[string]any{"on_delete": "delete"})
	defer run.Close()
	if err := run.Open(ctx, pipeline.Run{ID: "run", StartedAt: started, Secret: pipeline.SecretFunc()}); err != nil {
		t.Fatal(err)
	}
	if _, err := write(run, removed[:100]); err != nil {
		t.Fatal(err)
	}
	if _, err := run.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	// This one began after the writer: it is for the store as it was then.
	busy := open()
	defer busy.Close()
	if _, err := write(run, removed[100:]); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(run.Finish(ctx), run.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := write(busy, []string{removed[99], `{"email":"u99@x.com"}`, `{"email":"u100@x.com"}`, `{"email":"u3999@x.com","name":"B"}`})
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, "skipped gone", "inserted", "skipped unchanged", "updated name")
	busy.Close()
	if last := newSink(t, dir, upsert); last.Open(ctx, pipeline.Run{ID: "last", StartedAt: started}) != nil || last.Close() != nil {
		t.Fatal("the log is not worked in")
	}
	_, err = write(quiet, batches[1])
	wantError(t, err, "store.busy", "plan")
	wantError(t, quiet.Finish(ctx), "store.busy", "plan")
}

func withoutIndex(t *testing.T, dir string) string {
	lines := slices.DeleteFunc(strings.Split(snapshot(t, dir), "\n"), func(line string) bool { return strings.HasPrefix(line, "users.db-shm ") })
	return strings.Join(lines, "\n")
}

// What somebody else wrote into a cell fails the records that need it, and nothing else.
func TestDamagedCell(t *testing.T) {
	everything := `"user_metadata":{"a":1},"app_metadata":{"a":1},"custom_attributes":{"a":1},"address":{"locality":"Bern"},"roles":["r"],"groups":["g"],` +
		`"identities":[{"provider":"p","subject":"s"}]`
	changed := `"user_metadata":{"a":2},"app_metadata":{"a":2},"custom_attributes":{"a":2},"address":{"locality":"Ulm"},"roles":["r","q"],"groups":["g","f"],` +
		`"identities":[{"provider":"p","subject":"t"}]`
	for _, column := range []string{"user_metadata", "app_metadata", "custom_attributes", "address", "roles", "groups", "identities"} {
		for _, text := range []string{`{"a":`, `7`, `[1]`, `[{"provider":1,"subject":{}}]`} {
			for _, behaviour := range []string{"", "merge", "add", "replace"} {
				given := map[string]any{"upsert": true, "on_delete": "delete"}
				if behaviour != "" && text != "7" {
					continue
				}
				if behaviour != "" {
					given["on_update"] = pipeline.NewConfig(map[string]any{column: behaviour})
					if _, err := newSinkOrError(t.TempDir(), given); err != nil {
						continue // it has no such behaviour
					}
				}
				dir := t.TempDir()
				do(t, dir, given, pipeline.Run{}, []string{`{"email":"a@x.com",` + everything + `}`, `{"email":"b@x.com"}`})
				execute(t, dir, "UPDATE users SET "+column+" = '"+text+"' WHERE email = 'a@x.com'")
				out := outcomes(t, dir, given, pipeline.Run{}, []string{`{"email":"b@x.com","name":"B"}`, `{"email":"a@x.com","name":"A",` + changed + `}`, `{"email":"c@x.com"}`})
				got := []string{short(out[0]), short(out[1]), short(out[2])}
				if want := []string{"updated name", "failed store.corrupt@" + column, "inserted"}; !slices.Equal(got, want) {
					t.Errorf("%s = %s, %s: %q, want %q", column, text, behaviour, got, want)
				}
				if message := out[1].Errors; len(message) > 0 && !strings.Contains(message[0].Message, "mend the column "+column) {
					t.Error(message)
				}
				s, err := identity.Open(context.Background(), "sqlite:users.db", dir, "", identity.Read)
				if err != nil {
					t.Fatal(err)
				}
				for _, err = range s.Users(context.Background()) {
					if err != nil {
						break
					}
				}
				s.Close()
				if e := (*identity.Error)(nil); !errors.As(err, &e) || e.Code != "store.corrupt" || !strings.Contains(e.Message, column) {
					t.Errorf("%s = %s: %v", column, text, err)
				}
				if column != "identities" || behaviour != "" {
					continue
				}
				want(t, do(t, dir, given, pipeline.Run{}, []string{gone + `{"email":"a@x.com"}`, gone + `{"email":"b@x.com"}`}), "failed store.corrupt@identities", "updated gone deleted")
			}
		}
	}
}
