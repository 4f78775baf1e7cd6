package main

import (
	"database/sql"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver

	"github.com/usher-id/usher/value"
)

// readSQL is the loop that everybody writes for a table whose columns they know: one query, the driver's own types, and the
// row as an object. input is a DSN of the driver with parseTime.
func readSQL(input string) (sum summary, err error) {
	db, err := sql.Open("mysql", input)
	if err != nil {
		return sum, err
	}
	defer db.Close()
	rows, err := db.Query("SELECT id, uid, nickname, account_id, mail, password, phone, email_verified, logins_count, created, city, locale, plan, score FROM users")
	if err != nil {
		return sum, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, uid, logins int64
		var nickname, account, mail, password, phone, city, locale, plan, score string
		var verified bool
		var created time.Time
		if err := rows.Scan(&id, &uid, &nickname, &account, &mail, &password, &phone, &verified, &logins, &created, &city, &locale, &plan, &score); err != nil {
			return sum, err
		}
		o := value.NewObject(14)
		o.Append("id", id)
		o.Append("uid", uid)
		o.Append("nickname", nickname)
		o.Append("account_id", account)
		o.Append("mail", mail)
		o.Append("password", password)
		o.Append("phone", phone)
		o.Append("email_verified", verified)
		o.Append("logins_count", logins)
		o.Append("created", created)
		o.Append("city", city)
		o.Append("locale", locale)
		o.Append("plan", plan)
		o.Append("score", value.ParseNumber(score))
		sum.Total++
	}
	return sum, rows.Err()
}
