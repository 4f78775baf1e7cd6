package profile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-id/usher/connectors"
	"github.com/usher-id/usher/internal/testserver"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/profile"
	"github.com/usher-id/usher/value"
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m)) }

func env() pipeline.Env { return pipeline.Env{Log: slog.New(slog.DiscardHandler)} }

// of gives the profile of records, one JSON object a line.
func of(t testing.TB, ndjson string) *profile.Profile {
	t.Helper()
	c := profile.New()
	for i, text := range strings.Split(strings.TrimSpace(ndjson), "\n") {
		v, err := value.ParseJSON([]byte(text))
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		c.Add(&pipeline.Record{Source: v.(*value.Object)})
	}
	return c.Profile()
}

// parse reads the pipeline file of a suggestion as a run would.
func parse(t testing.TB, s profile.Suggestion) []byte {
	t.Helper()
	d := profile.Draft{Name: "a: b", Source: "json", Options: []profile.Option{{Name: "path", Value: "${a}: 'b'.json"}}, Suggestion: s, Store: "sqlite:users.db"}
	text := d.YAML()
	if _, err := definition.Parse(filepath.Join(t.TempDir(), "pipeline.yaml"), text, connectors.Default(), env()); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return text
}

const bcrypt = `$2b$12$BWeaP1mRx8a47Y6Xk39Z4O87pcwQdAPXtDA4r9OB7vAbyflCsn/pe`

