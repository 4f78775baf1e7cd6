package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// joinKeys is how many keys one joined query is asked for; SQL Server takes 2100 parameters.
const joinKeys = 1000

// join reads what the joined queries give for the records of a chunk and puts it into them.
func (r *reader) join(ctx context.Context, l *link, c *chunk) error {
	needed := r.needed()
	for i := range r.sides {
		w := &r.sides[i]
		if err := r.joinSide(ctx, l, c, w, slices.Index(needed, w.key)); err != nil {
			return err
		}
	}
	return nil
}

// joined collects what belongs to one key.
type joined struct {
	records []int
	list    []any
	object  *value.Object
	// repeated are the names of a map that came more than once.
	repeated map[string]bool
}

func (r *reader) joinSide(ctx context.Context, l *link, c *chunk, w *side, at int) error {
	found := make(map[string]*joined, len(c.records))
	coarse := newCoarse()
	// Keys that the database may take for one are asked for one after the other: a row that comes for both belongs to both.
	var rounds [][]any
	times := map[string]int{}
	for i := range c.records {
		raw := c.raw[i*c.width+at]
		if raw == nil {
			continue
		}
		text := matchText(raw)
		j := found[text]
		if j == nil {
			j = &joined{}
			found[text] = j
			round := 0
			if isText(raw) {
				round = times[coarse(text)]
				times[coarse(text)]++
			}
			if round == len(rounds) {
				rounds = append(rounds, nil)
			}
			rounds[round] = append(rounds[round], raw)
		}
		j.records = append(j.records, i)
	}
	s := &sideReader{reader: r, side: w, found: found, coarse: coarse, chunk: c}
	for _, keys := range rounds {
		for part := range slices.Chunk(keys, joinKeys) {
			if err := s.read(ctx, l, part, nil); err != nil {
				return err
			}
		}
	}
	for i := range c.records {
		var j *joined
		if raw := c.raw[i*c.width+at]; raw != nil {
			j = found[matchText(raw)]
		}
		c.records[i].Source.Append(w.name, j.value(w.as))
	}
	return nil
}

func isText(key any) bool {
	_, ok := key.(string)
	return ok
}

func (j *joined) value(as string) any {
	switch {
	case as == "list" && (j == nil || j.list == nil):
		return []any{}
	case as == "list":
		return j.list
	case j != nil && j.object != nil:
		return j.object
	case as == "map":
		return value.NewObject(0)
	}
	return nil
}

// sideReader reads the rows of a joined query for the records of a chunk.
type sideReader struct {
	*reader
	side   *side
	found  map[string]*joined // by the keys
	coarse func(string) string
	chunk  *chunk
}

