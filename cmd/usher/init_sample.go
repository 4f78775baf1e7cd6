package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/profile"
)

const (
	// profileSample is how many records init looks at.
	profileSample = 10_000
	// profileReach is how far into a file it reads to draw them.
	profileReach = 500_000
	// places is in how many parts of a large table it looks.
	places = 10
)

// looked says which records were looked at: all of them, the first ones, some drawn at random from the first ones of a file, or
// some from every part of a table.
type looked struct {
	Kind string `json:"kind"`
	// Read is how many records there were to draw from.
	Read int64 `json:"read"`
}

// describe puts a sample of n records into words.
func (s looked) describe(n int64) string {
	switch {
	case n == 1:
		return "the one record"
	case s.Kind == "all":
		return fmt.Sprintf("all %d records", n)
	case s.Kind == "drawn":
		return fmt.Sprintf("%d records drawn from the first %d", n, s.Read)
	case s.Kind == "spread":
		return fmt.Sprintf("%d records from all parts", n)
	}
	return fmt.Sprintf("the first %d records", n)
}

// collect gives the collector records. What is at the beginning of a file or table is often the oldest, or of one kind.
func (a *app) collect(ctx context.Context, in *input, table *profile.Table, limit int64, collector *profile.Collector) (looked, error) {
	if table != nil {
		return a.collectTable(ctx, in, table, limit, collector)
	}
	var (
		s      looked
		drawn  []pipeline.Record
		number []int64 // of each drawn record
		all    bool
		// The same file always gives the same pipeline.
		random = rand.New(rand.NewPCG(1, 2))
	)
	reach := max(limit, profileReach)
	err := a.readFile(ctx, in, func(batch *pipeline.Batch) bool {
		for i := range batch.Records {
			if s.Read == reach {
				return false
			}
			if s.Read < limit {
				drawn, number = append(drawn, batch.Records[i]), append(number, s.Read)
			} else if k := random.Int64N(s.Read + 1); k < limit {
				drawn[k], number[k] = batch.Records[i], s.Read
			}
			s.Read++
		}
		return true
	}, &all)
	if err != nil {
		return s, err
	}
	s.Kind = "drawn"
	if int64(len(drawn)) == s.Read {
		if s.Kind = "first"; all {
			s.Kind = "all"
		}
	}
	order := make([]int, len(drawn))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(number[a], number[b]) })
	for _, i := range order {
		collector.Add(&drawn[i])
	}
	return s, nil
}

// maxArrays is how many arrays in a JSON object are tried for users.
const maxArrays = 10

// arraysIn gives the dotted paths to arrays of objects, as far as they begin in the head of a file that is one JSON object.
func arraysIn(head []byte) (paths []string) {
	d := jsontext.NewDecoder(bytes.NewReader(head))
	if d.PeekKind() != '{' {
		return nil
	}
	for len(paths) < maxArrays {
		array := d.PeekKind() == '['
		if _, err := d.ReadToken(); err != nil {
			return paths
		}
		if d.StackDepth() == 0 && d.PeekKind() != 0 {
			return nil // objects, one after the other, are records
		}
		if !array {
			continue
		}
		names := slices.Collect(d.StackPointer().Tokens())
		if d.PeekKind() == '{' && !slices.ContainsFunc(names, func(name string) bool { return name == "" || strings.Contains(name, ".") }) {
			paths = append(paths, strings.Join(names, "."))
		}
		for depth := d.StackDepth(); d.StackDepth() >= depth; {
			if _, err := d.ReadToken(); err != nil {
				return paths
			}
		}
	}
	return paths
}

// collectInside is collect for a file that is an object around its records: the first array in it whose elements can be told apart as users.
func (a *app) collectInside(ctx context.Context, in *input, limit int64) (*profile.Collector, looked, bool) {
	for _, at := range in.arrays {
		in.options["at"] = at
		collector := profile.New()
		if s, err := a.collect(ctx, in, nil, limit, collector); err == nil && profile.Suggest(collector.Profile()).Identifier != "" {
			in.written = append(in.written, profile.Option{Name: "at", Value: at, Comment: "the array of the records"})
			return collector, s, true
		}
	}
	delete(in.options, "at")
	return nil, looked{}, false
}

// collectTable reads a table from its beginning, or a large one whose key is a whole number in several places.
func (a *app) collectTable(ctx context.Context, in *input, table *profile.Table, limit int64, collector *profile.Collector) (looked, error) {
	s := looked{Kind: "first"}
	add := func(most int64) func(*pipeline.Batch) bool {
		return func(batch *pipeline.Batch) bool {
			for i := range batch.Records {
				if most == 0 {
					return false
				}
				most--
				s.Read++
				collector.Add(&batch.Records[i])
			}
			return true
		}
	}
	if table.Rows > 2*limit && limit >= places && len(table.Key) == 1 && in.dialect != "sqlserver" {
		low, high, err := a.keyRange(ctx, in, table)
		if err != nil {
			return s, err
		}
		if step := (high - low) / places; step > 0 {
			s.Kind = "spread"
			key, name := quoteName(in.dialect, table.Key[0]), quoteName(in.dialect, table.Name)
			for i := range int64(places) {
				// What the next place begins with is not read twice; the last place is the end of the table.
				from := low + i*step
				rest := fmt.Sprintf(" AND %s < %d ORDER BY %[1]s", key, from+step)
				if i == places-1 {
					rest = fmt.Sprintf(" ORDER BY %s DESC", key)
				}
				query := fmt.Sprintf("SELECT * FROM %s WHERE %s >= %d%s LIMIT %d", name, key, from, rest, limit/places)
				var end bool
				if err := a.read(ctx, "sql", map[string]string{"dsn": in.options["dsn"], "query": query}, add(limit), &end); err != nil {
					return s, err
				}
			}
			return s, nil
		}
	}
	var all bool
	err := a.read(ctx, in.source, in.options, add(limit), &all)
	if all {
		s.Kind = "all"
	}
	return s, err
}

// keyRange gives the smallest and the largest key of a table; both are 0 where they are no whole numbers.
func (a *app) keyRange(ctx context.Context, in *input, table *profile.Table) (low, high int64, err error) {
	key := quoteName(in.dialect, table.Key[0])
	query := fmt.Sprintf("SELECT MIN(%s) AS low, MAX(%[1]s) AS high FROM %s", key, quoteName(in.dialect, table.Name))
	var end bool
	err = a.read(ctx, "sql", map[string]string{"dsn": in.options["dsn"], "query": query}, func(batch *pipeline.Batch) bool {
		first, _ := batch.Records[0].Source.Get("low")
		last, _ := batch.Records[0].Source.Get("high")
		from, whole := first.(int64)
		to, too := last.(int64)
		if whole && too && to-from > 0 { // not where the difference overflows
			low, high = from, to
		}
		return true
	}, &end)
	return low, high, err
}

// quoteName writes the name of a table or column, with its schema if it has one.
func quoteName(dialect, name string) string {
	mark := `"`
	if dialect == "mysql" {
		mark = "`"
	}
	parts := strings.Split(name, ".")
	for i, part := range parts {
		parts[i] = mark + strings.ReplaceAll(part, mark, mark+mark) + mark
	}
	return strings.Join(parts, ".")
}