func TestSuggest(t *testing.T) {
	for _, test := range []struct {
		name, records string
		want          string // target: expression, # before what is off
		identifier    string
	}{
		{
			name: "Auth0 export",
			records: `
{"user_id":"auth0|5f7c8ec7c33c6c004bbafe81","email":"a@example.com","email_verified":true,"identities":[{"user_id":"5f7c8ec7c33c6c004bbafe81","provider":"auth0","connection":"db","isSocial":false}],"user_metadata":{"name":"Ann","password_hint":"x"},"app_metadata":{},"logins_count":3,"last_login":"2021-01-01T00:00:00.000Z","picture":"https://example.com/a.png","blocked":false}
{"user_id":"auth0|5f7c8ec7c33c6c004bbafe82","email":"b@example.com","email_verified":false,"identities":[{"user_id":"5f7c8ec7c33c6c004bbafe82","provider":"auth0","connection":"db","isSocial":false}],"user_metadata":{},"app_metadata":{"plan":"pro"},"logins_count":1,"last_login":"2021-01-02T00:00:00.000Z","picture":"https://example.com/b.png"}`,
			want: `
external_id: trimPrefix(user.user_id, 'auth0|')
email: lower(trim(user.email))
email_verified: user.email_verified
picture: user.picture
disabled: user.blocked
user_metadata: user.user_metadata
app_metadata: user.app_metadata
identities: user.identities.map(i => ({ provider: i.provider, subject: i.user_id }))
logins_count: user.logins_count
last_login: user.last_login`,
			identifier: "email",
		},
		{
			name: "WordPress",
			records: `
{"ID":1,"user_login":"ann","user_pass":"$P$B55D6LjfHDkINU5wF.v2BuuzO0/XPk/","user_nicename":"ann","user_email":"ann@example.com","user_url":"","user_registered":"2011-05-30 12:00:00","user_activation_key":"","user_status":0,"display_name":"Ann Lee"}
{"ID":2,"user_login":"bob","user_pass":"$P$B55D6LjfHDkINU5wF.v2BuuzO0/XPk/","user_nicename":"bob","user_email":"bob@example.com","user_url":"https://bob.example.com","user_registered":"2012-06-30 12:00:00","user_activation_key":"","user_status":0,"display_name":"Bob Ray"}`,
			want: `
external_id: user.ID
email: lower(trim(user.user_email))
preferred_username: user.user_login
name: user.display_name
nickname: user.user_nicename
website: user.user_url || null
created_at: date(user.user_registered)
password.hash: user.user_pass
password.hasher: phpass
#custom_attributes.user_activation_key: user.user_activation_key
custom_attributes.user_status: user.user_status`,
			identifier: "email",
		},
		{
			name: "LDAP, with several values",
			records: `
{"dn":"uid=a","uid":"a","mail":["a@example.com","b@example.com"]}
{"dn":"uid=b","uid":"b","mail":"c@example.com"}`,
			want: `
external_id: user.uid
email: lower(trim([].concat(user.mail)[0]))
custom_attributes.dn: user.dn`,
			identifier: "external_id",
		},
		{
			name: "nested",
			records: `
{"_id":{"$oid":"5f7c8ec7c33c6c004bbafe81"},"profile":{"firstName":"Ann","lastName":"Lee","address":{"city":"Bonn","zip":"01234"}},"emails":[{"address":"a@example.com"}],"mobile":"+8613800138001","tags":["a"],"settings":{"theme":"dark","apiToken":"t"}}
{"_id":{"$oid":"5f7c8ec7c33c6c004bbafe82"},"profile":{"firstName":"Bob","lastName":"Ray"},"emails":[],"mobile":"+8613800138002","tags":[],"settings":{"theme":"dark","apiToken":"u"}}`,
			want: `
external_id: user._id.$oid
phone_number: user.mobile
given_name: user.profile.firstName
family_name: user.profile.lastName
address.locality: user.profile.address.city
address.postal_code: user.profile.address.zip
custom_attributes.emails: user.emails
custom_attributes.tags: user.tags
custom_attributes.settings_theme: user.settings.theme
#custom_attributes.settings_api_token: user.settings.apiToken`,
			identifier: "phone_number",
		},
		{
			name: "codes and dates",
			records: `
{"Member No":"007","E-Mail":" a@example.com ","Aktiv":"J","enabled":"1","created":1577836800000,"birthday":"31.12.1980","roles":"admin, staff","joined":"31/12/2020","name":"x"}
{"Member No":"008","E-Mail":"b@example.com","Aktiv":"N","enabled":"0","created":1577923200000,"birthday":"01.02.1981","roles":"","joined":"30/11/2020","name":null}`,
			want: `
external_id: user['Member No']
email: lower(trim(user['E-Mail']))
name: user.name
birthdate: date(user.birthday, 'D.M.YYYY').slice(0, 10)
disabled: !bool(user.enabled)
roles: user.roles ? split(user.roles, ',').map(x => x.trim()).filter(x => x) : []
created_at: date(user.created, 'unixms')
custom_attributes.aktiv: user.Aktiv
custom_attributes.joined: user.joined`,
			identifier: "email",
		},
		{
			name: "several formats of hashes",
			records: `
{"login":"a","pw":"` + bcrypt + `"}
{"login":"b","pw":"$P$B55D6LjfHDkINU5wF.v2BuuzO0/XPk/"}`,
			want: `
preferred_username: user.login
password.hash: user.pw`,
			identifier: "preferred_username",
		},
		{
			name: "passwords in plain text",
			records: `
{"login":"a","password":"hunter2"}
{"login":"b","password":"correct horse"}`,
			want: `
preferred_username: user.login
#password.plain: user.password`,
			identifier: "preferred_username",
		},
		{
			name: "the name lies",
			records: `
{"email":"yes","contact":"a@example.com","username":"same","phone":"n/a","created_at":"soon","locale":"the moon"}
{"email":"no","contact":"b@example.com","username":"same","phone":"n/a","created_at":"later","locale":"!!"}`,
			want: `
email: lower(trim(user.contact))
custom_attributes.email: user.email
custom_attributes.username: user.username
custom_attributes.phone: user.phone
custom_attributes.created_at: user.created_at
custom_attributes.locale: user.locale`,
			identifier: "email",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := profile.Suggest(of(t, test.records))
			var got strings.Builder
			for _, a := range s.Mapping {
				if a.Off {
					got.WriteByte('#')
				}
				fmt.Fprintf(&got, "%s: %s\n", a.Target, a.Expression)
			}
			if diff := cmp.Diff(strings.TrimSpace(test.want), strings.TrimSpace(got.String())); diff != "" {
				t.Errorf("mapping (-want +got)\n%s", diff)
			}
			if s.Identifier != test.identifier {
				t.Errorf("identifier %q, want %q: %s", s.Identifier, test.identifier, s.Why)
			}
			parse(t, s)
		})
	}
}

