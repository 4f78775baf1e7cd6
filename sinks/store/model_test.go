package store_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

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
	identifier                 string
	upsert                     bool
	password, custom, identity string // on_update
	createRoles                bool
	onDelete, reconcile        string
	pipeline                   string
	most                       int
	roles                      map[string]bool
}

// absent is the value of an attribute that a record does not have; null is "null".
const absent = ""

var pools = map[string][]string{
	"email":             {absent, absent, "null", `"a@x.com"`, `"A@X.com"`, `"b@x.com"`, `" c@x.com"`},
	"external_id":       {absent, absent, "null", `"1"`, `1`, `"2"`, `"3"`},
	"phone_number":      {absent, absent, "null", `"+8613100000001"`, `"+8613100000002"`},
	"name":              {absent, "null", `"A"`, `"B"`, `""`},
	"email_verified":    {absent, absent, "null", "true", "false"},
	"disabled":          {absent, "null", "true", "false"},
	"custom_attributes": {absent, "null", `{"p":1}`, `{"p":null,"q":2}`, `{"q":{"r":[1]}}`, `{}`},
	"roles":             {absent, absent, "null", `["r"]`, `["s","r"]`, `["r","s"]`, `[]`},
	"identities":        {absent, absent, "null", `[{"provider":"g","subject":"1"}]`, `[{"provider":"g","subject":1},{"provider":"h","subject":"1"}]`, `[]`},
	"password":          {absent, absent, "null", `{"hash":"` + hashOf("X") + `"}`, `{"hash":"` + hashOf("O") + `","hasher":"bcrypt"}`},
}

func hashOf(end string) string {
	return "$2b$12$abcdefghijklmnopqrstuu" + strings.Repeat("Xy", 15) + end
}

// order is the order in which records have their attributes.
var order = []string{"external_id", "email", "email_verified", "phone_number", "name", "disabled", "custom_attributes", "roles", "identities", "password"}

func (m *model) find(attribute, v string) map[string]string {
	for _, u := range m.users {
		if v != "" && u[attribute] == v {
			return u
		}
	}
	return nil
}

// holder finds who has a linked identity.
func (m *model) holder(linked string) map[string]string {
	for _, u := range m.users {
		if slices.Contains(strings.Fields(u["identities"]), linked) {
			return u
		}
	}
	return nil
}

// linkedOf writes a list of linked identities as words.
func linkedOf(v string) []string {
	switch {
	case strings.Contains(v, "h"):
		return []string{"g/1", "h/1"}
	case strings.Contains(v, "g"):
		return []string{"g/1"}
	}
	return nil
}

func unquote(v string) string {
	return strings.ToLower(strings.TrimSpace(strings.Trim(strings.TrimSpace(v), `"`)))
}

