package store_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// model is the store as one would write it down on paper: users as maps, everything looked at one by one.
type model struct {
	users []map[string]string
	next  int // numbers the users
	// seen has the numbers of the users that the run came across; unknown says that a record failed of somebody unknown.
	seen    map[string]bool
	unknown bool
}

type modelOptions struct {
	identifier                string
	upsert                    bool
	onUpdate                  map[string]identity.Behaviour
	createRoles, createGroups bool
	onDelete, reconcile       string
	pipeline                  string
	most                      int
	now                       time.Time
	roles, groups             map[string]bool
}

// absent is the value of an attribute that a record does not have; null is "null".
const absent = ""

var pools = map[string][]string{
	"email":                 {absent, absent, "null", `"a@x.com"`, `"A@X.com"`, `"ａ@x.com"`, `"b@x.com"`, `" c@x.com"`},
	"external_id":           {absent, absent, "null", `"1"`, `1`, `"2"`, `"3"`},
	"phone_number":          {absent, absent, "null", `"+8613100000001"`, `"+8613100000002"`},
	"preferred_username":    {absent, absent, "null", `"Ann"`, `"ann"`, `"ＡNN"`, `"Bob"`},
	"name":                  {absent, "null", `"A"`, `"B"`, `""`},
	"locale":                {absent, absent, absent, "null", `"zh-CN"`, `"zh_cn"`, `"en"`},
	"email_verified":        {absent, absent, "null", "true", "false"},
	"phone_number_verified": {absent, absent, "null", "true", "false"},
	"disabled":              {absent, "null", "true", "false"},
	"address":               {absent, absent, "null", `{"country":"CN"}`, `{"region":"X","country":"CN"}`, `{"country":null,"region":"X"}`, `{}`},
	"custom_attributes":     {absent, "null", `{"p":1}`, `{"p":null,"q":2}`, `{"q":{"r":[1]}}`, `{}`},
	"user_metadata":         {absent, absent, "null", `{"p":{"a":1,"b":null}}`, `{"p":{"b":null,"a":1},"q":[]}`, `{"p":{"a":1}}`, `{"q":null}`},
	"app_metadata":          {absent, absent, absent, "null", `{"p":12345678901234567890}`, `{"p":12345678901234567891}`},
	"roles":                 {absent, absent, "null", `["r"]`, `["s","r"]`, `["r","s","r"]`, `[]`},
	"groups":                {absent, absent, "null", `["r"]`, `["g","r"]`, `[]`},
	"identities": {absent, absent, "null", `[{"provider":"g","subject":"1"}]`, `[{"provider":"g","subject":1},{"provider":"h","subject":"1"}]`,
		`[{"subject":"1","provider":"h","x":1,"y":null},{"provider":"g","subject":"1"}]`, `[{"provider":"h","y":null,"x":1,"subject":"1"}]`, `[]`},
	"logins_count": {absent, absent, "null", "0", "1", "1.0"},
	"last_login":   {absent, absent, "null", `"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05+00:00"`, `"2026-01-02T04:04:05+01:00"`},
	"created_at":   {absent, absent, "null", `"2020-01-01T00:00:00Z"`, `"2021-01-01T00:00:00Z"`},
	"updated_at":   {absent, absent, absent, "null", `"2020-01-01T00:00:00Z"`, `"2021-01-01T00:00:00Z"`},
	"password": {absent, absent, "null", `{"hash":"` + hashOf("X") + `"}`, `{"hash":"` + hashOf("O") + `","hasher":"bcrypt"}`,
		`{"hash":"` + hashOf("X") + `","expire_after":"2027-01-01T00:00:00Z"}`},
	"mfa":                {absent, absent, absent, "null", "{}"},
	"mfa.email":          {absent, absent, absent, "null", `"a@x.com"`, `"B@x.com"`},
	"mfa.phone_number":   {absent, absent, absent, "null", `"+8613100000001"`},
	"mfa.password":       {absent, absent, absent, "null", `{"hash":"` + hashOf("X") + `"}`, `{"hash":"` + hashOf("O") + `"}`},
	"mfa.totp":           {absent, absent, absent, "null", `"aaaa"`, `{"secret":"AA AA"}`, `"BBBB"`},
	"mfa.recovery_codes": {absent, absent, absent, "null", `["1"," 2"]`, `["1","2"]`, `["2","1"]`, `[]`},
}

