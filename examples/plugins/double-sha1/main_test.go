package main

import (
	"testing"

	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
)

func TestAcceptance(t *testing.T) {
	acceptance.Hasher(t, acceptance.HasherCase{
		Spec: Type.HasherSpec,
		New: func(t *testing.T) password.Hasher {
			h, err := Type.New(pipeline.Env{}, pipeline.NewConfig(map[string]any{"pepper": "black"}))
			if err != nil {
				t.Fatal(err)
			}
			return h
		},
		Others: []string{"ds1$Zx81kq$f89973770f706c6ca987978a5f385054bf74806", "ds1$$f89973770f706c6ca987978a5f385054bf748062"},
	})
}
