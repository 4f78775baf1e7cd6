package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

func onUpdate(values map[string]any) map[string]any {
	return map[string]any{"upsert": true, "identifier": "external_id", "on_update": pipeline.NewConfig(values)}
}

// shown writes a user as JSON with short names, without what every user has.
func shown(u *identity.User) string {
	o := value.NewObject(8)
	text := func(name, v string) {
		if v != "" {
			o.Set(name, v)
		}
	}
	text("email", u.Email)
	if u.EmailVerified {
		o.Set("verified", true)
	}
	text("phone", u.PhoneNumber)
	text("username", u.PreferredUsername)
	text("name", u.Name)
	if u.Disabled {
		o.Set("disabled", true)
	}
	for name, v := range map[string]*value.Object{"address": u.Address, "custom": u.CustomAttributes, "meta": u.UserMetadata} {
		if v != nil {
			o.Set(name, v)
		}
	}
	text("roles", strings.Join(u.Roles, " "))
	for _, l := range u.Identities {
		text("linked", strings.TrimSpace(strings.Join([]string{l.Provider, l.Subject, string(value.AppendJSON(nil, l.Other))}, " ")))
	}
	if u.LoginsCount != nil {
		o.Set("logins", *u.LoginsCount)
	}
	if h := u.Password.Hash.Reveal(); h != "" {
		o.Set("password", h[len(h)-1:])
	}
	if !u.Password.ExpireAfter.IsZero() {
		o.Set("expires", u.Password.ExpireAfter)
	}
	text("mfa_email", u.MFA.Email)
	text("totp", u.MFA.TOTP.Reveal())
	for _, c := range u.MFA.RecoveryCodes {
		text("code", c.Reveal())
	}
	text("raw", u.Raw)
	return string(value.AppendJSON(nil, o))
}

