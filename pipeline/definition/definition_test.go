package definition_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/value"
)

var update = flag.Bool("update", false, "write the expected files of testdata anew")

// kit is a source with an option of every type; it gives back the Config that it was built with.
type kit struct {
	pipeline.UnimplementedSource
	config *pipeline.Config
	env    pipeline.Env
}

func (*kit) Open(context.Context) error                         { return nil }
func (*kit) Next(context.Context, int) (*pipeline.Batch, error) { return nil, io.EOF }

type drop struct {
	pipeline.UnimplementedSink
	config *pipeline.Config
}

func (*drop) Open(context.Context, pipeline.Run) error     { return nil }
func (*drop) Write(context.Context, *pipeline.Batch) error { return nil }

// assign is a transform that sets fields by a mapping, enough to run tests through.
type assign struct {
	pipeline.UnimplementedTransform
	list []pipeline.Assignment
}

func (a *assign) Apply(_ context.Context, b *pipeline.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() {
			continue
		}
		fields := value.NewObject(len(a.list))
		for _, one := range a.list {
			v, present := one.Constant, true
			if one.Program != nil {
				var err error
				if v, present, err = one.Program.Lookup(r.Fields); err != nil {
					var failed *expression.EvalError
					errors.As(err, &failed)
					r.Fail(pipeline.Problem{Code: failed.Code, Field: one.Target, Message: failed.Message})
					continue
				}
			}
			if present {
				fields.SetPath(one.Target, v)
			}
		}
		r.Fields = fields
	}
	return nil
}

type filter struct {
	pipeline.UnimplementedTransform
	config *pipeline.Config
}

func (f *filter) Apply(_ context.Context, b *pipeline.Batch) error {
	for i := range b.Records {
		if v, err := f.config.Expression("where").Eval(b.Records[i].Fields); err != nil || v != true {
			b.Records[i].Skip(pipeline.Filtered)
		}
	}
	return nil
}

func registry() *pipeline.Registry {
	return pipeline.NewRegistry(
		pipeline.SourceType{
			Spec: pipeline.Spec{Name: "kit", Summary: "Has an option of every type.", Options: []pipeline.Option{
				{Name: "text", Type: pipeline.String, Doc: "Any text."},
				{Name: "mode", Type: pipeline.String, Enum: []string{"fast", "careful"}, Default: "careful"},
				{Name: "on", Type: pipeline.Bool, Default: "true"},
				{Name: "count", Type: pipeline.Int, Default: "3"},
				{Name: "wait", Type: pipeline.Duration, Default: "30s"},
				{Name: "room", Type: pipeline.Size, Default: "16MB"},
				{Name: "path", Type: pipeline.Path, List: true, Example: "users.json"},
				{Name: "only", Type: pipeline.Expression},
				{Name: "keys", Type: pipeline.Expression, List: true},
				{Name: "cursor", Type: pipeline.Object, Fields: []pipeline.Option{
					{Name: "field", Type: pipeline.String, Required: true, Example: "updated_at"},
					{Name: "initial", Type: pipeline.String},
				}},
				{Name: "parts", Type: pipeline.Object, List: true, Fields: []pipeline.Option{{Name: "size", Type: pipeline.Int}}},
				{Name: "types", Type: pipeline.String, Map: true, Enum: []string{"number", "text"}},
				{Name: "fill", Type: pipeline.Mapping},
				{Name: "token", Type: pipeline.String, Secret: true},
			}},
			New: func(env pipeline.Env, c *pipeline.Config) (pipeline.Source, error) {
				if c.Int("count") > 100 {
					return nil, &pipeline.OptionError{Option: "count", Message: "at most 100", Hint: "take less"}
				}
				return &kit{config: c, env: env}, nil
			},
		},
		pipeline.TransformType{
			Spec: pipeline.Spec{Name: "map", Options: []pipeline.Option{{Name: "fields", Type: pipeline.Mapping}, {Name: "keep", Type: pipeline.String, List: true}}, Rest: "fields"},
			New: func(_ pipeline.Env, c *pipeline.Config) (pipeline.Transform, error) {
				for _, a := range c.Mapping("fields") {
					if a.Target == "id" && a.Program != nil {
						return nil, &pipeline.OptionError{Option: "fields.id", Message: "an id is a constant"}
					}
				}
				return &assign{list: c.Mapping("fields")}, nil
			},
		},
		pipeline.TransformType{
			Spec: pipeline.Spec{Name: "filter", Shorthand: "where", Options: []pipeline.Option{{Name: "where", Type: pipeline.Expression, Required: true, Example: "user.active"}}},
			New:  func(_ pipeline.Env, c *pipeline.Config) (pipeline.Transform, error) { return &filter{config: c}, nil },
		},
		pipeline.SinkType{
			Spec: pipeline.Spec{Name: "store", Options: []pipeline.Option{
				{Name: "dsn", Type: pipeline.String, Required: true, Secret: true, Example: "sqlite:users.db"},
				{Name: "identifier", Type: pipeline.String, Default: "email"},
				{Name: "on_update", Type: pipeline.String, Map: true},
			}},
			New: func(_ pipeline.Env, c *pipeline.Config) (pipeline.Sink, error) { return &drop{config: c}, nil },
		},
		pipeline.SinkType{
			Spec: pipeline.Spec{Name: "drop", Summary: "Writes nothing."},
			New:  func(_ pipeline.Env, c *pipeline.Config) (pipeline.Sink, error) { return &drop{config: c}, nil },
		},
	)
}

