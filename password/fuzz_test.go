package password

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/usher-id/usher/value"
)

// tight are limits under which no derivation takes long, so that the fuzzer finds what escapes them.
func tight() *Verifier {
	return NewVerifier(Limits{
		BcryptCost: 4, Memory: 1 << 20, Argon2Passes: 3, Parallelism: 4, Iterations: 1000, CryptRounds: 5000, PhpassRounds: 1 << 10,
		EncodedBytes: 8 << 10, PasswordBytes: 4 << 10, SaltBytes: 1 << 10, HashedBytes: 1 << 20,
	})
}

// patience is far more than anything within the tight limits takes, on a busy machine too.
const patience = 5 * time.Second

func seeds(f *testing.F, add func(v vector)) {
	for _, v := range vectors(f) {
		add(v)
	}
}

// leaks says whether a message shows a run of the hash that is longer than any name.
func leaks(message, encoded string) bool {
	const run = 20
	for i := 0; i+run <= len(encoded); i++ {
		if strings.Contains(message, encoded[i:i+run]) {
			return true
		}
	}
	return false
}

func FuzzRecognise(f *testing.F) {
	seeds(f, func(v vector) { f.Add(v.Encoded) })
	f.Add("$argon2id$v=19$m=0,t=0,p=0$$")
	f.Add("$scrypt$ln=63,r=1073741824,p=1073741823$c2FsdA$aGFzaA")
	f.Add("{")
	f.Fuzz(func(t *testing.T, encoded string) {
		start := time.Now()
		name, err := Recognise(encoded)
		if err == nil && Check(name, encoded) != nil {
			t.Errorf("recognised as %s, which does not read it", name)
		}
		if err != nil && leaks(err.Error(), encoded) {
			t.Errorf("the message shows the hash: %v", err)
		}
		for _, c := range Identify(encoded) {
			if c.Format == "" || leaks(c.Problem, encoded) {
				t.Errorf("candidate %+v", c)
			}
		}
		if d := time.Since(start); d > patience {
			t.Errorf("took %v", d)
		}
	})
}

func FuzzVerify(f *testing.F) {
	seeds(f, func(v vector) { f.Add(v.Format, v.Encoded, "password", "salt") })
	v := tight()
	f.Fuzz(func(t *testing.T, format, encoded, password, salt string) {
		fm, err := Lookup(format)
		if err != nil {
			t.Skip()
		}
		values := Context{
			"salt": salt, "username": salt, "pepper": salt, "key": salt, "hmac_key": salt, "signer_key": salt, "position": "suffix",
			"iterations": len(salt), "stretches": len(salt), "N": 16, "r": 1, "p": 1, "t": 1, "m": 64,
		}
		start := time.Now()
		got := v.VerifyFormat(context.Background(), fm, encoded, []byte(password), values)
		if d := time.Since(start); d > patience {
			t.Errorf("%s took %v", format, d)
		}
		if (got.Outcome == Match || got.Outcome == Mismatch) != (got.Reason == "") {
			t.Errorf("%v with reason %q", got.Outcome, got.Reason)
		}
		if leaks(got.Reason, encoded) {
			t.Errorf("the reason shows the hash: %s", got.Reason)
		}
	})
}

func FuzzConvert(f *testing.F) {
	seeds(f, func(v vector) { f.Add(v.Format, v.Encoded, "salt") })
	f.Fuzz(func(t *testing.T, format, encoded, salt string) {
		h := Hash{Format: format, Encoded: value.Secret(encoded), Context: Context{"salt": salt, "username": salt, "pepper": salt, "position": "prefix"}}
		for _, target := range Targets() {
			out, err := Convert(h, target)
			if err == nil && out.Value == "" {
				t.Errorf("%s to %s gives nothing", format, target)
			}
			if err != nil && leaks(err.Error(), encoded) {
				t.Errorf("the message shows the hash: %v", err)
			}
		}
	})
}

func FuzzCompileDigest(f *testing.F) {
	for i := range digestSchemes {
		f.Add(digestSchemes[i].expr)
	}
	f.Add("hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(pass))))))))))))))))")
	f.Add("loop(1000000, pass, prev . prev . prev)")
	f.Fuzz(func(t *testing.T, source string) {
		d, err := CompileDigest(source)
		if err != nil {
			return
		}
		env := &environment{values: map[string][]byte{"pass": []byte("password"), "salt": []byte("salt")}, counts: map[string]int{"iterations": 1000}, budget: 1 << 20}
		start := time.Now()
		out, err := d.eval(env)
		if err == nil && len(out) > maxDigestValue {
			t.Errorf("a value of %d bytes", len(out))
		}
		if d := time.Since(start); d > patience {
			t.Errorf("took %v", d)
		}
	})
}

func FuzzParseStored(f *testing.F) {
	seeds(f, func(v vector) {
		if stored, err := (Hash{Format: v.Format, Encoded: value.Secret(v.Encoded), Context: v.Extra}).Stored(); err == nil {
			f.Add(stored)
		}
	})
	for _, inner := range []string{"wrap", "WRAP", "hex-md5", "digest:md5(pass)"} {
		h := Hash{Format: WrapFormat, Encoded: "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
			Context: Context{keyInner: inner, keyShell: "00000000000000000000000000000000"}}
		stored, err := h.Stored()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(stored)
	}
	v := tight()
	f.Fuzz(func(t *testing.T, stored string) {
		h, err := ParseStored(stored)
		if err != nil {
			return
		}
		fm, err := Lookup(h.Format)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		v.VerifyFormat(context.Background(), fm, h.Encoded.Reveal(), []byte("password"), h.Context)
		if CanWrap(h) == nil && !Weak(h) && fm.Name != WrapFormat {
			t.Errorf("%s can be wrapped and is not weak", fm.Name)
		}
		if d := time.Since(start); d > patience {
			t.Errorf("%s took %v", fm.Name, d)
		}
	})
}
