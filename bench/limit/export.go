package main

import (
	"bufio"
	"os"
	"strings"

	"github.com/xuri/excelize/v2"
	"zombiezen.com/go/sqlite"
)

// exportHeader is the one of bench/compare's exports.
var exportHeader = []string{"Id", "Email", "Name", "Account", "Phone", "Verified", "Logins", "Created", "Locale", "City", "Plan", "Legacy"}

// selectExport has the database work out what bench/compare's expressions do: a member of an object is looked up, wherever it stands in it.
const selectExport = "SELECT id, lower(email), coalesce(nullif(json_extract(user_metadata, '$.name'), ''), nickname), preferred_username, phone_number, " +
	"iif(email_verified, 'true', 'false'), logins_count, created_at, coalesce(nullif(locale, ''), 'en'), json_extract(user_metadata, '$.city'), " +
	"coalesce(json_extract(app_metadata, '$.plan'), 'none'), json_extract(custom_attributes, '$.legacy_id') FROM users ORDER BY "

// eachUser steps through the users of a store.
func eachUser(path, order string, row func(*sqlite.Stmt) error) (sum summary, err error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return sum, err
	}
	defer conn.Close()
	s, err := conn.Prepare(selectExport + order)
	if err != nil {
		return sum, err
	}
	for {
		more, err := s.Step()
		if err != nil || !more {
			return sum, err
		}
		if err := row(s); err != nil {
			return sum, err
		}
		sum.Total++
	}
}

// exportCSV writes the users of a store as a loop written for it would.
func exportCSV(store, path, order string) (summary, error) {
	out, err := os.Create(path)
	if err != nil {
		return summary{}, err
	}
	w := bufio.NewWriterSize(out, 256<<10)
	if _, err := w.WriteString(strings.Join(exportHeader, ",") + "\n"); err != nil {
		return summary{}, err
	}
	var line []byte
	sum, err := eachUser(store, order, func(s *sqlite.Stmt) error {
		line = line[:0]
		for i := range exportHeader {
			if i == 4 {
				line = append(append(append(line, `"'`...), s.ColumnText(i)...), `",`...)
				continue
			}
			line = appendCell(line, s.ColumnText(i))
		}
		line[len(line)-1] = '\n'
		_, err := w.Write(line)
		return err
	})
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = out.Close()
	}
	return sum, err
}

// exportXLSX is a bare loop over excelize's StreamWriter.
func exportXLSX(store, path string) (summary, error) {
	f := excelize.NewFile()
	defer f.Close()
	w, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		return summary{}, err
	}
	cells := make([]any, len(exportHeader))
	for i, name := range exportHeader {
		cells[i] = name
	}
	if err := w.SetRow("A1", cells); err != nil {
		return summary{}, err
	}
	row := 1
	sum, err := eachUser(store, "seq", func(s *sqlite.Stmt) error {
		for i := range cells {
			cells[i] = s.ColumnText(i)
		}
		cells[5], cells[6] = s.ColumnText(5) == "true", s.ColumnInt64(6)
		row++
		name, err := excelize.CoordinatesToCellName(1, row)
		if err != nil {
			return err
		}
		return w.SetRow(name, cells)
	})
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.SaveAs(path)
	}
	return sum, err
}
