package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
	"github.com/usher-id/usher/pipeline/preflight"
)

// prove verifies the passwords that the pipeline file says are known, nil where it says none. A pipeline is good for one pass, so that its
// file is read once more.
func (a *app) prove(ctx context.Context, p *definition.Pipeline) ([]preflight.Proved, error) {
	if len(p.Proofs) == 0 {
		return nil, nil
	}
	var pairs []preflight.Pair
	for _, proof := range p.Proofs {
		if proof.File == "" {
			pairs = append(pairs, preflight.Pair{User: proof.User, Where: proof.Where, Password: proof.Password, Secrets: proof.Secrets})
			continue
		}
		more, err := preflight.ReadPairs(proof.File, proof.Secrets)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, more...)
	}
	env := a.env()
	env.Stdin, env.Stdout = onceOnly{}, io.Discard
	pass, err := definition.Load(p.File, a.registry, env)
	if err != nil {
		return nil, err
	}
	return preflight.Prove(ctx, pass.Source, pass.Transforms, pass.Sink, preflight.Policy(pass.Passwords), pairs)
}

// proveFirst proves before a run or a plan; what cannot be proved is an error.
func (a *app) proveFirst(parent context.Context, p *definition.Pipeline, quiet bool) ([]preflight.Proved, error) {
	if len(p.Proofs) == 0 {
		return nil, nil
	}
	ctx := a.interruptible(parent)
	defer ctx.stop()
	proved, err := a.prove(ctx, p)
	switch {
	case ctx.Err() != nil:
		return nil, done(ctx.exitCode())
	case err != nil:
		return nil, err
	}
	if err := unproved(proved); err != nil {
		return nil, err
	}
	if !quiet {
		fmt.Fprintln(a.stderr, provedWords(len(proved)))
	}
	return proved, nil
}

// onceOnly stands for standard input, which the run itself needs.
type onceOnly struct{}

func (onceOnly) Read([]byte) (int, error) {
	return 0, &pipeline.Error{Code: preflight.CodeUnproved, Message: "known passwords are looked for before the run, and standard input can be read only once",
		Hint: "put the records into a file, or take prove out of the pipeline file"}
}

// unproved gives the error of a proof that does not hold, nil if it does.
func unproved(results []preflight.Proved) error {
	var wrong []preflight.Proved
	for _, r := range results {
		if !r.OK {
			wrong = append(wrong, r)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	code := wrong[0].Code
	var reasons, findings []string
	for _, r := range wrong {
		if r.Code != code {
			code = preflight.CodeUnproved
		}
		reasons = append(reasons, proofLine(r))
		for _, f := range r.Findings {
			if !slices.Contains(findings, f) {
				findings = append(findings, f)
			}
		}
	}
	if len(findings) == 0 && code == preflight.CodeMismatch {
		findings = append(findings, "no other salt position, encoding, charset or scheme was found under which it matches: is it this user's password?")
	}
	if more := len(reasons) - shownFailures; more > 0 {
		reasons = append(reasons[:shownFailures], fmt.Sprintf("… and %d more", more))
	}
	message := fmt.Sprintf("%d of %d known passwords do not verify, so that nothing is written", len(wrong), len(results))
	if len(results) == 1 {
		message = "the known password does not verify, so that nothing is written"
	}
	return &pipeline.Error{Code: code, Message: message, Hint: strings.Join(append(reasons, findings[:min(len(findings), shownFailures)]...), "\n")}
}

func proofLine(r preflight.Proved) string {
	line := r.User
	if r.Ref != "" {
		line += " (" + r.Ref + ")"
	}
	if r.OK {
		return line + ": match  " + r.Format
	}
	return line + ": " + r.Reason
}

// printProof prints what was proved for a person.
func printProof(out io.Writer, results []preflight.Proved) {
	if len(results) == 0 {
		return
	}
	fmt.Fprintln(out, "\nproof")
	for i, r := range results {
		if i == shownFailures {
			fmt.Fprintf(out, "  … and %d more\n", len(results)-i)
			break
		}
		word := "ok    "
		if !r.OK {
			word = "wrong "
		}
		fmt.Fprintln(out, "  "+word+proofLine(r))
		for _, f := range r.Findings {
			fmt.Fprintln(out, "          "+f)
		}
	}
}

func provedWords(n int) string {
	if n == 1 {
		return "the known password matches its hash"
	}
	return fmt.Sprintf("all %d known passwords match their hashes", n)
}
