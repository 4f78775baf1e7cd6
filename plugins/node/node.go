// Package node makes a hasher of a script with a pair of JavaScript functions, as they are written for Authing's own password encryption: one
// that hashes a password, encrypt(password) or encryptPassword(password), and one that tells whether a password fits a hash,
// validate(password, encrypted), comparePassword or validatePassword. Node runs the script as it is, in one process beside this one.
package node

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/sdk"
)

//go:embed host.js
var host string

// startTimeout is how long Node may take to load the script.
const startTimeout = 15 * time.Second

// sample is what the script is tried with. It is no secret.
const sample = "correct horse battery staple"

// Serve serves the script's functions as a hasher to the usher that has started this process. It returns only if they cannot be.
func Serve(ctx context.Context, script string) error {
	p, err := Start(ctx, script)
	if err != nil {
		return err
	}
	t, err := p.Type(ctx)
	if err != nil {
		return err
	}
	go func() {
		<-p.done
		fmt.Fprintln(os.Stderr, "node ended")
		os.Exit(1) // usher starts the plugin again
	}()
	sdk.Serve(sdk.Hasher(t))
	return nil
}

// Process is a running script. It is for any number of goroutines.
type Process struct {
	name      string
	encrypts  bool
	validates bool
	cmd       *exec.Cmd
	requests  io.WriteCloser
	done      chan struct{}

	mu      sync.Mutex
	next    int64
	waiting map[int64]chan answer
}

type request struct {
	ID        int64   `json:"id"`
	Password  string  `json:"password"`
	Encrypted *string `json:"encrypted,omitempty"`
}

type answer struct {
	ID        int64  `json:"id"`
	Encrypts  bool   `json:"encrypts"`
	Validates bool   `json:"validates"`
	Encrypted string `json:"encrypted"`
	Fits      bool   `json:"fits"`
	Error     string `json:"error"`
	Place     string `json:"place"`
}

var notInNames = regexp.MustCompile(`[^a-z0-9_.-]+`)

// Start has Node load a script. The process ends with Close.
func Start(ctx context.Context, script string) (*Process, error) {
	if _, err := os.Stat(script); err != nil {
		return nil, &pipeline.Error{Code: "node.no_script", Message: "the script cannot be read: " + err.Error(), Hint: "check the path"}
	}
	program, err := exec.LookPath("node")
	if err != nil {
		return nil, &pipeline.Error{Code: "node.missing", Message: "Node.js is not on the search path", Hint: "install it (Debian: apt install nodejs), or set PATH"}
	}
	in, requests, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	answers, out, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, in.Close(), requests.Close())
	}
	base := filepath.Base(script)
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(strings.TrimSuffix(base, filepath.Ext(base))), "-"), "-.")
	p := &Process{name: name, requests: requests, done: make(chan struct{}), waiting: map[int64]chan answer{}}
	p.cmd = exec.Command(program, "-e", host, script)
	p.cmd.Stderr, p.cmd.ExtraFiles = os.Stderr, []*os.File{in, out}
	err = errors.Join(p.cmd.Start(), in.Close(), out.Close())
	if err != nil {
		return nil, errors.Join(err, requests.Close(), answers.Close())
	}
	lines := bufio.NewScanner(answers)
	lines.Buffer(nil, 16<<20)
	started := make(chan answer, 1)
	go p.read(lines, answers, started)
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	select {
	case first := <-started:
		if first.Error != "" {
			p.Close()
			return nil, &pipeline.Error{Code: "node.bad_script", Message: fmt.Sprintf("%s cannot be used: %s", base, first.Error), Hint: first.Place}
		}
		p.encrypts, p.validates = first.Encrypts, first.Validates
		return p, nil
	case <-ctx.Done():
		p.Close()
		return nil, &pipeline.Error{Code: "node.bad_script", Message: fmt.Sprintf("Node does not load %s within %s", base, startTimeout)}
	}
}

// read hands the answers to who waits for them.
func (p *Process) read(lines *bufio.Scanner, answers io.Closer, started chan<- answer) {
	first := true
	for lines.Scan() {
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			break
		}
		if first {
			first = false
			started <- a
			continue
		}
		p.mu.Lock()
		to := p.waiting[a.ID]
		delete(p.waiting, a.ID)
		p.mu.Unlock()
		if to != nil {
			to <- a
		}
	}
	if first {
		started <- answer{Error: "Node ended while it loaded it"}
	}
	_ = answers.Close()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	close(p.done)
}

// Close ends the process.
func (p *Process) Close() {
	_ = p.requests.Close()
	_ = p.cmd.Process.Kill()
	<-p.done
}

// ask sends a request and waits for its answer.
func (p *Process) ask(ctx context.Context, plain []byte, encrypted *string) (answer, error) {
	if !utf8.Valid(plain) {
		return answer{}, errors.New("the password is not UTF-8: JavaScript has no such strings")
	}
	back := make(chan answer, 1)
	p.mu.Lock()
	p.next++
	id := p.next
	p.waiting[id] = back
	line, err := json.Marshal(request{id, string(plain), encrypted})
	if err == nil {
		_, err = p.requests.Write(append(line, '\n'))
	}
	clear(line)
	p.mu.Unlock()
	if err != nil {
		return answer{}, errors.New("the script's process has ended")
	}
	select {
	case a := <-back:
		if a.Error != "" {
			return a, errors.New("the function threw " + a.Error)
		}
		return a, nil
	case <-p.done:
		return answer{}, errors.New("the script's process has ended")
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
}

// Type is the hasher that the script makes. Its sample is a hash that the script has just made.
func (p *Process) Type(ctx context.Context) (sdk.HasherType, error) {
	t := sdk.HasherType{
		HasherSpec: password.HasherSpec{Name: p.name, Summary: "The functions of a script in JavaScript.", Layout: "<what the script writes>", NUL: true},
		New:        func(pipeline.Env, *pipeline.Config) (password.Hasher, error) { return p.Hasher(), nil },
	}
	if !p.encrypts {
		return t, &pipeline.Error{Code: "node.no_encrypt", Message: "the script has no function that hashes a password, with which the other can be tried",
			Hint: "write encrypt(password); it may give the same for the same password"}
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	a, err := p.ask(ctx, []byte(sample), nil)
	if err != nil {
		return t, &pipeline.Error{Code: "node.bad_script", Message: "the script does not hash a password: " + err.Error()}
	}
	t.Samples = []password.Sample{{Encoded: a.Encrypted, Password: []byte(sample)}}
	return t, nil
}

// Hasher gives the functions as a hasher.
func (p *Process) Hasher() password.Hasher { return &hasher{process: p} }

type hasher struct {
	password.UnimplementedHasher
	process *Process
}

// Verify implements password.Hasher.
func (h *hasher) Verify(ctx context.Context, encoded string, plain []byte, _ password.Context) password.Result {
	a, err := h.process.ask(ctx, plain, &encoded)
	switch {
	case err != nil:
		return password.Result{Outcome: password.Unsupported, Reason: err.Error()}
	case a.Fits:
		return password.Result{Outcome: password.Match}
	}
	return password.Result{Outcome: password.Mismatch}
}

// Hash implements password.Maker.
func (h *hasher) Hash(ctx context.Context, plain []byte, _ password.Context) (string, error) {
	a, err := h.process.ask(ctx, plain, nil)
	return a.Encrypted, err
}
