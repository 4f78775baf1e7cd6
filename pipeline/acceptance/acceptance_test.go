package acceptance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

const secret = "hunter2"

// memory is a source that keeps every promise, with switches for what can be wrong with one.
type memory struct {
	pipeline.UnimplementedSource
	fault string
	next  int
	open  *os.File
	last  *value.Object
}

var wanted = []string{`{"a":1}`, `{"a":2}`, FailedRecord, `{"a":4}`, `{"a":5}`}

func (s *memory) Open(ctx context.Context) error {
	s.next = 0
	switch s.fault {
	case "leaks a file":
		s.open, _ = os.Open(os.Args[0])
	case "leaks a goroutine":
		go func() { time.Sleep(time.Hour) }()
	case "cannot be opened":
		return &pipeline.Error{Code: "memory.broken", Message: "it is broken"}
	case "cannot be opened and shows a secret":
		return &pipeline.Error{Code: "memory.broken", Message: "it is broken: " + secret}
	case "cannot be opened for no reason":
		return errors.New("no")
	}
	return nil
}

func (s *memory) Next(ctx context.Context, max int) (*pipeline.Batch, error) {
	if err := ctx.Err(); err != nil && s.fault != "ignores cancellation" {
		return nil, err
	}
	end := len(wanted)
	switch s.fault {
	case "loses the last record":
		end--
	case "gives more than max":
		max++
	case "repeats a record at a batch's end":
		if s.next > 0 && max == 3 {
			s.next--
		}
	case "begins again behind the end":
		if s.next == end {
			s.next = 0
			return nil, io.EOF
		}
	case "gives an empty batch":
		if s.next == 3 {
			s.next++
			return &pipeline.Batch{After: []byte{0}}, nil
		}
	}
	if s.next >= end {
		if s.fault == "gives a batch with the end" {
			return &pipeline.Batch{}, io.EOF
		}
		return nil, io.EOF
	}
	b := &pipeline.Batch{}
	for len(b.Records) < max && s.next < end {
		r := pipeline.Record{Ref: pipeline.Ref{Origin: "memory", Line: int64(s.next + 1)}}
		switch s.fault {
		case "says no place":
			r.Ref = pipeline.Ref{}
		case "counts places by batch":
			r.Ref.Line = int64(len(b.Records) + 1)
		}
		if text := wanted[s.next]; text != FailedRecord {
			v, _ := value.ParseJSON([]byte(text))
			r.Source = v.(*value.Object)
			if s.fault == "uses memory again" {
				if s.last == nil {
					s.last = value.NewObject(1)
				}
				a, _ := r.Source.Get("a")
				s.last.Set("a", a)
				r.Source = s.last
			}
			if s.fault == "decides good records" {
				r.Outcome.Decision = pipeline.Inserted
			}
		} else {
			r.Raw = []byte("?")
			switch s.fault {
			case "fails a record without a reason":
				r.Outcome.Decision = pipeline.Failed
			case "shows a secret in a problem":
				r.Fail(pipeline.Problem{Code: "memory.bad", Message: "cannot read " + secret})
			default:
				r.Fail(pipeline.Problem{Code: "memory.bad", Message: "cannot read it"})
			}
		}
		b.Records = append(b.Records, r)
		s.next++
	}
	if s.fault != "gives no positions" {
		b.After = []byte{byte(s.next)}
	}
	return b, nil
}

func (s *memory) OpenAt(ctx context.Context, after []byte) error {
	if err := s.Open(ctx); err != nil {
		return err
	}
	s.next = int(after[0])
	if s.fault == "goes on one record late" {
		s.next++
	}
	return nil
}

func (s *memory) Progress() (done, total int64) {
	if s.fault == "is ahead of its size" {
		return 10, 5
	}
	return 0, 0
}

func (s *memory) Fingerprint() (string, error) {
	if s.fault == "has another fingerprint every time" {
		return time.Now().Format(time.RFC3339Nano), nil
	}
	return "same", nil
}

func (s *memory) RejectsExtension() string { return ".txt" }

func (s *memory) AppendReject(dst []byte, n int64, r *pipeline.Record) []byte {
	if r.Source == nil {
		return append(dst, "?\n"...)
	}
	if s.fault == "loses rejects" && n == 1 {
		return dst
	}
	return append(value.AppendJSON(dst, r.Source), '\n')
}

func (s *memory) RejectsEnd(int64) []byte { return nil }

func (s *memory) ReadRejects(path string) pipeline.Source { return &rejected{path: path} }

func (s *memory) Close() error {
	if s.fault == "cannot be closed" {
		return errors.New("no")
	}
	return nil
}

// rejected reads what memory rejected.
type rejected struct {
	pipeline.UnimplementedSource
	path  string
	lines []string
}