func TestUpdateBehaviours(t *testing.T) {
	password := func(end string) string { return `"password":{"hash":"` + hashOf(end) + `"}` }
	for _, tt := range []struct {
		name           string
		options        map[string]any
		before, record string // without the identifier
		outcome, after string
	}{
		{"present", nil, `"name":"A"`, `"name":"B"`, "updated name", `{"name":"B"}`},
		{"null removes", nil, `"name":"A"`, `"name":null`, "updated name", `{}`},
		{"absent leaves", nil, `"name":"A"`, `"nickname":null`, "skipped unchanged", `{"name":"A"}`},
		{"null where there is nothing", nil, `"name":"A"`, `"website":null`, "skipped unchanged", `{"name":"A"}`},
		{"keep", map[string]any{"name": "keep"}, `"name":"A"`, `"name":null`, "skipped unchanged", `{"name":"A"}`},
		{"ignore", map[string]any{"name": "ignore"}, `"name":"A"`, `"name":"B"`, "skipped unchanged", `{"name":"A"}`},
		{"another address is not verified", nil, `"email":"a@x.com","email_verified":true`, `"email":"b@x.com"`, "updated email,email_verified", `{"email":"b@x.com"}`},
		{"another address, verified", nil, `"email":"a@x.com","email_verified":true`, `"email":"b@x.com","email_verified":true`, "updated email", `{"email":"b@x.com","verified":true}`},
		{"the same address stays verified", nil, `"email":"a@x.com","email_verified":true`, `"email":"A@x.com"`, "skipped unchanged", `{"email":"a@x.com","verified":true}`},
		{"no address is not verified", nil, `"email":"a@x.com","email_verified":true`, `"email":null`, "updated email,email_verified", `{}`},
		{"verified without the address", nil, `"email":"a@x.com"`, `"email_verified":true`, "skipped unchanged (user.no_effect@email_verified)", `{"email":"a@x.com"}`},
		{"verified is ignored", map[string]any{"email_verified": "ignore"}, `"email":"a@x.com"`, `"email":"a@x.com","email_verified":true`, "skipped unchanged", `{"email":"a@x.com"}`},
		{"another spelling of a name", nil, `"preferred_username":"Ann"`, `"preferred_username":"ann"`, "updated preferred_username", `{"username":"ann"}`},
		{"enabled again", nil, `"disabled":true`, `"disabled":false`, "updated disabled", `{}`},
		{"null says nothing of disabled", nil, `"disabled":true`, `"disabled":null`, "skipped unchanged", `{"disabled":true}`},
		{"an address is replaced as a whole", nil, `"address":{"country":"CN","region":"X"}`, `"address":{"country":"CN"}`, "updated address", `{"address":{"country":"CN"}}`},
		{"an empty address removes it", nil, `"address":{"country":"CN"}`, `"address":{}`, "updated address", `{}`},
		{"the order of members does not count", nil, `"address":{"country":"CN","region":"X"}`, `"address":{"region":"X","country":"CN"}`, "skipped unchanged", `{"address":{"country":"CN","region":"X"}}`},
		{"an address may be merged", map[string]any{"address": "merge"}, `"address":{"country":"CN","region":"X"}`, `"address":{"country":"HK"}`, "updated address.country", `{"address":{"country":"HK","region":"X"}}`},
		{"a merged address loses a member", map[string]any{"address": "merge"}, `"address":{"country":"CN","region":"X","own":null}`, `"address":{"region":null,"locality":null}`, "updated address.region", `{"address":{"country":"CN"}}`},
		{"members merge", nil, `"custom_attributes":{"a":1,"b":null,"c":{"d":1}}`, `"custom_attributes":{"a":2,"c":null,"e":[]}`, "updated custom_attributes.a,custom_attributes.c,custom_attributes.e", `{"custom":{"a":2,"e":[]}}`},
		{"metadata merges", nil, `"user_metadata":{"a":1}`, `"user_metadata":{"b":1}`, "updated user_metadata.b", `{"meta":{"a":1,"b":1}}`},
		{"metadata replaced", map[string]any{"user_metadata": "replace"}, `"user_metadata":{"a":1}`, `"user_metadata":{"b":null}`, "updated user_metadata", `{"meta":{"b":null}}`},
		{"the last member goes", nil, `"custom_attributes":{"a":1}`, `"custom_attributes":{"a":null}`, "updated custom_attributes.a", `{}`},
		{"large numbers differ", nil, `"custom_attributes":{"a":1234567890123456788}`, `"custom_attributes":{"a":1234567890123456789}`, "updated custom_attributes.a", `{"custom":{"a":1234567890123456789}}`},
		{"roles are a set", nil, `"roles":["a","b"]`, `"roles":["b","a","b"]`, "skipped unchanged", `{"roles":"a b"}`},
		{"roles cleared", nil, `"roles":["a"]`, `"roles":[]`, "updated roles", `{}`},
		{"roles added to", map[string]any{"roles": "add"}, `"roles":["a"]`, `"roles":["b"]`, "updated roles", `{"roles":"a b"}`},
		{"identities are added to", nil, `"identities":[{"provider":"g","subject":"1"}]`, `"identities":[]`, "skipped unchanged", `{"linked":"g 1 {}"}`},
		{"an identity is replaced", nil, `"identities":[{"provider":"g","subject":"1"}]`, `"identities":[{"provider":"g","subject":"1","c":2}]`, "updated identities", `{"linked":"g 1 {\"c\":2}"}`},
		{"identities replaced", map[string]any{"identities": "replace"}, `"identities":[{"provider":"g","subject":"1"}]`, `"identities":[{"provider":"g","subject":"2"}]`, "updated identities", `{"linked":"g 2 {}"}`},
		{"the order of identities does not count", map[string]any{"identities": "replace"}, `"identities":[{"provider":"h","subject":"1"},{"provider":"g","subject":"1","a":1,"b":2}]`,
			`"identities":[{"provider":"g","subject":"1","b":2,"a":1},{"provider":"h","subject":"1"}]`, "skipped unchanged", `{"linked":"g 1 {\"a\":1,\"b\":2}"}`},
		{"a count of none", nil, `"logins_count":1`, `"logins_count":0`, "updated logins_count", `{"logins":0}`},
		{"password is ignored with a warning", nil, password("X"), password("O"), "skipped unchanged (password.ignored_on_update@password)", `{"password":"X"}`},
		{"the same password", nil, password("X"), password("X"), "skipped unchanged", `{"password":"X"}`},
		{"null for a password", nil, password("X"), `"password":null`, "skipped unchanged", `{"password":"X"}`},
		{"the first password is ignored as well", nil, ``, password("X"), "skipped unchanged (password.ignored_on_update@password)", `{}`},
		{"the first plain password is ignored as well", nil, ``, `"password":{"plain":"p"},"mfa":{"password":{"plain":"q"}}`,
			"skipped unchanged (password.ignored_on_update@password) (password.ignored_on_update@mfa.password)", `{}`},
		{"whether a plain password differs is not told", nil, password("X"), `"password":{"plain":"p"}`, "skipped unchanged", `{"password":"X"}`},
		{"password set", map[string]any{"password": "set"}, password("X"), password("O"), "updated password", `{"password":"O"}`},
		{"the first password set", map[string]any{"password": "set"}, ``, password("O"), "updated password", `{"password":"O"}`},
		{"password removed", map[string]any{"password": "set"}, `"password":{"hash":"` + hashOf("X") + `","expire_after":"2026-01-01T00:00:00Z"}`, `"password":null`, "updated password", `{}`},
		{"another expiry", map[string]any{"password": "set"}, password("X"), `"password":{"hash":"` + hashOf("X") + `","expire_after":"2026-01-01T00:00:00Z"}`, "updated password.expire_after", `{"password":"X","expires":"2026-01-01T00:00:00Z"}`},
		{"second factors", nil, `"mfa":{"email":"a@x.com","totp":"AAAA","recovery_codes":["1"]}`, `"mfa":{"email":"b@x.com","totp":"BBBB","recovery_codes":["2"]}`, "updated mfa.email", `{"mfa_email":"b@x.com","totp":"AAAA","code":"1"}`},
		{"a second factor removed", nil, `"mfa":{"email":"a@x.com"}`, `"mfa":{"email":null}`, "updated mfa.email", `{}`},
		{"codes emptied", map[string]any{"mfa": pipeline.NewConfig(map[string]any{"recovery_codes": "keep"})}, `"mfa":{"recovery_codes":["1"]}`, `"mfa":{"recovery_codes":[]}`, "updated mfa.recovery_codes", `{}`},
		{"codes kept", map[string]any{"mfa": pipeline.NewConfig(map[string]any{"recovery_codes": "keep"})}, `"mfa":{"recovery_codes":["1"]}`, `"mfa":{"recovery_codes":null}`, "skipped unchanged", `{"code":"1"}`},
		{"no time of a change", map[string]any{"created_at": "set", "updated_at": "set"}, ``, `"created_at":null,"updated_at":null`, "skipped unchanged", `{}`},
		{"second factors set", map[string]any{"mfa": pipeline.NewConfig(map[string]any{"totp": "set"})}, `"mfa":{"totp":"AAAA"}`, `"mfa":{"totp":"BBBB"}`, "updated mfa.totp", `{"totp":"BBBB"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			whole := func(members string) []string {
				return []string{`{"external_id":"1",` + strings.TrimPrefix(members, ",") + `}`}
			}
			if tt.before == "" {
				tt.before = `"name":null`
			}
			given := onUpdate(tt.options)
			want(t, strip(do(t, dir, given, pipeline.Run{}, whole(tt.before))), "inserted")
			want(t, do(t, dir, given, pipeline.Run{Plan: true}, whole(tt.record)), tt.outcome)
			want(t, do(t, dir, given, pipeline.Run{}, whole(tt.record)), tt.outcome)
			if got := shown(users(t, dir)[0]); got != tt.after {
				t.Errorf("the user is %s, want %s", got, tt.after)
			}
			// Once is as good as twice, and what was warned of is warned of again.
			_, warning, warned := strings.Cut(tt.outcome, " (")
			again := "skipped unchanged"
			if warned {
				again += " (" + warning
			}
			before := snapshot(t, dir)
			want(t, do(t, dir, given, pipeline.Run{}, whole(tt.record)), again)
			if lines := diff(before, snapshot(t, dir)); len(lines) > 0 && !strings.HasPrefix(lines[0], "users.db ") {
				t.Errorf("the second time wrote %v", lines)
			}
		})
	}
}

// strip leaves warnings out.
func strip(lines []string) []string {
	for i := range lines {
		lines[i], _, _ = strings.Cut(lines[i], " (")
	}
	return lines
}

func diff(before, after string) (lines []string) {
	for line := range strings.Lines(after) {
		if !strings.Contains(before, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestPasswordWarningOfAnUpdatedUserComesAgain(t *testing.T) {
	dir := t.TempDir()
	do(t, dir, upsert, pipeline.Run{}, []string{`{"email":"a@x.com","password":{"hash":"` + hashOf("X") + `"}}`})
	other := []string{`{"email":"a@x.com","name":"A","password":{"hash":"` + hashOf("O") + `"}}`}
	const warning = " (password.ignored_on_update@password)"
	want(t, do(t, dir, upsert, pipeline.Run{}, other), "updated name"+warning)
	for range 2 {
		want(t, do(t, dir, upsert, pipeline.Run{}, other), "skipped unchanged"+warning)
	}
}

// What the first record of a batch says of a user is what the second one meets, and what is written.
func TestUpdatedTwiceInABatch(t *testing.T) {
	dir := t.TempDir()
	old := `{"email":"a@x.com","name":"A","updated_at":"2020-01-01T00:00:00Z"}`
	do(t, dir, upsert, pipeline.Run{}, []string{old})
	for _, plan := range []bool{true, false} {
		want(t, do(t, dir, upsert, pipeline.Run{Plan: plan}, []string{`{"email":"a@x.com","name":"B"}`, old}), "updated name", "updated name,updated_at")
	}
	want(t, do(t, dir, upsert, pipeline.Run{}, []string{`{"email":"a@x.com","name":"B"}`, `{"email":"a@x.com","updated_at":null,"nickname":"a"}`}), "updated name", "updated nickname")
	if got := users(t, dir)[0].UpdatedAt; !got.Equal(started) {
		t.Errorf("updated at %s", got)
	}
}

func TestRolesAndGroupsThatAreNotKnown(t *testing.T) {
	dir := t.TempDir()
	strict := map[string]any{"upsert": true, "create_roles": false, "create_groups": false}
	r := []string{`{"email":"a@x.com","roles":["r"],"groups":["g","h"]}`}
	want(t, do(t, dir, strict, pipeline.Run{Plan: true}, r), "failed store.unknown_role@roles store.unknown_group@groups store.unknown_group@groups")
	want(t, do(t, dir, strict, pipeline.Run{}, r), "failed store.unknown_role@roles store.unknown_group@groups store.unknown_group@groups")
	want(t, do(t, dir, upsert, pipeline.Run{}, r), "inserted")
	want(t, do(t, dir, strict, pipeline.Run{}, []string{`{"email":"b@x.com","roles":["r"],"groups":["h"]}`, `{"email":"b@x.com","roles":["s"]}`}),
		"inserted", "failed store.unknown_role@roles")
}

// Roles that an update leaves alone are not asked for, nor made, also where another record of the batch has set some.
func TestRolesOfAnotherRecordOfTheBatch(t *testing.T) {
	records := []string{`{"email":"a@x.com","roles":["r"]}`, `{"email":"a@x.com","name":"A","roles":["s"]}`}
	for _, create := range []bool{true, false} {
		dir := t.TempDir()
		do(t, dir, upsert, pipeline.Run{}, []string{`{"email":"b@x.com","roles":["r"]}`})
		given := map[string]any{"upsert": true, "create_roles": create, "on_update": pipeline.NewConfig(map[string]any{"roles": "ignore"})}
		want(t, do(t, dir, given, pipeline.Run{}, records), "inserted", "updated name")
		if got := dump(t, dir); strings.Contains(got, "roles\n\"r\" \n\"s\"") {
			t.Error("a role was made that nobody has")
		}
	}
}

func TestRawRecordIsKeptWithoutSecrets(t *testing.T) {
	dir := t.TempDir()
	raw := map[string]any{"upsert": true, "raw": true}
	write := func(source string) string {
		t.Helper()
		s := newSink(t, dir, raw)
		defer s.Close()
		ctx := context.Background()
		if err := s.Open(ctx, pipeline.Run{ID: source, StartedAt: started, Secret: pipeline.SecretFunc("geheim")}); err != nil {
			t.Fatal(err)
		}
		r := record(t, 0, source)
		r.Fields = value.NewObject(2)
		for _, name := range []string{"email", "name"} {
			if v, ok := r.Source.Get(name); ok {
				r.Fields.Set(name, v)
			}
		}
		b := &pipeline.Batch{Records: []pipeline.Record{r}}
		if err := s.Write(ctx, b); err != nil {
			t.Fatal(err)
		}
		if err := s.Finish(ctx); err != nil {
			t.Fatal(err)
		}
		return short(b.Records[0].Outcome)
	}
	for _, tt := range []struct{ source, outcome, raw string }{
		{`{"email":"a@x.com","uid":18446744073709551615,"password":"hunter2","geheim":"hunter2","in":{"pwd":"hunter2"}}`, "inserted",
			`{"email":"a@x.com","uid":18446744073709551615,"password":"REDACTED","geheim":"REDACTED","in":{"pwd":"REDACTED"}}`},
		// A difference in what was not mapped is no update, and is not written.
		{`{"email":"a@x.com","uid":2}`, "skipped unchanged", `{"email":"a@x.com","uid":18446744073709551615,"password":"REDACTED","geheim":"REDACTED","in":{"pwd":"REDACTED"}}`},
		{`{"email":"a@x.com","uid":3,"name":"A"}`, "updated name", `{"email":"a@x.com","uid":3,"name":"A"}`},
	} {
		if got := write(tt.source); got != tt.outcome {
			t.Errorf("%s: %s", tt.source, got)
		}
		if got := users(t, dir)[0].Raw; got != tt.raw {
			t.Errorf("%s: %s", tt.source, got)
		}
	}
}

func TestRefusedBatchLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	run := pipeline.Run{ID: "same", StartedAt: started}
	do(t, dir, upsert, run, []string{`{"email":"a@x.com"}`})
	// A run of the same id that is not resumed would make the same user ids.
	s := newSink(t, dir, upsert)
	defer s.Close()
	if err := s.Open(ctx, run); err != nil {
		t.Fatal(err)
	}
	write := func(index int64, text ...string) error {
		b := &pipeline.Batch{}
		for i, text := range text {
			b.Records = append(b.Records, record(t, index+int64(i), text))
		}
		return s.Write(ctx, b)
	}
	if err := write(10, `{"email":"c@x.com"}`); err != nil {
		t.Fatal(err)
	}
	var refused *pipeline.Refused
	if err := write(0, `{"email":"b@x.com","roles":["r"]}`, `{"email":"d@x.com"}`); !errors.As(err, &refused) || refused.Problem.Code != "store.refused" {
		t.Fatal(err)
	}
	if err := write(1, `{"email":"d@x.com"}`, `{"email":"e@x.com","roles":["r"]}`); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	s.Close()
	var emails []string
	for _, u := range users(t, dir) {
		emails = append(emails, u.Email)
	}
	if d := cmp.Diff([]string{"a@x.com", "c@x.com", "d@x.com", "e@x.com"}, emails); d != "" {
		t.Error(d)
	}
	if got := dump(t, dir); strings.Contains(got, "b@x.com") || !strings.Contains(got, `roles`+"\n"+`"r"`) {
		t.Error(got)
	}
}

func TestIdentifiers(t *testing.T) {
	for identifier, records := range map[string][2]string{
		"email":              {`{"email":"User@X.com","name":"A"}`, `{"email":" user@x.COM","name":"B"}`},
		"phone_number":       {`{"phone_number":"+8613100000001","name":"A"}`, `{"phone_number":"+8613100000001","name":"B"}`},
		"preferred_username": {`{"preferred_username":"Straße","name":"A"}`, `{"preferred_username":"STRASSE","name":"B"}`},
		"external_id":        {`{"external_id":"12345678901234567890","name":"A"}`, `{"external_id":12345678901234567890,"name":"B"}`},
	} {
		t.Run(identifier, func(t *testing.T) {
			dir := t.TempDir()
			given := map[string]any{"upsert": true, "identifier": identifier}
			out := outcomes(t, dir, given, pipeline.Run{}, records[:1], records[1:])
			if out[1].Decision != pipeline.Updated || out[0].UserID != out[1].UserID {
				t.Errorf("%+v", out)
			}
			want(t, do(t, dir, given, pipeline.Run{}, []string{`{"name":"C"}`, `{"` + identifier + `":null}`}),
				"failed store.missing_identifier@"+identifier, "failed store.missing_identifier@"+identifier)
		})
	}
}

func TestOptions(t *testing.T) {
	for name, given := range map[string]map[string]any{
		"identifier":        {"identifier": "name"},
		"on_update.name":    {"on_update": pipeline.NewConfig(map[string]any{"name": "merge"})},
		"on_update.address": {"on_update": pipeline.NewConfig(map[string]any{"address": "set"})},
	} {
		_, err := newSinkOrError(t.TempDir(), given)
		var option *pipeline.OptionError
		if !errors.As(err, &option) || option.Option != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}
