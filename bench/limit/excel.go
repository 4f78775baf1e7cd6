package main

import "github.com/xuri/excelize/v2"

// readExcel is excelize's loop over the rows of the first sheet. It gives the raw texts of the cells, no types.
func readExcel(input string) (sum summary, err error) {
	f, err := excelize.OpenFile(input, excelize.Options{RawCellValue: true})
	if err != nil {
		return sum, err
	}
	defer f.Close()
	rows, err := f.Rows(f.GetSheetName(0))
	if err != nil {
		return sum, err
	}
	defer rows.Close()
	for sum.Total = -1; rows.Next(); sum.Total++ { // the header is no user
		if _, err := rows.Columns(); err != nil {
			return sum, err
		}
	}
	return sum, rows.Error()
}
