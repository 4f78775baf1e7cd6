package storesource_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	sinkstore "github.com/usher-id/usher/sinks/store"
	storesource "github.com/usher-id/usher/sources/store"
	"github.com/usher-id/usher/value"
)

const hash = "$2b$04$abcdefghijklmnopqrstuuP1mFCU0NBG2gRnlBVcZGSCWKIpWTqKa"

// fill writes users into the store in dir, and gives their ids.
func fill(t testing.TB, dir, run string, users ...string) []string {
	t.Helper()
	return fillBy(t, dir, run, "email", users...)
}

// fillBy is fill by another identifier.
func fillBy(t testing.TB, dir, run, identifier string, users ...string) []string {
	t.Helper()
	ctx := context.Background()
	sink := acceptance.NewSink(t, sinkstore.Type, pipeline.Env{}, `{dsn: "sqlite:`+dir+`/users.db", identifier: `+identifier+`, upsert: true, raw: true}`)
	defer sink.Close()
	if err := sink.Open(ctx, pipeline.Run{ID: run, StartedAt: time.Now(), Secret: pipeline.SecretFunc()}); err != nil {
		t.Fatal(err)
	}
	b := &pipeline.Batch{}
	for i, text := range users {
		v, err := value.ParseJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		o := v.(*value.Object)
		b.Records = append(b.Records, pipeline.Record{Index: int64(i), Source: o, Fields: o})
	}
	if err := sink.Write(ctx, b); err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(users))
	for i := range b.Records {
		if r := &b.Records[i]; r.Outcome.Decision == pipeline.Failed {
			t.Fatalf("%s: %+v", users[i], r.Outcome.Errors)
		}
		ids[i] = b.Records[i].Outcome.UserID
	}
	if _, err := sink.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := sink.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	return ids
}

func open(t testing.TB, dir, options string) pipeline.Source {
	t.Helper()
	s := acceptance.NewSource(t, storesource.Type, pipeline.Env{}, strings.ReplaceAll(options, "sqlite:", "sqlite:"+dir+"/"))
	t.Cleanup(func() { s.Close() })
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

// drain gives the records as JSON, those that failed as their codes.
func drain(t testing.TB, s pipeline.Source) []string {
	t.Helper()
	var all []string
	for {
		b, err := s.Next(context.Background(), 100)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			all = append(all, shown(&b.Records[i]))
		}
	}
}

func shown(r *pipeline.Record) string {
	if !r.Open() {
		return "failed " + r.Outcome.Errors[0].Code
	}
	return string(value.AppendJSON(nil, r.Source))
}

const times = `"created_at":"2026-01-02T03:04:05+08:00","updated_at":"2026-01-02T03:04:05.678Z"`

func TestAcceptance(t *testing.T) {
	dir := t.TempDir()
	var users, want []string
	for i := range 9 {
		rest := fmt.Sprintf(`"email":"u%d@x.com","email_verified":%v,"disabled":false,%s`, i, i%2 == 0, times)
		users = append(users, "{"+rest+"}")
		want = append(want, rest)
	}
	ids := fill(t, dir, "r", users...)
	for i, id := range ids {
		want[i] = fmt.Sprintf(`{"user_id":%q,"sub":%q,%s}`, id, id, want[i])
	}
	source := func(options string) func(t *testing.T) pipeline.Source {
		return func(t *testing.T) pipeline.Source {
			return acceptance.NewSource(t, storesource.Type, pipeline.Env{}, strings.ReplaceAll(options, "sqlite:", "sqlite:"+dir+"/"))
		}
	}
	missing := source(`sqlite:nowhere.db`)
	t.Run("all", func(t *testing.T) {
		acceptance.Source(t, acceptance.SourceCase{New: source("sqlite:users.db"), Want: want, Unopenable: missing})
	})
	t.Run("where", func(t *testing.T) {
		acceptance.Source(t, acceptance.SourceCase{New: source(`{dsn: "sqlite:users.db", where: user.email_verified}`),
			Want: []string{want[0], want[2], want[4], want[6], want[8]}, Unopenable: missing})
	})
	t.Run("ids", func(t *testing.T) {
		acceptance.Source(t, acceptance.SourceCase{
			New:  source(fmt.Sprintf(`{dsn: "sqlite:users.db", ids: [none, %s, %s, other, %s, %s]}`, ids[7], ids[2], ids[7], ids[5])),
			Want: []string{want[2], want[5], want[7], acceptance.FailedRecord, acceptance.FailedRecord}, Unopenable: missing})
	})
}