func (s *rejected) Open(context.Context) error {
	text, err := os.ReadFile(s.path)
	s.lines = strings.Fields(string(text))
	return err
}

func (s *rejected) Next(_ context.Context, max int) (*pipeline.Batch, error) {
	b := &pipeline.Batch{}
	for len(s.lines) > 0 && len(b.Records) < max {
		r := pipeline.Record{Ref: pipeline.Ref{Origin: "rejects", Line: 1}}
		if v, err := value.ParseJSON([]byte(s.lines[0])); err == nil {
			r.Source = v.(*value.Object)
		} else {
			r.Fail(pipeline.Problem{Code: "memory.bad", Message: "cannot read it"})
		}
		b.Records, s.lines = append(b.Records, r), s.lines[1:]
	}
	if len(b.Records) == 0 {
		return nil, io.EOF
	}
	return b, nil
}

// doubler is a transform that keeps every promise: it doubles a, fails where there is none and filters 0.
type doubler struct {
	pipeline.UnimplementedTransform
	fault string
	count int
}

func (d *doubler) Apply(ctx context.Context, b *pipeline.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() && d.fault != "touches decided records" {
			continue
		}
		d.apply(r, i, len(b.Records))
	}
	switch d.fault {
	case "drops records":
		b.Records = slices.DeleteFunc(b.Records, func(r pipeline.Record) bool { return r.Outcome.Reason == pipeline.Filtered })
	case "changes the order":
		slices.Reverse(b.Records)
	case "never returns when called off":
		if ctx.Err() != nil {
			select {}
		}
	}
	return nil
}

func (d *doubler) apply(r *pipeline.Record, i, n int) {
	a, _ := r.Fields.Get("a")
	number, ok := a.(int64)
	switch {
	case !ok && d.fault == "shows a secret":
		r.Fail(pipeline.Problem{Code: "doubler.no_number", Message: "no number: " + fmt.Sprint(a)})
	case !ok && d.fault == "fails without a code":
		r.Fail(pipeline.Problem{Message: "no number"})
	case !ok:
		r.Fail(pipeline.Problem{Code: "doubler.no_number", Message: "a is no number"})
	case number == 0 && d.fault == "filters without a reason":
		r.Outcome.Decision = pipeline.Skipped
	case number == 0:
		r.Skip(pipeline.Filtered)
	case d.fault == "changes values in place":
		r.Fields.Set("a", 2*number)
	case d.fault == "depends on the batch" && n == 3:
	case d.fault == "is not safe side by side":
		before := d.count
		d.count++
		time.Sleep(time.Millisecond)
		if d.count != before+1 {
			number++
		}
		fallthrough
	default:
		r.Fields = value.ObjectOf(value.Member{Name: "a", Value: 2 * number})
	}
}

// folder is a sink that keeps every promise: a file for every value of a, and a position.
type folder struct {
	pipeline.UnimplementedSink
	fault, dir string
	plan       bool
	pending    []string
}

func (s *folder) Open(_ context.Context, run pipeline.Run) error {
	s.plan, s.pending = run.Plan, nil
	switch s.fault {
	case "writes in a plan":
		s.plan = false
	case "leaves traces in a plan":
		if s.plan {
			return os.WriteFile(filepath.Join(s.dir, "..", filepath.Base(s.dir), ".trace"), nil, 0o600)
		}
	case "does not resume":
		if run.Resumed {
			return errors.New("cannot go on")
		}
	case "cannot be opened for no reason":
		return errors.New("no")
	}
	return nil
}

func (s *folder) Write(ctx context.Context, b *pipeline.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if !r.Open() && s.fault != "touches decided records" {
			continue
		}
		if s.fault == "leaves records undecided" && i == 1 {
			continue
		}
		a, _ := r.Fields.Get("a")
		name := fmt.Sprint(a)
		r.Outcome.Decision = pipeline.Inserted
		_, err := os.Stat(filepath.Join(s.dir, name))
		if err == nil || slices.Contains(s.pending, name) {
			r.Outcome.Decision = pipeline.Updated
			if s.fault == "cannot write twice" {
				r.Fail(pipeline.Problem{Code: "folder.exists", Message: "it is there"})
			}
			if s.fault == "writes twice" {
				name += "-again"
			}
		}
		if s.fault == "plans something else" && s.plan {
			r.Outcome.Decision = pipeline.Updated
		}
		if s.fault == "shows a secret" {
			r.Warn(pipeline.Problem{Code: "folder.note", Message: "the password is " + secret})
		}
		s.pending = append(s.pending, name)
		if s.fault == "writes at once" {
			// Without a receipt, a record that comes again after a crash gets another outcome.
			if _, err := s.Commit(ctx); err != nil {
				return err
			}
		}
	}
	if s.fault == "loses the last of a large batch" && len(b.Records) > 3 {
		s.pending = s.pending[:len(s.pending)-1]
	}
	return nil
}

