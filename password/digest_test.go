package password

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestDigestFormatOfAUser(t *testing.T) {
	// PunBB's scheme, written by hand; the value is hashcat's.
	f, err := NewDigestFormat("ours", "sha1(salt . sha1(pass))")
	if err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(DefaultLimits())
	const hash, salt = "9038129c474caa3f0de56f38db84033d0fe1d4b8", "365563602032"
	for _, tt := range []struct {
		name, encoded, password string
		context                 Context
		want                    Outcome
	}{
		{"salt behind", hash + ":" + salt, "hashcat", nil, Match},
		{"salt column", strings.ToUpper(hash), "hashcat", Context{"salt": salt}, Match},
		{"base64", "kDgSnEdMqj8N5W8424QDPQ/h1Lg=", "hashcat", Context{"salt": salt}, Match},
		{"wrong password", hash + ":" + salt, "hashcats", nil, Mismatch},
		{"wrong salt", hash, "hashcat", Context{"salt": "1"}, Mismatch},
		{"no salt", hash, "hashcat", nil, Unsupported},
		{"cut off", hash[:39], "hashcat", Context{"salt": salt}, Malformed},
	} {
		got := v.VerifyFormat(context.Background(), f, tt.encoded, []byte(tt.password), tt.context)
		if got.Outcome != tt.want {
			t.Errorf("%s: %v %s", tt.name, got.Outcome, got.Reason)
		}
	}
}

func TestDigestSaysWhatIsWrong(t *testing.T) {
	const hash = "9038129c474caa3f0de56f38db84033d0fe1d4b8"
	for _, tt := range []struct{ encoded, want string }{
		{hash[:39], "the hexadecimal digest has 39 characters, 40 expected: the hash was cut off"},
		{hash + "0", "the hexadecimal digest has 41 characters, 40 expected: something is left over at the end"},
		{hash[:39] + ":salt", "the hexadecimal digest has 39 characters, 40 expected: the hash was cut off"},
		{hash + " ", "it is neither hexadecimal nor base64"},
		{"x" + hash[1:] + "!", "it is neither hexadecimal nor base64"},
		{"x" + hash[1:], "the digest is not hexadecimal"},
		{"x" + hash[1:] + ":salt", "the digest is not hexadecimal"},
		{"kDgSnEdMqj8N5W8424QDPQ/h1Lg=:salt", "the digest is not hexadecimal"},
		{"kDgSnEdMqj8N5W8424QDPQ/h1A==", "a digest of 19 bytes; 20 expected"},
	} {
		for _, format := range []string{"digest:sha1(pass)", "digest:sha1(salt . pass)"} {
			got := Verify(context.Background(), format, tt.encoded, []byte("x"), Context{"salt": "s"})
			if got.Outcome != Malformed || got.Reason != tt.want {
				t.Errorf("%s, %q: %v %s", format, tt.encoded, got.Outcome, got.Reason)
			}
		}
	}
}

// Symfony's digest is 64 bytes: 128 hexadecimal digits are base64, too.
func TestHexadecimalWhereBase64IsTriedFirst(t *testing.T) {
	example := examples()["symfony-messagedigest-sha512"]
	raw, err := b64.DecodeString(example.Encoded)
	if err != nil {
		t.Fatal(err)
	}
	plain := []byte(example.Password)
	for _, encoded := range []string{hexBytes(raw), strings.ToUpper(hexBytes(raw))} {
		if got := Verify(context.Background(), "symfony-sha512", encoded, plain, example.Context); got.Outcome != Match {
			t.Errorf("%v %s", got.Outcome, got.Reason)
		}
	}
}

func TestCompileDigestSaysWhere(t *testing.T) {
	for _, tt := range []struct{ source, message string }{
		{"md5(pass", `digest expression, column 9: ")" expected, the end found`},
		{"md5(pas)", `digest expression, column 5: nothing is called "pas"; the names are pass, salt`},
		{"md6(pass)", `digest expression, column 1: no function is called "md6"`},
		{"md5(pass . 'x)", `digest expression, column 12: the text that begins here has no closing '`},
		{"md5(pass) md5", `digest expression, column 11: an operator "." or the end expected, "md5" found`},
		{"", "digest expression, column 1: a name, a function or a text expected, the end found"},
		{"md5(prev)", "digest expression, column 5: prev has a meaning only in the last argument of loop"},
		{"loop(2000000, pass, md5(prev))", "digest expression, column 6: a number from 1 to 1000000 expected"},
		{"loop(2, pass, loop(2, prev, md5(prev)))", "digest expression, column 15: a loop inside a loop"},
		{strings.Repeat("(", 40) + "pass" + strings.Repeat(")", 40), "digest expression, column 34: nested more than 32 deep"},
	} {
		_, err := CompileDigest(tt.source)
		if err == nil || !strings.HasPrefix(err.Error(), tt.message) {
			t.Errorf("%q: %v", tt.source, err)
		}
	}
	var e *Error
	if _, err := NewDigestFormat("x", "md5(pass) . salt"); !errors.As(err, &e) || e.Code != CodeExpression {
		t.Errorf("an expression that ends in no digest: %v", err)
	}
}

func TestDigestFunctions(t *testing.T) {
	for _, tt := range []struct{ source, want string }{
		{"upper('aé')", "AÉ"},
		{"lower('AÉ')", "aé"},
		{"trim(' \t\nx \n')", "x"},
		{"hex(utf16le('é'))", "e900"},
		{"hex(utf16be('🔑'))", "d83ddd11"},
		{"hex(latin1('é'))", "e9"},
		{"hex(widen('é'))", "c300a900"},
		{"base64(unhex('00ff'))", "AP8="},
		{"hex(unbase64('AP8'))", "00ff"},
		{"left('abc', 2) . left('a', 5)", "aba"},
		{"hex(pad('a', 3))", "610000"},
		{"nfkc('ﬁ')", "fi"},
		{"loop(3, 'a', prev . 'b')", "abb"},
		{"md5('')", "d41d8cd98f00b204e9800998ecf8427e"},
		{"hmac_md5('key', 'The quick brown fox jumps over the lazy dog')", "80070713463e7749b90c2dc24911e275"},
		{"whirlpool('')", "19fa61d75522a4669b44e39c1d2e1726c530232130d407f89afee0964997f7a73e83be698b288febcf88e3e03c4f0757ea8964e59b63d93708b138cc42a66eb3"},
	} {
		d, err := CompileDigest(tt.source)
		if err != nil {
			t.Errorf("%s: %v", tt.source, err)
			continue
		}
		got, err := d.eval(&environment{budget: 1 << 20})
		if err != nil || string(got) != tt.want {
			t.Errorf("%s = %q, %v", tt.source, got, err)
		}
	}
}
