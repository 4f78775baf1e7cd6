// Command limit is what usher is measured against: a loader written by hand for one job, bench/users as NDJSON into
// bench/store.yaml's fields, as fast as we know how. It knows the fields, reads no pipeline file, keeps no journal and stops at
// the first record that it did not expect. What it does do is what usher does: the same schema, the same normalised values, one
// look-up a batch, an outcome a record in a file that is durable with each transaction.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

// summary counts outcomes.
type summary struct {
	Total     int64 `json:"total"`
	Inserted  int64 `json:"inserted"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
}

func main() {
	mode := flag.String("mode", "store", "store, decode-map, csv, sql, excel, export-csv, export-sorted or export-xlsx")
	input := flag.String("i", "", "the NDJSON file; the DSN for sql, the workbook for excel, the store for exports")
	output := flag.String("o", "", "the store or the file")
	outcomes := flag.String("outcomes", "", "the file for an outcome a record, where users go into a store")
	schema := flag.String("schema", "identity/migrations", "the folder of the SQL that makes a store")
	flag.Parse()
	sum, err := run(*mode, *input, *output, *outcomes, *schema)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(sum)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "limit:", err)
		os.Exit(1)
	}
}

func run(mode, input, output, outcomes, schema string) (summary, error) {
	switch mode {
	case "sql":
		return readSQL(input)
	case "excel":
		return readExcel(input)
	case "export-csv":
		return exportCSV(input, output, "seq")
	case "export-sorted":
		return exportCSV(input, output, "email")
	case "export-xlsx":
		return exportXLSX(input, output)
	}
	in, err := os.Open(input)
	if err != nil {
		return summary{}, err
	}
	defer in.Close()
	switch mode {
	case "store":
		return load(in, output, outcomes, schema)
	case "decode-map":
		return decodeAndMap(in)
	case "csv":
		return writeCSV(in, output)
	}
	return summary{}, fmt.Errorf("unknown mode %q", mode)
}
