package password

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

type vector struct {
	ID          string         `json:"id"`
	Format      string         `json:"format"`
	PasswordHex string         `json:"password_hex"`
	Encoded     string         `json:"encoded"`
	Match       bool           `json:"match"`
	Extra       map[string]any `json:"extra"`
	LayoutBasis string         `json:"layout_basis"`
}

// vectors are known answers made by other implementations; each names its source in the file.
func vectors(t testing.TB) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/password-hashes.json")
	if err != nil {
		t.Fatal(err)
	}
	var v []vector
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

const goodBcrypt = "$2b$10$nFguVi9LsCAcvTZFKQlRKeLVydo8ETv483lkNsSFI/Wl1Rz1Ypo1K"

func TestRecogniseNamesSelfDescribingFormats(t *testing.T) {
	for _, tt := range []struct{ encoded, format string }{
		{goodBcrypt, "bcrypt"},
		{"$argon2id$v=19$m=1024,t=2,p=1$Ukp6ZE5vdjQ4aWRuUk5CYw$bAiSakadNNcn8cXRMV9hPjJiO1wxT4mvhIAahvdvbLU", "argon2-phc"},
		{"$scrypt$ln=10,r=8,p=1$Sak1ppRSihHiXMvZW2vtHQ$JSG3af7xynwoSwEUivtbChiRCjuD8UgIzOUOg2znvlY", "phc-scrypt"},
		{"$pbkdf2-sha512$i=100000,l=32$bdHBpn7OWOivJMVJypy2UqR0UnaD5prQXRZevj/05YU$+wArTfv1a+bNGO1iZrmEdVjhA+lL11wF4/IxpgYfPwc", "phc-pbkdf2"},
		{"$pbkdf2-sha256$1000$.v9fS2kthTDGGONcKyVEyA$IE1sN7rkLlOx3n76/N1f08NxM458GIL5xsARSOgFHIY", "passlib-pbkdf2-sha256"},
		{"$P$946647711V1klyitUYhtB8Yw5DMA/w.", "phpass"},
		{"{SSHA}KswV+cogyAhOK8pNnT8j3H46bIRai9G6", "ldap-ssha"},
		{"{ssha}KswV+cogyAhOK8pNnT8j3H46bIRai9G6", "ldap-ssha"},
		{"$6$jcHbsK2ZMpn80WJ0$b7BDcDAJz6kXgxtUpcX1xbeL8pZeAKjH0R1L0TmdVYcPDmw7gmwGH.LyVLMWTb/BiPDS.VKdOnWOfBiJwz7ip/", "sha512crypt"},
	} {
		format, err := Recognise(tt.encoded)
		if err != nil || format != tt.format {
			t.Errorf("Recognise of a %s = %q, %v", tt.format, format, err)
		}
		if err := Check(tt.format, tt.encoded); err != nil {
			t.Errorf("Check(%s): %v", tt.format, err)
		}
	}
}

func TestRecogniseSaysWhatIsWrongAndNeverShowsTheHash(t *testing.T) {
	for _, tt := range []struct{ name, encoded, format, code, message string }{
		{"cut off", goodBcrypt[:59], "bcrypt", CodeMalformed, "bcrypt: 59 characters, 60 expected: the hash was cut off"},
		{"too long", goodBcrypt + "x", "bcrypt", CodeMalformed, "bcrypt: 61 characters, 60 expected: something is left over at the end"},
		{"alphabet", goodBcrypt[:59] + "!", "bcrypt", CodeMalformed, "bcrypt: character 60 is not of bcrypt's alphabet"},
		{"cost too low", strings.Replace(goodBcrypt, "$10$", "$03$", 1), "bcrypt", CodeMalformed, "bcrypt: cost 3; 4 to 31 are possible"},
		{"cost too high", strings.Replace(goodBcrypt, "$10$", "$31$", 1), "bcrypt", CodeOverLimit, "bcrypt: cost 31; the limit is 14"},
		{"argon2 memory", "$argon2id$v=19$m=4194304,t=2,p=1$Ukp6ZE5vdjQ4aWRuUk5CYw$bAiSakadNNcn8cXRMV9hPjJiO1wxT4mvhIAahvdvbLU", "argon2-phc", CodeOverLimit, "argon2-phc: m=4194304 KiB; the limit is 262144"},
		{"argon2 t=0", "$argon2id$v=19$m=1024,t=0,p=1$Ukp6ZE5vdjQ4aWRuUk5CYw$bAiSakadNNcn8cXRMV9hPjJiO1wxT4mvhIAahvdvbLU", "argon2-phc", CodeMalformed, "argon2-phc: t and p must be at least 1"},
		{"scrypt r=0", "$scrypt$ln=10,r=0,p=1$Sak1ppRSihHiXMvZW2vtHQ$JSG3af7xynwoSwEUivtbChiRCjuD8UgIzOUOg2znvlY", "phc-scrypt", CodeMalformed, "phc-scrypt: N must be a power of two above 1, r and p at least 1"},
		{"bare hex", "5f4dcc3b5aa765d61d8327deb882cf99", "", CodeUnknown, "32 hexadecimal digits may be MD5, NT, MD4 or a salted scheme: declare the format"},
		{"unknown scheme", "{ROT13}uhagre2", "", CodeUnknown, "no format with this prefix is known: declare the format, or add a hasher for it"},
		{"passlib cut off", "$pbkdf2-sha256$1000$.v9fS2kthTDGGONcKyVEyA", "passlib-pbkdf2-sha256", CodeMalformed, `passlib-pbkdf2-sha256: no "$" after the salt: the hash was cut off`},
		{"another system's of the same prefix", "md5$STJGtunv3OB8$bdf789f9cd224e4f6a78730733ee164d", "", CodeUnknown, "other systems begin hashes like postgres-md5: declare the format"},
		{"another system's in other letters", "{pbkdf2}c48f39a217ceaa16520caec3b7c5bcf6f86b7ac9d77abbe6626383e885cfce225abb8f6ee7a7a12d", "", CodeUnknown, "other systems begin hashes like ldap-pbkdf2-sha1: declare the format"},
		{"plain text", "hunter2", "", CodeUnknown, "nothing in the string names its format: declare it"},
		{"empty", "", "", CodeUnknown, "an empty string is no hash"},
	} {
		format, err := Recognise(tt.encoded)
		var e *Error
		if !errors.As(err, &e) || format != tt.format || e.Code != tt.code || e.Error() != tt.message {
			t.Errorf("%s: Recognise = %q, %v", tt.name, format, err)
		}
	}
}

func BenchmarkCheckBcrypt(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := Check("bcrypt", goodBcrypt); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRecognise(b *testing.B) {
	for _, tt := range []struct{ name, encoded string }{
		{"bcrypt", goodBcrypt},
		{"argon2id", "$argon2id$v=19$m=1024,t=2,p=1$Ukp6ZE5vdjQ4aWRuUk5CYw$bAiSakadNNcn8cXRMV9hPjJiO1wxT4mvhIAahvdvbLU"},
		{"ssha", "{SSHA}KswV+cogyAhOK8pNnT8j3H46bIRai9G6"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Recognise(tt.encoded); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