func hashOf(end string) string {
	return "$2b$12$abcdefghijklmnopqrstuu" + strings.Repeat("Xy", 15) + end
}

// order is the order in which records have their attributes.
var order = []string{"external_id", "email", "email_verified", "phone_number", "phone_number_verified", "preferred_username", "name", "locale", "disabled", "address",
	"custom_attributes", "user_metadata", "app_metadata", "roles", "groups", "identities", "logins_count", "last_login", "created_at", "updated_at",
	"password", "mfa", "mfa.email", "mfa.phone_number", "mfa.password", "mfa.totp", "mfa.recovery_codes"}

// unique are the attributes that two users do not share.
var unique = []string{"external_id", "email", "phone_number", "preferred_username"}

// write makes JSON of a record, its attributes in order.
func writeRecord(r map[string]string, order []string) string {
	var members, mfa []string
	for _, a := range order {
		v, there := r[a]
		if factor, ok := strings.CutPrefix(a, "mfa."); ok && there {
			mfa = append(mfa, fmt.Sprintf("%q:%s", factor, v))
		} else if there && a != "mfa" {
			members = append(members, fmt.Sprintf("%q:%s", a, v))
		}
	}
	if v, there := r["mfa"]; mfa == nil && there {
		members = append(members, `"mfa":`+v)
	} else if mfa != nil {
		members = append(members, `"mfa":{`+strings.Join(mfa, ",")+"}")
	}
	return "{" + strings.Join(members, ",") + "}"
}

// folded is what two spellings of one identifier have in common.
func folded(v string) string {
	return strings.ToLower(strings.NewReplacer("ａ", "a", "Ａ", "a").Replace(v))
}

func (m *model) find(attribute, v string) map[string]string {
	for _, u := range m.users {
		if v != "" && folded(u[attribute]) == folded(v) {
			return u
		}
	}
	return nil
}

// holder finds who has a linked identity.
func (m *model) holder(linked string) map[string]string {
	for _, u := range m.users {
		if _, there := identitiesOf(u["identities"])[linked]; there {
			return u
		}
	}
	return nil
}

// parsed reads JSON with numbers to the last digit.
func parsed(text string) (v any) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		panic(text)
	}
	return v
}

