package sqlsource

import (
	"context"
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
	folded := map[string]*joined{}
	var keys []any
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
			keys = append(keys, raw)
			if _, isText := raw.(string); isText {
				// A second key of the same folded text makes the folded form say nothing.
				if other, twice := folded[fold(text)]; twice && other != j {
					folded[fold(text)] = nil
				} else {
					folded[fold(text)] = j
				}
			}
		}
		j.records = append(j.records, i)
	}
	for part := range slices.Chunk(keys, joinKeys) {
		if err := r.readSide(ctx, l, w, part, found, folded, c); err != nil {
			return err
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

// readSide reads the rows of a joined query for some keys.
func (r *reader) readSide(ctx context.Context, l *link, w *side, keys []any, found, folded map[string]*joined, c *chunk) error {
	// The number of keys in a query is always one of a few, so that the server knows the statement; the last key fills up.
	n := 8
	for n < len(keys) {
		n = min(2*n, joinKeys)
	}
	padded := slices.Clone(keys)
	for len(padded) < n {
		padded = append(padded, keys[len(keys)-1])
	}
	st := &statement{dialect: r.dialect}
	values := map[string]any{"keys": padded}
	for name, v := range r.params {
		values[name] = v
	}
	wrapped := !w.template.uses("keys")
	if wrapped {
		st.write("SELECT * FROM (")
	}
	if err := st.template(w.template, values); err != nil {
		return err
	}
	if wrapped {
		st.write("\n) AS w WHERE ", r.dialect.quote(w.on), " IN (")
		for i, key := range padded {
			if i > 0 {
				st.write(", ")
			}
			st.arg(key)
		}
		st.write(")")
	}
	rows, err := l.query(ctx, st.text.String(), st.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	s, err := r.newCells(rows, w.name+".")
	if err != nil {
		return err
	}
	on := s.find(w.on)
	if on == nil || on.key == nil {
		return &pipeline.Error{Code: "sql.unknown_column", Message: fmt.Sprintf("the joined query %s has no column %s that could be a key", w.name, w.on),
			Hint: "name the column that holds the record's key in with." + w.name + ".on"}
	}
	on.keep = true
	if w.as == "map" && len(s.cells) != 3 {
		return &pipeline.Error{Code: "sql.bad_map", Message: fmt.Sprintf("the joined query %s gives %d columns; a map takes three", w.name, len(s.cells)),
			Hint: "select " + w.on + ", a name and a value"}
	}
	for rows.Next() {
		if err := s.scan(rows); err != nil {
			return err
		}
		if on.raw == nil {
			continue
		}
		text := matchText(on.raw)
		j := found[text]
		if j == nil { // the database may pass over case and accents
			if j = folded[fold(text)]; j == nil {
				continue
			}
		}
		for i := range s.cells {
			if cell := &s.cells[i]; cell != on && cell.note != nil {
				for _, record := range j.records {
					cell.note.tell(&c.records[record], w.name+"."+cell.name)
				}
			}
		}
		j.add(w.as, s, on)
	}
	return rows.Err()
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
