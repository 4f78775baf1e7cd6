package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/plugins/internal/wire"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
)

// hasher is a hasher in a plugin.
type hasher struct {
	password.UnimplementedHasher
	p        *running
	spec     password.HasherSpec
	instance *pb.Instance
}

// maker is a hasher that makes hashes, converter one that spells them for other systems.
type (
	maker     struct{ *hasher }
	converter struct{ *hasher }
)

// registerHashers makes formats of the plugin's hashers.
func (p *running) registerHashers(env pipeline.Env, d *pb.DescribeResponse) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range p.Options {
		if !slices.ContainsFunc(d.GetHashers(), func(h *pb.Hasher) bool { return hasOption(h, name) }) {
			return pluginError("plugin.no_option", p.Plugin, fmt.Sprintf("is given the option %q, which none of its hashers has", name), "")
		}
	}
	if len(p.hashers) > 0 {
		return nil // of an earlier pipeline that declares it in the same way
	}
	for _, d := range d.GetHashers() {
		h, err := p.newHasher(env, d)
		if err != nil {
			return err
		}
		var registered password.Hasher = h
		switch {
		case d.GetCanHash() && d.GetCanConvert():
			registered = struct {
				maker
				converter
				*hasher
			}{maker{h}, converter{h}, h}
		case d.GetCanHash():
			registered = maker{h}
		case d.GetCanConvert():
			registered = converter{h}
		}
		if err := password.Register(h.spec, registered); err != nil {
			return pluginError("plugin.bad_description", p.Plugin, "describes itself wrongly: "+err.Error(), "")
		}
		p.hashers = append(p.hashers, h)
	}
	return nil
}

func hasOption(h *pb.Hasher, name string) bool {
	return slices.ContainsFunc(h.GetOptions(), func(o *pb.Option) bool { return o.GetName() == name })
}

func (p *running) newHasher(env pipeline.Env, d *pb.Hasher) (*hasher, error) {
	options, err := wire.DeclaredOptions(d.GetOptions())
	if err != nil {
		return nil, pluginError("plugin.bad_description", p.Plugin, "describes itself wrongly: "+err.Error(), "")
	}
	spec := pipeline.Spec{Name: d.GetName(), Options: options}
	own := maps.Clone(p.Options)
	maps.DeleteFunc(own, func(name, _ string) bool { return !hasOption(d, name) })
	config, err := definition.NewConfig(env, spec, own)
	if err != nil {
		return nil, err
	}
	h := &hasher{p: p, spec: password.HasherSpec{
		Name: d.GetName(), Summary: d.GetSummary(), Doc: d.GetDoc(), Layout: d.GetLayout(), Pattern: d.GetPattern(), Context: d.GetContext(),
		NUL: d.GetNul(), MaxPassword: int(d.GetMaxPasswordBytes()), Memory: int64(min(d.GetMemoryBytes(), 1<<40)),
	}}
	for _, s := range d.GetSamples() {
		values, err := wire.ContextOf(s.GetContext())
		if err != nil {
			return nil, pluginError("plugin.bad_description", p.Plugin, "describes itself wrongly: the context of a sample cannot be read", "")
		}
		h.spec.Samples = append(h.spec.Samples, password.Sample{Encoded: s.GetEncoded(), Password: s.GetPassword(), Context: values})
	}
	h.instance, err = instanceOf(spec, env, config)
	return h, err
}

