package identity

import "strings"

// didYouMean gives `; did you mean "email"?` where a known name is near, else nothing.
func didYouMean(name string, known []string) string {
	best, least := "", 1+len(name)/3
	for _, k := range known {
		if d := distance(strings.ToLower(name), k); d < least || d == least && best == "" {
			best, least = k, d
		}
	}
	if best == "" {
		best = alias[strings.ToLower(name)]
	}
	if best == "" {
		return ""
	}
	return `; did you mean "` + best + `"?`
}

// alias has names that other systems use and that no spelling mistake explains.
var alias = map[string]string{
	"mail": "email", "phone": "phone_number", "mobile": "phone_number", "username": "preferred_username",
	"user_name": "preferred_username", "first_name": "given_name", "firstname": "given_name", "last_name": "family_name",
	"lastname": "family_name", "surname": "family_name", "photo": "picture", "avatar": "picture", "url": "website",
	"birthday": "birthdate", "date_of_birth": "birthdate", "timezone": "zoneinfo", "language": "locale", "lang": "locale",
	"blocked": "disabled", "emailverified": "email_verified", "phone_verified": "phone_number_verified",
	"password_hash": "password", "id": "external_id", "user_id": "external_id", "uid": "external_id", "sub": "external_id",
	"metadata": "user_metadata", "lastlogin": "last_login", "loginscount": "logins_count", "createdat": "created_at",
}

// distance is the number of single-byte edits between two names, two neighbours swapped counting as one.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