func parse(t *testing.T, text string) (*definition.Pipeline, error) {
	t.Helper()
	return definition.Parse(filepath.Join(t.TempDir(), "p.yaml"), []byte(text), registry(), pipeline.Env{})
}

func mustParse(t *testing.T, text string) *definition.Pipeline {
	t.Helper()
	p, err := parse(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Both ends may be told of one file, as long as the sink does not replace it.
func TestFileOfBothEnds(t *testing.T) {
	r := registry()
	r.Add(pipeline.SinkType{
		Spec: pipeline.Spec{Name: "remote", Options: []pipeline.Option{{Name: "key", Type: pipeline.Path}}},
		New:  func(_ pipeline.Env, c *pipeline.Config) (pipeline.Sink, error) { return &drop{config: c}, nil },
	})
	if _, err := definition.Parse("p.yaml", []byte("source: { kit: { path: key.pem } }\nsink: { remote: { key: key.pem } }\n"), r, pipeline.Env{}); err != nil {
		t.Error(err)
	}
}

func TestOptionsOfEveryType(t *testing.T) {
	t.Setenv("USHER_TEST_COUNT", "7")
	t.Setenv("USHER_TEST_TEXT", "a: [b]\n# c ${HOME}")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := definition.Parse(filepath.Join(dir, "p.yaml"), []byte(`
name: all
max_failures: 2.5%
batch_size: 500
workers: ${USHER_TEST_WORKERS:-2}
source:
  kit:
    text: ${USHER_TEST_TEXT}$${x}
    mode: fast
    on: ${USHER_TEST_ON:-false}
    count: ${USHER_TEST_COUNT}
    wait: 1m30s
    room: 64KB
    path: [a.json, /b.json, "-"]
    only: "user.a ? `+"`${user.b}`"+` : 'x'"
    keys: user.id
    cursor: { field: updated_at, initial: 1970-01-01 }
    parts: [{ size: 1 }, { size: 2 }]
    types: { age: number, name: text }
    token: ${file:token}
sink: drop
`), registry(), pipeline.Env{})
	if err != nil {
		t.Fatal(err)
	}
	c := p.Source.(*kit).config
	for _, check := range []struct {
		name      string
		got, want any
	}{
		{"text", c.String("text"), "a: [b]\n# c ${HOME}${x}"},
		{"mode", c.String("mode"), "fast"},
		{"on", c.Bool("on"), false},
		{"count", c.Int("count"), int64(7)},
		{"wait", c.Duration("wait"), 90 * time.Second},
		{"room", c.Int("room"), int64(64 << 10)},
		{"path", c.Strings("path"), []string{filepath.Join(dir, "a.json"), "/b.json", "-"}},
		{"only", c.Expression("only").Text(), "user.a ? `${user.b}` : 'x'"},
		{"keys", len(c.Expressions("keys")), 1},
		{"cursor.field", c.Object("cursor").String("field"), "updated_at"},
		{"cursor.initial", c.Object("cursor").String("initial"), "1970-01-01"},
		{"parts", c.Objects("parts")[1].Int("size"), int64(2)},
		{"types", c.StringMap("types"), map[string]string{"age": "number", "name": "text"}},
		{"token", c.String("token"), "s3cret"},
		{"fill", c.Has("fill"), false},
		{"threshold", p.MaxFailures, &pipeline.Threshold{Share: 0.025, IsShare: true}},
		{"batch_size", p.BatchSize, 500},
		{"workers", p.Workers, 2},
		{"name", p.Name, "all"},
		{"dir", p.Source.(*kit).env.Dir, dir},
	} {
		if diff := cmp.Diff(check.want, check.got); diff != "" {
			t.Errorf("%s: %s", check.name, diff)
		}
	}
}

func TestDefaults(t *testing.T) {
	p := mustParse(t, "source: kit\nsink: { drop: }\n")
	c := p.Source.(*kit).config
	if p.Name != "p" || p.MaxFailures != nil || p.BatchSize != 0 {
		t.Errorf("got %+v", p)
	}
	if c.String("mode") != "careful" || !c.Bool("on") || c.Int("count") != 3 || c.Duration("wait") != 30*time.Second || c.Int("room") != 16<<20 {
		t.Errorf("defaults are not those of the Spec")
	}
	if c.Has("text") || c.Has("cursor") || c.Strings("path") != nil {
		t.Error("an option without a default has a value")
	}
}

func TestMapping(t *testing.T) {
	p := mustParse(t, `
source: kit
transforms:
  - map:
      email: lower(user.mail)
      active: true
      score: 1.10
      id: 12345678901234567890
      nothing: null
      blank:
      name: { given: user.first, family: user.last }
      custom_attributes.legacy_id: user.uid
      password: { hash: user.password, hasher: bcrypt, format: user.kind, salt: "'x'", charset: latin1, normalization: "'NFC'" }
      mfa.password.hasher: argon2id
      mfa.password.format: { digest: "md5(pass . salt)" }
      hasher: user.h
      roles: [user.role, "'member'", 3]
      flags: [1, true, null]
      at: 1970
      day: "'1970-01-01'"
      when: >-
        user.a ||
        user.b
      fields: { keep: user.keep }
sink: drop
`)
	list := p.Transforms[0].(*assign).list
	got := []string{}
	for _, a := range list {
		if a.Program != nil {
			got = append(got, fmt.Sprintf("%s = %s", a.Target, a.Program.Text()))
		} else {
			got = append(got, fmt.Sprintf("%s : %s", a.Target, value.AppendJSON(nil, a.Constant)))
		}
	}
	want := []string{
		"email = lower(user.mail)", "active : true", "score : 1.10", "id : 12345678901234567890", "nothing : null", "blank : null",
		"name.given = user.first", "name.family = user.last", "custom_attributes.legacy_id = user.uid", "password.hash = user.password",
		`password.hasher : "bcrypt"`, "password.format = user.kind", "password.salt = 'x'", `password.charset : "latin1"`, "password.normalization = 'NFC'", `mfa.password.hasher : "argon2id"`, `mfa.password.format.digest : "md5(pass . salt)"`, "hasher = user.h",
		"roles = [(user.role\n), ('member'\n), 3]", "flags : [1,true,null]", "at : 1970", "day = '1970-01-01'", "when = user.a || user.b", "keep = user.keep",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if list[0].Place != "5:14" {
		t.Errorf("email is at %s", list[0].Place)
	}
	v, err := list[18].Program.Eval(value.ObjectOf(value.Member{Name: "role", Value: "admin"}))
	if text := string(value.AppendJSON(nil, v)); err != nil || text != `["admin","member",3]` {
		t.Errorf("roles are %s, %v", text, err)
	}
}

func TestAliasesAndMergeKeys(t *testing.T) {
	p := mustParse(t, `
source: { kit: { parts: [&one { size: 5 }, *one] } }
transforms:
  - map: &base { a: user.a, b: user.b }
  - map:
      <<: *base
      b: user.c
sink: drop
`)
	if n := p.Source.(*kit).config.Objects("parts"); len(n) != 2 || n[1].Int("size") != 5 {
		t.Errorf("parts are %v", n)
	}
	list := p.Transforms[1].(*assign).list
	if len(list) != 2 || list[0].Program.Text() != "user.c" || list[1].Program.Text() != "user.a" {
		t.Errorf("merged into %v", list)
	}
}

// TestWrong reads every file of testdata/wrong and compares all that is said about it with the .txt beside it.
func TestWrong(t *testing.T) {
	t.Setenv("USHER_TEST_PASSWORD", "hunter2")
	files, _ := filepath.Glob("testdata/wrong/*.yaml")
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			_, err := definition.Load(file, registry(), pipeline.Env{})
			if err == nil {
				t.Fatal("nothing was said against it")
			}
			got := err.Error() + "\n"
			expected := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(expected, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, _ := os.ReadFile(expected)
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
			for _, secret := range []string{"hunter2", "s3cret"} {
				if strings.Contains(got, secret) {
					t.Errorf("%s shows", secret)
				}
			}
		})
	}
}

func code(t *testing.T, err error) string {
	t.Helper()
	var ds definition.Diagnostics
	if !errors.As(err, &ds) || len(ds) == 0 {
		t.Fatalf("not diagnostics: %v", err)
	}
	return ds[0].Code
}

func TestFilesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret.yaml")
	if err := os.WriteFile(secret, []byte("source: kit\nsink: drop\n"), 0); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "config.not_found", dir: "config.unreadable", secret: "config.unreadable",
	} {
		if path == secret && os.Geteuid() == 0 {
			continue // root reads everything
		}
		_, err := definition.Load(path, registry(), pipeline.Env{})
		if got := code(t, err); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// Who may not look into the state folder beside the pipeline has no plugins there, and can use another one.
func TestPluginsThatCannotBeLookedFor(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p.yaml")
	if err := os.WriteFile(path, []byte("source: kit\nsink: drop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".usher"), nil, 0); err != nil { // root would enter any folder
		t.Fatal(err)
	}
	r := registry()
	r.Plugin = func(pipeline.Env, pipeline.Plugin) ([]any, error) { return nil, nil }
	var log strings.Builder
	env := pipeline.Env{Log: slog.New(slog.NewTextHandler(&log, nil))}
	if _, err := definition.Load(path, r, env); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "cannot be looked into") || !strings.Contains(log.String(), dir) {
		t.Errorf("%q", log.String())
	}
	t.Setenv("USHER_PLUGINS", filepath.Join(dir, ".usher"))
	if _, err := definition.Load(path, r, env); err == nil {
		t.Error("a folder that was named is passed over")
	}
}

func TestBounds(t *testing.T) {
	bomb := "x: &a0 [1,1,1,1,1,1,1,1,1,1]\n"
	for i := 1; i < 12; i++ {
		bomb += fmt.Sprintf("x%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	for name, c := range map[string]struct{ text, code string }{
		"bomb":          {bomb + "source: kit\nsink: drop\n", "config.aliases"},
		"alias loop":    {"source: &a { kit: *a }\nsink: drop\n", "config.aliases"},
		"merge loop":    {"source: kit\nsink: &s { <<: *s }\n", "config.aliases"},
		"deep flow":     {"source: " + strings.Repeat("[", 100_000), "config.too_deep"},
		"deep block":    {"source:\n" + strings.Repeat("- ", 50_000), "config.too_deep"},
		"deep":          {"source: " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "\nsink: drop\n", "config.too_deep"},
		"big":           {"# " + strings.Repeat("x", definition.MaxFile), "config.too_large"},
		"empty":         {"", "config.empty"},
		"comment":       {"# nothing\n", "config.empty"},
		"only a dash":   {"---\n", "config.empty"},
		"null":          {"null\n", "config.empty"},
		"byte order":    {"\ufeff", "config.empty"},
		"nul":           {"source: kit\x00\n", "config.encoding"},
		"not utf-8":     {"name: \xff\n", "config.encoding"},
		"utf-16":        {"\xff\xfes\x00", "config.encoding"},
		"documents":     {"source: kit\nsink: drop\n---\nsource: kit\n", "config.several_documents"},
		"bad second":    {"source: kit\nsink: drop\n---\n[", "config.several_documents"},
		"unknown alias": {"source: *nope\n", "config.syntax"},
		"go tag":        {"source: !!binary aGk=\n", "config.tag"},
		"own tag":       {"source: !env HOME\n", "config.tag"},
		"list":          {"- source\n", "config.wrong_type"},
		"text":          {"hello\n", "config.wrong_type"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, c.text)
			if got := code(t, err); got != c.code {
				t.Errorf("%s, want %s: %v", got, c.code, err)
			}
		})
	}
}

