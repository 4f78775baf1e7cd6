package password

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/usher-id/usher/value"
)

// readBack gives the format, string and context in which this package reads what a target was given: the proof that the form means the same
// hash.
func readBack(t *testing.T, out Converted) (format, encoded string, values Context) {
	t.Helper()
	text := out.Value.Reveal()
	var m map[string]any
	if out.JSON {
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatalf("%s: not JSON: %v", out.Target, err)
		}
	}
	field := func(key string) string { s, _ := m[key].(string); return s }
	switch out.Target {
	case "auth0":
		return "auth0-custom_password_hash", text, nil
	case "keycloak":
		return "keycloak-credential", text, nil
	case "okta":
		return "okta-hash-json", text, nil
	case "fusionauth":
		return "fusionauth-import", text, nil
	case "authgear":
		if strings.HasPrefix(field("password_hash"), "$bcrypt-sha512$") {
			return "authgear-bcrypt-sha512", field("password_hash"), nil
		}
		return "bcrypt", field("password_hash"), nil
	case "clerk":
		format := map[string]string{
			"bcrypt": "bcrypt", "bcrypt_peppered": "clerk-bcrypt_peppered", "bcrypt_sha256_django": "django-bcrypt_sha256", "argon2id": "argon2-phc", "argon2i": "argon2-phc",
			"pbkdf2_sha256": "clerk-pbkdf2_sha256", "pbkdf2_sha1": "clerk-pbkdf2_sha1", "pbkdf2_sha256_django": "django-pbkdf2_sha256", "scrypt_werkzeug": "werkzeug-scrypt",
			"scrypt_firebase": "clerk-scrypt_firebase", "phpass": "phpass", "md5": "hex-md5", "sha256": "hex-sha256", "ldap_ssha": "ldap-ssha",
		}[field("password_hasher")]
		return format, field("password_digest"), nil
	case "workos":
		format := map[string]string{"bcrypt": "bcrypt", "argon2": "argon2-phc", "firebase-scrypt": "workos-firebase-scrypt", "ssha": "ldap-ssha", "ssha256": "ldap-ssha256"}[field("password_hash_type")]
		return format, field("password_hash"), nil
	case "logto":
		format := map[string]string{"Bcrypt": "bcrypt", "Argon2i": "argon2-phc", "Argon2id": "argon2-phc", "MD5": "hex-md5", "SHA1": "hex-sha1", "SHA256": "hex-sha256", "Legacy": "logto-legacy"}[field("passwordAlgorithm")]
		return format, field("passwordDigest"), nil
	case "supertokens":
		if strings.HasPrefix(text, "$f_scrypt$") {
			return "supertokens-f_scrypt", text, Context{"signer_key_b64": strings.Trim(out.Settings.Reveal(), `"`)}
		}
	case "firebase":
		return readFirebase(t, field("passwordHash"), field("passwordSalt"), out.Settings.Reveal())
	case "kratos":
		for prefix, format := range map[string]string{
			"$scrypt$": "kratos-scrypt", "$pbkdf2-sha224$": "kratos-pbkdf2-sha3-224", "$pbkdf2-sha384$": "kratos-pbkdf2-sha3-384", "$md5$": "kratos-md5", "$sha1$": "kratos-sha-pf",
		} {
			if strings.HasPrefix(text, prefix) {
				return format, text, nil
			}
		}
	case "zitadel":
		if len(text) == 32 {
			return "hex-md5", text, nil
		}
		if rest, ok := strings.CutPrefix(text, "$md5salted-"); ok {
			parts := strings.Split(rest, "$")
			return "md5", parts[2], Context{"position": parts[0], "salt": parts[1], "encoding": "base64"}
		}
	}
	format, err := Recognise(text)
	if err != nil {
		t.Fatalf("%s was given something that nothing reads: %v", out.Target, err)
	}
	return format, text, nil
}

