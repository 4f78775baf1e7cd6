package definition

import (
	"fmt"

	"github.com/usher-id/usher/expression"
	"github.com/usher-id/usher/password"
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/value"
)

// Passwords says what is done about passwords on their way to the sink.
type Passwords struct {
	// Omit has users whose password the target cannot take go on without one.
	Omit bool
	// For is the system that the hashes are spelled for, one of password.Targets, or empty.
	For string
}

var passwordFields = []pipeline.Option{
	{Name: "refused", Type: pipeline.String, Enum: []string{"fail", "omit"}, Default: "fail", Example: "omit",
		Doc: "What becomes of a user whose password the target cannot take, or that cannot be read. `fail`: the record fails. `omit`: the user goes on without a password, with a " +
			"warning; one who exists keeps what is there."},
	{Name: "for", Type: pipeline.String, Enum: password.Targets(), Example: "auth0",
		Doc: "Spell the hashes as this system wants them, in the field where it looks for them (`custom_password_hash`, `credentials`, …), for a sink that writes a file for it."},
}

// Proof names a user whose password is known, or a file of such users.
type Proof struct {
	// User is an identifier's value, Where an expression over the source record; one of them is there, or File is.
	User     string
	Where    *expression.Program
	Password value.Secret
	// File is a path.
	File string
	// Secrets are peppers and keys by their context names.
	Secrets map[string]value.Secret
}

var proveFields = []pipeline.Option{
	{Name: "user", Type: pipeline.String, Example: "ann@example.com",
		Doc: "The user's `email`, `phone_number`, `preferred_username` or `external_id` as it is after the transforms; capital letters do not count."},
	{Name: "where", Type: pipeline.Expression, Example: "user.id == 42", Doc: "Finds the user by an expression over the source record, in place of `user`."},
	{Name: "password", Type: pipeline.String, Secret: true, Example: `"${ANNS_PASSWORD}"`, Doc: "The known password. It is never shown."},
	{Name: "file", Type: pipeline.Path, Example: "pairs.csv",
		Doc: "Known pairs in a file: CSV with the columns `identifier` and `password`, or a line of JSON with these members each. At most 1000."},
	{Name: "secrets", Type: pipeline.String, Map: true, Secret: true, Example: `{ pepper: "${PEPPER}" }`,
		Doc: "Peppers and keys that verifying needs and that are not stored beside the hashes."},
}

// proofs checks what the options of a proof mean for one another.
func (l *loader) proofs(top options, e entry, configs []*pipeline.Config) []Proof {
	list := make([]Proof, 0, len(configs))
	for i, c := range configs {
		at := top.places[fmt.Sprintf("prove.%d", i)]
		if at == nil { // one alone, which is a list of one
			at = e.value
		}
		p := Proof{User: c.String("user"), Where: c.Expression("where"), Password: value.Secret(c.String("password")), File: c.String("file"),
			Secrets: map[string]value.Secret{}}
		for name, secret := range c.StringMap("secrets") {
			p.Secrets[name] = value.Secret(secret)
		}
		known := c.Has("user") || c.Has("where")
		switch {
		case c.Has("file") && (known || c.Has("password")):
			l.report(at, "config.bad_value", "a proof has a file of known pairs, or one user and a password, not both", "write two proofs").length = 1
		case c.Has("file"):
		case c.Has("user") && c.Has("where"):
			l.report(at, "config.bad_value", "a proof finds its user by user or by where, not by both", "").length = 1
		case !known:
			l.report(at, "config.missing_key", "a proof needs its user", "write user: ann@example.com, or where: and an expression over the source record").length = 1
		case !c.Has("password"):
			l.report(at, "config.missing_key", "a proof needs the user's password", `write password: "${NAME}", so that it stands in the environment and not in the file`).length = 1
		case c.Has("user") && p.User == "":
			l.report(at, "config.bad_value", "the user of a proof is empty", "").length = 1
		}
		list = append(list, p)
	}
	return list
}
