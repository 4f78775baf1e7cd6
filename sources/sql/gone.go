package sqlsource

import (
	"context"
	"errors"
	"io"
	"maps"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// withGone reads first who is gone, by deleted_query, and then who is there: somebody who was deleted and came back is
// there in the end, and what the gone held is free for others. The watermark is found before either, so that who is
// deleted meanwhile is found by the next run.
type withGone struct {
	*source
	gone *source
	over bool // everybody who is gone was read
}

var (
	_ pipeline.Resumer     = (*withGone)(nil)
	_ pipeline.Measurer    = (*withGone)(nil)
	_ pipeline.Incremental = (*withGone)(nil)
)

func newWithGone(s *source) *withGone {
	return &withGone{source: s, gone: &source{env: s.env, dialect: s.dialect, scrubber: s.scrubber, query: s.deletedQuery, params: maps.Clone(s.params),
		size: s.size, timeout: s.timeout, reconnect: s.reconnect, types: s.types, origin: originOf(s.deletedQuery), ofGone: true}}
}

func (w *withGone) Open(ctx context.Context) error { return w.begin(ctx, nil, nil) }

// OpenAt implements pipeline.Resumer.
func (w *withGone) OpenAt(ctx context.Context, after []byte) error {
	p, err := parseGonePosition(after)
	if err != nil {
		return badPosition()
	}
	if p == nil {
		w.over = true
		return w.source.OpenAt(ctx, after)
	}
	return w.begin(ctx, &p.gone, &position{cursor: p.cursor})
}

func (w *withGone) begin(ctx context.Context, gone, users *position) error {
	w.over = false
	if w.cursor != nil {
		if from, ok := w.cursor.from(); ok {
			w.gone.params["cursor"] = w.dialect.argument(from)
		}
	}
	if err := w.reach(ctx, users); err != nil {
		return err
	}
	return w.gone.open(ctx, gone)
}

func (w *withGone) Next(ctx context.Context, limit int) (*pipeline.Batch, error) {
	if !w.over {
		b, err := w.gone.Next(ctx, limit)
		if err == nil {
			for i := range b.Records {
				b.Records[i].Gone = true
			}
			if b.After != nil {
				b.After = appendGonePosition(nil, b.After, w.reader.watermark)
			}
			return b, nil
		}
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
		w.over = true
		if err := w.gone.Close(); err != nil {
			return nil, err
		}
		w.readAhead(ctx)
	}
	return w.source.Next(ctx, limit)
}

func (w *withGone) Close() error {
	err := w.gone.Close()
	return errors.Join(w.source.Close(), err)
}

// Progress implements pipeline.Measurer.
func (w *withGone) Progress() (done, total int64) {
	done, total = w.source.Progress()
	if gone := w.gone.done.Load(); total > 0 {
		total += gone
	}
	return done + w.gone.done.Load(), total
}

// gonePosition is a position among those who are gone, with what the cursor will be when the run is complete.
type gonePosition struct {
	gone   position
	cursor string
}

func appendGonePosition(dst, gone []byte, cursor string) []byte {
	dst = append(append(dst, `{"gone":`...), gone...)
	dst = value.AppendString(append(dst, `,"cursor":`...), cursor)
	return append(dst, '}')
}

// parseGonePosition gives nil for a position among those who are there.
func parseGonePosition(text []byte) (*gonePosition, error) {
	v, err := value.ParseJSON(text)
	if err != nil {
		return nil, err
	}
	o, _ := v.(*value.Object)
	gone, ok := o.Get("gone")
	if !ok {
		return nil, nil
	}
	p, err := parsePosition(value.AppendJSON(nil, gone))
	if err != nil {
		return nil, err
	}
	cursor, _ := o.Get("cursor")
	mark, _ := cursor.(string)
	return &gonePosition{*p, mark}, nil
}

// firstColumn gives the name of the query's first column.
func (r *reader) firstColumn(ctx context.Context, l *link) (string, error) {
	st := &statement{dialect: r.dialect}
	st.write("SELECT *")
	if err := r.writeFrom(st); err != nil {
		return "", err
	}
	st.write(" WHERE 1 = 0")
	rows, err := l.query(ctx, st.text.String(), st.args...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil || len(names) == 0 {
		return "", errors.Join(err, rows.Err())
	}
	return names[0], rows.Close()
}
