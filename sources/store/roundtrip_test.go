package storesource_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-id/usher/connectors"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/pipeline/engine"
	"github.com/usher-id/usher/pipeline/journal"
	"github.com/usher-id/usher/value"
)

// generated gives users with any selection of all attributes, and texts of all kinds in them but some.
func generated(random *rand.Rand, n int, without ...string) []string {
	odd := []string{"Ann", " outer space ", "=1+1", "'=1", "''@x", "-5", "007", "1e5", "18446744073709551615", "true", "null", "a,b;c\td", "\"quoted\"", "line\nline\r\nline\r", "\r", "\t",
		"漢字", "e\u0301", "\u200f\u202e", "👩‍👩‍👧", "\u0001\u001f", "\ufeff", "\\", "{}", "[]", "2026-01-02", "#N/A", "_x000D_", "''", "'", "NaN", "\u2028"}
	odd = slices.DeleteFunc(odd, func(s string) bool { return slices.Contains(without, s) })
	text := func() string { return odd[random.IntN(len(odd))] }
	scalar := func() any {
		switch random.IntN(8) {
		case 0:
			return nil
		case 1:
			return random.IntN(2) == 0
		case 2:
			return random.Int64() - random.Int64()
		case 3:
			return value.Number("18446744073709551616.10")
		case 4:
			return 0.1
		case 5:
			return ""
		}
		return text()
	}
	object := func() *value.Object {
		o := value.ObjectOf(value.Member{Name: "x", Value: text()})
		for range random.IntN(4) {
			o.Set(text(), []any{scalar(), value.ObjectOf(value.Member{Name: text(), Value: scalar()})})
		}
		return o
	}
	names := func() []any { return []any{"r" + text(), "s" + text()} }
	instants := []string{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456789+08:00", "1969-12-31T23:59:59-11:30"}
	instant := func() string { return instants[random.IntN(len(instants))] }
	var users []string
	for i := range n {
		o := value.NewObject(30)
		maybe := func(name string, make func() any) {
			if random.IntN(3) > 0 {
				o.Append(name, make())
			}
		}
		anyText := func() any { return text() }
		anyObject := func() any { return object() }
		one := func(v any) func() any { return func() any { return v } }
		maybe("external_id", func() any { return fmt.Sprintf("%05d%s", i, text()) })
		o.Append("email", fmt.Sprintf("user%d@example.com", i))
		o.Append("email_verified", random.IntN(2) == 0)
		if random.IntN(2) == 0 {
			o.Append("phone_number", fmt.Sprintf("+86131%08d", i))
			o.Append("phone_number_verified", random.IntN(2) == 0)
		}
		maybe("preferred_username", func() any { return fmt.Sprintf("用户%d", i) })
		for _, name := range []string{"name", "given_name", "family_name", "middle_name", "nickname"} {
			maybe(name, anyText)
		}
		for _, name := range []string{"profile", "picture", "website"} {
			maybe(name, one("https://example.com/a,b?c=d"))
		}
		maybe("gender", anyText)
		maybe("birthdate", one("0000-02-29"))
		maybe("zoneinfo", one("Asia/Shanghai"))
		maybe("locale", one("zh-Hant-HK"))
		maybe("address", func() any {
			return value.ObjectOf(value.Member{Name: "formatted", Value: text()}, value.Member{Name: "country", Value: "CN"})
		})
		o.Append("disabled", random.IntN(2) == 0)
		maybe("custom_attributes", anyObject)
		maybe("user_metadata", anyObject)
		maybe("app_metadata", anyObject)
		maybe("roles", func() any { return names() })
		maybe("groups", func() any { return names() })
		maybe("identities", func() any {
			return []any{value.ObjectOf(value.Member{Name: "provider", Value: "p" + text()}, value.Member{Name: "subject", Value: fmt.Sprint(i)}, value.Member{Name: "other", Value: scalar()})}
		})
		maybe("logins_count", func() any { return random.Int64N(3) })
		maybe("last_login", func() any { return instant() })
		o.Append("created_at", instant())
		o.Append("updated_at", instant())
		maybe("password", func() any {
			return value.ObjectOf(value.Member{Name: "hash", Value: "d41d8cd98f00b204e9800998ecf8427e"}, value.Member{Name: "hasher", Value: "hex-md5"})
		})
		maybe("mfa", func() any {
			return value.ObjectOf(value.Member{Name: "email", Value: "m@example.com"}, value.Member{Name: "totp", Value: "JBSWY3DPEHPK3PXP"}, value.Member{Name: "recovery_codes", Value: []any{text() + "1", "b"}})
		})
		users = append(users, string(value.AppendJSON(nil, o)))
	}
	return users
}

// run runs a pipeline in dir, of which no record may fail or be warned of.
func run(t *testing.T, dir, text string) journal.Summary {
	t.Helper()
	p, err := definition.Parse(filepath.Join(dir, "p.yaml"), []byte(text), connectors.Default(), pipeline.Env{})
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := engine.Run(context.Background(), j, journal.Document{}, engine.Pipeline{Name: p.Name, Source: p.Source, Transforms: p.Transforms, Sink: p.Sink}, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if doc.Summary.Failed > 0 {
		reasons, _ := os.ReadFile(doc.Reasons)
		t.Fatalf("%+v: %s", doc.Summary, reasons)
	}
	return doc.Summary
}

// The attributes as columns, and those that are no texts.
const (
	columns = "external_id, email, email_verified, phone_number, phone_number_verified, preferred_username, name, given_name, family_name, middle_name, nickname, profile, picture, " +
		"website, gender, birthdate, zoneinfo, locale, address, disabled, custom_attributes, user_metadata, app_metadata, roles, groups, identities, logins_count, last_login, created_at, updated_at, password, mfa"
	types = "email_verified: bool, phone_number_verified: bool, disabled: bool, logins_count: int, address: json, custom_attributes: json, user_metadata: json, app_metadata: json, " +
		"roles: json, groups: json, identities: json, password: json, mfa: json"
)

// What is exported in any format and imported into another store is exported from there as the same bytes, if a format that has
// no types is told the columns and theirs.
func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(5, 2026))
	fill(t, dir, "first", generated(random, 400)...)
	for name, format := range map[string]struct{ sink, source string }{
		"NDJSON": {"json: export.ndjson", "json: import.ndjson"},
		"JSON":   {"json: export.json", "json: import.json"},
		"CSV":    {"csv: {path: export.csv, columns: [" + columns + "]}", "csv: {path: import.csv, empty: absent, types: {" + types + "}}"},
		"CSV for Windows": {"csv: {path: export.csv, delimiter: ;, bom: true, line_ends: crlf, join: ', ', columns: [" + columns + "]}",
			"csv: {path: import.csv, delimiter: ;, empty: absent, types: {" + strings.NewReplacer("roles: json, ", "", "groups: json, ", "").Replace(types) + "}}"},
	} {
		t.Run(name, func(t *testing.T) {
			export := func(store string) []byte {
				run(t, dir, "source: {store: {dsn: 'sqlite:"+store+"', include_secrets: true}}\ntransforms: [map: {remove: [user_id, sub, raw]}]\nsink: {"+format.sink+"}\n")
				_, file, _ := strings.Cut(format.sink, "export.")
				file, _, _ = strings.Cut(file, ",")
				b, err := os.ReadFile(filepath.Join(dir, "export."+file))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(filepath.Join(dir, "export."+file), filepath.Join(dir, "import."+file)); err != nil {
					t.Fatal(err)
				}
				return b
			}
			first := export("users.db")
			mapping := ""
			if strings.Contains(format.sink, "join") {
				mapping = "transforms: [map: {keep: '*', roles: \"user.roles && (user.roles[0] === '[' ? JSON.parse(user.roles) : user.roles.split(', '))\"," +
					"groups: \"user.groups && (user.groups[0] === '[' ? JSON.parse(user.groups) : user.groups.split(', '))\"}]\n"
			}
			again := "source: {" + format.source + "}\n" + mapping + "sink: {store: {dsn: 'sqlite:" + name + ".db', upsert: true}}\n"
			if s := run(t, dir, again); s.Inserted != 400 {
				t.Errorf("%+v", s)
			}
			second := export(name + ".db")
			if diff := cmp.Diff(strings.Split(string(first), "\n"), strings.Split(string(second), "\n")); diff != "" {
				t.Error(diff)
			}
			// Over the store that it came from, nothing changes.
			if s := run(t, dir, strings.Replace(again, name+".db", "users.db", 1)); s.Skipped != 400 {
				t.Errorf("over the first store: %+v", s)
			}
		})
	}
}