// read reads the rows for some keys, no two of which have one coarse form; of those with other keys only strays, where there are any.
func (s *sideReader) read(ctx context.Context, l *link, keys []any, strays map[string]bool) error {
	w := s.side
	exact, like := make(map[string]*joined, len(keys)), make(map[string]*joined, len(keys))
	for _, key := range keys {
		text := matchText(key)
		exact[text] = s.found[text]
		if isText(key) {
			like[s.coarse(text)] = s.found[text]
		}
	}
	wrapped := !w.template.uses("keys")
	rows, err := s.query(ctx, l, keys)
	if err != nil {
		return err
	}
	defer rows.Close()
	shape, err := s.newCells(rows, w.name+".")
	if err != nil {
		return err
	}
	on := shape.find(w.on)
	if on == nil || on.key == nil {
		return &pipeline.Error{Code: "sql.unknown_column", Message: fmt.Sprintf("the joined query %s has no column %s that could be a key", w.name, w.on),
			Hint: "name the column that holds the record's key in with." + w.name + ".on"}
	}
	on.keep = true
	if w.as == "map" && len(shape.cells) != 3 {
		return &pipeline.Error{Code: "sql.bad_map", Message: fmt.Sprintf("the joined query %s gives %d columns; a map takes three", w.name, len(shape.cells)),
			Hint: "select " + w.on + ", a name and a value"}
	}
	others := map[string]bool{}
	for rows.Next() {
		if err := shape.scan(rows); err != nil {
			return err
		}
		if on.raw == nil {
			continue
		}
		text := matchText(on.raw)
		j := exact[text]
		switch {
		case strays != nil && !strays[text]:
			continue // it was taken in before
		case j != nil:
		case isText(on.raw) && like[s.coarse(text)] != nil:
			j = like[s.coarse(text)] // the database may pass over case and accents
		case !wrapped:
			continue // the query may give rows for others, too
		case len(keys) > 1:
			others[text] = true
			continue
		default:
			j = s.found[matchText(keys[0])] // the database says so
		}
		for i := range shape.cells {
			if cell := &shape.cells[i]; cell != on && cell.note != nil {
				for _, record := range j.records {
					cell.note.tell(&s.chunk.records[record], w.name+"."+cell.name)
				}
			}
		}
		j.add(w.as, shape, on)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(others) == 0 {
		return err
	}
	// Rows whose keys are the same only to the database: whose they are is found by asking for fewer keys.
	half := len(keys) / 2
	if err := s.read(ctx, l, keys[:half], others); err != nil {
		return err
	}
	return s.read(ctx, l, keys[half:], others)
}

// query asks for the rows of some keys.
func (s *sideReader) query(ctx context.Context, l *link, keys []any) (*sql.Rows, error) {
	w := s.side
	// The number of keys in a query is always one of a few, so that the server knows the statement; the last key fills up.
	n := 8
	for n < len(keys) {
		n = min(2*n, joinKeys)
	}
	padded := slices.Clone(keys)
	for len(padded) < n {
		padded = append(padded, keys[len(keys)-1])
	}
	st := &statement{dialect: s.dialect}
	values := map[string]any{"keys": padded}
	for name, v := range s.params {
		values[name] = v
	}
	wrapped := !w.template.uses("keys")
	if wrapped {
		st.write("SELECT * FROM (")
	}
	if err := st.template(w.template, values); err != nil {
		return nil, err
	}
	if wrapped {
		st.write("\n) AS w WHERE ", s.dialect.quote(w.on), " IN (")
		for i, key := range padded {
			if i > 0 {
				st.write(", ")
			}
			st.arg(key)
		}
		st.write(")")
	}
	return l.query(ctx, st.text.String(), st.args...)
}

// add takes one row in.
func (j *joined) add(as string, s *shape, on *cell) {
	switch as {
	case "object":
		if j.object == nil {
			j.object = s.object(on)
		}
	case "map":
		var pair []*cell
		for i := range s.cells {
			if cell := &s.cells[i]; cell != on {
				pair = append(pair, cell)
			}
		}
		j.put(pair[0].out, pair[1].out)
	default:
		if len(s.cells) != 2 {
			j.list = append(j.list, s.object(on))
			return
		}
		for i := range s.cells {
			if cell := &s.cells[i]; cell != on {
				j.list = append(j.list, cell.out)
			}
		}
	}
}

// put sets a name of a map; a name that comes again collects a list.
func (j *joined) put(name, v any) {
	text, ok := name.(string)
	if !ok {
		if name == nil {
			return
		}
		text = keyText(name)
	}
	if j.object == nil {
		j.object = value.NewObject(8)
	}
	old, there := j.object.Get(text)
	switch {
	case !there:
		j.object.Append(text, v)
	case j.repeated[text]:
		j.object.Set(text, append(old.([]any), v))
	default:
		if j.repeated == nil {
			j.repeated = map[string]bool{}
		}
		j.repeated[text] = true
		j.object.Set(text, []any{old, v})
	}
}

// object makes an object of the row, without the key.
func (s *shape) object(on *cell) *value.Object {
	o := value.NewObject(len(s.cells))
	for i := range s.cells {
		if cell := &s.cells[i]; cell != on {
			o.Append(cell.name, cell.out)
		}
	}
	return o
}
