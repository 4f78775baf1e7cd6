// Command read reads the source of a pipeline file to its end, as the engine does, and throws the records away: what the
// source alone costs.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/usher-id/usher/connectors"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/definition"
)

// batchSize is the engine's.
const batchSize = 250

type summary struct {
	Total  int64 `json:"total"`
	Failed int64 `json:"failed"`
}

func main() {
	debug.SetGCPercent(200) // as usher has it
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: read PIPELINE")
		os.Exit(2)
	}
	sum, err := read(context.Background(), os.Args[1])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(map[string]summary{"summary": sum})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "read:", err)
		os.Exit(1)
	}
}

func read(ctx context.Context, file string) (sum summary, err error) {
	p, err := definition.Load(file, connectors.Default(), pipeline.Env{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return sum, err
	}
	if err := p.Source.Open(ctx); err != nil {
		return sum, err
	}
	for {
		batch, err := p.Source.Next(ctx, batchSize)
		if errors.Is(err, io.EOF) {
			return sum, p.Source.Close()
		}
		if err != nil {
			return sum, errors.Join(err, p.Source.Close())
		}
		sum.Total += int64(len(batch.Records))
		for i := range batch.Records {
			if batch.Records[i].Outcome.Errors != nil {
				sum.Failed++
			}
		}
	}
}
