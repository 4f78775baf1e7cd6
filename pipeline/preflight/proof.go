package preflight

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// Pair is a user whose password somebody knows.
type Pair struct {
	// User is the value of one of the user's identifiers; Where finds the user by an expression over the source record instead.
	User     string
	Where    *expression.Program
	Password value.Secret
	// Secrets are the peppers and keys that verifying needs and that are not stored beside the hash.
	Secrets map[string]value.Secret
}

// name is how a report calls the user of the pair.
func (p *Pair) name() string {
	if p.Where != nil {
		return p.Where.Text()
	}
	return p.User
}

// The codes of what a proof says, beside those of the password package.
const (
	CodeMismatch  = "prove.mismatch"  // the known password does not match the hash as the pipeline reads it
	CodeNoUser    = "prove.not_found" // the known user is not in the source
	CodeNotSent   = "prove.not_sent"  // the known user's record is left out, or fails
	CodeNoHash    = "prove.no_hash"   // the known user's record has no password
	CodeNoTravel  = "prove.not_taken" // the target does not take the hash
	CodeUnchecked = "prove.unchecked" // the hash cannot be checked
	CodeBadPairs  = "prove.bad_file"  // the file of known pairs cannot be read
	CodeUnproved  = "prove.unproved"  // what stops a run: one of the above, for some pair
)

