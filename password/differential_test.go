package password

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	gocrypt "github.com/go-crypt/crypt"
	passwapargon2 "github.com/zitadel/passwap/argon2"
	passwapbcrypt "github.com/zitadel/passwap/bcrypt"
	passwapdrupal7 "github.com/zitadel/passwap/drupal7"
	passwapmd5 "github.com/zitadel/passwap/md5"
	passwappbkdf2 "github.com/zitadel/passwap/pbkdf2"
	passwapphpass "github.com/zitadel/passwap/phpass"
	passwapscrypt "github.com/zitadel/passwap/scrypt"
	passwapsha2 "github.com/zitadel/passwap/sha2"
	"github.com/zitadel/passwap/verifier"
)

// randomPassword has no NUL and at most the length given; it is not always UTF-8.
func randomPassword(r *rand.Rand, most int) []byte {
	b := make([]byte, r.IntN(most+1))
	for i := range b {
		b[i] = byte(1 + r.IntN(255))
	}
	return b
}

func randomText(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = h64Alphabet[r.IntN(64)]
	}
	return string(b)
}

// fill completes a hash whose digest is a row of dots with what this package derives.
func fill(t *testing.T, format, skeleton string, password []byte) string {
	t.Helper()
	f, err := Lookup(format)
	if err != nil {
		t.Fatal(err)
	}
	p, e := defaultVerifier.open(f, skeleton, nil)
	if e != nil {
		t.Fatal(e)
	}
	out, err := p.run(p, password)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(skeleton, ".") + string(out)
}

// TestAgainstPasswapAndGoCrypt has two other libraries judge what this one made, for random passwords.
func TestAgainstPasswapAndGoCrypt(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	passwap := map[string]verifier.Verifier{
		"argon2id": passwapargon2.NewVerifier(&passwapargon2.ValidationOpts{MinMemory: 8, MaxMemory: 1 << 20, MinTime: 1, MaxTime: 9, MinThreads: 1, MaxThreads: 9}),
		"bcrypt":   passwapbcrypt.NewVerifier(nil), "scrypt": passwapscrypt.NewVerifier(nil), "pbkdf2": passwappbkdf2.NewVerifier(nil),
		"sha512crypt": passwapsha2.NewVerifier(nil), "sha256crypt": passwapsha2.NewVerifier(nil),
		"md5crypt": passwapmd5.NewVerifier(), "phpass": passwapphpass.NewVerifier(nil), "drupal7": passwapdrupal7.NewVerifier(nil),
	}
	passwap["argon2i"] = passwap["argon2id"]
	for range 8 {
		password := randomPassword(r, 72)
		made := map[string]string{
			"md5crypt": fill(t, "md5crypt", "$1$"+randomText(r, 8)+"$"+strings.Repeat(".", 22), password),
			"phpass":   fill(t, "phpass", "$P$5"+randomText(r, 8)+strings.Repeat(".", 22), password),
			"drupal7":  fill(t, "drupal7", "$S$5"+randomText(r, 8)+strings.Repeat(".", 43), password),
		}
		for _, hasher := range []string{"argon2id", "argon2i", "bcrypt", "scrypt", "sha256crypt", "sha512crypt", "pbkdf2-sha256", "pbkdf2-sha512"} {
			encoded, err := Create(context.Background(), hasher, password, cheap[hasher])
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(hasher, "pbkdf2") {
				p, e := parsePHCPBKDF2(&input{encoded: encoded})
				if e != nil {
					t.Fatal(e)
				}
				encoded = passlibText(p) // the spelling that both libraries read
				if ok, err := passwap["pbkdf2"].Verify(encoded, string(password)); err != nil || ok != verifier.OK {
					t.Errorf("passwap refuses our %s: %v, %v", hasher, ok, err)
				}
			}
			made[hasher] = encoded
		}
		for name, encoded := range made {
			wrong := string(append([]byte("x"), password...))
			if v := passwap[name]; v != nil {
				if got, err := v.Verify(encoded, string(password)); err != nil || got != verifier.OK && got != verifier.NeedUpdate {
					t.Errorf("passwap refuses our %s: %v, %v", name, got, err)
				}
				// bcrypt reads 72 bytes: only a difference within them counts.
				if got, _ := v.Verify(encoded, wrong); got != verifier.Fail && len(wrong) <= 72 {
					t.Errorf("passwap takes a wrong password for our %s: %v", name, got)
				}
			}
			switch name {
			case "md5crypt", "phpass", "drupal7": // none of the default decoder's
			default:
				if ok, err := gocrypt.CheckPassword(string(password), encoded); err != nil || !ok {
					t.Errorf("go-crypt refuses our %s: %v, %v", name, ok, err)
				}
			}
		}
	}
}

// TestAgainstTheSystemsCrypt compares with libxcrypt or whatever crypt(3) Perl was built with, for random passwords, 8-bit ones too.
func TestAgainstTheSystemsCrypt(t *testing.T) {
	perl, err := exec.LookPath("perl")
	if err != nil {
		t.Skip("no perl, whose crypt() is the system's")
	}
	r := rand.New(rand.NewPCG(3, 4))
	type trial struct {
		format   string
		password []byte
		setting  string
	}
	var trials []trial
	for range 12 {
		for format, setting := range map[string]string{
			"descrypt": randomText(r, 2), "bsdicrypt": "_/..." + randomText(r, 4), "md5crypt": "$1$" + randomText(r, 8) + "$",
			"sha256crypt": "$5$rounds=1000$" + randomText(r, 16) + "$", "sha512crypt": "$6$rounds=1000$" + randomText(r, 11) + "$",
			"sha1crypt": "$sha1$40$" + randomText(r, 8) + "$", "sunmd5": "$md5,rounds=10$" + randomText(r, 8) + "$",
			"bcrypt": fmt.Sprintf("$2%c$04$", "abxy"[r.IntN(4)]) + randomText(r, 21) + "O", "nt-crypt3": "$3$",
			"yescrypt": "$y$j75$" + randomText(r, 21) + ".", "gost-yescrypt": "$gy$j75$" + randomText(r, 21) + ".", "scrypt-7": "$7$4/..../....." + randomText(r, 8),
		} {
			trials = append(trials, trial{format, randomPassword(r, 100), setting})
		}
	}
	var in strings.Builder
	for _, one := range trials {
		fmt.Fprintf(&in, "%x %x\n", one.password, one.setting)
	}
	cmd := exec.Command(perl, "-lne", `my ($k, $s) = map { pack "H*", $_ } split / /, $_, -1; my $c = crypt($k, $s); print defined $c ? unpack("H*", $c) : ""`)
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(string(out), "\n")
	compared := map[string]int{}
	for i, one := range trials {
		b, err := hex.DecodeString(answers[i])
		encoded := string(b)
		if err != nil || encoded == "" || encoded[0] == '*' || !strings.HasPrefix(encoded, one.setting[:min(3, len(one.setting))]) {
			continue // this crypt(3) does not know the scheme
		}
		compared[one.format]++
		if got := Verify(context.Background(), one.format, encoded, one.password, nil); got.Outcome != Match {
			t.Errorf("%s, setting %s, password %x: %v %s", one.format, one.setting, one.password, got.Outcome, got.Reason)
		}
		wrong := append([]byte("x"), one.password...)
		if got := Verify(context.Background(), one.format, encoded, wrong, nil); got.Outcome != Mismatch {
			t.Errorf("%s, wrong password: %v %s", one.format, got.Outcome, got.Reason)
		}
	}
	if len(compared) == 0 {
		t.Skip("Perl's crypt() knows none of the schemes")
	}
	t.Logf("compared %v", compared)
}
