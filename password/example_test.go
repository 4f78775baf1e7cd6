package password_test

import (
	"context"
	"fmt"

	"github.com/usher-id/usher/password"
)

func ExampleVerify() {
	got := password.Verify(context.Background(), "vbulletin-md5", "28f9975808ae2bdc5847b1cda26033ea:308", []byte("hashcat"), nil)
	fmt.Println(got.Outcome)

	got = password.Verify(context.Background(), "postgres-md5", "md593a8cf6a7d43e3b5bcd2dc6abb3e02c6", []byte("hashcat"), nil)
	fmt.Println(got.Outcome, "because", got.Reason)
	// Output:
	// match
	// unsupported because the context key "username" is needed
}

func ExampleIdentify() {
	for _, c := range password.Identify("sha1$fe76b$02d5916550edf7fc8c886f044887f4b1abf9b013") {
		fmt.Printf("%s (%s): %s\n", c.Format, c.Confidence, c.Reason)
	}
	// Output:
	// django-sha1 (likely): Werkzeug writes HMAC-SHA1 like this
	// werkzeug-hmac-sha1 (likely): Django writes salted SHA-1 like this
}

func ExampleConvert() {
	out, err := password.Convert(password.Hash{
		Format:  "django-pbkdf2_sha256",
		Encoded: "pbkdf2_sha256$10000$1135411628$bFYX62rfJobJ07VwrUMXfuffLfj2RDM2G6/BrTrUWkE=",
	}, "kratos")
	fmt.Println(out.Value.Reveal(), err)

	_, err = password.Convert(password.Hash{Format: "mybb", Encoded: "d1a66d16efc9ddc235f9cf4163e1be72:s4lt5"}, "kratos")
	fmt.Println(err)
	// Output:
	// $pbkdf2-sha256$i=10000,l=32$MTEzNTQxMTYyOA$bFYX62rfJobJ07VwrUMXfuffLfj2RDM2G6/BrTrUWkE <nil>
	// mybb-ipb-md5: Kratos has no form for md5(md5(salt) . md5(pass))
}