// configure gives the hasher of a new process its options, and checks it by the samples that it describes itself with.
func (h *hasher) configure(ctx context.Context, process *process) error {
	ctx, cancel := context.WithTimeout(ctx, h.p.Timeout)
	defer cancel()
	client := pb.NewHasherServiceClient(process.conn)
	r, err := client.Configure(ctx, &pb.ConfigureRequest{Hasher: h.instance})
	if err == nil {
		err = h.p.failure(r.GetFailure())
	}
	if err != nil {
		return h.p.describe(ctx, err)
	}
	items := make([]*pb.VerifyItem, 0, 2*len(h.spec.Samples))
	for _, s := range h.spec.Samples {
		values, err := wire.Context(s.Context)
		if err != nil {
			return err
		}
		wrong := append(slices.Clone(s.Password), 'x')
		items = append(items, &pb.VerifyItem{Encoded: s.Encoded, Password: s.Password, Context: values}, &pb.VerifyItem{Encoded: s.Encoded, Password: wrong, Context: values})
	}
	v, err := client.Verify(ctx, &pb.VerifyRequest{Hasher: h.spec.Name, Items: items})
	if err != nil {
		return h.p.describe(ctx, err)
	}
	bad := func(format string, args ...any) error {
		return pluginError("plugin.bad_hasher", h.p.Plugin, fmt.Sprintf("does not pass the check of its hasher %s: ", h.spec.Name)+fmt.Sprintf(format, args...),
			"a hasher verifies the samples that it describes itself with")
	}
	if len(v.GetItems()) != len(items) {
		return bad("it answers %d of %d questions", len(v.GetItems()), len(items))
	}
	for i, item := range v.GetItems() {
		switch {
		case i%2 == 0 && item.GetVerdict() != pb.Verdict_VERDICT_MATCH:
			gives := outcomes[item.GetVerdict()].String()
			if reason := printable(item.GetReason()); reason != "" {
				gives += ": " + reason
			}
			return bad("the password of sample %d gives %s", i/2+1, gives)
		case i%2 == 1 && item.GetVerdict() == pb.Verdict_VERDICT_MATCH:
			return bad("another password than that of sample %d matches too", i/2+1)
		}
	}
	return nil
}

var outcomes = map[pb.Verdict]password.Outcome{
	pb.Verdict_VERDICT_MATCH: password.Match, pb.Verdict_VERDICT_MISMATCH: password.Mismatch, pb.Verdict_VERDICT_MALFORMED: password.Malformed,
	pb.Verdict_VERDICT_OVER_LIMIT: password.OverLimit,
}

// How many items one request holds, and how many bytes.
const (
	maxItems = 256
	maxBytes = 1 << 20
)

// split cuts items into requests and joins the answers to them.
func split[I proto.Message, A any](items []I, call func([]I) ([]A, error)) ([]A, error) {
	out := make([]A, 0, len(items))
	for len(items) > 0 {
		n, size := 1, proto.Size(items[0])
		for n < len(items) && n < maxItems && size+proto.Size(items[n]) <= maxBytes {
			size += proto.Size(items[n])
			n++
		}
		answers, err := call(items[:n])
		if err != nil {
			return nil, err
		}
		if len(answers) != n {
			return nil, errors.New("it did not answer every question")
		}
		out, items = append(out, answers...), items[n:]
	}
	return out, nil
}

// call makes calls to a hasher.
func (h *hasher) call(ctx context.Context, call func(context.Context, pb.HasherServiceClient) error) error {
	return h.p.try(ctx, func(ctx context.Context, process *process) error {
		return call(ctx, pb.NewHasherServiceClient(process.conn))
	})
}

// VerifyAll checks many passwords in few calls.
func (h *hasher) VerifyAll(ctx context.Context, items []*pb.VerifyItem) ([]password.Result, error) {
	answers, err := split(items, func(items []*pb.VerifyItem) (answers []*pb.Verified, err error) {
		err = h.call(ctx, func(ctx context.Context, c pb.HasherServiceClient) error {
			r, err := c.Verify(ctx, &pb.VerifyRequest{Hasher: h.spec.Name, Items: items})
			answers = r.GetItems()
			return err
		})
		return answers, err
	})
	results := make([]password.Result, len(answers))
	for i, a := range answers {
		results[i] = password.Result{Outcome: outcomes[a.GetVerdict()], Format: h.spec.Name, Reason: printable(a.GetReason())}
		if results[i].Outcome != password.Match && results[i].Outcome != password.Mismatch && results[i].Reason == "" {
			results[i].Reason = "the plugin gives no reason"
		}
	}
	return results, err
}

