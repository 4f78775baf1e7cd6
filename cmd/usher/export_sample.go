package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
)

const (
	// exportSample is how many users the columns of an export are tried on, maxTried how many are read for that.
	exportSample = 100
	maxTried     = 1000
)

// columnSample is what became of one column in a sample.
type columnSample struct {
	name          string
	failed, empty int
	problem       pipeline.Problem
}

// exportSampled is what became of a sample.
type exportSampled struct {
	users   int
	columns []columnSample
	by      *expression.Program // what is sorted by, nil for nothing
	keys    int                 // users who have a key
}

// trySample makes the columns of the first records of a pipeline. It does not sort: which records it sees is not
// important, and sorting takes the time of reading them all.
func trySample(ctx context.Context, p *definition.Pipeline, columns []string, by *expression.Program) (*exportSampled, error) {
	defer p.Source.Close()
	if c, ok := p.Source.(pipeline.Cursored); ok {
		c.SetCursor(nil)
	}
	if err := p.Source.Open(ctx); err != nil {
		return nil, err
	}
	var transforms []pipeline.Transform
	for _, t := range p.Transforms {
		if _, arranges := t.(pipeline.Arranger); arranges {
			continue
		}
		if o, ok := t.(pipeline.Ordered); ok {
			if err := o.Ordered(ctx); err != nil {
				return nil, err
			}
			defer o.Close()
		}
		transforms = append(transforms, t)
	}
	s := &exportSampled{columns: make([]columnSample, len(columns)), by: by}
	for i, name := range columns {
		s.columns[i].name = name
	}
	for read := 0; read < maxTried && s.users < exportSample; {
		b, err := p.Source.Next(ctx, exportSample)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		read += len(b.Records)
		for i := range b.Records {
			b.Records[i].Fields = b.Records[i].Source
		}
		for _, t := range transforms {
			if err := t.Apply(ctx, b); err != nil {
				return nil, err
			}
		}
		for i := range b.Records {
			s.see(&b.Records[i])
		}
	}
	return s, nil
}

// see counts what became of a record's columns.
func (s *exportSampled) see(r *pipeline.Record) {
	problems := r.Outcome.Warnings
	if r.Outcome.Decision == pipeline.Failed {
		problems = r.Outcome.Errors // with strict
	}
	if r.Source == nil || r.Outcome.Decision == pipeline.Skipped {
		return
	}
	s.users++
	if s.by != nil {
		if key, err := s.by.Eval(r.Source); err == nil && key != nil {
			s.keys++
		}
	}
	for i := range s.columns {
		c := &s.columns[i]
		failed := false
		for _, p := range problems {
			if p.Field == c.name {
				failed, c.problem = true, p
			}
		}
		switch v, _ := r.Fields.Get(c.name); {
		case failed:
			c.failed++
		case v == nil && r.Open():
			c.empty++
		}
	}
}

// report says which columns came to nothing. One that fails for everybody is an error where it would have every record fail.
func (s *exportSampled) report(w io.Writer, strict bool) error {
	if s.users == 0 {
		return nil
	}
	of := fmt.Sprintf("all %d users of a sample", s.users)
	if s.users == 1 {
		of = "the one user of a sample"
	}
	for _, c := range s.columns {
		switch {
		case c.failed == s.users && strict:
			return &usageError{"usage.field", fmt.Sprintf("--field %s fails for %s: %s", c.name, of, c.problem.Message), "mend the expression; nothing was written"}
		case c.failed == s.users:
			fmt.Fprintf(w, "note: the column %s fails for %s: %s [%s]\n", c.name, of, c.problem.Message, c.problem.Code)
		case c.empty == s.users:
			fmt.Fprintf(w, "note: the column %s is empty for %s\n", c.name, of)
		}
	}
	if s.by != nil && s.keys == 0 {
		fmt.Fprintf(w, "note: there is nothing to sort by, %s is missing or fails for %s\n", s.by.Text(), of)
	}
	return nil
}

// untouched is a standard input that nobody is to read.
type untouched struct{ touched bool }

func (u *untouched) Read([]byte) (int, error) {
	u.touched = true
	return 0, io.EOF
}
