package main

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
	"zombiezen.com/go/sqlite"
)

// exportHeader is the one of bench/compare's exports.
var exportHeader = []string{"Id", "Email", "Name", "Account", "Phone", "Verified", "Logins", "Created", "Locale", "City", "Plan", "Legacy"}

const selectExport = "SELECT id, email, nickname, preferred_username, phone_number, email_verified, logins_count, created_at, locale, user_metadata, app_metadata, custom_attributes FROM users ORDER BY "

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
		line = appendCell(line[:0], s.ColumnText(0))
		line = appendCell(line, s.ColumnText(1))
		line = appendCell(line, s.ColumnText(2))
		line = appendCell(line, s.ColumnText(3))
		line = append(append(append(line, `"'`...), s.ColumnText(4)...), `",`...)
		line = append(strconv.AppendBool(line, s.ColumnBool(5)), ',')
		line = append(strconv.AppendInt(line, s.ColumnInt64(6), 10), ',')
		line = appendCell(line, s.ColumnText(7))
		line = appendCell(line, s.ColumnText(8))
		line = appendCell(line, member(s.ColumnText(9), `{"city":"`, `"}`))
		line = appendCell(line, member(s.ColumnText(10), `{"plan":"`, `"}`))
		line = append(append(line, member(s.ColumnText(11), `{"legacy_id":`, `}`)...), '\n')
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
		cells[5], cells[6] = s.ColumnBool(5), s.ColumnInt64(6)
		cells[9] = member(s.ColumnText(9), `{"city":"`, `"}`)
		cells[10] = member(s.ColumnText(10), `{"plan":"`, `"}`)
		cells[11] = member(s.ColumnText(11), `{"legacy_id":`, `}`)
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
