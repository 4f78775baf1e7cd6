package expression

import (
	"testing"

	"github.com/usher-id/usher/value"
)

// twelveFields are the expressions of a typical mapping.
var twelveFields = []string{
	"user.uid", "lower(user.mail)", "user.emailVerified", "user.user_metadata.name || user.name", "user.nickname",
	"user.given_name ?? ''", "user.family_name ?? ''", "user.user_metadata.locale || 'en'", "user.created_at",
	"user.phone", "{hash: user.password, hasher: 'bcrypt'}", "user.loginsCount",
}

const typicalUser = `{"uid":"5f7c1a","mail":"Ann.Smith@Example.com","emailVerified":true,"name":"Ann Smith","nickname":"ann",` +
	`"given_name":"Ann","family_name":"Smith","user_metadata":{"name":"","locale":"de"},"created_at":"2020-01-02T03:04:05Z",` +
	`"phone":"+8613812345678","password":"$2b$12$abcdefghijklmnopqrstuv","loginsCount":17}`

func BenchmarkTwelveFields(b *testing.B) {
	user, err := value.ParseJSON([]byte(typicalUser))
	if err != nil {
		b.Fatal(err)
	}
	programs := make([]*Program, len(twelveFields))
	for i, text := range twelveFields {
		if programs[i], err = Compile(text, Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range programs {
			if _, err := p.Eval(user); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkExpression(b *testing.B) {
	user, err := value.ParseJSON([]byte(typicalUser))
	if err != nil {
		b.Fatal(err)
	}
	for _, text := range []string{
		"user.user_metadata.name", "user.user_metadata.name || user.name", "lower(user.mail)", "user.mail.toLowerCase()",
		"user.given_name + ' ' + user.family_name", "`${user.given_name} ${user.family_name}`",
		"{hash: user.password, hasher: 'bcrypt'}", "user.mail.split('@')[1]", "user.loginsCount > 10 ? 'often' : 'rarely'",
		"user.mail.replace(/[^a-z]/gi, '')", "['a','b','c'].map(x => x + user.uid)", "e164(user.phone)",
		"date(user.created_at)", "user.emailVerified === true && user.loginsCount > 3",
	} {
		p, err := Compile(text, Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Eval(user); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
