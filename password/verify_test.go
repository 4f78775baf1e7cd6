package password

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-id/usher/value"
)

func TestFiveOutcomes(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	long := bytes.Repeat([]byte("x"), 5000)
	for _, tt := range []struct {
		name, format, encoded string
		password              []byte
		ctx                   context.Context
		want                  Outcome
		reason                string
	}{
		{"match", "bcrypt", goodBcrypt, []byte("hello"), context.Background(), Match, ""},
		{"mismatch", "bcrypt", goodBcrypt, []byte("Hello"), context.Background(), Mismatch, ""},
		{"cut off", "bcrypt", goodBcrypt[:59], []byte("hello"), context.Background(), Malformed, "cut off"},
		{"PBKDF2 cut off", "django-pbkdf2_sha256", "pbkdf2_sha256$20000$salt$AAECAwQFBgcICQoLDA0O", []byte("x"), context.Background(), Malformed, "15 bytes; 16 at least are expected: the hash was cut off"},
		{"scrypt cut off", "werkzeug-scrypt", "scrypt:1024:8:1$salt$000102030405060708090a0b0c0d0e", []byte("x"), context.Background(), Malformed, "15 bytes"},
		{"argon2 cut off", "argon2", "$argon2id$v=19$m=1024,t=2,p=1$Ukp6ZE5vdjQ4aWRuUk5CYw$bAiSakadNNcn8cXR", []byte("x"), context.Background(), Malformed, "12 bytes"},
		{"empty", "bcrypt", "", []byte("hello"), context.Background(), Malformed, "does not begin"},
		{"too costly", "bcrypt", strings.Replace(goodBcrypt, "$10$", "$31$", 1), []byte("hello"), context.Background(), OverLimit, "cost 31"},
		{"NUL", "bcrypt", goodBcrypt, []byte("hel\x00lo"), context.Background(), Unsupported, "NUL"},
		{"password too long", "hex-md5", "5f4dcc3b5aa765d61d8327deb882cf99", long, context.Background(), OverLimit, "5000 bytes"},
		{"hash too long", "spring-noop", "{noop}" + strings.Repeat("x", 9000), []byte("x"), context.Background(), OverLimit, "9006 bytes"},
		{"LAN Manager outside ASCII", "lm", "e52cac67419a9a22664345140a852f61", []byte("passé"), context.Background(), Unsupported, "code page"},
		{"no such format", "md6", "x", []byte("x"), context.Background(), Unsupported, `did you mean "md`},
		{"no user name", "postgres-md5", "md593a8cf6a7d43e3b5bcd2dc6abb3e02c6", []byte("x"), context.Background(), Unsupported, `"username" is needed`},
		{"old bcrypt", "bcrypt", "$2$10$nFguVi9LsCAcvTZFKQlRKeLVydo8ETv483lkNsSFI/Wl1Rz1Ypo1K", []byte("x"), context.Background(), Unsupported, "1997"},
		{"argon2 version 18", "argon2", "$argon2id$v=18$m=1024,t=2,p=1$Ukp6ZE5vdjQ4aWRuUk5CYw$bAiSakadNNcn8cXRMV9hPjJiO1wxT4mvhIAahvdvbLU", []byte("x"), context.Background(), Unsupported, "version 18"},
		{"cancelled", "bcrypt", goodBcrypt, []byte("hello"), cancelled, OverLimit, "context canceled"},
		{"rounds over a long password", "sha512crypt", "$6$rounds=1000000$jcHbsK2ZMpn80WJ0$b7BDcDAJz6kXgxtUpcX1xbeL8pZeAKjH0R1L0TmdVYcPDmw7gmwGH.LyVLMWTb/BiPDS.VKdOnWOfBiJwz7ip/", long[:4000], context.Background(), OverLimit, "1000000 rounds"},
	} {
		got := Verify(tt.ctx, tt.format, tt.encoded, tt.password, nil)
		if got.Outcome != tt.want || !strings.Contains(got.Reason, tt.reason) || (got.Reason == "") != (tt.reason == "") {
			t.Errorf("%s: %v %q", tt.name, got.Outcome, got.Reason)
		}
		if (got.Code == "") != (got.Outcome == Match || got.Outcome == Mismatch) {
			t.Errorf("%s: code %q with %v", tt.name, got.Code, got.Outcome)
		}
	}
}

// TestPanicIsMalformed gives a primitive what its parser should have refused.
func TestPanicIsMalformed(t *testing.T) {
	f := &Format{Name: "broken", parse: func(*input) (*parsed, *Error) {
		return &parsed{want: make([]byte, 16), run: func(*parsed, []byte) ([]byte, error) { panic("out of range") }}, nil
	}}
	if got := defaultVerifier.VerifyFormat(context.Background(), f, "x", nil, nil); got.Outcome != Malformed {
		t.Errorf("a panic in the primitive: %v", got.Outcome)
	}
	f.parse = func(in *input) (*parsed, *Error) { _ = in.encoded[99]; return nil, nil }
	if got := defaultVerifier.VerifyFormat(context.Background(), f, "x", nil, nil); got.Outcome != Malformed {
		t.Errorf("a panic in the parser: %v", got.Outcome)
	}
	// Both must have given the memory back.
	if got := Verify(context.Background(), "bcrypt", goodBcrypt, []byte("hello"), nil); got.Outcome != Match {
		t.Errorf("after the panics: %v", got.Outcome)
	}
}

// TestMemoryIsShared starts more derivations than the limit's memory allows at one time.
func TestMemoryIsShared(t *testing.T) {
	limits := DefaultLimits()
	limits.Memory = 1 << 20
	v := NewVerifier(limits)
	var running, most int64
	var mu sync.Mutex
	f := &Format{Name: "counting", parse: func(*input) (*parsed, *Error) {
		p := newScrypt(1024, 8, 1, []byte("salt"), make([]byte, 16)) // 1 MiB
		p.run = func(*parsed, []byte) ([]byte, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(2 * time.Millisecond)
			mu.Lock()
			running--
			mu.Unlock()
			return make([]byte, 16), nil
		}
		return p, nil
	}}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { v.VerifyFormat(context.Background(), f, "x", nil, nil) })
	}
	wg.Wait()
	if most < 1 || most > 2 {
		t.Errorf("%d derivations of 1 MiB at one time; the capacity is 2 MiB", most)
	}
}

func TestNothingSecretIsPrinted(t *testing.T) {
	h := Hash{Format: "devise", Encoded: value.Secret(goodBcrypt), Context: Context{"pepper": "s3cret"}}
	asJSON, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "hash", h, "context", h.Context)
	for _, s := range []string{fmt.Sprint(h), fmt.Sprintf("%+v %#v", h, h.Context), string(asJSON), log.String()} {
		if strings.Contains(s, "s3cret") || strings.Contains(s, goodBcrypt[10:]) {
			t.Errorf("printed: %s", s)
		}
	}
}
