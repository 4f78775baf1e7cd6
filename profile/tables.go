package profile

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/usher-id/usher/value"
)

// Table is a table of a database.
type Table struct {
	Name string `json:"name"`
	// Rows is an estimate of the database unless Exact; negative where it has none.
	Rows    int64    `json:"rows"`
	Exact   bool     `json:"exact"`
	Columns []string `json:"columns"`
	// Key is the primary key.
	Key []string `json:"key"`
}

// CatalogueQuery gives the query for all columns of a database, which Tables reads; "" where none is known. The
// dialects are those of the sql source.
func CatalogueQuery(dialect string) string {
	switch dialect {
	case "sqlite":
		return `SELECT m.name AS table_name, p.name AS column_name, p.pk AS key_part, -1 AS row_count
			FROM sqlite_master m JOIN pragma_table_info(m.name) p
			WHERE m.type = 'table' AND substr(m.name, 1, 7) <> 'sqlite_' ORDER BY m.name, p.cid`
	case "mysql":
		return `SELECT c.TABLE_NAME AS table_name, c.COLUMN_NAME AS column_name, CASE c.COLUMN_KEY WHEN 'PRI' THEN 1 ELSE 0 END AS key_part,
			COALESCE(t.TABLE_ROWS, -1) AS row_count
			FROM information_schema.COLUMNS c JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
			WHERE c.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE = 'BASE TABLE' ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION`
	case "postgres":
		return `SELECT CAST(CASE WHEN n.nspname = current_schema() THEN '' ELSE n.nspname || '.' END || c.relname AS text) AS table_name,
			CAST(a.attname AS text) AS column_name,
			CASE WHEN EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY(i.indkey)) THEN 1 ELSE 0 END AS key_part,
			CAST(c.reltuples AS bigint) AS row_count
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
			WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname NOT IN ('pg_catalog', 'information_schema')
			AND left(n.nspname, 3) <> 'pg_' AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1, a.attnum`
	}
	return ""
}

// Tables reads the rows of a CatalogueQuery: the largest table first.
func Tables(rows []*value.Object) []*Table {
	var tables []*Table
	for _, row := range rows {
		name, column := rowText(row, "table_name"), rowText(row, "column_name")
		if len(tables) == 0 || tables[len(tables)-1].Name != name {
			tables = append(tables, &Table{Name: name, Rows: rowInt(row, "row_count"), Columns: []string{}, Key: []string{}})
		}
		t := tables[len(tables)-1]
		t.Columns = append(t.Columns, column)
		if rowInt(row, "key_part") > 0 {
			t.Key = append(t.Key, column)
		}
	}
	slices.SortStableFunc(tables, func(a, b *Table) int { return cmp.Compare(b.Rows, a.Rows) })
	return tables
}

func rowText(row *value.Object, name string) string {
	v, _ := row.Get(name)
	s, _ := v.(string)
	return s
}

func rowInt(row *value.Object, name string) int64 {
	v, _ := row.Get(name)
	n, _ := v.(int64)
	return n
}

// UserTable gives the table that looks most like one of users, by its name and its columns; nil if there are no tables.
func UserTable(tables []*Table) *Table {
	var best *Table
	bestScore := 0
	for _, t := range tables {
		if score := t.score(); best == nil || score > bestScore {
			best, bestScore = t, score
		}
	}
	return best
}

func (t *Table) score() int {
	score := 0
	normal := normalised(t.base())
	for _, word := range []string{"user", "member", "account", "customer", "person", "people", "用户", "会员"} {
		switch {
		case normal == word || normal == word+"s":
			score = max(score, 30)
		case strings.HasSuffix(normal, word) || strings.HasSuffix(normal, word+"s"):
			score = max(score, 25)
		case strings.Contains(normal, word):
			score = max(score, 8)
		}
	}
	points := map[string]int{}
	for _, column := range t.Columns {
		name := normalised(column)
		for target, n := range map[string]int{"email": 20, "preferred_username": 10, "phone_number": 8, "given_name": 5, "name": 3} {
			if nameScore(name, targetNames[target]) > 0 {
				points[target] = n
			}
		}
		if isPassword(name) {
			points["password"] = 20
		}
	}
	for _, n := range points {
		score += n
	}
	if t.Rows == 0 && t.Exact {
		score -= 30
	}
	return score
}

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// mostSideTables bounds what SideTables suggests.
const mostSideTables = 8