func TestProfile(t *testing.T) {
	p := of(t, `
{"id":"0001","n":1,"d":"03/04/2020","at":"2020-01-01T00:00:00Z","maybe":null,"list":[1,2],"s":"Zoé"}
{"id":"0002","n":1,"d":"05/06/2020","at":"2020-01-02T00:00:00Z","list":[],"s":""}
{"id":"0003","n":"x","d":"07/08/2020","at":"2020-01-03T00:00:00Z","list":[3],"s":"a"}`)
	got := map[string]string{}
	for _, f := range p.Fields {
		got[f.Name] = fmt.Sprintf("%s|%d missing|%d nulls|%d empty|%d filled|%d distinct|%d-%d|%t|%s",
			f.Kinds(), f.Missing, f.Nulls, f.Empty, f.Filled, f.Distinct, f.MinLength, f.MaxLength, f.Identifier, f.Describe())
	}
	want := map[string]string{
		"id":    "string|0 missing|0 nulls|0 empty|3 filled|3 distinct|4-4|true|could identify; leading zeros",
		"n":     "number, string|0 missing|0 nulls|0 empty|3 filled|2 distinct|1-1|false|integer (2 of 3); values: 1, x",
		"d":     "string|0 missing|0 nulls|0 empty|3 filled|3 distinct|10-10|true|could identify; date:D/M/YYYY; date:M/D/YYYY",
		"at":    "string|0 missing|0 nulls|0 empty|3 filled|3 distinct|20-20|true|could identify; date:unambiguous",
		"maybe": "null|2 missing|1 nulls|0 empty|0 filled|0 distinct|0-0|false|",
		"list":  "array|0 missing|0 nulls|1 empty|2 filled|2 distinct|0-2|false|",
		"s":     "string|0 missing|0 nulls|1 empty|2 filled|2 distinct|0-3|false|",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Distinct values are counted exactly while they are few, and to a few percent in bounded memory when they are many.
func TestDistinct(t *testing.T) {
	c := profile.New()
	const n = 200_000
	for i := range n {
		c.Add(&pipeline.Record{Source: value.ObjectOf(
			value.Member{Name: "id", Value: int64(i)},
			value.Member{Name: "half", Value: int64(i / 2)},
			value.Member{Name: "few", Value: int64(i % 100)},
		)})
	}
	p := c.Profile()
	for i, want := range []int64{n, n / 2, 100} {
		f := p.Fields[i]
		if f.Distinct < want*95/100 || f.Distinct > want*105/100 {
			t.Errorf("%s: %d distinct, want about %d", f.Name, f.Distinct, want)
		}
		if f.Identifier != (i == 0) {
			t.Errorf("%s: identifier %t", f.Name, f.Identifier)
		}
	}
}

// Nothing secret or personal is in what is printed or written.
// Hashes that name no format, among others that do, are told: as the mapping is suggested they fail.
func TestNamelessHashesAreTold(t *testing.T) {
	s := profile.Suggest(of(t, `
{"login":"a","pw":"`+bcrypt+`"}
{"login":"b","pw":"$P$B55D6LjfHDkINU5wF.v2BuuzO0/XPk/"}
{"login":"c","pw":"5f4dcc3b5aa765d61d8327deb882cf99"}
{"login":"d","pw":"`+bcrypt[:50]+`"}
{"login":"e","pw":"!5f4dcc3b5aa765d61d8327deb882cf99"}`))
	i := slices.IndexFunc(s.Mapping, func(a profile.Assignment) bool { return a.Target == "password.hash" })
	if i < 0 || s.Mapping[i].Comment != "bcrypt, phpass, named by each hash; 2 of 4 looked at name no format or are damaged, and will fail" {
		t.Errorf("%+v", s.Mapping)
	}
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "password.format") || strings.Contains(s.Notes[0], "5f4d") {
		t.Errorf("%q", s.Notes)
	}
}

func TestNothingShown(t *testing.T) {
	p := of(t, `
{"mail":"ann@example.com","pwd":"hunter2","hash":"`+bcrypt+`","x":"`+bcrypt+`","密码":"5f4dcc3b5aa765d61d8327deb882cf99","盐":"pepper-and-salt","api_token":"tok-1","sex":"female","idcard":"11010119900307"}
{"mail":"ann@example.com","pwd":"hunter2","hash":"`+bcrypt+`","x":"`+bcrypt+`","密码":"5f4dcc3b5aa765d61d8327deb882cf99","盐":"pepper-and-salt","api_token":"tok-1","sex":"female","idcard":"11010119900307"}`)
	s := profile.Suggest(p)
	text, err := json.Marshal(struct {
		*profile.Profile
		profile.Suggestion
	}{p, s})
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, parse(t, s)...)
	for _, f := range p.Fields {
		text = append(text, f.Describe()...)
	}
	for _, secret := range []string{"ann@", "hunter2", "$2b$", "BWeaP", "5f4dcc", "pepper", "tok-1", "female", "1101"} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("%s is shown", secret)
		}
	}
}

