package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/usher-id/usher/internal/testplugin"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	"github.com/usher-id/usher/plugins/host"
)

// The test program is its own plugin.
func TestMain(m *testing.M) {
	if os.Getenv("USHER_PLUGIN") != "" {
		testplugin.Serve()
	}
	if os.Getenv(hostVariable) != "" {
		beHost()
	}
	os.Exit(m.Run())
}

// declare declares the test program as a plugin that misbehaves in these ways.
func declare(t testing.TB, mode string) pipeline.Plugin {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := pipeline.Plugin{Name: "testplugin", Path: self, Env: []string{testplugin.ModeVariable}}
	if p.SHA256, err = host.Checksum(p); err != nil {
		t.Fatal(err)
	}
	t.Setenv(testplugin.ModeVariable, mode)
	return p
}

// types are what the test plugin brings.
type types struct {
	host   *host.Host
	count  pipeline.SourceType
	mark   pipeline.TransformType
	number pipeline.TransformType
	lines  pipeline.SinkType
}

func load(t testing.TB, mode string) types {
	t.Helper()
	return loadPlugin(t, declare(t, mode))
}

func loadPlugin(t testing.TB, p pipeline.Plugin) types {
	t.Helper()
	h := host.New("")
	t.Cleanup(h.Close)
	list, err := h.Load(pipeline.Env{Log: testLog(t)}, p)
	if err != nil {
		t.Fatal(err)
	}
	out := types{host: h}
	for _, typ := range list {
		switch typ := typ.(type) {
		case pipeline.SourceType:
			out.count = typ
		case pipeline.SinkType:
			out.lines = typ
		case pipeline.TransformType:
			if typ.Name == "mark" {
				out.mark = typ
			} else {
				out.number = typ
			}
		}
	}
	return out
}

func TestSourceAcceptance(t *testing.T) {
	p := load(t, "")
	var want []string
	for i := range 9 {
		want = append(want, fmt.Sprintf(`{"n":%d,"name":"user %d","token":"REDACTED"}`, i, i))
	}
	acceptance.Source(t, acceptance.SourceCase{
		New: func(t *testing.T) pipeline.Source {
			return acceptance.NewSource(t, p.count, pipeline.Env{}, "{records: 9, token: swordfish}")
		},
		Want:    want,
		Secrets: []string{"swordfish"},
	})
}

func TestTransformAcceptance(t *testing.T) {
	p := load(t, "")
	records := []string{`{"n":1}`, `{"n":2,"a":null}`, `{"n":3}`, `{"n":"x"}`, `{}`}
	acceptance.Transform(t, acceptance.TransformCase{
		New: func(t *testing.T) pipeline.Transform {
			return acceptance.NewTransform(t, p.mark, pipeline.Env{}, "{field: seen, if: user.n > 1}")
		},
		Records: records,
		Want:    []string{"skipped: filtered", `{"n":2,"a":null,"seen":true}`, `{"n":3,"seen":true}`, "skipped: filtered", "skipped: filtered"},
	})
	t.Run("nothing", func(t *testing.T) {
		acceptance.Transform(t, acceptance.TransformCase{
			New:     func(t *testing.T) pipeline.Transform { return acceptance.NewTransform(t, p.mark, pipeline.Env{}, "{}") },
			Records: records, Want: records,
		})
	})
	t.Run("ordered", func(t *testing.T) {
		acceptance.Transform(t, acceptance.TransformCase{
			New: func(t *testing.T) pipeline.Transform {
				return acceptance.NewTransform(t, p.number, pipeline.Env{}, "{}")
			},
			Records: []string{`{}`, `{}`, `{}`, `{"a":1}`},
			Want:    []string{`{"number":1}`, `{"number":2}`, `{"number":3}`, `{"a":1,"number":4}`},
		})
	})
}

func TestSinkAcceptance(t *testing.T) {
	p := load(t, "")
	acceptance.Sink(t, acceptance.SinkCase{
		Target: func(t *testing.T) acceptance.Target {
			dir := t.TempDir()
			path := filepath.Join(dir, "out.ndjson")
			return acceptance.Target{
				Dir: dir,
				New: func() pipeline.Sink {
					return acceptance.NewSink(t, p.lines, pipeline.Env{Dir: dir}, fmt.Sprintf("{path: %q}", path))
				},
				Read: func() []string { return readLines(t, path) },
			}
		},
		Records: []string{`{"a":1}`, `{"a":2}`, `{"a":null}`, `{"a":4}`},
		Want:    []string{`{"a":1}`, `{"a":2}`, `{"a":null}`, `{"a":4}`},
		Unopenable: func(t *testing.T) pipeline.Sink {
			return acceptance.NewSink(t, p.lines, pipeline.Env{}, "{path: /nonexistent/folder/out.ndjson}")
		},
	})
}
