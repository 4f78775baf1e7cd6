// Command generate writes made-up users for benchmarks: NDJSON, a JSON array, CSV or Excel.
package main

import (
	"bufio"
	"encoding/csv"
	"flag"
	"fmt"
	"os"

	"github.com/usher-id/usher/bench/users"
)

func main() {
	n := flag.Int("n", 100_000, "how many users")
	seed := flag.Uint64("seed", 1, "which population")
	changed := flag.Float64("changed", 0, "the share of users with another nickname, 0 to 1")
	format := flag.String("format", "ndjson", "ndjson, array, csv, xlsx, or xlsx-shared: with shared strings, as Excel writes them")
	output := flag.String("o", "-", "the file, - for stdout")
	flag.Parse()
	if err := generate(*n, users.Maker{Seed: *seed, ChangedShare: *changed}, *format, *output); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate(n int, maker users.Maker, format, output string) error {
	file := os.Stdout
	if output != "-" {
		var err error
		if file, err = os.Create(output); err != nil {
			return err
		}
	}
	w := bufio.NewWriterSize(file, 1<<20)
	switch format {
	case "ndjson":
		var line []byte
		for i := range n {
			line = append(maker.JSON(line[:0], i), '\n')
			_, _ = w.Write(line)
		}
	case "array":
		line := []byte("[")
		for i := range n {
			if i > 0 {
				line = append(line, ",\n"...)
			}
			_, _ = w.Write(maker.JSON(line, i))
			line = line[:0]
		}
		_, _ = w.WriteString("]\n")
	case "csv":
		table := csv.NewWriter(w)
		_ = table.Write(users.Columns)
		var cells []string
		for i := range n {
			cells = maker.Cells(cells[:0], i)
			_ = table.Write(cells)
		}
		table.Flush()
	case "xlsx", "xlsx-shared":
		if err := writeWorkbook(w, n, maker, format == "xlsx-shared"); err != nil {
			return err
		}
	default:
		return fmt.Errorf("unknown format %q: ndjson, array, csv, xlsx or xlsx-shared", format)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return file.Close()
}