// Whatever the data holds, the pipeline file can be read.
func FuzzDraft(f *testing.F) {
	for _, seed := range []string{
		`{"email":"a@example.com","a'b\\":"x","a\nb: c # d":1,"${HOME}":{"a.b":[],"\u2028":null},"":{"":1}}`,
		`{"x":"` + bcrypt + `","it's":"2020-01-01","name":"","a.b":1,"a":{"b":2},"custom_attributes":{"a":1},"password":"5f4dcc3b5aa765d61d8327deb882cf99"}`,
		`{"address":{"city":"a"},"Address":"b","名":"x","user":{"email":"a@example.com","user":{}},"-":true,"1":1,"password":{"hash":1}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := value.ParseJSON(text)
		o, ok := v.(*value.Object)
		if err != nil || !ok || len(text) > 4<<10 {
			return
		}
		c := profile.New()
		c.Add(&pipeline.Record{Source: o})
		c.Add(&pipeline.Record{Source: o})
		s := profile.Suggest(c.Profile())
		parse(t, s)
		for i := range s.Mapping { // what is off can be put on
			s.Mapping[i].Off = false
		}
		parse(t, s)
	})
}

// TestTables reads the catalogues of real servers.
func TestTables(t *testing.T) {
	const schema = `CREATE TABLE app_users (uid INTEGER NOT NULL PRIMARY KEY, email VARCHAR(100), passwd VARCHAR(100));
CREATE TABLE user_roles (user_id INTEGER NOT NULL, role VARCHAR(20) NOT NULL, PRIMARY KEY (user_id, role));
CREATE TABLE invoices (id INTEGER NOT NULL PRIMARY KEY, email VARCHAR(100));
INSERT INTO app_users VALUES (1, 'a@example.com', 'x');
`
	for dialect, name := range map[string]string{"mysql": "mariadb", "postgres": "postgres", "sqlite": "sqlite"} {
		t.Run(dialect, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "setup."+name+".sql")
			if err := os.WriteFile(path, []byte(schema), 0o644); err != nil {
				t.Fatal(err)
			}
			dsn, _ := testserver.Fixture(t, path)
			tables := profile.Tables(objects(records(t, map[string]string{"dsn": dsn, "query": profile.CatalogueQuery(dialect)})))
			users := profile.UserTable(tables)
			if len(tables) != 3 || users == nil || users.Name != "app_users" {
				t.Fatalf("%d tables, %+v", len(tables), users)
			}
			if diff := cmp.Diff([]string{"uid", "email", "passwd"}, users.Columns); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"uid"}, users.Key); diff != "" {
				t.Error(diff)
			}
			side := profile.SideTables(users, tables)
			if len(side) != 2 || side[1].Value != `{ query: "SELECT * FROM user_roles", on: user_id, key: uid }` {
				t.Errorf("%+v", side)
			}
		})
	}
}

// A table that only links users to something with a name gives the names.
func TestSideTablesWithNames(t *testing.T) {
	users := &profile.Table{Name: "t_member", Columns: []string{"member_id"}, Key: []string{"member_id"}}
	for _, title := range []string{"name", "role_name"} {
		side := profile.SideTables(users, []*profile.Table{
			users,
			{Name: "member_role", Columns: []string{"member_id", "role_id"}, Key: []string{"member_id", "role_id"}},
			{Name: "role", Columns: []string{"id", title}, Key: []string{"id"}},
		})
		want := `{ query: "SELECT m.member_id, t.` + title + ` FROM member_role m JOIN role t ON t.id = m.role_id", on: member_id, key: member_id }`
		if len(side) != 2 || side[1].Value != want {
			t.Errorf("%s: %+v", title, side)
		}
	}
}

func objects(records []pipeline.Record) []*value.Object {
	list := make([]*value.Object, len(records))
	for i, r := range records {
		list[i] = r.Source
	}
	return list
}
