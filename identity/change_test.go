package identity

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/usher-id/usher/value"
)

func parse(t testing.TB, text string) *value.Object {
	t.Helper()
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v.(*value.Object)
}

func rules(t testing.TB, o Options) *Rules {
	t.Helper()
	r, err := NewRules(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func codes(list []Violation) string {
	var s []string
	for _, v := range list {
		s = append(s, v.Code+"@"+v.Field)
	}
	return strings.Join(s, " ")
}

const goodHash = "$2b$12$abcdefghijklmnopqrstuuXyXyXyXyXyXyXyXyXyXyXyXyXyXyXyX"

func TestValidation(t *testing.T) {
	r := rules(t, Options{Identifier: "external_id"}).NewReader()
	nested := func(levels int) string {
		return `{"x":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + `}`
	}
	elements := func(element string, n int) string { return "[" + strings.Repeat(element+",", n-1) + element + "]" }
	for _, tt := range []struct{ record, want string }{
		{`{}`, ""},
		{`{"custom_attributes":` + nested(1000) + `,"address":` + nested(1000) + `}`, ""},
		{`{"user_metadata":` + nested(1001) + `,"address":` + nested(1001) + `}`, "user.too_deep@user_metadata user.too_deep@address"},
		{`{"identities":[{"provider":"g","subject":"1","x":` + nested(999) + `}]}`, "user.too_deep@identities"},
		{`{"identities":[{"provider":"g","subject":"1","x":"` + strings.Repeat("x", maxObject) + `"}]}`, "user.too_long@identities"},
		{`{"roles":` + elements(`"r"`, 4096) + `}`, ""},
		{`{"roles":` + elements(`"r"`, 4097) + `,"groups":` + elements(`"g"`, 4097) + `,"identities":` + elements(`{}`, 4097) + `,"mfa":{"recovery_codes":` + elements(`"c"`, 4097) + `}}`,
			"user.too_long@roles user.too_long@groups user.too_long@identities user.too_long@mfa.recovery_codes"},
		{`{"mfa":{"recovery_codes":["a"," "]}}`, "user.empty@mfa.recovery_codes"},
		{`{"custom_attributes":{"x":"\ufffd"}}`, ""},
		{`{"email":"a@x.com","email_verified":true,"phone_number":"+8613100000001","preferred_username":"ann","name":"Ann","birthdate":"--02-29","locale":"zh-Hant-HK","zoneinfo":"Asia/Shanghai","website":"https://x.com/?q=1#f","roles":["a"],"groups":[],"disabled":false,"logins_count":0,"last_login":"2026-01-02T03:04:05.5+08:00"}`, ""},
		{`{"email":"Ann <a@x.com>"}`, "user.bad_email@email"},
		{`{"email":"<a@x.com>"}`, "user.bad_email@email"},
		{`{"email":"a@x.com (work)"}`, "user.bad_email@email"},
		{`{"email":"a@x.com, b@x.com"}`, "user.bad_email@email"},
		{`{"email":"a@x..com"}`, "user.bad_email@email"},
		{`{"email":"a.@x.com"}`, "user.bad_email@email"},
		{`{"email":"a@"}`, "user.bad_email@email"},
		{`{"email":"@x.com"}`, "user.bad_email@email"},
		{`{"email":"a b@x.com"}`, "user.bad_email@email"},
		{`{"email":"nobody"}`, "user.bad_email@email"},
		{`{"email":1}`, "user.wrong_type@email"},
		{`{"email":""}`, "user.empty@email"},
		{`{"email":"a@x.com\u0000"}`, "user.bad_text@email"},
		{`{"email":"a\u0085b@x.com"}`, "user.bad_email@email"},
		{`{"email":"a\u2028b@x.com"}`, "user.bad_email@email"},
		{`{"email":"j\ufffdrg@x.com"}`, "user.bad_email@email"},
		{`{"email":"\u200b@x.com"}`, "user.bad_email@email"},
		{`{"phone_number":"13100000001"}`, "user.bad_phone_number@phone_number"},
		{`{"phone_number":"+86 131 0000 0001"}`, "user.bad_phone_number@phone_number"},
		{`{"phone_number":"+861310000"}`, "user.bad_phone_number@phone_number"},
		{`{"preferred_username":" ann"}`, "user.bad_username@preferred_username"},
		{`{"preferred_username":"an\u0007n"}`, "user.bad_username@preferred_username"},
		{`{"preferred_username":"\u200b\u3164"}`, "user.bad_username@preferred_username"},
		{`{"name":""}`, "user.empty@name"},
		{`{"name":["Ann"]}`, "user.wrong_type@name"},
		{`{"profile":"/ann"}`, "user.bad_url@profile"},
		{`{"picture":"ftp://x.com/a.png"}`, "user.bad_url@picture"},
		{`{"website":"https://"}`, "user.bad_url@website"},
		{`{"website":"https://:80/"}`, "user.bad_url@website"},
		{`{"website":"mailto:a@x.com"}`, "user.bad_url@website"},
		{`{"website":"https://x.com/a b"}`, "user.bad_url@website"},
		{`{"website":"https://x.com:65536"}`, "user.bad_url@website"},
		{`{"website":"https://x.com:65535","picture":"https://x.com:"}`, ""},
		{`{"birthdate":"2021-02-29"}`, "user.bad_birthdate@birthdate"},
		{`{"birthdate":"2020-02-29"}`, ""},
		{`{"birthdate":"0000-02-29"}`, ""},
		{`{"birthdate":"--13-01"}`, "user.bad_birthdate@birthdate"},
		{`{"birthdate":"1990-01"}`, "user.bad_birthdate@birthdate"},
		{`{"birthdate":"1990"}`, ""},
		{`{"birthdate":"0000"}`, "user.bad_birthdate@birthdate"},
		{`{"birthdate":"1990/01/02"}`, "user.bad_birthdate@birthdate"},
		{`{"birthdate":"1990-1-2"}`, "user.bad_birthdate@birthdate"},
		{`{"zoneinfo":"Mars/Olympus"}`, "user.bad_zoneinfo@zoneinfo"},
		{`{"zoneinfo":"Local"}`, "user.bad_zoneinfo@zoneinfo"},
		{`{"zoneinfo":"../../etc/passwd"}`, "user.bad_zoneinfo@zoneinfo"},
		{`{"zoneinfo":"Etc/GMT+8"}`, ""},
		{`{"zoneinfo":"America/Argentina/ComodRivadavia"}`, ""},
		{`{"zoneinfo":"EST5EDT"}`, ""},
		{`{"zoneinfo":"Asia//Shanghai"}`, "user.bad_zoneinfo@zoneinfo"},
		{`{"zoneinfo":"Asia/./Shanghai"}`, "user.bad_zoneinfo@zoneinfo"},
		{`{"zoneinfo":"posix/UTC"}`, "user.bad_zoneinfo@zoneinfo"}, // a folder of some machines
		{`{"zoneinfo":"right/UTC"}`, "user.bad_zoneinfo@zoneinfo"},
		{`{"zoneinfo":"localtime"}`, "user.bad_zoneinfo@zoneinfo"},
		{`{"zoneinfo":"posixrules"}`, "user.bad_zoneinfo@zoneinfo"},
		{`{"locale":"not a tag"}`, "user.bad_locale@locale"},
		{`{"locale":"en_US"}`, ""},
		{`{"locale":"zh-yue"}`, ""},
		{`{"locale":"usa"}`, ""},
		{`{"locale":"en-USA"}`, "user.bad_locale@locale"}, // not Usarufa, whose code is usa
		{`{"locale":"zh-CHT"}`, "user.bad_locale@locale"}, // nor Cholón
		{`{"locale":"zh_CHN"}`, "user.bad_locale@locale"},
		{`{"locale":"zh-eng"}`, "user.bad_locale@locale"},
		{`{"email_verified":"true","email":"a@x.com"}`, "user.wrong_type@email_verified"},
		{`{"disabled":1}`, "user.wrong_type@disabled"},
		{`{"logins_count":-1}`, "user.bad_number@logins_count"},
		{`{"logins_count":1.5}`, "user.bad_number@logins_count"},
		{`{"logins_count":17.0}`, ""},
		{`{"logins_count":"17"}`, "user.bad_number@logins_count"},
		{`{"last_login":"2026-01-02"}`, "user.bad_time@last_login"},
		{`{"created_at":1700000000}`, "user.wrong_type@created_at"},
		{`{"address":"here"}`, "user.wrong_type@address"},
		{`{"address":{"country":"","region":1,"own":{"x":1},"locality":null}}`, "user.empty@address.country user.wrong_type@address.region"},
		{`{"custom_attributes":[]}`, "user.wrong_type@custom_attributes"},
		{`{"roles":"admin"}`, "user.wrong_type@roles"},
		{`{"roles":["a","",1]}`, "user.empty@roles.1 user.wrong_type@roles.2"},
		{`{"identities":[{"provider":"g"},{"subject":"1"},"x",{"provider":"g","subject":12345678901234567890}]}`,
			"user.missing_member@identities.0.subject user.missing_member@identities.1.provider user.wrong_type@identities.2"},
		{`{"password":"` + goodHash + `"}`, "user.wrong_type@password"},
		{`{"password":{"hash":"` + goodHash + `"}}`, ""},
		{`{"password":{"hash":"` + goodHash + `","hasher":"bcrypt","expire_after":"2026-01-01T00:00:00Z"}}`, ""},
		{`{"password":{"hash":"` + goodHash[:59] + `"}}`, "password.malformed@password.hash"},
		{`{"password":{"hash":"` + goodHash + `","hasher":"md5"}}`, "password.malformed@password.hash"},
		{`{"password":{"hash":"` + goodHash + `","hasher":"bcrypted"}}`, "password.unknown_format@password.hasher"},
		{`{"password":{"hash":"` + goodHash + `","hasher":"bcrypt","salt":"s"}}`, "user.unknown_attribute@password.salt"},
		{`{"password":{"hash":"` + goodHash + `","salt":"s"}}`, "user.unknown_attribute@password.salt"},
		{`{"password":{"hash":"5f4dcc3b5aa765d61d8327deb882cf99","hasher":"md5","salt":["s"]}}`, "user.wrong_type@password.salt"},
		{`{"password":{"hash":"x","hasher":"Not A Name"}}`, "password.unknown_format@password.hasher"},
		{`{"password":{"hash":"5f4dcc3b5aa765d61d8327deb882cf99"}}`, "password.not_recognised@password.hash"},
		{`{"password":{"hash":"5f4dcc3b5aa765d61d8327deb882cf99","hasher":"md5"}}`, ""},
		{`{"password":{"hasher":"md5"}}`, "user.missing_member@password.hash"},
		{`{"password":{"hash":null}}`, "user.wrong_type@password.hash"},
		{`{"password":{"plain":"secret"}}`, ""},
		{`{"password":{"hash":"` + goodHash + `","type":"bcrypt"}}`, "user.unknown_attribute@password.type"},
		{`{"mfa":{"email":"A@x.com","phone_number":"+8613100000001","totp":"jbsw y3dp ehpk 3pxp","recovery_codes":["a"],"password":{"hash":"` + goodHash + `"}}}`, ""},
		{`{"mfa":{"totp":{"secret":"0189"},"email":"x"}}`, "user.bad_totp_secret@mfa.totp.secret user.bad_email@mfa.email"},
		{`{"mfa":{"totp":{"period":30}}}`, "user.unknown_attribute@mfa.totp.period user.missing_member@mfa.totp.secret"},
		{`{"mfa":{"sms":"x"}}`, "user.unknown_attribute@mfa.sms"},
		{`{"mfa":true}`, "user.wrong_type@mfa"},
		{`{"emial":"a@x.com","raw":{},"sub":"1"}`, "user.unknown_attribute@emial user.unknown_attribute@raw user.unknown_attribute@sub"},
		{`{"email":"x","phone_number":"y","birthdate":"z","name":""}`,
			"user.bad_email@email user.bad_phone_number@phone_number user.bad_birthdate@birthdate user.empty@name"},
	} {
		o := parse(t, tt.record)
		o.Set("external_id", "1")
		if got := codes(r.Read(o).Violations); got != tt.want {
			t.Errorf("%.1000s\n got %s\nwant %s", tt.record, got, tt.want)
		}
	}
	for _, tt := range []struct {
		bad  any
		want string
	}{
		{[]any{"a\xff"}, "user.bad_text@app_metadata"},
		{value.ObjectOf(value.Member{Name: "\xff", Value: nil}), "user.bad_text@app_metadata"},
		{[]any{value.Secret("hunter2")}, "user.wrong_type@app_metadata"},
		{"REDACTED", ""},
	} {
		o := value.ObjectOf(value.Member{Name: "external_id", Value: "1"}, value.Member{Name: "app_metadata", Value: value.ObjectOf(value.Member{Name: "x", Value: tt.bad})})
		if got := codes(r.Read(o).Violations); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.bad, got, tt.want)
		}
	}
}

func TestMessagesHelp(t *testing.T) {
	r := rules(t, Options{}).NewReader()
	for record, want := range map[string]string{
		`{"email":"a@x.com","emial":"x"}`:                      `did you mean "email"?`,
		`{"email":"a@x.com","username":"x"}`:                   `did you mean "preferred_username"?`,
		`{"email":"a@x.com","plan":"pro"}`:                     "custom_attributes",
		`{"email":"a@x.com","phone_number":"131"}`:             "e164(user.phone, 'CN')",
		`{"email":"a@x.com","disabled":"no"}`:                  "bool(",
		`{"email":"a@x.com","last_login":"gestern"}`:           "date(",
		`{"email":"a@x.com","website":"http://x.com "}`:        "trim(",
		`{"email":"a@x.com","birthdate":" 2000-01-01"}`:        "trim(",
		`{"email":"a@x.com","zoneinfo":"Asia/Shanghai\t"}`:     "trim(",
		`{"email":"a@x.com","phone_number":"+8613100000001 "}`: "trim(",
		`{"email":"a@x.com","locale":"zh-CHT"}`:                "zh-Hant",
		`{"email":"j\ufffdrg@x.com"}`:                          "encoding",
		`{"email":"\"a\"@x.com"}`:                              "quotes",
		`{"email":null}`:                                       "is null, but is the identifier",
		`{"name":"A"}`:                                         "is missing, but is the identifier",
	} {
		c := r.Read(parse(t, record))
		if len(c.Violations) != 1 || !strings.Contains(c.Violations[0].Message, want) {
			t.Errorf("%s: %v, want %q", record, c.Violations, want)
		}
	}
}

func TestNormalForms(t *testing.T) {
	r := rules(t, Options{Identifier: "external_id"}).NewReader()
	for _, tt := range []struct {
		record string
		attr   attr
		want   string
	}{
		{`{"password":{"hash":"anything","hasher":"acme-v2"}}`, aPassword, "$usher$acme-v2$anything"},
		{`{"email":" User@X.Com "}`, aEmail, "user@x.com"},
		{`{"email":"ÄNN@BÜCHER.de"}`, aEmail, "änn@xn--bcher-kva.de"},
		{`{"email":"Ann@FAß.de"}`, aEmail, "ann@xn--fa-hia.de"}, // not fass.de
		{`{"email":"straße＠ｘ。com"}`, aEmail, "strasse@x.com"},
		{`{"email":"a@xn--bcher-kva.de"}`, aEmail, "a@xn--bcher-kva.de"},
		{`{"email":"\"a b\"@x.com"}`, aEmail, `"a b"@x.com`},
		{`{"email":"o'neil!#$%&*/=?^{|}~@x.com"}`, aEmail, "o'neil!#$%&*/=?^{|}~@x.com"},
		{`{"email":"a@[192.0.2.1]"}`, aEmail, "a@[192.0.2.1]"},
		{`{"email":"ａｎｎ@x.com"}`, aEmail, "ann@x.com"},
		{`{"email":"\u200ba\u200bnn@x.com\ufeff"}`, aEmail, "ann@x.com"},
		{`{"email":"a\u00adnn\u202c@x.com"}`, aEmail, "ann@x.com"},
		{`{"preferred_username":"Ann"}`, aUsername, "Ann"},
		{`{"locale":"en_us"}`, aLocale, "en-US"},
		{`{"last_login":"2026-01-02T03:04:05.100+08:00"}`, aLastLogin, "2026-01-02T03:04:05.1+08:00"},
		{`{"mfa":{"totp":"jbsw y3dp-ehpk3pxp===="}}`, aMFATOTP, "JBSWY3DPEHPK3PXP"},
		{`{"identities":[{"subject":12345678901234567890,"provider":"g","x":1}]}`, aIdentities, `[{"provider":"g","subject":"12345678901234567890","x":1}]`},
		{`{"roles":["b","a","b"]}`, aRoles, `["b","a"]`},
		{`{"logins_count":17.0}`, aLoginsCount, "17"},
		{`{"password":{"hash":"5f4dcc3b5aa765d61d8327deb882cf99","hasher":"md5"}}`, aPassword, "$usher$hex-md5$5f4dcc3b5aa765d61d8327deb882cf99"},
		{`{"password":{"hash":"` + goodHash + `","hasher":"bcrypt"}}`, aPassword, goodHash},
		{`{"password":{"hash":"` + goodHash + `","hasher":"bcrypt","trim":true}}`, aPassword, "$usher$bcrypt,eyJ0cmltIjp0cnVlfQ$" + goodHash},
		{`{"password":{"hash":"5f4dcc3b5aa765d61d8327deb882cf99","hasher":"md5","salt":"s","position":"prefix"}}`, aPassword, "$usher$hex-md5,eyJwb3NpdGlvbiI6InByZWZpeCIsInNhbHQiOiJzIn0$5f4dcc3b5aa765d61d8327deb882cf99"},
	} {
		o := parse(t, tt.record)
		o.Set("external_id", int64(1))
		c := r.Read(o)
		if f := c.find(tt.attr); f == nil || f.text != tt.want {
			t.Errorf("%s: %v, %v", tt.record, f, c.Violations)
		}
	}
	for offset, want := range map[int]string{3600: "2026-01-02T03:04:05+01:00", 3600 + 17: "2026-01-02T02:03:48Z"} {
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", offset))
		c := r.Read(value.ObjectOf(value.Member{Name: "external_id", Value: "1"}, value.Member{Name: "last_login", Value: at}))
		if f := c.find(aLastLogin); f == nil || f.text != want {
			t.Errorf("%v %v", f, c.Violations)
		}
	}
}

// What is folded stays as it is when it is folded again, in every script.
func TestFoldingTwiceIsFoldingOnce(t *testing.T) {
	for r := range rune(unicode.MaxRune + 1) {
		once := fold(string(r))
		if twice := fold(once); twice != once {
			t.Errorf("%U becomes %+q, that becomes %+q", r, once, twice)
		}
		if lower := fold(string(unicode.ToLower(r))); unicode.Is(unicode.Cherokee, r) && lower != once {
			t.Errorf("%U and its small letter become %+q and %+q", r, once, lower)
		}
	}
}

// Names that look alike to their bearer are one: no two users, and nobody who cannot log in by typing it.
func TestSpellingsOfOneName(t *testing.T) {
	for _, names := range [][]string{
		{"ann", "Ann", "ａｎｎ", "a\u200bnn", "\ufeffann", "ann\u2060", "a\u00adnn", "\u202aann\u202c", "an\ufe0fn", "a\u034fnn", "a\u3164nn"},
		{"zoé", "ZOE\u0301", "zoe\u200d\u0301", "zoe\u034f\u0301"},
		{"straße", "STRASSE", "stra\u1e9ee"},
		{"نامه\u200cای", "نامهای"},
	} {
		for _, name := range names {
			if got := key(aUsername, name); got != key(aUsername, names[0]) {
				t.Errorf("%+q is %+q, %+q is %+q", names[0], key(aUsername, names[0]), name, got)
			}
		}
	}
	for _, names := range [][2]string{{"i", "ı"}, {"a", "а"}, {"i", "İ"}} {
		if key(aUsername, names[0]) == key(aUsername, names[1]) {
			t.Errorf("%+q and %+q are taken for one", names[0], names[1])
		}
	}
}

// What the short way takes must be what the long way takes, in the same form.
func FuzzNormalizeEmail(f *testing.F) {
	for _, s := range []string{"User@X.com", "a.b+c_d-e@x-y.co", "a..b@x.com", ".a@x.com", "a@x.com.", "a@.x", "a-@-x.com", "\"q\"@x", "ａ@ｂ.com", "a@xn--bcher-kva.de", "ẞ@x.de"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.TrimSpace(s)
		full, err := fullEmail(s)
		if short, ok := plainEmail(s); ok && (err != nil || short != full) {
			t.Fatalf("%q: %q by the short way, %q, %v by the long", s, short, full, err)
		}
		if err != nil {
			return
		}
		if again, err := NormalizeEmail(full); err != nil || again != full {
			t.Fatalf("%q became %q, that became %q, %v", s, full, again, err)
		}
	})
}

func TestErrorsShowNoSecret(t *testing.T) {
	r := rules(t, Options{}).NewReader()
	for _, secret := range []string{"hunter2hunter2", goodHash[:50], "{SSHA}hunter2hunter2", "5f4dcc3b5aa765d61d8327deb882cf99", "$6$rounds=5000$hunter2"} {
		q := string(value.AppendString(nil, secret))
		for _, record := range []string{
			`{"password":` + q + `}`, `{"password":{"hash":` + q + `}}`, `{"password":{"hash":` + q + `,"hasher":"bcrypt"}}`,
			`{"password":{"plain":` + q + `}}`, `{"password":[` + q + `]}`, `{"mfa":` + q + `}`, `{"mfa":{"totp":` + q + `}}`,
			`{"mfa":{"totp":{"secret":` + q + `}}}`, `{"mfa":{"recovery_codes":` + q + `}}`, `{"mfa":{"password":{"hash":` + q + `}}}`,
		} {
			c := r.Read(parse(t, record))
			for _, v := range c.Violations {
				if strings.Contains(v.String(), secret) || strings.Contains(v.String(), "hunter2") {
					t.Errorf("%s: %s", record, v)
				}
			}
		}
	}
}

func TestFingerprintTellsRecordsApart(t *testing.T) {
	seen := map[[fingerprintSize]byte]string{}
	for _, o := range []Options{{}, {OnUpdate: map[string]Behaviour{"password": Set}}, {Identifier: "external_id"}} {
		r := rules(t, o).NewReader()
		for _, record := range []string{
			`{"email":"a@x.com","external_id":"1"}`, `{"email":"a@x.com","external_id":"1","name":null}`, `{"email":"a@x.com","external_id":"1","name":"n"}`,
			`{"email":"a@x.com","external_id":"1","nickname":"n"}`, `{"email":"a@x.com","external_id":"1","custom_attributes":{}}`,
			`{"email":"a@x.com","external_id":"1","custom_attributes":null}`, `{"email":"a@x.com","external_id":"1","disabled":false}`,
			`{"email":"a@x.com","external_id":"1","disabled":null}`,
		} {
			c := r.Read(parse(t, record))
			if len(c.Violations) > 0 {
				t.Fatal(record, c.Violations)
			}
			if other, ok := seen[c.fingerprint]; ok {
				t.Errorf("%s and %s have the same fingerprint", record, other)
			}
			seen[c.fingerprint] = record
		}
	}
}
