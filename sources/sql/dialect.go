package sqlsource

import (
	"context"
	"database/sql"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/usher-id/usher/pipeline"
)

// dialect is what differs between databases.
type dialect interface {
	// open gives connections whose sessions are in UTC and UTF-8, after it has reached the database once.
	open(ctx context.Context) (*sql.DB, error)
	// secrets are the parts of the DSN that no message may show.
	secrets() []string
	// backslash says that \ escapes in quotes, and # begins a comment.
	backslash() bool
	placeholder(n int) string
	quote(name string) string
	// text gives the expression that turns another one into text.
	text(expression string) string
	// argument gives a number or time written as text in the form in which it is compared exactly.
	argument(text string) any
	// page completes a query, without its SELECT, to the first n rows in order; n 0 is all.
	page(query, order string, n int) string
	// session are statements for a new connection; timeout 0 sets no limit to its statements.
	session(timeout time.Duration) []string
	// begin and end enclose reading in a read-only transaction; they are empty where the session is read only by itself.
	begin(snapshot bool, timeout time.Duration) string
	end(snapshot bool) string
	// enforces says that the server itself ends statements that take too long.
	enforces() bool
	// nullsLast says that null comes after all values in ascending order.
	nullsLast() bool
	// prepares says that values come exactly only from prepared statements.
	prepares() bool
	// catalogue tells what is known of columns by name in the given tables: of one table, all of it.
	catalogue(ctx context.Context, l *link, tables []string, whole bool) (catalogue, error)
	// column tells how to read a column of the type.
	column(typeName string, declared []string) column
	// zone is where times without a zone are.
	zone() *time.Location
	// classify puts an error of the driver into words.
	classify(err error) failure
}

// loose is a dialect whose columns hold values of any type.
type loose interface {
	// mixed gives a condition for values of a field that are not in order with its highest one as what they mean, and what to do about them.
	mixed(field, highest string) (condition, hint string)
}

// catalogue is what the database tells about tables.
type catalogue struct {
	// types are the declared types of columns by name: several where tables differ.
	types map[string][]string
	// key is the primary key.
	key []string
	// rows is an estimate, 0 where there is none.
	rows int64
}

// column tells how to read one column.
type column struct {
	decode decoder
	// key gives the value in the form in which the database takes it back; nil where rows cannot be paged by it.
	key func(any) any
	// text says that decode is decodeText, so that the texts of a row can be made together.
	text bool
}

// newDialect chooses by the driver or the DSN's scheme.
func newDialect(driver, dsn, dir string, location *time.Location) (dialect, error) {
	scheme, rest, hasScheme := strings.Cut(dsn, ":")
	named := map[string]string{"mysql": "mysql", "mariadb": "mysql", "postgres": "postgres", "postgresql": "postgres",
		"sqlite": "sqlite", "sqlite3": "sqlite", "file": "sqlite", "sqlserver": "sqlserver"}[strings.ToLower(scheme)]
	if !hasScheme {
		named = ""
	}
	switch {
	case driver == "" && named == "":
		return nil, &pipeline.OptionError{Option: "driver", Message: "the DSN does not tell which kind of database it is",
			Hint: "give driver: mysql, postgres, sqlite or sqlserver"}
	case driver == "":
		driver = named
	case named != "" && named != driver && strings.HasPrefix(rest, "//"):
		return nil, &pipeline.OptionError{Option: "driver", Message: "the DSN is one of " + named + ", not of " + driver, Hint: "leave driver out, or mend the DSN"}
	}
	var d dialect
	var err error
	switch driver {
	case "mysql":
		d, err = newMySQL(dsn, named != "", location)
	case "postgres":
		d, err = newPostgres(dsn, location)
	case "sqlite":
		d, err = newSQLite(dsn, named != "", dir, location)
	case "sqlserver":
		d, err = newSQLServer(dsn, location)
	}
	if err != nil {
		// The driver's own words would show parts of the DSN.
		return nil, &pipeline.OptionError{Option: "dsn", Message: "not a DSN that the " + driver + " driver can read", Hint: "for example " + dsnExamples[driver]}
	}
	return d, nil
}

var dsnExamples = map[string]string{
	"mysql":     "mysql://user:password@host:3306/database",
	"postgres":  "postgres://user:password@host:5432/database?sslmode=require",
	"sqlite":    "sqlite:users.db",
	"sqlserver": "sqlserver://user:password@host:1433?database=name",
}

// quoteWith quotes each part of a dotted name.
func quoteWith(name, open, end string) string {
	parts := strings.Split(name, ".")
	for i, part := range parts {
		parts[i] = open + strings.ReplaceAll(part, end, end+end) + end
	}
	return strings.Join(parts, ".")
}

// limitClause completes a query as all but SQL Server understand it.
func limitClause(query, order string, n int) string {
	text := "SELECT " + query
	if order != "" {
		text += " ORDER BY " + order
	}
	if n > 0 {
		text += " LIMIT " + itoa(n)
	}
	return text
}

// urlSecrets gives the parts of a URL that say where the database is and who reads it.
func urlSecrets(dsn string) []string {
	secrets := []string{dsn}
	if u, err := url.Parse(dsn); err == nil {
		secrets = append(secrets, u.Host, u.Hostname())
		if u.User != nil {
			password, _ := u.User.Password()
			secrets = append(secrets, u.User.Username(), password, u.User.String())
		}
	}
	return secrets
}

// scrubber takes secrets out of texts that servers and drivers write.
type scrubber struct{ secrets []string }

func newScrubber(secrets []string) scrubber {
	var s scrubber
	s.add(secrets...)
	return s
}

// add leaves out what is too short to mean anything alone.
func (s *scrubber) add(secrets ...string) {
	for _, secret := range secrets {
		if len(secret) > 2 {
			s.secrets = append(s.secrets, secret)
		}
	}
}

var address = regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b|[\w.+-]+@[\w.%-]+|'[^']*'@'[^']*'`)

func (s *scrubber) scrub(text string) string {
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, "REDACTED")
	}
	return address.ReplaceAllString(text, "REDACTED")
}
