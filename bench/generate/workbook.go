package main

import (
	"bufio"
	"strconv"

	"github.com/xuri/excelize/v2"

	"github.com/usher-id/usher/bench/users"
)

// writeWorkbook writes texts into the cells, as programs do, or into the table of shared strings, as Excel does.
func writeWorkbook(w *bufio.Writer, n int, maker users.Maker, sharedStrings bool) error {
	f := excelize.NewFile()
	defer f.Close()
	put := func(cell string, row []any) error { return f.SetSheetRow("Sheet1", cell, &row) }
	var stream *excelize.StreamWriter
	if !sharedStrings {
		var err error
		if stream, err = f.NewStreamWriter("Sheet1"); err != nil {
			return err
		}
		put = func(cell string, row []any) error { return stream.SetRow(cell, row) }
	}
	row := make([]any, len(users.Columns))
	for k, name := range users.Columns {
		row[k] = name
	}
	if err := put("A1", row); err != nil {
		return err
	}
	var cells []string
	for i := range n {
		cells = maker.Cells(cells[:0], i)
		for k, c := range cells {
			row[k] = c
		}
		row[6] = cells[6] == "true"
		row[7], _ = strconv.Atoi(cells[7])
		row[12], _ = strconv.ParseFloat(cells[12], 64)
		if err := put("A"+strconv.Itoa(i+2), row); err != nil {
			return err
		}
	}
	if stream != nil {
		if err := stream.Flush(); err != nil {
			return err
		}
	}
	return f.Write(w)
}