func (s *folder) Commit(context.Context) ([]byte, error) {
	for _, name := range s.pending {
		if s.plan {
			continue
		}
		if err := os.WriteFile(filepath.Join(s.dir, name), nil, 0o600); err != nil {
			return nil, err
		}
	}
	s.pending = nil
	return nil, nil
}

func (s *folder) Close() error { return nil }

func (s *folder) read() []string {
	var list []string
	entries, _ := os.ReadDir(s.dir)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			list = append(list, e.Name())
		}
	}
	return list
}

// reverse is a hasher that writes passwords backwards behind a salt, with switches for what can be wrong with one.
type reverse struct {
	password.UnimplementedHasher
	fault string
	made  int
}

func (h *reverse) Verify(_ context.Context, encoded string, plain []byte, _ password.Context) password.Result {
	_, text, ok := strings.Cut(encoded[len("rev$"):], "$")
	switch {
	case h.fault == "takes every password":
		return password.Result{Outcome: password.Match}
	case h.fault == "takes no password":
		return password.Result{Outcome: password.Mismatch}
	case h.fault == "takes the beginning of a hash" && strings.HasPrefix(string(backwards(plain)), text):
		return password.Result{Outcome: password.Match}
	case h.fault == "panics at the beginning of a hash" && text == "":
		panic("no")
	case ok && text == string(backwards(plain)):
		return password.Result{Outcome: password.Match}
	}
	return password.Result{Outcome: password.Mismatch}
}

func (h *reverse) Hash(_ context.Context, plain []byte, _ password.Context) (string, error) {
	h.made++
	if h.fault == "has no salt" {
		h.made = 1
	}
	if h.fault == "hashes what it does not verify" {
		plain = append([]byte("."), plain...)
	}
	return fmt.Sprintf("rev$%d$%s", h.made, backwards(plain)), nil
}

func (h *reverse) NeedsRehash(string) (bool, string) {
	return h.fault == "is never content", "it is old"
}

func backwards(plain []byte) []byte {
	b := slices.Clone(plain)
	slices.Reverse(b)
	return b
}

// suites run a suite over a connector with the given fault.
var suites = map[string]func(t *testing.T, fault string){
	"source": func(t *testing.T, fault string) {
		Source(t, SourceCase{
			New:        func(*testing.T) pipeline.Source { return &memory{fault: fault} },
			Want:       wanted,
			Secrets:    []string{secret},
			Unopenable: unopenable(fault),
		})
	},
	"transform": func(t *testing.T, fault string) {
		Transform(t, TransformCase{
			New:     func(*testing.T) pipeline.Transform { return &doubler{fault: fault} },
			Records: []string{`{"a":1}`, `{"a":0}`, `{"a":"hunter2"}`, `{"a":2}`, `{"a":3}`},
			Want:    []string{`{"a":2}`, "skipped: filtered", "failed: doubler.no_number", `{"a":4}`, `{"a":6}`},
			Secrets: []string{secret},
		})
	},
	"sink": func(t *testing.T, fault string) {
		Sink(t, SinkCase{
			Target: func(t *testing.T) Target {
				dir := t.TempDir()
				return Target{Dir: dir, New: func() pipeline.Sink { return &folder{fault: fault, dir: dir} }, Read: (&folder{dir: dir}).read}
			},
			Records: []string{`{"a":1}`, `{"a":2}`, `{"a":3}`, `{"a":4}`, `{"a":5}`},
			Want:    []string{"1", "2", "3", "4", "5"},
			Secrets: []string{secret},
		})
	},
	"hasher": func(t *testing.T, fault string) {
		spec := password.HasherSpec{Name: "reverse", Layout: "rev$<salt>$<text>", Pattern: `rev\$[0-9]+\$[^\x00]*`, NUL: true,
			Samples: []password.Sample{{Encoded: "rev$7$esroh tcerroc", Password: []byte("correct horse")}}}
		switch fault {
		case "has no sample":
			spec.Samples = nil
		case "looks like another":
			spec.Pattern, spec.Samples[0].Encoded = ".*", "$2y$10$7EqJtq98hPqEX7fNZaFWoOhi5JMmmzmUbGXFWHwS9QmFPnZh5kE2u"
		}
		Hasher(t, HasherCase{Spec: spec, New: func(*testing.T) password.Hasher { return &reverse{fault: fault} }, Others: []string{"rev$$x", "$1$a$b"}})
	},
}