// written gives the JSON of a value, members in the order of their names; of nothing it is empty.
func written(v any) string {
	if rv := reflect.ValueOf(v); rv.Kind() != reflect.String && rv.Len() == 0 {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// membersOf, namesOf and identitiesOf read what is written of objects, lists of names and lists of identities.
func membersOf(text string) map[string]any {
	if text == "" {
		return map[string]any{}
	}
	return parsed(text).(map[string]any)
}

func namesOf(text string) (names []string) {
	if text == "" {
		return nil
	}
	for _, name := range parsed(text).([]any) {
		names = append(names, name.(string))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func identitiesOf(text string) map[string]any {
	linked := map[string]any{}
	if text == "" {
		return linked
	}
	list, ok := parsed(text).([]any)
	if !ok {
		return parsed(text).(map[string]any) // as it is kept here
	}
	for _, e := range list {
		o := e.(map[string]any)
		o["subject"] = fmt.Sprint(o["subject"])
		linked[fmt.Sprint(o["provider"], "/", o["subject"])] = o
	}
	return linked
}

// normal gives the value of a single-valued attribute as it is kept.
func normal(a, v string) string {
	v = strings.Trim(v, `"`)
	switch a {
	case "email", "mfa.email":
		return folded(strings.TrimSpace(v))
	case "locale":
		return strings.Replace(v, "_cn", "-CN", 1)
	case "email_verified", "phone_number_verified", "disabled":
		return strings.TrimSuffix(v, "false")
	case "logins_count":
		return strings.TrimSuffix(v, ".0")
	case "last_login", "created_at", "updated_at":
		return strings.Replace(v, "+00:00", "Z", 1)
	case "mfa.totp":
		v = strings.TrimSuffix(strings.TrimPrefix(v, `{"secret":"`), `"}`)
		return strings.ToUpper(strings.ReplaceAll(v, " ", ""))
	case "mfa.recovery_codes":
		return strings.TrimPrefix(strings.ReplaceAll(v, " ", ""), "[]")
	}
	return v
}

// note takes down whom a record was about.
func (m *model) note(r map[string]string, o modelOptions, outcome string) {
	v := r[o.identifier]
	if v == absent || v == "null" {
		m.unknown = true
		return
	}
	u := m.find(o.identifier, normal(o.identifier, v))
	if u == nil {
		return
	}
	m.seen[u["n"]] = true
	if o.reconcile != "" && !strings.HasPrefix(outcome, "failed") && !strings.HasPrefix(outcome, "skipped exists") {
		u["member "+o.pipeline] = "true"
	}
}

// missing is what becomes of those whom no record was about.
func (m *model) missing(o modelOptions) (lines []string) {
	if o.reconcile == "" {
		return nil
	}
	if m.unknown {
		return []string{"skipped"}
	}
	// Others of the pipeline's are left to the pipelines that bring them too.
	claimed := func(u map[string]string) bool {
		for name := range u {
			if other, ok := strings.CutPrefix(name, "member "); ok && other != o.pipeline && o.reconcile == "pipeline" && o.onDelete != "ignore" {
				return true
			}
		}
		return false
	}
	var users []map[string]string
	removed := 0
	for _, u := range m.users {
		if !m.seen[u["n"]] && (o.reconcile == "store" || u["member "+o.pipeline] == "true") {
			users = append(users, u)
			if !claimed(u) && (o.onDelete == "delete" || o.onDelete == "disable" && u["disabled"] != "true") {
				removed++
			}
		}
	}
	for _, u := range users {
		called := cmp.Or(u[o.identifier], u["email"], u["preferred_username"], u["phone_number"], u["external_id"])
		switch {
		case claimed(u):
			lines = append(lines, called+" kept")
			if removed <= o.most {
				delete(u, "member "+o.pipeline)
			}
		case o.onDelete == "disable" && u["disabled"] == "true":
			lines = append(lines, called+" unchanged")
		case removed > o.most || o.onDelete == "ignore":
			lines = append(lines, called+" kept")
		case o.onDelete == "disable":
			u["disabled"], u["updated_at"] = "true", o.now.Format(time.RFC3339)
			lines = append(lines, called+" disabled")
		default:
			m.users = slices.DeleteFunc(m.users, func(other map[string]string) bool { return other["n"] == u["n"] })
			lines = append(lines, called+" deleted")
		}
	}
	if removed > o.most {
		lines = append(lines, "run.too_many_deletes")
	}
	return lines
}

// goneStep is what becomes of a record whose user is gone.
func (m *model) goneStep(r map[string]string, o modelOptions) string {
	if v := r[o.identifier]; v == absent || v == "null" {
		return failed([]string{"store.missing_identifier@" + o.identifier})
	}
	u := m.find(o.identifier, normal(o.identifier, r[o.identifier]))
	switch {
	case u == nil || o.onDelete == "ignore":
		return "skipped gone"
	case o.onDelete == "delete":
		m.users = slices.DeleteFunc(m.users, func(other map[string]string) bool { return other["n"] == u["n"] })
		return "updated gone deleted"
	case u["disabled"] == "true":
		return "skipped unchanged"
	}
	u["disabled"], u["updated_at"] = "true", o.now.Format(time.RFC3339)
	return "updated gone disabled"
}

func (m *model) step(r map[string]string, o modelOptions) string {
	var codes []string
	warning := ""
	says := func(a string) bool { return r[a] != absent && r[a] != "null" }
	if !says(o.identifier) {
		codes = append(codes, "store.missing_identifier@"+o.identifier)
	}
	if r["name"] == `""` {
		codes = append(codes, "user.empty@name")
	}
	for _, of := range []string{"email", "phone_number"} {
		if says(of+"_verified") && !says(of) && of != o.identifier {
			warning += " (user.no_effect@" + of + "_verified)"
		}
	}
	if len(codes) > 0 {
		return failed(codes) + warning
	}
	old := m.find(o.identifier, normal(o.identifier, r[o.identifier]))
	if old != nil && !o.upsert {
		return "skipped exists" + warning
	}
	next := map[string]string{}
	maps.Copy(next, old)
	changed := map[string]bool{}
	put := func(a, v, name string) {
		if next[a] != v {
			next[a] = v
			changed[name] = true
		}
	}
	for _, a := range order {
		v := r[a]
		b := o.onUpdate[a]
		if b == identity.Ignore && old == nil {
			b = identity.Set
		}
		if v == absent || b == identity.Ignore {
			if end := end(v); strings.HasSuffix(a, "password") && end != "" && end != next[a] {
				warning += " (password.ignored_on_update@" + a + ")"
			}
			continue
		}
		switch a {
		case "mfa", "email_verified", "phone_number_verified":
		case "password", "mfa.password":
			if v == "null" && b == identity.Keep {
				continue
			}
			expiry := ""
			if strings.Contains(v, "expire_after") {
				expiry = "2027-01-01T00:00:00Z"
			}
			name := a + ".expire_after"
			if end(v) != next[a] {
				name = a
			}
			put(a, end(v), a)
			put(a+".expire_after", expiry, name)
		case "address", "custom_attributes", "user_metadata", "app_metadata":
			now := membersOf(next[a])
			if v == "null" {
				if b != identity.Merge {
					put(a, "", a)
				}
				continue
			}
			given := membersOf(v)
			if b != identity.Merge {
				if a == "address" {
					maps.DeleteFunc(given, func(_ string, v any) bool { return v == nil })
				}
				put(a, written(given), a)
				continue
			}
			for name, v := range given {
				was, there := now[name]
				if v == nil && there {
					delete(now, name)
				} else if v != nil && !reflect.DeepEqual(was, v) {
					now[name] = v
				} else {
					continue
				}
				next[a] = written(now)
				changed[a+"."+name] = true
			}
		case "roles", "groups":
			if v != "null" {
				names := namesOf(v)
				if b == identity.Add {
					names = namesOf(written(append(names, namesOf(next[a])...)))
				}
				put(a, written(names), a)
			}
		case "identities":
			if v != "null" {
				linked := map[string]any{}
				if b == identity.Add {
					linked = identitiesOf(next[a])
				}
				maps.Copy(linked, identitiesOf(v))
				put(a, written(linked), a)
			}
		default:
			switch {
			case v != "null":
				put(a, normal(a, v), a)
			case b == identity.Set && a != "created_at" && a != "updated_at":
				put(a, "", a)
			}
		}
	}
	for _, of := range []string{"email", "phone_number"} {
		a := of + "_verified"
		b := o.onUpdate[a]
		speaks := says(of) && normal(of, r[of]) == next[of] && r[a] != absent && (old == nil || b != identity.Ignore)
		switch {
		case speaks && r[a] != "null":
			put(a, normal(a, r[a]), a)
		case changed[of], speaks && b == identity.Set:
			put(a, "", a)
		}
	}
	if old != nil && len(changed) == 0 {
		return "skipped unchanged" + warning
	}
	for _, a := range unique {
		if h := m.find(a, next[a]); h != nil && (old == nil || h["n"] != old["n"]) {
			codes = append(codes, "store.identity_conflict@"+a)
		}
	}
	for l := range identitiesOf(next["identities"]) {
		if h := m.holder(l); h != nil && (old == nil || h["n"] != old["n"]) {
			codes = append(codes, "store.identity_conflict@identities")
		}
	}
	for _, list := range []struct {
		of, code string
		create   bool
		known    map[string]bool
	}{{"roles", "store.unknown_role@roles", o.createRoles, o.roles}, {"groups", "store.unknown_group@groups", o.createGroups, o.groups}} {
		for _, name := range namesOf(next[list.of]) {
			if !list.create && !list.known[name] {
				codes = append(codes, list.code)
			}
		}
	}
	if len(codes) > 0 {
		return failed(codes) + warning
	}
	for _, name := range namesOf(next["roles"]) {
		o.roles[name] = true
	}
	for _, name := range namesOf(next["groups"]) {
		o.groups[name] = true
	}
	if next["created_at"] == "" {
		next["created_at"] = o.now.Format(time.RFC3339)
	}
	if !says("updated_at") || next["updated_at"] != normal("updated_at", r["updated_at"]) {
		next["updated_at"] = o.now.Format(time.RFC3339)
	}
	if old == nil {
		m.next++
		next["n"] = fmt.Sprint(m.next)
		m.users = append(m.users, next)
		return "inserted" + warning
	}
	clear(old)
	maps.Copy(old, next)
	return "updated " + strings.Join(slices.Sorted(maps.Keys(changed)), ",") + warning
}

// end is the last letter of a password's hash: enough to tell them apart.
func end(v string) string {
	if _, rest, ok := strings.Cut(v, "Xy"); ok {
		return rest[28:29]
	}
	return ""
}

func failed(codes []string) string {
	slices.Sort(codes)
	return "failed " + strings.Join(codes, " ")
}

// sorted is short with what comes in no particular order sorted.
func sorted(o pipeline.Outcome) string {
	slices.Sort(o.Changed)
	slices.SortFunc(o.Errors, func(a, b pipeline.Problem) int { return strings.Compare(a.Code+a.Field, b.Code+b.Field) })
	return short(o)
}

// state writes down the users as the model has them.
func state(list []*identity.User) (lines []string) {
	for _, u := range list {
		m := map[string]string{"external_id": u.ExternalID, "email": u.Email, "phone_number": u.PhoneNumber, "preferred_username": u.PreferredUsername,
			"name": u.Name, "locale": u.Locale, "mfa.email": u.MFA.Email, "mfa.phone_number": u.MFA.PhoneNumber, "mfa.totp": u.MFA.TOTP.Reveal(),
			"roles": written(slices.Sorted(slices.Values(u.Roles))), "groups": written(slices.Sorted(slices.Values(u.Groups)))}
		for a, v := range map[string]bool{"email_verified": u.EmailVerified, "phone_number_verified": u.PhoneNumberVerified, "disabled": u.Disabled} {
			if v {
				m[a] = "true"
			}
		}
		for a, o := range map[string]*value.Object{"address": u.Address, "custom_attributes": u.CustomAttributes, "user_metadata": u.UserMetadata, "app_metadata": u.AppMetadata} {
			if o != nil {
				m[a] = written(membersOf(string(value.AppendJSON(nil, o))))
			}
		}
		for a, t := range map[string]time.Time{"last_login": u.LastLogin, "created_at": u.CreatedAt, "updated_at": u.UpdatedAt,
			"password.expire_after": u.Password.ExpireAfter, "mfa.password.expire_after": u.MFA.Password.ExpireAfter} {
			if !t.IsZero() {
				m[a] = t.Format(time.RFC3339)
			}
		}
		for a, p := range map[string]identity.Password{"password": u.Password, "mfa.password": u.MFA.Password} {
			m[a] = end(p.Hash.Reveal())
		}
		if u.LoginsCount != nil {
			m["logins_count"] = fmt.Sprint(*u.LoginsCount)
		}
		linked := map[string]any{}
		for _, l := range u.Identities {
			o := membersOf(string(value.AppendJSON(nil, l.Other)))
			o["provider"], o["subject"] = l.Provider, l.Subject
			linked[l.Provider+"/"+l.Subject] = o
		}
		m["identities"] = written(linked)
		var codes []string
		for _, c := range u.MFA.RecoveryCodes {
			codes = append(codes, c.Reveal())
		}
		m["mfa.recovery_codes"] = written(codes)
		lines = append(lines, describe(m))
	}
	return lines
}

func describe(u map[string]string) string {
	var parts []string
	for _, a := range slices.Sorted(maps.Keys(u)) {
		if u[a] != "" && a != "n" && !strings.HasPrefix(a, "member ") {
			parts = append(parts, a+"="+u[a])
		}
	}
	return strings.Join(parts, " ")
}

func (m *model) state() (lines []string) {
	for _, u := range m.users {
		lines = append(lines, describe(u))
	}
	return lines
}

// drawOptions draws how users are imported, with some attributes treated in another way than they are by default.
func drawOptions(t *rapid.T) (o modelOptions, onUpdate map[string]any) {
	o = modelOptions{
		identifier: rapid.SampledFrom([]string{"email", "external_id", "phone_number", "preferred_username"}).Draw(t, "identifier"),
		upsert:     rapid.IntRange(0, 3).Draw(t, "upsert") > 0,
		reconcile:  rapid.SampledFrom([]string{"", "pipeline", "pipeline", "store"}).Draw(t, "reconcile"),
		pipeline:   rapid.SampledFrom([]string{"p", "p", "q"}).Draw(t, "pipeline"),
		most:       rapid.SampledFrom([]int{1, 100}).Draw(t, "max_deletes"),
		onDelete:   rapid.SampledFrom([]string{"ignore", "disable", "delete"}).Draw(t, "on_delete"),
		onUpdate:   map[string]identity.Behaviour{}, createRoles: rapid.Bool().Draw(t, "create_roles"), createGroups: rapid.Bool().Draw(t, "create_groups"),
	}
	onUpdate = map[string]any{}
	factors := map[string]any{}
	others := rapid.IntRange(0, 3).Draw(t, "on_update")
	for _, u := range identity.Updates() {
		o.onUpdate[u.Attribute] = u.Default
		if !slices.Contains(order, u.Attribute) || rapid.IntRange(0, 3).Draw(t, "other") >= others {
			continue
		}
		b := rapid.SampledFrom(u.Allowed).Draw(t, u.Attribute)
		o.onUpdate[u.Attribute] = b
		if factor, ok := strings.CutPrefix(u.Attribute, "mfa."); ok {
			factors[factor] = string(b)
		} else {
			onUpdate[u.Attribute] = string(b)
		}
	}
	if len(factors) > 0 {
		onUpdate["mfa"] = pipeline.NewConfig(factors)
	}
	return o, onUpdate
}

func TestStoreDoesWhatTheModelSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		m := &model{}
		roles, groups := map[string]bool{}, map[string]bool{}
		var o modelOptions
		var onUpdate map[string]any
		var before []map[string]string // records of earlier runs, which often come again
		for n := range rapid.IntRange(1, 4).Draw(rt, "runs") {
			other, otherUpdate := drawOptions(rt)
			if n == 0 || rapid.Bool().Draw(rt, "other options") {
				o, onUpdate = other, otherUpdate
			}
			o.roles, o.groups, o.now = roles, groups, started.Add(time.Duration(n)*time.Hour)
			var now []map[string]string
			given := map[string]any{"upsert": o.upsert, "on_delete": o.onDelete, "identifier": o.identifier, "create_roles": o.createRoles, "create_groups": o.createGroups,
				"on_update": pipeline.NewConfig(onUpdate)}
			if o.reconcile != "" {
				given["reconcile"], given["max_deletes"] = o.reconcile, fmt.Sprint(o.most)
			}
			m.seen, m.unknown = map[string]bool{}, false
			removed := 0 // users whom records say are gone: another one beyond max_deletes would end the run
			var batches [][]string
			var expected []string
			for range rapid.IntRange(1, 4).Draw(rt, "batches") {
				var batch []string
				for range rapid.IntRange(1, 8).Draw(rt, "records") {
					r := map[string]string{}
					if len(before) > 0 && rapid.Bool().Draw(rt, "again") {
						r = rapid.SampledFrom(before).Draw(rt, "record")
					} else {
						for _, a := range order {
							if v := rapid.SampledFrom(pools[a]).Draw(rt, a); v != absent {
								r[a] = v
							}
						}
					}
					now = append(now, r)
					written := slices.Clone(order)
					if rapid.IntRange(0, 3).Draw(rt, "in another form") == 0 {
						slices.Reverse(written)
					}
					text := writeRecord(r, written)
					if rapid.IntRange(0, 3).Draw(rt, "gone") == 0 && (o.reconcile == "" || removed < o.most) {
						batch = append(batch, gone+text)
						if u := m.find(o.identifier, normal(o.identifier, r[o.identifier])); u != nil {
							m.seen[u["n"]] = true
						}
						outcome := m.goneStep(r, o)
						if strings.HasPrefix(outcome, "updated") {
							removed++
						}
						expected = append(expected, outcome)
						continue
					}
					batch = append(batch, text)
					outcome := m.step(r, o)
					m.note(r, o, outcome)
					expected = append(expected, outcome)
				}
				batches = append(batches, batch)
			}
			before = append(before, now...)
			missing := m.missing(o)
			for _, run := range []pipeline.Run{{Plan: true, Pipeline: o.pipeline, StartedAt: o.now}, {Pipeline: o.pipeline, StartedAt: o.now}} {
				var got []string
				decided, gotMissing := whole(t, dir, given, run, batches...)
				if !slices.Equal(gotMissing, missing) {
					rt.Fatalf("plan %v, options %+v: missing %q, want %q after %s", run.Plan, o, gotMissing, missing, batches)
				}
				for _, outcome := range decided {
					got = append(got, sorted(outcome))
				}
				if !slices.Equal(got, expected) {
					for i := range got {
						if got[i] != expected[i] {
							rt.Fatalf("plan %v, options %+v, record %d %s\n got %s\nwant %s\nof %s", run.Plan, o, i, slices.Concat(batches...)[i], got[i], expected[i], batches)
						}
					}
				}
			}
			if got, want := state(users(t, dir)), m.state(); !slices.Equal(got, want) {
				rt.Fatalf("the store is\n%s\nthe model is\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			dump(t, dir)
		}
	})
}