// Verify implements password.Hasher.
func (h *hasher) Verify(ctx context.Context, encoded string, plain []byte, values password.Context) password.Result {
	data, err := wire.Context(values)
	var results []password.Result
	if err == nil {
		results, err = h.VerifyAll(ctx, []*pb.VerifyItem{{Encoded: encoded, Password: plain, Context: data}})
	}
	if err != nil {
		code := "plugin.failed"
		if e := (*pipeline.Error)(nil); errors.As(err, &e) {
			code = e.Code
		}
		return password.Result{Reason: err.Error(), Code: code}
	}
	return results[0]
}

// identifyTimeout is how long an answer about a string may take that a caller cannot call off.
const identifyTimeout = 10 * time.Second

// Identify implements password.Identifier.
func (h *hasher) Identify(encoded string) (c password.Candidate, ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), identifyTimeout)
	defer cancel()
	err := h.call(ctx, func(ctx context.Context, client pb.HasherServiceClient) error {
		r, err := client.Identify(ctx, &pb.IdentifyRequest{Hasher: h.spec.Name, Encoded: []string{encoded}})
		if err == nil && len(r.GetItems()) == 1 {
			i := r.GetItems()[0]
			ok = i.GetConfidence() > 0
			c = password.Candidate{Confidence: password.Confidence(min(max(i.GetConfidence(), 1), 3) - 1), Reason: printable(i.GetReason()), Problem: printable(i.GetProblem())}
		}
		return err
	})
	if err != nil {
		return password.Candidate{Problem: err.Error()}, true
	}
	return c, ok
}

// Hash implements password.Maker.
func (m maker) Hash(ctx context.Context, plain []byte, values password.Context) (string, error) {
	data, err := wire.Context(values)
	if err != nil {
		return "", err
	}
	var made *pb.Hashed
	err = m.call(ctx, func(ctx context.Context, client pb.HasherServiceClient) error {
		r, err := client.Hash(ctx, &pb.HashRequest{Hasher: m.spec.Name, Items: []*pb.HashItem{{Password: plain, Context: data}}})
		if err == nil && len(r.GetItems()) != 1 {
			return m.p.confused("one hash")
		}
		if err == nil {
			made = r.GetItems()[0]
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if made.GetProblem() != "" {
		return "", &password.Error{Code: password.CodeBadPassword, Format: m.spec.Name, Message: printable(made.GetProblem())}
	}
	return made.GetEncoded(), nil
}

// NeedsRehash implements password.Rehasher.
func (m maker) NeedsRehash(encoded string) (weaker bool, reason string) {
	ctx, cancel := context.WithTimeout(context.Background(), identifyTimeout)
	defer cancel()
	_ = m.call(ctx, func(ctx context.Context, client pb.HasherServiceClient) error { // what it cannot tell stays as it is
		r, err := client.NeedsRehash(ctx, &pb.NeedsRehashRequest{Hasher: m.spec.Name, Encoded: []string{encoded}})
		if err == nil && len(r.GetItems()) == 1 {
			weaker, reason = r.GetItems()[0].GetNeedsRehash(), printable(r.GetItems()[0].GetReason())
		}
		return err
	})
	return weaker, reason
}

// Convert implements password.Converter.
func (c converter) Convert(ctx context.Context, target, encoded string, values password.Context) (string, error) {
	data, err := wire.Context(values)
	if err != nil {
		return "", err
	}
	var out *pb.Converted
	err = c.call(ctx, func(ctx context.Context, client pb.HasherServiceClient) error {
		r, err := client.Convert(ctx, &pb.ConvertRequest{Hasher: c.spec.Name, Target: target, Items: []*pb.ConvertItem{{Encoded: encoded, Context: data}}})
		if err == nil && len(r.GetItems()) != 1 {
			return c.p.confused("one conversion")
		}
		if err == nil {
			out = r.GetItems()[0]
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if out.GetProblem() != "" {
		return "", errors.New(printable(out.GetProblem()))
	}
	return out.GetValue(), nil
}