// TestBombIsCheap has a bomb of a few hundred bytes read within little memory.
func TestBombIsCheap(t *testing.T) {
	text := "source: kit\nsink: drop\ntests:\n- input: { a0: &a0 {x: 1} }\n"
	for i := 1; i < 40; i++ {
		text += fmt.Sprintf("- input: { a: &a%d {p: *a%d, q: *a%d} }\n", i, i-1, i-1)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := parse(t, text)
	runtime.ReadMemStats(&after)
	var ds definition.Diagnostics
	if !errors.As(err, &ds) || len(ds) != 1 || ds[0].Code != "config.aliases" {
		t.Error(err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes were allocated", used)
	}
}

func TestCRLFAndByteOrderMark(t *testing.T) {
	_, err := parse(t, "\ufeffsource: kit\r\nsink:\r\n  drop:\r\n    oops: 1\r\n")
	var ds definition.Diagnostics
	if !errors.As(err, &ds) || len(ds) != 1 || ds[0].Line != 4 || ds[0].Column != 5 {
		t.Fatal(err)
	}
	if want := "    4 |     oops: 1\n      |     ^^^^"; ds[0].Excerpt != want {
		t.Errorf("excerpt is\n%s", ds[0].Excerpt)
	}
}

func TestTests(t *testing.T) {
	p := mustParse(t, `
source: kit
transforms:
  - filter: user.mail != 'gone'
  - map:
      email: lower(user.mail)
      n: user.n
      password: user.password
      address: { city: user.city }
      phone_number: user.phone && e164(user.phone, 'CN')
sink: drop
tests:
  - name: good
    input: { mail: A@B.c, n: 12345678901234567890, city: X }
    expect: { email: a@b.c, n: 12345678901234567890, address.city: X }
  - name: subset
    input: { mail: A, n: 1.0, city: X }
    expect: { n: 1, address: { city: X } }
  - name: exact
    input: { mail: A, n: 1, city: X }
    expect: { email: a }
    exact: true
  - name: different
    input: { mail: A, n: null, password: $2b$12$abcdefghijklmnopqrstuv }
    expect: { email: b, n: 0, name: x, password: y }
  - name: filtered
    input: { mail: gone }
    reason: filtered
  - name: not filtered
    input: { mail: here }
    outcome: skipped
  - input: { phone: "12" }
    errors: expression.phone
`)
	results, err := p.Test(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, r := range results {
		got = append(got, fmt.Sprint(r.Name, " ", r.Passed, " ", r.Differences))
	}
	want := []string{
		"good true []", "subset true []",
		`exact false [{n absent 1} {address absent {"city":"X"}}]`,
		`different false [{email "b" "a"} {n 0 null} {name "x" absent} {password REDACTED REDACTED}]`,
		"filtered true []", "not filtered false [{outcome skipped mapped}]", "test 7 true []",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
