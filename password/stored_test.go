package password

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/usher-id/usher/value"
)

func TestStoredAndBack(t *testing.T) {
	for _, tt := range []struct {
		format, encoded, password string
		context                   Context
		stored                    string // its beginning
	}{
		{"bcrypt", goodBcrypt, "hello", nil, "$2b$"},
		{"meteor", "$2b$05$tU8L.G85SlJTYnjZzm3Lz.lBKlkIVN/ZmEjw/IOnWKFaThm38UMHW", "password", nil, "$usher$meteor-bcrypt-sha256hex$$2b$"},
		{"md5", "5f4dcc3b5aa765d61d8327deb882cf99", "password", nil, "$usher$hex-md5$5f4d"},
		{"smf-sha1", "744b6203c9aef01c9c9a8563838c8f71767b15bc", "password", Context{"username": "Alice"}, "$usher$smf-sha1,"},
		{"raw-pbkdf2-hmac-sha1", "0c60c80f961f0e71f3a9b524af6012062fe037a6", "password", Context{"salt": []byte("salt"), "iterations": 1}, "$usher$raw-pbkdf2-hmac-sha1,"},
		{"digest:sha1(salt . sha1(pass))", "9038129c474caa3f0de56f38db84033d0fe1d4b8:365563602032", "hashcat", nil, "$usher$digest:sha1(salt . sha1(pass))$9038"},
		{"digest:md5('$,%' . pass)", "1c3f1cd8dd1b9f01fc4ffa19a0c1bfa4", "", nil, "$usher$digest:md5('%24%2C%25' . pass)$1c3f"},
		{"keycloak-credential", examples()["keycloak-credential"].Encoded, examples()["keycloak-credential"].Password, nil, "{"},
	} {
		s, err := Hash{Format: tt.format, Encoded: value.Secret(tt.encoded), Context: tt.context}.Stored()
		if err != nil || !strings.HasPrefix(s, tt.stored) {
			t.Errorf("%s: stored as %.40s, %v", tt.format, s, err)
			continue
		}
		h, err := ParseStored(s)
		if err != nil || h.Encoded.Reveal() != tt.encoded {
			t.Errorf("%s: %v", tt.format, err)
			continue
		}
		if tt.password == "" {
			continue
		}
		if got := Verify(context.Background(), h.Format, h.Encoded.Reveal(), []byte(tt.password), h.Context); got.Outcome != Match {
			t.Errorf("%s: read back: %v %s", tt.format, got.Outcome, got.Reason)
		}
	}
	for _, s := range []string{"$usher$bcrypt", "$usher$nothing$x", "$usher$md5,!$x", "$usher$md5,e30$x", "$usher$bcrypt$" + goodBcrypt[:50], "plain"} {
		if _, err := ParseStored(s); err == nil {
			t.Errorf("%s is taken", s)
		}
	}
}

func TestPasswordIsPreparedAsTheSourceDid(t *testing.T) {
	const latin1 = "2ca67a2dbf3a2f52ef5126a2ae8f8a2f" // MD5 of pässwörd in ISO-8859-1, from the vectors
	for _, tt := range []struct {
		name, password string
		values         Context
		want           Outcome
	}{
		{"as it is", "pässwörd", nil, Mismatch},
		{"charset", "pässwörd", Context{"charset": "latin1"}, Match},
		{"composed first", "pa\u0308sswo\u0308rd", Context{"charset": "latin1", "normalization": "NFC"}, Match},
		{"trimmed", " pässwörd\n", Context{"charset": "latin1", "trim": true}, Match},
		{"not in the charset", "пароль", Context{"charset": "latin1"}, Unsupported},
		{"no such charset", "x", Context{"charset": "ebcdic"}, Unsupported},
		{"no such form", "x", Context{"normalization": "NFX"}, Unsupported},
	} {
		if got := Verify(context.Background(), "md5", latin1, []byte(tt.password), tt.values); got.Outcome != tt.want {
			t.Errorf("%s: %v %s", tt.name, got.Outcome, got.Reason)
		}
	}
}

func TestTrimIsTrueOrFalse(t *testing.T) {
	const hash = "5f4dcc3b5aa765d61d8327deb882cf99" // md5 of password
	for _, tt := range []struct {
		trim any
		want Outcome
	}{{true, Match}, {"true", Match}, {false, Mismatch}, {"yes", Unsupported}, {1, Unsupported}} {
		if got := Verify(context.Background(), "hex-md5", hash, []byte("password "), Context{"trim": tt.trim}); got.Outcome != tt.want {
			t.Errorf("trim %v: %v %s", tt.trim, got.Outcome, got.Reason)
		}
	}
}

// What no login could ever do is refused where a hash is taken in.
func TestParseKnowsWhatChangesPasswords(t *testing.T) {
	const hash = "5f4dcc3b5aa765d61d8327deb882cf99"
	for _, values := range []Context{{"trim": "yes"}, {"charset": "latin-1"}, {"normalization": "nfc"}} {
		var e *Error
		if _, err := Parse("hex-md5", hash, values); !errors.As(err, &e) || e.Code != CodeUnsupported {
			t.Errorf("%v: %v", map[string]any(values), err)
		}
	}
	if _, err := Parse("hex-md5", hash, Context{"trim": true, "charset": "latin1", "normalization": "NFC"}); err != nil {
		t.Error(err)
	}
}