// note takes down whom a record was about.
func (m *model) note(r map[string]string, o modelOptions, outcome string) {
	v := r[o.identifier]
	if v == absent || v == "null" {
		m.unknown = true
		return
	}
	u := m.find(o.identifier, unquote(v))
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
	var users []map[string]string
	removed := 0
	for _, u := range m.users {
		if !m.seen[u["n"]] && (o.reconcile == "store" || u["member "+o.pipeline] == "true") {
			users = append(users, u)
			if o.onDelete == "delete" || o.onDelete == "disable" && u["disabled"] != "true" {
				removed++
			}
		}
	}
	for _, u := range users {
		called := cmp.Or(u[o.identifier], u["email"], u["phone_number"], u["external_id"])
		switch {
		case o.onDelete == "disable" && u["disabled"] == "true":
			lines = append(lines, called+" unchanged")
		case removed > o.most || o.onDelete == "ignore":
			lines = append(lines, called+" kept")
		case o.onDelete == "disable":
			u["disabled"] = "true"
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
	u := m.find(o.identifier, unquote(r[o.identifier]))
	switch {
	case u == nil || o.onDelete == "ignore":
		return "skipped gone"
	case o.onDelete == "delete":
		m.users = slices.DeleteFunc(m.users, func(other map[string]string) bool { return other["n"] == u["n"] })
		return "updated gone deleted"
	case u["disabled"] == "true":
		return "skipped unchanged"
	}
	u["disabled"] = "true"
	return "updated gone disabled"
}

func (m *model) step(r map[string]string, o modelOptions) string {
	var codes []string
	if v := r[o.identifier]; v == absent || v == "null" {
		codes = append(codes, "store.missing_identifier@"+o.identifier)
	}
	if r["name"] == `""` {
		codes = append(codes, "user.empty@name")
	}
	warning := ""
	if v := r["email_verified"]; (v == "true" || v == "false") && (r["email"] == absent || r["email"] == "null") && o.identifier != "email" {
		warning = " (user.no_effect@email_verified)"
	}
	if len(codes) > 0 {
		return failed(codes) + warning
	}
	old := m.find(o.identifier, unquote(r[o.identifier]))
	if old != nil && !o.upsert {
		return "skipped exists" + warning
	}
	next := map[string]string{}
	maps.Copy(next, old)
	changed := map[string]bool{}
	set := func(a, v string) {
		if next[a] != v {
			next[a] = v
			changed[a] = true
		}
	}
	for _, a := range []string{"external_id", "email", "phone_number"} {
		switch v := r[a]; v {
		case absent:
		case "null":
			set(a, "")
		default:
			set(a, unquote(v))
		}
	}
	switch r["name"] {
	case absent:
	case "null":
		set("name", "")
	default:
		set("name", r["name"])
	}
	if changed["email"] {
		set("email_verified", "")
	}
	for a, speaks := range map[string]bool{"email_verified": r["email"] != absent && r["email"] != "null", "disabled": true} {
		if speaks && r[a] == "true" {
			set(a, "true")
		} else if speaks && r[a] == "false" {
			set(a, "")
		}
	}
	if old != nil && old["email_verified"] == next["email_verified"] {
		delete(changed, "email_verified")
	}
	for _, member := range []string{"p", "q"} {
		v := r["custom_attributes"]
		a := "custom_attributes." + member
		was := next[a]
		has := strings.Contains(v, `"`+member+`":`) && !strings.Contains(v, `"`+member+`":null`)
		switch {
		case v == absent, v == "null" && (o.custom == "merge" || old == nil):
		case has:
			next[a] = v[strings.Index(v, `"`+member+`":`):]
		case o.custom == "replace" && old != nil, strings.Contains(v, `"`+member+`":null`):
			next[a] = ""
			if o.custom == "replace" && strings.Contains(v, `"`+member+`":null`) {
				next[a] = "null"
			}
		}
		if next[a] != was {
			if o.custom == "merge" {
				changed[a] = true
			} else {
				changed["custom_attributes"] = true
			}
		}
	}
	if v := r["roles"]; v != absent && v != "null" {
		names := ""
		if strings.Contains(v, "s") {
			names = "r s"
		} else if strings.Contains(v, "r") {
			names = "r"
		}
		set("roles", names)
	}
	if v := r["identities"]; v != absent && v != "null" && (old == nil || o.identity != "ignore") {
		linked := linkedOf(v)
		if o.identity == "add" {
			for _, l := range strings.Fields(next["identities"]) {
				if !slices.Contains(linked, l) {
					linked = append(linked, l)
				}
			}
		}
		slices.Sort(linked)
		set("identities", strings.Join(linked, " "))
	}
	if v := r["password"]; v != absent {
		end := ""
		if v != "null" {
			end = strings.TrimSuffix(v[strings.Index(v, "Xy"):], "}")[30:31]
		}
		switch {
		case old == nil || o.password == "set":
			set("password", end)
		case end != "" && end != next["password"]:
			warning += " (password.ignored_on_update@password)"
		}
	}
	if old != nil && len(changed) == 0 {
		return "skipped unchanged" + warning
	}
	for _, a := range []string{"external_id", "email", "phone_number"} {
		if h := m.find(a, next[a]); h != nil && (old == nil || h["n"] != old["n"]) {
			codes = append(codes, "store.identity_conflict@"+a)
		}
	}
	for _, l := range strings.Fields(next["identities"]) {
		if h := m.holder(l); h != nil && (old == nil || h["n"] != old["n"]) {
			codes = append(codes, "store.identity_conflict@identities")
		}
	}
	if changed["roles"] {
		for _, name := range strings.Fields(next["roles"]) {
			if !o.createRoles && !o.roles[name] {
				codes = append(codes, "store.unknown_role@roles")
			}
		}
	}
	if len(codes) > 0 {
		return failed(codes) + warning
	}
	for _, name := range strings.Fields(next["roles"]) {
		o.roles[name] = true
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
		line := fmt.Sprintf("%s|%s|%v|%s|%s|%v", u.ExternalID, u.Email, u.EmailVerified, u.PhoneNumber, u.Name, u.Disabled)
		for _, m := range []string{"p", "q"} {
			v, ok := u.CustomAttributes.Get(m)
			line += "|"
			if ok {
				line += string(value.AppendJSON(nil, v))
			}
		}
		roles := slices.Sorted(slices.Values(u.Roles))
		var linked []string
		for _, l := range u.Identities {
			linked = append(linked, l.Provider+"/"+l.Subject)
		}
		slices.Sort(linked)
		end := ""
		if h := u.Password.Hash.Reveal(); h != "" {
			end = h[len(h)-1:]
		}
		lines = append(lines, line+"|"+strings.Join(roles, " ")+"|"+strings.Join(linked, " ")+"|"+end)
	}
	return lines
}

func (m *model) state() (lines []string) {
	for _, u := range m.users {
		custom := func(member string) string {
			v := u["custom_attributes."+member]
			if _, text, ok := strings.Cut(v, ":"); ok {
				v = strings.TrimSuffix(text, "}")
			}
			return v
		}
		lines = append(lines, fmt.Sprintf("%s|%s|%v|%s|%s|%v|%s|%s|%s|%s|%s", u["external_id"], u["email"], u["email_verified"] == "true",
			u["phone_number"], strings.Trim(u["name"], `"`), u["disabled"] == "true", custom("p"), custom("q"), u["roles"], u["identities"], u["password"]))
	}
	return lines
}

func TestStoreDoesWhatTheModelSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		m := &model{}
		roles := map[string]bool{}
		for range rapid.IntRange(1, 4).Draw(rt, "runs") {
			o := modelOptions{
				identifier: rapid.SampledFrom([]string{"email", "external_id", "phone_number"}).Draw(rt, "identifier"),
				upsert:     rapid.IntRange(0, 3).Draw(rt, "upsert") > 0,
				password:   rapid.SampledFrom([]string{"ignore", "set"}).Draw(rt, "password"),
				custom:     rapid.SampledFrom([]string{"merge", "replace"}).Draw(rt, "custom"),
				identity:   rapid.SampledFrom([]string{"add", "replace", "ignore"}).Draw(rt, "identities"),
				reconcile:  rapid.SampledFrom([]string{"", "pipeline", "pipeline", "store"}).Draw(rt, "reconcile"),
				pipeline:   rapid.SampledFrom([]string{"p", "p", "q"}).Draw(rt, "pipeline"),
				most:       rapid.SampledFrom([]int{1, 100}).Draw(rt, "max_deletes"),
				onDelete:   rapid.SampledFrom([]string{"ignore", "disable", "delete"}).Draw(rt, "on_delete"),
				roles:      roles, createRoles: rapid.Bool().Draw(rt, "create_roles"),
			}
			given := map[string]any{"upsert": o.upsert, "on_delete": o.onDelete, "identifier": o.identifier, "create_roles": o.createRoles,
				"on_update": pipeline.NewConfig(map[string]any{"password": o.password, "custom_attributes": o.custom, "identities": o.identity})}
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
					var members []string
					for _, a := range order {
						if v := rapid.SampledFrom(pools[a]).Draw(rt, a); v != absent {
							r[a] = v
							members = append(members, fmt.Sprintf("%q:%s", a, v))
						}
					}
					text := "{" + strings.Join(members, ",") + "}"
					if rapid.IntRange(0, 3).Draw(rt, "gone") == 0 && (o.reconcile == "" || removed < o.most) {
						batch = append(batch, gone+text)
						if u := m.find(o.identifier, unquote(r[o.identifier])); u != nil {
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
			missing := m.missing(o)
			for _, run := range []pipeline.Run{{Plan: true, Pipeline: o.pipeline}, {Pipeline: o.pipeline}} {
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
		}
	})
}
