package identity

import "testing"

// A fingerprint is quick to compute: what can be guessed by trying must not be in it.
func TestFingerprintsTellNothingOfWeakPasswords(t *testing.T) {
	const md5a, md5b = `{"hash":"5f4dcc3b5aa765d61d8327deb882cf99","format":"hex-md5"}`, `{"hash":"d8578edf8458ce06fbc5bb76a58c5ca4","format":"hex-md5"}`
	for _, tt := range []struct {
		options  Options
		a, b     string
		same     bool
		unmarked bool
	}{
		{Options{}, `"password":{"plain":"one"}`, `"password":{"plain":"two"}`, true, false},
		{Options{}, `"mfa":{"password":{"plain":"one"}}`, `"mfa":{"password":{"plain":"two"}}`, true, false},
		{Options{OnUpdate: map[string]Behaviour{"password": Set}}, `"password":{"plain":"one"}`, `"password":{"plain":"two"}`, true, true},
		{Options{WrapWeak: true}, `"password":` + md5a, `"password":` + md5b, true, false},
		{Options{WrapWeak: true}, `"mfa":{"password":` + md5a + `}`, `"mfa":{"password":` + md5b + `}`, true, false},
		{Options{}, `"password":` + md5a, `"password":` + md5b, false, false},
		{Options{WrapWeak: true}, `"password":{"hash":"` + goodHash + `"}`, `"password":{"hash":"` + goodHash[:59] + `a"}`, false, false},
		// What stands beside a password still counts.
		{Options{}, `"password":{"plain":"one"},"name":"A"`, `"password":{"plain":"one"},"name":"B"`, false, false},
		{Options{}, `"password":{"plain":"one"},"mfa":{"totp":"JBSWY3DPEHPK3PXP"}`, `"password":{"plain":"one"},"mfa":{"totp":"JBSWY3DPEHPK3PXQ"}`, false, false},
		{Options{}, `"password":{"plain":"one"}`, `"password":{"plain":"one","expire_after":"2026-01-02T03:04:05Z"}`, false, false},
		{Options{}, `"password":{"plain":"one"}`, `"password":null`, false, false},
	} {
		r := rules(t, tt.options).NewReader()
		a, b := r.Identify(parse(t, `{"email":"a@x.com",`+tt.a+`}`)), r.Identify(parse(t, `{"email":"a@x.com",`+tt.b+`}`))
		for _, c := range []*Change{a, b} {
			if len(c.Violations) > 0 {
				t.Fatal(c.Violations)
			}
		}
		if same := a.fingerprint == b.fingerprint; same != tt.same || a.unmarked != tt.unmarked {
			t.Errorf("%s and %s: the same %t, want %t; unmarked %t, want %t", tt.a, tt.b, same, tt.same, a.unmarked, tt.unmarked)
		}
	}
}

// Whether a record was read at once or in two steps, it says the same.
func TestIdentifyKnowsWhatReadKnows(t *testing.T) {
	r := rules(t, Options{}).NewReader()
	for _, record := range []string{
		`{"email":"A@X.com","phone_number":"+8613100000001","password":{"hash":"` + goodHash + `"}}`,
		`{"email":"a@x.com","password":{"plain":"one"},"name":""}`,
		`{"name":"nobody"}`, `{"email":null}`, `{"email":"x"}`, `{"email":["a@x.com"],"name":7}`,
	} {
		whole, steps := r.Read(parse(t, record)), r.Identify(parse(t, record))
		if len(whole.Violations) == 0 && (len(steps.keys) == 0 || steps.keys[0] != whole.keys[0]) {
			t.Errorf("%s: identified as %q, want %q", record, steps.keys, whole.keys)
		}
		if steps.fingerprint != whole.fingerprint {
			t.Errorf("%s: another fingerprint", record)
		}
		r.finish(steps)
		if len(steps.keys) != len(whole.keys) || len(steps.fields) != len(whole.fields) || codes(steps.Violations) != codes(whole.Violations) {
			t.Errorf("%s:\n%+v\n%+v", record, steps, whole)
		}
	}
}