// Proved says what came of one pair.
type Proved struct {
	User string `json:"user"`
	// Ref is the place of the user's record, if it was found.
	Ref    string `json:"ref,omitempty"`
	OK     bool   `json:"ok"`
	Format string `json:"format,omitempty"`
	Code   string `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Findings say what to write into the pipeline file so that the password matches.
	Findings []string `json:"findings,omitempty"`
}

// identifiers are the fields by which a user of a pair is found.
var identifiers = []string{"email", "phone_number", "preferred_username", "external_id"}

// proofBatch is how many records are read at a time.
const proofBatch = 1000

// diagnosisTime bounds the search for what would have matched.
const diagnosisTime = 20 * time.Second

// Prove reads the source until it has found the user of each pair, maps each, and verifies the known password against the hash that the target
// would get. Source and transforms are used up by it. The sink is not opened. An error is about the source or a transform.
func Prove(ctx context.Context, source pipeline.Source, transforms []pipeline.Transform, sink pipeline.Sink, policy Policy, pairs []Pair) ([]Proved, error) {
	p := &prover{pairs: pairs, results: make([]Proved, len(pairs)), byUser: map[string][]int{}, left: len(pairs)}
	if t, ok := sink.(Target); ok {
		p.target = t.PasswordTarget()
	}
	if policy.For != "" {
		p.target = policy.For
	}
	for i := range pairs {
		p.results[i] = Proved{User: pairs[i].name(), Code: CodeNoUser}
		if pairs[i].Where == nil {
			p.byUser[fold(pairs[i].User)] = append(p.byUser[fold(pairs[i].User)], i)
		}
	}
	for len(transforms) > 0 {
		a, ok := transforms[0].(pipeline.Arranger)
		if !ok {
			break
		}
		source, transforms = a.Arrange(source), transforms[1:]
	}
	if c, ok := source.(pipeline.Cursored); ok {
		c.SetCursor(nil)
	}
	defer source.Close()
	if err := source.Open(ctx); err != nil {
		return nil, err
	}
	for _, t := range transforms {
		if o, ok := t.(pipeline.Ordered); ok {
			if err := o.Ordered(ctx); err != nil {
				return nil, err
			}
			defer o.Close()
		}
	}
	if err := p.read(ctx, source, transforms); err != nil {
		return nil, err
	}
	for i := range p.results {
		if r := &p.results[i]; r.Code == CodeNoUser {
			r.Reason = fmt.Sprintf("no record of the source is this user's (%d read)", p.records)
			if pairs[i].Where == nil {
				r.Reason += "; looked for in " + strings.Join(identifiers, ", ") + " of the mapped records: `where` finds a user by an expression over the source record"
			}
		}
	}
	return p.results, nil
}

type prover struct {
	target  string
	pairs   []Pair
	byUser  map[string][]int // indexes in pairs
	results []Proved
	left    int
	records int64
}

func (p *prover) read(ctx context.Context, source pipeline.Source, transforms []pipeline.Transform) error {
	for p.left > 0 {
		b, err := source.Next(ctx, proofBatch)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range b.Records {
			r := &b.Records[i]
			r.Index = p.records + int64(i)
			if r.Fields == nil {
				r.Fields = r.Source
			}
		}
		p.records += int64(len(b.Records))
		for _, t := range transforms {
			if err := t.Apply(ctx, b); err != nil {
				return err
			}
		}
		for i := range b.Records {
			p.look(ctx, &b.Records[i])
		}
	}
	return nil
}

// look compares a record with the users of the pairs.
func (p *prover) look(ctx context.Context, r *pipeline.Record) {
	if r.Source == nil || r.Gone {
		return
	}
	if len(p.byUser) > 0 && r.Fields != nil {
		for _, name := range identifiers {
			v, ok := r.Fields.Get(name)
			if !ok || v == nil {
				continue
			}
			for _, i := range p.byUser[fold(fmt.Sprint(v))] {
				p.settle(ctx, i, r)
			}
		}
	}
	for i := range p.pairs {
		where := p.pairs[i].Where
		if where == nil || p.results[i].OK {
			continue
		}
		if v, err := where.Eval(r.Source); err == nil && expression.Truthy(v) {
			p.settle(ctx, i, r)
		}
	}
}

// settle verifies the password of a pair against a record. One that is left out is kept in mind, in case there is no other.
func (p *prover) settle(ctx context.Context, i int, r *pipeline.Record) {
	result := &p.results[i]
	if result.Code != CodeNoUser && result.Code != CodeNotSent {
		return
	}
	*result = p.verify(ctx, &p.pairs[i], r)
	if result.Code != CodeNotSent {
		p.left--
	}
}

func (p *prover) verify(ctx context.Context, pair *Pair, r *pipeline.Record) Proved {
	result := Proved{User: pair.name(), Ref: r.Ref.String()}
	fail := func(code, reason string) Proved {
		result.Code, result.Reason = code, reason
		return result
	}
	switch r.Outcome.Decision {
	case pipeline.Undecided:
	case pipeline.Failed:
		reason := "the record fails"
		if len(r.Outcome.Errors) > 0 {
			reason += ": " + r.Outcome.Errors[0].String()
		}
		return fail(CodeNotSent, reason)
	default:
		return fail(CodeNotSent, "the record is left out: "+r.Outcome.Reason)
	}
	v, _ := r.Fields.Get("password")
	o, ok := v.(*value.Object)
	if !ok {
		return fail(CodeNoHash, "the mapped record has no password")
	}
	c := read(o)
	if c.plain != "" {
		result.Format = "plain"
		if c.plain != pair.Password.Reveal() {
			return fail(CodeMismatch, "the password in plain text is another than the known one")
		}
		result.OK = true
		return result
	}
	result.Format = c.format
	if c.err != nil {
		return fail(CodeUnchecked, c.err.Error())
	}
	h := password.Hash{Format: c.format, Encoded: value.Secret(c.hash), Context: c.values}
	if p.target != "" {
		if _, err := password.Convert(h, p.target); err != nil {
			return fail(CodeNoTravel, err.Error())
		}
	}
	all := maps.Clone(c.values)
	for name, secret := range pair.Secrets {
		all[name] = secret
	}
	got := verifyStored(ctx, h, []byte(pair.Password.Reveal()), pair.Secrets)
	result.Format = got.Format
	switch got.Outcome {
	case password.Match:
		result.OK = true
		return result
	case password.Mismatch:
		result.Code, result.Reason = CodeMismatch, "the known password does not match the hash, read as "+got.Format
	default:
		result.Code, result.Reason = CodeUnchecked, "the hash cannot be checked ("+got.Outcome.String()+"): "+got.Reason
	}
	ctx, cancel := context.WithTimeout(ctx, diagnosisTime)
	defer cancel()
	h.Context = all
	result.Findings = password.Diagnose(ctx, h, []byte(pair.Password.Reveal()))
	return result
}

// verifyStored verifies against what a store keeps of the hash.
func verifyStored(ctx context.Context, h password.Hash, plain []byte, secrets map[string]value.Secret) password.Result {
	stored, err := h.Stored()
	if err == nil {
		h, err = password.ParseStored(stored)
	}
	if err != nil {
		r := password.Result{Format: h.Format, Outcome: password.Malformed, Reason: err.Error()}
		var e *password.Error
		if errors.As(err, &e) {
			r.Reason = e.Message
			if e.Code == password.CodeNoFormat || e.Code == password.CodeUnknown || e.Code == password.CodeUnsupported {
				r.Outcome = password.Unsupported
			}
		}
		return r
	}
	values := password.Context{}
	maps.Copy(values, h.Context)
	for name, secret := range secrets {
		values[name] = secret
	}
	return password.Verify(ctx, h.Format, h.Encoded.Reveal(), plain, values)
}

// fold makes an identifier comparable: nobody should fail for a capital letter here.
func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// maxPairs bounds a file of known pairs: each costs a derivation.
const maxPairs = 1000

// ReadPairs reads a file of known pairs: CSV with the columns identifier and password, or NDJSON of objects with these members.
func ReadPairs(path string, secrets map[string]value.Secret) ([]Pair, error) {
	text, err := readSmall(path)
	var rows [][2]string
	if err == nil {
		rows, err = parsePairs(text)
	}
	if err != nil {
		return nil, &pipeline.Error{Code: CodeBadPairs, Message: filepath.Base(path) + ": " + err.Error(),
			Hint: "known pairs are CSV with the columns identifier and password, or a line of JSON each: {\"identifier\": \"ann@example.com\", \"password\": \"…\"}"}
	}
	pairs := make([]Pair, len(rows))
	for i, row := range rows {
		pairs[i] = Pair{User: row[0], Password: value.Secret(row[1]), Secrets: secrets}
	}
	return pairs, nil
}

func parsePairs(text string) (rows [][2]string, err error) {
	parse := csvPairs
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		parse = jsonPairs
	}
	if rows, err = parse(text); err != nil {
		return nil, err
	}
	switch {
	case len(rows) == 0:
		return nil, errors.New("there is no pair in it")
	case len(rows) > maxPairs:
		return nil, fmt.Errorf("%d pairs; at most %d are taken", len(rows), maxPairs)
	}
	for i, row := range rows {
		if strings.TrimSpace(row[0]) == "" {
			return nil, fmt.Errorf("pair %d has no identifier", i+1)
		}
	}
	return rows, nil
}

func jsonPairs(text string) (rows [][2]string, err error) {
	line := 0
	for one := range strings.Lines(text) {
		line++
		if strings.TrimSpace(one) == "" {
			continue
		}
		v, err := value.ParseJSON([]byte(one))
		o, ok := v.(*value.Object)
		if err != nil || !ok {
			return nil, fmt.Errorf("line %d is no JSON object", line)
		}
		var row [2]string
		for i, name := range [2]string{"identifier", "password"} {
			v, _ := o.Get(name)
			if row[i], ok = v.(string); !ok {
				return nil, fmt.Errorf("line %d has no text %q", line, name)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func csvPairs(text string) ([][2]string, error) {
	r := csv.NewReader(strings.NewReader(text))
	header, err := r.Read()
	if err != nil {
		return nil, csvReason(err)
	}
	var at [2]int
	for i, name := range [2]string{"identifier", "password"} {
		if at[i] = slices.IndexFunc(header, func(h string) bool { return fold(h) == name }); at[i] < 0 {
			return nil, fmt.Errorf("there is no column %s", name)
		}
	}
	var rows [][2]string
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, csvReason(err)
		}
		rows = append(rows, [2]string{row[at[0]], row[at[1]]})
	}
}

// csvReason leaves out what the row holds.
func csvReason(err error) error {
	var e *csv.ParseError
	if errors.As(err, &e) {
		return fmt.Errorf("line %d: %w", e.Line, e.Err)
	}
	return err
}

// readSmall reads a file of at most 1 MiB.
func readSmall(path string) (string, error) {
	const most = 1 << 20
	f, err := os.Open(path)
	if err != nil {
		var e *os.PathError
		if errors.As(err, &e) {
			return "", e.Err
		}
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return "", err
	}
	if len(b) > most {
		return "", errors.New("it is larger than 1 MiB")
	}
	return strings.TrimPrefix(string(b), "\ufeff"), nil
}