// SideTables gives, as commented options of the sql source, the queries for tables that refer to the users.
func SideTables(users *Table, tables []*Table) []Option {
	if len(users.Key) == 0 {
		return nil
	}
	own := strings.TrimSuffix(normalised(users.base()), "s")
	var options []Option
	for _, t := range tables {
		if t == users || len(options) == mostSideTables || !plainName.MatchString(t.Name) {
			continue
		}
		at := slices.IndexFunc(t.Columns, func(column string) bool {
			name := normalised(column)
			return plainName.MatchString(column) && (name == "userid" || name == own+"id" || name == own+"uid" || name == "entityid" || name != "id" && name == normalised(users.Key[0]))
		})
		if at >= 0 {
			query, as := t.sideQuery(t.Columns[at], tables)
			options = append(options, Option{Name: "  " + t.Name, Off: true, Plain: true,
				Value: fmt.Sprintf("{ query: \"%s\", on: %s, key: %s%s }", query, t.Columns[at], users.Key[0], as)})
		}
	}
	if len(options) == 0 {
		return nil
	}
	return append([]Option{{Name: "with", Off: true, Plain: true, Comment: "tables that refer to " + users.Name + ": take in those that hold roles, metadata and the like"}}, options...)
}

// base is the name without its schema.
func (t *Table) base() string { return t.Name[strings.LastIndexByte(t.Name, '.')+1:] }

// sideQuery gives the query for a table that refers to users by the column on, and the shape of what it gives: names and
// values make an object; of a table that only links users to something with a name, the name is what is wanted.
func (t *Table) sideQuery(on string, tables []*Table) (query, as string) {
	var name, val, link string
	others := 0
	for _, column := range t.Columns {
		normal := normalised(column)
		switch {
		case column == on || !plainName.MatchString(column) || normal == "id":
			continue
		case name == "" && (strings.HasSuffix(normal, "key") || strings.HasSuffix(normal, "name")):
			name = column
		case val == "" && strings.HasSuffix(normal, "value"):
			val = column
		case strings.HasSuffix(normal, "id"):
			link = column
		}
		others++
	}
	if name != "" && val != "" {
		return fmt.Sprintf("SELECT %s, %s, %s FROM %s", on, name, val, t.Name), ", as: map"
	}
	if link != "" && others == 1 {
		what := strings.TrimSuffix(normalised(link), "id")
		for _, other := range tables {
			normal := normalised(other.base())
			title := other.title(what)
			if what == "" || other == t || len(other.Key) != 1 || title == "" || !plainName.MatchString(other.Name) || !plainName.MatchString(other.Key[0]) {
				continue
			}
			if strings.HasSuffix(normal, what) || strings.HasSuffix(normal, what+"s") {
				return fmt.Sprintf("SELECT m.%s, t.%s FROM %s m JOIN %s t ON t.%s = m.%s", on, title, t.Name, other.Name, other.Key[0], link), ""
			}
		}
	}
	return "SELECT * FROM " + t.Name, ""
}

// title gives the column with the names of what the table lists, such as name or role_name; empty if it has none.
func (t *Table) title(what string) string {
	for _, column := range t.Columns {
		if normal := normalised(column); plainName.MatchString(column) && (normal == "name" || normal == what+"name" || normal == what+"title") {
			return column
		}
	}
	return ""
}

// BinaryIDs takes the fields that hold ids in bytes for the text that they are usually written as, and gives the option of
// the sql source that reads them so: of 16 bytes a UUID, else hexadecimal digits.
func BinaryIDs(p *Profile) []Option {
	var types []string
	for _, f := range p.Fields {
		binary := func(c Count) bool { return c.Name == "bytes" }
		if len(f.path) != 1 || len(f.Hashes) > 0 || !slices.ContainsFunc(f.Types, binary) {
			continue
		}
		as := ""
		switch sixteen := f.MinLength == 16 && f.MaxLength == 16; {
		case sixteen && f.kind() == "bytes":
			as = "uuid"
		case f.Identifier && f.scalar():
			as = "hex"
		default:
			continue
		}
		column := f.path[0]
		if !plainName.MatchString(column) {
			column = fmt.Sprintf("%q", column)
		}
		types = append(types, column+": "+as)
		nulls := slices.DeleteFunc(f.Types, func(c Count) bool { return c.Name != "null" })
		f.Types = append([]Count{{"string", f.Filled}}, nulls...)
		if f.Formats = []Count{}; as == "uuid" {
			f.Formats = []Count{{formatUUID, int64(f.Looked)}}
		}
	}
	if len(types) == 0 {
		return nil
	}
	return []Option{{Name: "types", Value: "{ " + strings.Join(types, ", ") + " }", Plain: true, Comment: "ids in bytes, written as people do"}}
}