func readFirebase(t *testing.T, hash, salt, settings string) (format, encoded string, values Context) {
	t.Helper()
	var s firebaseSettings
	if err := json.Unmarshal([]byte(settings), &s); err != nil {
		t.Fatal(err)
	}
	decode := func(text string) []byte {
		b, err := base64.URLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	raw, saltBytes := decode(hash), decode(salt)
	switch s.Algorithm {
	case "BCRYPT":
		return "bcrypt", string(raw), nil
	case "SCRYPT":
		return "firebase-export-json", encodeJSON(map[string]any{"passwordHash": hash, "salt": salt, "hash_config": map[string]any{
			"base64_signer_key": s.Key, "base64_salt_separator": s.SaltSeparator, "rounds": *s.Rounds, "mem_cost": s.MemoryCost,
		}}), nil
	case "STANDARD_SCRYPT":
		return "raw-scrypt", hexBytes(raw), Context{"salt": saltBytes, "N": s.MemoryCost, "r": s.BlockSize, "p": s.Parallelization, "keylen": s.DerivedKeyLength}
	case "PBKDF_SHA1", "PBKDF2_SHA256":
		return "raw-pbkdf2-hmac-" + map[string]string{"PBKDF_SHA1": "sha1", "PBKDF2_SHA256": "sha256"}[s.Algorithm], hexBytes(raw), Context{"salt": saltBytes, "iterations": *s.Rounds}
	}
	if digest, ok := strings.CutPrefix(s.Algorithm, "HMAC_"); ok {
		return "kratos-hmac", "$hmac-" + strings.ToLower(digest) + "$" + std64([]byte(hexBytes(raw))) + "$" + std64(decode(s.Key)), nil
	}
	values = Context{}
	if s.InputOrder != "" {
		values = Context{"salt": saltBytes, "position": map[string]string{"SALT_FIRST": "prefix", "PASSWORD_FIRST": "suffix"}[s.InputOrder]}
	}
	return "hex-" + strings.ToLower(s.Algorithm), hexBytes(raw), values
}

// TestWhatTravelsStillVerifies converts the example of each format to each target and verifies the password against what the target
// would hold.
func TestWhatTravelsStillVerifies(t *testing.T) {
	travelled := map[string]int{}
	for _, f := range Formats() {
		e := f.Example()
		for _, target := range Targets() {
			out, err := Convert(Hash{Format: f.Name, Encoded: value.Secret(e.Encoded), Context: e.Context}, target)
			if err != nil {
				var e *Error
				if !errors.As(err, &e) || e.Code != CodeCannot || len(e.Message) < 20 {
					t.Errorf("%s to %s: %v", f.Name, target, err)
				}
				continue
			}
			travelled[target]++
			if target == "authing" { // the pool's own function verifies the string as it stands
				continue
			}
			format, encoded, values := readBack(t, out)
			if format == "" { // a layout that only the target knows
				if !slices.ContainsFunc(out.Warnings, func(w string) bool { return strings.Contains(w, "not confirmed") }) {
					t.Errorf("%s to %s: an unconfirmed form without a warning", f.Name, target)
				}
				continue
			}
			t.Run(f.Name+" to "+target, func(t *testing.T) {
				sameHash(t, f, e, format, encoded, values)
			})
		}
	}
	for _, target := range Targets() {
		if target == "cognito" {
			if travelled[target] > 0 {
				t.Error("something travels to Cognito")
			}
		} else if travelled[target] < 5 {
			t.Errorf("only %d formats travel to %s", travelled[target], target)
		}
	}
}

// sameHash checks that the form read back is the hash that set out. A costly hash is compared by its parts, which are all that its derivation
// depends on; a cheap one by verifying the password.
func sameHash(t *testing.T, from *Format, e Example, format, encoded string, values Context) {
	t.Helper()
	to, err := Lookup(format)
	if err != nil {
		t.Fatal(err)
	}
	before, err1 := openVerifier.open(from, e.Encoded, e.Context)
	after, err2 := openVerifier.open(to, encoded, values)
	if err1 != nil || err2 != nil {
		t.Fatalf("%v, %v", err1, err2)
	}
	if before.digest != nil || before.pre != nil {
		got := Verify(context.Background(), format, encoded, []byte(e.Password), values)
		if got.Outcome != Match {
			t.Errorf("read as %s: %v %s", format, got.Outcome, got.Reason)
		}
		return
	}
	if before.Algorithm == "bcrypt" || before.Algorithm == "phpass" { // the letters that mean the same
		before.Variant, after.Variant = "", ""
	}
	if before.Params != after.Params || !bytes.Equal(before.salt, after.salt) || !bytes.Equal(before.want, after.want) {
		t.Errorf("read as %s: %+v, it was %+v, or salt or digest differ", format, after.Params, before.Params)
	}
	if (before.firebase == nil) != (after.firebase == nil) || before.firebase != nil && !bytes.Equal(before.firebase.signer, after.firebase.signer) {
		t.Errorf("read as %s: the signer key is another", format)
	}
	if after.pre != nil {
		t.Errorf("read as %s: the password goes through %s", format, after.pre)
	}
}

func TestFirebaseSpellingsAreExact(t *testing.T) {
	from := Hash{Format: "firebase-export-json", Encoded: value.Secret(examples()["firebase-export-json"].Encoded)}
	for target, format := range map[string]string{"supabase": "supabase-fbscrypt", "kratos": "", "workos": "workos-firebase-scrypt", "clerk": "clerk-scrypt_firebase"} {
		out, err := Convert(from, target)
		if err != nil {
			t.Fatal(err)
		}
		_, got, _ := readBack(t, out)
		if format == "" {
			continue
		}
		if want := examples()[format].Encoded; strings.TrimRight(got, "=") != strings.TrimRight(want, "=") {
			t.Errorf("%s:\n%s\nwant\n%s", target, got, want)
		}
		if !slices.Contains(out.Warnings, signerInRow) {
			t.Errorf("%s: no warning that the signer key is in every row", target)
		}
	}
}

func TestConvertExactForms(t *testing.T) {
	const bcryptOkta = "$2a$10$qRRx8rli7Lvs2h2CNgCQ2OmVA2NDdomRGoGFrAXDZcno0OZ6CoOU2"
	for _, tt := range []struct {
		name, format, encoded string
		context               Context
		target, want          string
	}{
		{"bcrypt to Okta", "bcrypt", bcryptOkta, nil, "okta", `{"algorithm":"BCRYPT","workFactor":10,"salt":"qRRx8rli7Lvs2h2CNgCQ2O","value":"mVA2NDdomRGoGFrAXDZcno0OZ6CoOU2"}`},
		{"bcrypt to Authgear", "bcrypt", bcryptOkta, nil, "authgear", `{"type":"bcrypt","password_hash":"` + bcryptOkta + `"}`},
		{"salted SHA-256 to Auth0", "salted-sha256-pass.salt", "25f6ec2d309a4755d6e3ff2a8547cc0b5ba18718ba57fe5e4b8675035d2dadb7:abc123", nil, "auth0",
			`{"algorithm":"sha256","hash":{"value":"25f6ec2d309a4755d6e3ff2a8547cc0b5ba18718ba57fe5e4b8675035d2dadb7","encoding":"hex"},"salt":{"value":"abc123","encoding":"utf8","position":"suffix"}}`},
		{"UTF-16 MD4 to Auth0", "nt", "b4b9b02e6f09a9bd760f388b67351e2b", nil, "auth0",
			`{"algorithm":"md4","hash":{"value":"b4b9b02e6f09a9bd760f388b67351e2b","encoding":"hex"},"password":{"encoding":"utf16le"}}`},
		{"salt column to Kratos", "md5", "57ab8499d08c59a7211c77f557bf9425", Context{"salt": "4247", "position": "prefix"}, "kratos", "$md5$pf=e1NBTFR9e1BBU1NXT1JEfQ==$NDI0Nw==$V6uEmdCMWachHHf1V7+UJQ=="},
		{"unsalted {SHA} to Kratos", "ldap-sha", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", nil, "kratos", "$sha1$pf=e1BBU1NXT1JEfQ==$$W6ph5Mm5Pz8GgiULbPgzG37mj9g="},
		{"crypt without rounds to Kratos", "sha256crypt", "$5$7777657035274252$XftMj84MW.New1/ViLY5V4CM4Y7EBvfETaZsCW9vcJ8", nil, "kratos", "$sha256-crypt$rounds=5000$7777657035274252$XftMj84MW.New1/ViLY5V4CM4Y7EBvfETaZsCW9vcJ8"},
		{"scrypt to Kratos holds N", "phc-scrypt", "$scrypt$ln=10,r=8,p=1$Sak1ppRSihHiXMvZW2vtHQ$JSG3af7xynwoSwEUivtbChiRCjuD8UgIzOUOg2znvlY", nil, "kratos", "$scrypt$ln=1024,r=8,p=1$Sak1ppRSihHiXMvZW2vtHQ==$JSG3af7xynwoSwEUivtbChiRCjuD8UgIzOUOg2znvlY="},
		{"PHC to passlib for Zitadel", "phc-pbkdf2", "$pbkdf2-sha512$i=100000,l=32$bdHBpn7OWOivJMVJypy2UqR0UnaD5prQXRZevj/05YU$+wArTfv1a+bNGO1iZrmEdVjhA+lL11wF4/IxpgYfPwc", nil, "zitadel", "$pbkdf2-sha512$100000$bdHBpn7OWOivJMVJypy2UqR0UnaD5prQXRZevj/05YU$.wArTfv1a.bNGO1iZrmEdVjhA.lL11wF4/IxpgYfPwc"},
		{"Django to Keycloak", "django-pbkdf2_sha256", "pbkdf2_sha256$10000$1135411628$bFYX62rfJobJ07VwrUMXfuffLfj2RDM2G6/BrTrUWkE=", nil, "keycloak",
			`{"type":"password","credentialData":"{\"hashIterations\":10000,\"algorithm\":\"pbkdf2-sha256\",\"additionalParameters\":{}}","secretData":"{\"value\":\"bFYX62rfJobJ07VwrUMXfuffLfj2RDM2G6/BrTrUWkE=\",\"salt\":\"MTEzNTQxMTYyOA==\",\"additionalParameters\":{}}"}`},
		{"pepper for Clerk", "devise", "$2b$05$g9lcZ5uQM4zCD21gWby07uCyQe.ahaaQbxmenQgSRsMylP2LDwE2G", Context{"pepper": "p3pp3r"}, "clerk",
			`{"password_hasher":"bcrypt_peppered","password_digest":"$2b$05$g9lcZ5uQM4zCD21gWby07uCyQe.ahaaQbxmenQgSRsMylP2LDwE2G$p3pp3r"}`},
	} {
		out, err := Convert(Hash{Format: tt.format, Encoded: value.Secret(tt.encoded), Context: tt.context}, tt.target)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := out.Value.Reveal(); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

func TestConvertSaysWhyAHashCannotTravel(t *testing.T) {
	for _, tt := range []struct{ name, format, encoded, target, reason string }{
		{"2x", "bcrypt", "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", "authgear", "sign-extension"},
		{"WordPress", "wordpress-6.8", examples()["wordpress-6.8"].Encoded, "kratos", "goes through base64(unhex(hmac_sha384"},
		{"few iterations", "passlib-pbkdf2-sha256", "$pbkdf2-sha256$1000$.v9fS2kthTDGGONcKyVEyA$IE1sN7rkLlOx3n76/N1f08NxM458GIL5xsARSOgFHIY", "okta", "from 4096 iterations on, these are 1000"},
		{"SHA-2 for Kratos", "phc-pbkdf2", "$pbkdf2-sha384$i=1000,l=32$A2nzbFd+wwzPSb+TqkF5Pw$7ICaEa6jEqxbbCBbv4YzrBf39KYNAtc3Bj0QWKeB3Ck", "kratos", "means SHA-3"},
		{"nested", "mybb", "d1a66d16efc9ddc235f9cf4163e1be72:s4lt5", "auth0", "md5(md5(salt) . md5(pass))"},
		{"not bcrypt", "argon2", examples()["argon2-phc"].Encoded, "authgear", "bcrypt and nothing else"},
		{"user name for Authing", "smf-sha1", examples()["smf-sha1"].Encoded, "authing", "username"},
	} {
		values := Context(nil)
		if tt.format == "smf-sha1" {
			values = examples()["smf-sha1"].Context
		}
		_, err := Convert(Hash{Format: tt.format, Encoded: value.Secret(tt.encoded), Context: values}, tt.target)
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeCannot || !strings.Contains(e.Message, tt.reason) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := Convert(Hash{Format: "bcrypt", Encoded: value.Secret(goodBcrypt[:59])}, "okta"); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("a cut hash: %v", err)
	}
	if _, err := Convert(Hash{Format: "bcrypt", Encoded: goodBcrypt}, "myspace"); err == nil || !strings.Contains(err.Error(), "auth0, authgear") {
		t.Errorf("an unknown target: %v", err)
	}
}

// TestWhatChangesPasswordsIsNotLost: a target that is given the hash alone hashes passwords as they are typed.
func TestWhatChangesPasswordsIsNotLost(t *testing.T) {
	const latin1, utf16 = "0d1ac3f7c8dbcd95a4e68b2e5f5a1c6a", "b21cbf8ab7e7c4fd7d2dd8d6c5c2d0b9"
	for _, tt := range []struct {
		context Context
		auth0   string // what its form says of the password; empty: it cannot say it
	}{
		{Context{"charset": "latin1"}, `"password":{"encoding":"binary"}`},
		{Context{"charset": "utf16le"}, `"password":{"encoding":"ucs2"}`},
		{Context{"charset": "utf16be"}, ""},
		{Context{"charset": "latin1", "trim": true}, ""},
		{Context{"normalization": "NFKC"}, ""},
		{Context{"trim": "true"}, ""},
	} {
		for _, target := range []string{"auth0", "okta", "kratos", "firebase", "zitadel", "logto", "clerk"} {
			out, err := Convert(Hash{Format: "hex-md5", Encoded: latin1, Context: tt.context}, target)
			if target == "auth0" && tt.auth0 != "" {
				if err != nil || !strings.Contains(out.Value.Reveal(), tt.auth0) {
					t.Errorf("%v to auth0: %v %v", map[string]any(tt.context), out.Value.Reveal(), err)
				}
				continue
			}
			var e *Error
			if text, _ := tt.context.text("charset", ""); strings.HasPrefix(text, "utf16") {
				if !errors.As(err, &e) || e.Code != CodeCannot {
					t.Errorf("%v to %s: %v", map[string]any(tt.context), target, err)
				}
			} else if err != nil || !strings.Contains(strings.Join(out.Warnings, " "), "who has one that this changes cannot log in there") {
				t.Errorf("%v to %s: %v %v", map[string]any(tt.context), target, out.Warnings, err)
			}
		}
		out, err := Convert(Hash{Format: "hex-md5", Encoded: utf16, Context: tt.context}, "authing")
		if err != nil || !strings.Contains(strings.Join(out.Warnings, " "), "of what the source made of the password") || strings.Contains(strings.Join(out.Warnings, " "), "export-script") {
			t.Errorf("%v to authing: %v %v", map[string]any(tt.context), out.Warnings, err)
		}
	}
	for _, unchanged := range []Context{nil, {"trim": false}, {"charset": "utf8"}} {
		if _, err := Convert(Hash{Format: "hex-md5", Encoded: latin1, Context: unchanged}, "okta"); err != nil {
			t.Error(err)
		}
	}
	var e *Error
	if _, err := Convert(Hash{Format: "hex-md5", Encoded: latin1, Context: Context{"charset": "klingon"}}, "okta"); !errors.As(err, &e) || e.Code != CodeUnsupported {
		t.Errorf("an unknown charset: %v", err)
	}
}

func TestLDAPSchemesTravelInCapitals(t *testing.T) {
	const digest = "5en6G6MezRroT3XKqkdPOmY/BfRzYWx0"
	for _, target := range []string{"auth0", "kratos"} {
		for _, encoded := range []string{"{SSHA}" + digest, "{ssha}" + digest} {
			out, err := Convert(Hash{Format: "ldap-ssha", Encoded: value.Secret(encoded)}, target)
			if err != nil || !strings.Contains(out.Value.Reveal(), "{SSHA}"+digest) {
				t.Errorf("%s to %s: %v %v", encoded, target, out.Value.Reveal(), err)
			}
		}
	}
	out, err := Convert(Hash{Format: "ldap-ssha", Encoded: "{SSHA}5en6G6MezRroT3XKqkdPOmY/BfRzYWw"}, "kratos")
	if err != nil || out.Value != "{SSHA}5en6G6MezRroT3XKqkdPOmY/BfRzYWw=" {
		t.Errorf("without padding: %v %v", out.Value.Reveal(), err)
	}
}
