package sqlsource

import (
	"testing"
	"time"
)

// There is no SQL Server to test against: these are the texts and values that do not need one.
func TestSQLServerStatements(t *testing.T) {
	d, err := newSQLServer("sqlserver://u:p@h?database=crm", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.page("* FROM [dbo].[users] WHERE [id] > @p1", "[id]", 5); got != "SELECT TOP (5) * FROM [dbo].[users] WHERE [id] > @p1 ORDER BY [id]" {
		t.Error(got)
	}
	if got := d.page("* FROM [users]", "", 0); got != "SELECT * FROM [users]" {
		t.Error(got)
	}
	if got := d.quote("dbo.odd]name"); got != "[dbo].[odd]]name]" {
		t.Error(got)
	}
	// The first three groups of a uniqueidentifier have their bytes turned round on the wire.
	wire := []byte{0x67, 0x45, 0x23, 0x01, 0xab, 0x89, 0xef, 0xcd, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}
	for typeName, test := range map[string]struct{ src, want any }{
		"UNIQUEIDENTIFIER": {wire, "01234567-89ab-cdef-0123-456789abcdef"},
		"BIT":              {true, true},
		"BIGINT":           {int64(1) << 60, int64(1) << 60},
		"DATE":             {time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), "2024-02-29"},
		"DATETIME2":        {time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC), time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC)},
		"NVARCHAR":         {"张三", "张三"},
	} {
		if got, n := d.column(typeName, nil).decode(test.src); got != test.want || n != nil {
			t.Errorf("%s: %v, want %v", typeName, got, test.want)
		}
	}
}