// Every attribute comes out in its place, as it went in.
func TestAttributes(t *testing.T) {
	dir := t.TempDir()
	public := `"external_id":"007","email":"ann@x.com","email_verified":true,"phone_number":"+8613100000001","phone_number_verified":false,` +
		`"preferred_username":"ann","name":"Ann Lee","given_name":"Ann","family_name":"Lee","middle_name":"M","nickname":"an\nn",` +
		`"profile":"https://x.com/a","picture":"https://x.com/a.png","website":"https://x.com","gender":"f","birthdate":"1990-02-28",` +
		`"zoneinfo":"Asia/Shanghai","locale":"zh-CN","address":{"country":"CN","own":1},"disabled":true,"custom_attributes":{"n":18446744073709551615,"d":1.10},` +
		`"user_metadata":{"x":{}},"app_metadata":{"a":{"b":[null,false,0,""]}},"roles":["r1","r2"],"groups":["g"],` +
		`"identities":[{"provider":"google","subject":"1","connection":"c"},{"provider":"wechat","subject":"2"}],` +
		`"logins_count":0,"last_login":"2025-12-31T23:59:59-11:30",` + times
	secrets := `"password":{"hash":"` + hash + `","expire_after":"2027-01-01T00:00:00Z"},` +
		`"mfa":{"email":"m@x.com","phone_number":"+8613100000002","password":{"hash":"d41d8cd98f00b204e9800998ecf8427e","hasher":"hex-md5"},"totp":"JBSWY3DPEHPK3PXP","recovery_codes":["a","b"]}`
	ids := fill(t, dir, "r", "{"+public+","+secrets+"}",
		`{"email":"b@x.com","password":{"hash":"x$y","hasher":"homegrown9"},`+times+`}`)
	head := func(i int) string { return fmt.Sprintf(`{"user_id":%q,"sub":%q,`, ids[i], ids[i]) }
	bob := `"email":"b@x.com","email_verified":false,"disabled":false,` + times
	if diff := cmp.Diff([]string{head(0) + public + "}", head(1) + bob + "}"}, drain(t, open(t, dir, "sqlite:users.db"))); diff != "" {
		t.Error(diff)
	}
	got := drain(t, open(t, dir, `{dsn: "sqlite:users.db", include_secrets: true}`))
	for i, want := range []string{head(0) + public + "," + secrets + `,"raw":{`, head(1) + bob + `,"password":{"hash":"x$y","hasher":"homegrown9"},"raw":{`} {
		if !strings.HasPrefix(got[i], want) {
			t.Errorf("record %d is\n%s, want\n%s…", i, got[i], want)
		}
	}
}

// A source that is open sees what a run writes meanwhile, over many pages and the log's being worked into the file.
func TestReadsWhileARunWrites(t *testing.T) {
	dir := t.TempDir()
	var users []string
	for i := range 1500 {
		users = append(users, fmt.Sprintf(`{"email":"u%d@x.com","name":"before"}`, i))
	}
	fill(t, dir, "1", users...)
	s := open(t, dir, "sqlite:users.db")
	seen := map[string]int{}
	read := func(n int) {
		for range n {
			b, err := s.Next(context.Background(), 100)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range b.Records {
				email, _ := b.Records[i].Source.Get("email")
				seen[email.(string)]++
			}
		}
	}
	read(3)
	for i := range users {
		users[i] = strings.Replace(users[i], "before", strings.Repeat("after", 200), 1)
	}
	for i := range 700 {
		users = append(users, fmt.Sprintf(`{"email":"new%d@x.com"}`, i))
	}
	fill(t, dir, "2", users...)
	read(3)
	fill(t, dir, "3", `{"email":"last@x.com"}`)
	read(1000)
	if len(seen) != 2201 {
		t.Errorf("%d users were read, want 2201", len(seen))
	}
	for email, n := range seen {
		if n != 1 {
			t.Errorf("%s was read %d times", email, n)
		}
	}
}

func TestWhereFails(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "r", `{"email":"a@x.com","name":"1"}`, `{"email":"b@x.com","name":"2"}`, `{"email":"c@x.com","phone_number":"+8613100000001"}`)
	got := drain(t, open(t, dir, `{dsn: "sqlite:users.db", where: "user.name == '1' || e164(user.phone_number, 'CN') && e164(user.email)"}`))
	if len(got) != 2 || !strings.Contains(got[0], "a@x.com") || got[1] != "failed expression.phone" {
		t.Error(got)
	}
}

// A store in a folder that cannot be written can be read.
func TestReadOnlyFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("nothing is forbidden to the superuser")
	}
	dir := t.TempDir()
	fill(t, dir, "r", `{"email":"a@x.com"}`)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	if got := drain(t, open(t, dir, "sqlite:users.db")); len(got) != 1 {
		t.Error(got)
	}
}

func TestStoreIsNotTouched(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, "r", `{"email":"a@x.com"}`)
	before, err := os.ReadFile(filepath.Join(dir, "users.db"))
	if err != nil {
		t.Fatal(err)
	}
	drain(t, open(t, dir, `{dsn: "sqlite:users.db", include_secrets: true}`))
	after, err := os.ReadFile(filepath.Join(dir, "users.db"))
	if err != nil || string(before) != string(after) {
		t.Errorf("the store's file changed: %v", err)
	}
}

func BenchmarkNext(b *testing.B) {
	dir := b.TempDir()
	var users []string
	for i := range 5000 {
		users = append(users, fmt.Sprintf(`{"email":"user%d@example.com","email_verified":true,"name":"User %d","given_name":"User","family_name":"%d","phone_number":"+86131%08d","user_metadata":{"lang":"en","plan":{"name":"pro","seats":5}},"created_at":"2026-01-02T03:04:05Z"}`, i, i, i, i))
	}
	fill(b, dir, "r", users...)
	b.ReportAllocs()
	for b.Loop() {
		s := open(b, dir, "sqlite:users.db")
		n := 0
		for {
			batch, err := s.Next(context.Background(), 500)
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			n += len(batch.Records)
		}
		s.Close()
		if n != len(users) {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.N*len(users))/b.Elapsed().Seconds(), "users/s")
}
