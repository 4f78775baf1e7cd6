package store_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/usher-id/usher/identity"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
	"github.com/usher-id/usher/sinks/store"
)

func TestAcceptance(t *testing.T) {
	sink := func(t *testing.T, path string) pipeline.Sink {
		return acceptance.NewSink(t, store.Type, pipeline.Env{}, `{dsn: "sqlite:`+path+`", upsert: true, raw: true, on_update: {mfa: {totp: set}}}`)
	}
	acceptance.Sink(t, acceptance.SinkCase{
		Target: func(t *testing.T) acceptance.Target {
			dir := t.TempDir()
			return acceptance.Target{
				New: func() pipeline.Sink { return sink(t, filepath.Join(dir, "users.db")) },
				Read: func() []string {
					if _, err := os.Stat(filepath.Join(dir, "users.db")); err != nil {
						return nil
					}
					var lines []string
					s, err := identity.Open(context.Background(), "sqlite:users.db", dir, "", identity.Read)
					if err != nil {
						t.Fatal(err)
					}
					defer s.Close()
					for u, err := range s.Users(context.Background()) {
						if err != nil {
							t.Fatal(err)
						}
						u.Raw = ""
						lines = append(lines, shown(u))
					}
					return lines
				},
				Dir: dir,
			}
		},
		Records: []string{
			`{"email":"Ann@x.com","name":"Ann","password":{"hash":"` + hashOf("X") + `"}}`,
			`{"email":"bob@x.com","mfa":{"totp":"AAAA"},"roles":["r"]}`,
			`{"email":"ann@x.com","name":"Anne"}`,
			`{"email":"eve@x.com","custom_attributes":{"n":18446744073709551615}}`,
			`{"email":"bob@x.com","mfa":{"totp":"BBBB"}}`,
		},
		Want: []string{`{"email":"ann@x.com","name":"Anne","password":"X"}`, `{"email":"bob@x.com","roles":"r","totp":"BBBB"}`,
			`{"email":"eve@x.com","custom":{"n":18446744073709551615}}`},
		Unopenable: func(t *testing.T) pipeline.Sink { return sink(t, filepath.Join(t.TempDir(), "no", "users.db")) },
		Secrets:    []string{hashOf("X"), "AAAA", "BBBB"},
	})
}