// Passwords of any kind, wrapped ones too, travel from a store to another one and are the same there.
func TestPasswordsRoundTrip(t *testing.T) {
	dir := t.TempDir()
	var lines []string
	for i, password := range []string{
		`{"hash":"301286b3bfc75c2f449106244075a7a3","format":"md5","salt":"ab","position":"suffix"}`,
		`{"hash":"301286b3bfc75c2f449106244075a7a3","format":{"digest":"md5(pass . salt)"},"salt":"ab"}`,
		`{"hash":"5f4dcc3b5aa765d61d8327deb882cf99","format":"md5","expire_after":"2030-01-01T00:00:00+08:00"}`,
		`{"hash":"$2b$05$JS5vHfXZ77dP.W.3F6.4guVV6X9Js1U6.Fp9/92T67pcJJkjzJTEq","trim":true,"format":"bcrypt"}`,
		`{"hash":"a$b$c","format":"acme-v2"}`,
	} {
		lines = append(lines, fmt.Sprintf(`{"external_id":"%d","password":%s,"mfa":{"password":%s}}`, i, password, password))
	}
	if err := os.WriteFile(filepath.Join(dir, "users.ndjson"), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	const (
		set    = "identifier: external_id, upsert: true, on_update: {password: set, mfa: {password: set}}}}\n"
		travel = "source: {store: {dsn: 'sqlite:%s', include_secrets: true}}\ntransforms: [map: {remove: [user_id, sub]}]\nsink: {store: {dsn: 'sqlite:%s', " + set
	)
	for _, weak := range []string{"keep", "wrap"} {
		first, second := weak+".db", weak+"2.db"
		run(t, dir, "source: {json: users.ndjson}\nsink: {store: {dsn: 'sqlite:"+first+"', weak_hashes: "+weak+", "+set)
		if s := run(t, dir, fmt.Sprintf(travel, first, second)); s.Inserted != 5 {
			t.Errorf("%s: %+v", weak, s)
		}
		if s := run(t, dir, fmt.Sprintf(travel, second, first)); s.Skipped != 5 {
			t.Errorf("%s, back again: %+v", weak, s)
		}
	}
}

// A workbook keeps everything but carriage returns, control characters, an apostrophe before what looks like a formula, and
// the zones of instants, unless these are written as texts.
func TestRoundTripThroughExcel(t *testing.T) {
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(6, 2026))
	fill(t, dir, "first", generated(random, 300, "\r", "line\nline\r\nline\r", "\u0001\u001f", "'=1")...)
	dump := func(store string) []string {
		run(t, dir, "source: {store: {dsn: 'sqlite:"+store+"', include_secrets: true}}\ntransforms: [map: {remove: [user_id, sub, raw]}]\nsink: {json: dump.ndjson}\n")
		b, err := os.ReadFile(filepath.Join(dir, "dump.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(b), "\n")
	}
	first := dump("users.db")
	run(t, dir, `
source: {store: {dsn: 'sqlite:users.db', include_secrets: true}}
transforms:
  - map: {keep: '*', remove: [user_id, sub, raw], last_login: user.last_login && String(user.last_login), created_at: String(user.created_at), updated_at: String(user.updated_at)}
sink: {excel: {path: users.xlsx, columns: [`+columns+"]}}\n")
	run(t, dir, "source: {excel: {path: users.xlsx, types: {"+types+"}}}\n"+
		"sink: {store: {dsn: 'sqlite:other.db'}}\n")
	if diff := cmp.Diff(first, dump("other.db")); diff != "" {
		t.Error(diff)
	}
}