// unopenable makes sources that cannot be opened, each in its own way.
func unopenable(fault string) func(*testing.T) pipeline.Source {
	own := map[string]string{
		"":                        "cannot be opened",
		"can be opened after all": "",
		"shows a secret in Open":  "cannot be opened and shows a secret",
		"says nothing in Open":    "cannot be opened for no reason",
	}
	if in, ok := own[fault]; ok {
		return func(*testing.T) pipeline.Source { return &memory{fault: in} }
	}
	return nil
}

// TestGoodConnectors: the suites pass what keeps every promise.
func TestGoodConnectors(t *testing.T) {
	for name, suite := range suites {
		t.Run(name, func(t *testing.T) { suite(t, "") })
	}
}

// TestBrokenConnectors: the suites fail for everything that can be wrong, each in a process of its own.
func TestBrokenConnectors(t *testing.T) {
	if which := os.Getenv("ACCEPTANCE_TEST_FAULT"); which != "" {
		kind, fault, _ := strings.Cut(which, ": ")
		leakPatience = 0 // for what is never going to end
		suites[kind](t, fault)
		return
	}
	for _, tt := range []struct{ fault, says string }{
		{"source: leaks a file", "is still open"},
		{"source: leaks a goroutine", "goroutines are left"},
		{"source: ignores cancellation", "want context.Canceled"},
		{"source: loses the last record", "1 are missing"},
		{"source: gives more than max", "gave 2 records"},
		{"source: repeats a record at a batch's end", "more and more records"},
		{"source: begins again behind the end", "io.EOF was to be expected again"},
		{"source: gives a batch with the end", "io.EOF was to be expected again"},
		{"source: gives an empty batch", "gave 0 records"},
		{"source: says no place", "has no place"},
		{"source: counts places by batch", "places: number"},
		{"source: uses memory again", "records: number 0 is"},
		{"source: decides good records", "is decided by the source"},
		{"source: fails a record without a reason", "without an error that says why"},
		{"source: shows a secret in a problem", "shows a secret"},
		{"source: gives no positions", "has no position After"},
		{"source: goes on one record late", "records behind the position"},
		{"source: is ahead of its size", "of 5"},
		{"source: has another fingerprint every time", "though nothing changed"},
		{"source: loses rejects", "rejects read again"},
		{"source: cannot be closed", "Close"},
		{"source: says nothing in Open", "no *pipeline.Error"},
		{"source: shows a secret in Open", "shows a secret"},
		{"source: can be opened after all", "Open gave no error"},
		{"transform: drops records", "behind the transform"},
		{"transform: changes the order", "with the place"},
		{"transform: touches decided records", "decided already"},
		{"transform: changes values in place", "changed in place"},
		{"transform: depends on the batch", "records in batches of 3"},
		{"transform: is not safe side by side", "beside other batches"},
		{"transform: shows a secret", "shows a secret"},
		{"transform: fails without a code", "without code or message"},
		{"transform: filters without a reason", "without a reason"},
		{"hasher: has no sample", "has no sample"},
		{"hasher: takes every password", "another password"},
		{"hasher: takes no password", "its password gives mismatch"},
		{"hasher: takes the beginning of a hash", "bytes of a hash give match"},
		{"hasher: panics at the beginning of a hash", "the hasher panicked"},
		{"hasher: looks like another", "is taken for a hash of the format"},
		{"hasher: has no salt", "the same hash twice"},
		{"hasher: hashes what it does not verify", "a hash that it made gives mismatch"},
		{"hasher: is never content", "hash again at once"},
		{"sink: leaves records undecided", "did not decide record 1"},
		{"sink: touches decided records", "decided"},
		{"sink: cannot write twice", "it is there"},
		{"sink: writes twice", "what is there"},
		{"sink: writes in a plan", "what is there after a plan"},
		{"sink: leaves traces in a plan", "what is there after a plan"},
		{"sink: plans something else", "outcomes of a plan"},
		{"sink: loses the last of a large batch", "what is there after batches of"},
		{"sink: does not resume", "cannot go on"},
		{"sink: writes at once", "outcomes of the resumed run"},
		{"sink: shows a secret", "shows a secret"},
		{"sink: cannot be opened for no reason", "Open"},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestBrokenConnectors$", "-test.timeout=60s")
			cmd.Env = append(os.Environ(), "ACCEPTANCE_TEST_FAULT="+tt.fault)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("the suite passes it:\n%s", out)
			}
			if !strings.Contains(string(out), tt.says) || strings.Contains(string(out), "panic:") {
				t.Errorf("the suite does not say %q:\n%s", tt.says, out)
			}
			if strings.Contains(tt.fault, "secret") && strings.Contains(string(out), secret) {
				t.Errorf("the suite itself shows the secret:\n%s", out)
			}
		})
	}
}
