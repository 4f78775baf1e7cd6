package host

import (
	"context"
	"fmt"
	"strings"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
)

// Check is one thing that a plugin was held to.
type Check struct {
	Name string `json:"name"`
	// Problem is empty where all is well.
	Problem string `json:"problem,omitempty"`
}

// Forget has every plugin asked again what it has.
func (h *Host) Forget() { h.cache = "" }

// Test holds a plugin to what it says of itself. What its connectors do with records is tested by pipeline/acceptance.
func (h *Host) Test(ctx context.Context, env pipeline.Env, decl pipeline.Plugin) ([]Check, error) {
	d, err := h.Describe(ctx, decl, env.Log)
	if err != nil {
		return nil, err
	}
	checks := []Check{{Name: "it starts and describes itself"}}
	for _, c := range d.GetSources() {
		checks = append(checks, Check{Name: "source " + c.GetName() + " is declared"})
	}
	for _, c := range d.GetTransforms() {
		checks = append(checks, Check{Name: "transform " + c.GetName() + " is declared"})
	}
	for _, c := range d.GetSinks() {
		checks = append(checks, Check{Name: "sink " + c.GetName() + " is declared"})
	}
	p := h.plugin(decl, env.Log)
	if err := p.registerHashers(env, d); err != nil {
		return nil, err
	}
	if _, err := p.process(ctx); err != nil {
		return append(checks, Check{Name: "it takes its options, and its hashers verify their samples", Problem: err.Error()}), nil //nolint:nilerr // that is what is asked
	}
	for _, hasher := range p.hashers {
		checks = append(checks, hasher.test(ctx)...)
	}
	return checks, nil
}

// test holds a hasher to what docs/reference/plugins.md asks of one. That it verifies its samples has been checked at the start.
func (h *hasher) test(ctx context.Context) []Check {
	name := "hasher " + h.spec.Name + ": "
	checks := []Check{{Name: name + "verifies its samples and refuses another password"}}
	check := func(what string, problem string) {
		checks = append(checks, Check{Name: name + what, Problem: problem})
	}
	s := h.spec.Samples[0]
	got := func(encoded string, plain []byte) password.Result {
		return password.Verify(ctx, h.spec.Name, encoded, plain, s.Context)
	}
	problem := ""
	for _, damaged := range []string{"", "x", s.Encoded[:len(s.Encoded)/2], s.Encoded + "\x00", strings.Repeat("$", 5000)} {
		if r := got(damaged, s.Password); r.Outcome == password.Match {
			problem = fmt.Sprintf("a damaged hash of %d bytes matches", len(damaged))
		} else if r.Code == "plugin.failed" || r.Code == "plugin.died" {
			problem = fmt.Sprintf("a damaged hash of %d bytes stops it: %s", len(damaged), r.Reason)
		}
	}
	check("does not take damaged hashes", problem)
	problem = ""
	if format, err := password.Recognise(s.Encoded); err == nil && format != h.spec.Name {
		problem = "its hashes are taken for " + format
	} else if err := password.Check(h.spec.Name, s.Encoded); err != nil {
		problem = "its own sample does not fit: " + err.Error()
	}
	check("its pattern fits its samples", problem)
	if encoded, err := password.Create(ctx, h.spec.Name, []byte("Tr0ub4dor &3"), password.Params{}); err == nil {
		problem = ""
		made, err := password.ParseStored(encoded)
		if err != nil {
			problem = err.Error()
		} else if r := password.Verify(ctx, h.spec.Name, made.Encoded.Reveal(), []byte("Tr0ub4dor &3"), nil); r.Outcome != password.Match {
			problem = "the password gives " + r.Outcome.String() + " " + r.Reason
		} else if weaker, reason, err := password.NeedsRehash(made, h.spec.Name, password.Params{}); weaker || err != nil {
			problem = "it would hash it again at once: " + reason
		}
		check("verifies what it hashes", problem)
	}
	return checks
}
