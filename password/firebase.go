package password

import (
	"crypto/aes"
	"crypto/cipher"
	"strings"
)

// newFirebase is Firebase's own scrypt: a key is derived from salt and separator, and encrypts the project's signer key.
func newFirebase(hash, salt, separator, signer []byte, rounds, memory int) (*parsed, *Error) {
	if memory < 1 || memory > 30 || rounds < 1 {
		return nil, malformed("a memory cost of %d and %d rounds; 1 to 14 and 1 to 8 are Firebase's", memory, rounds)
	}
	if len(hash) != len(signer) {
		return nil, malformed("a digest of %d bytes, but a signer key of %d; they are of one length", len(hash), len(signer))
	}
	p := newScrypt(1<<memory, rounds, 1, append(salt[:len(salt):len(salt)], separator...), hash)
	p.Algorithm, p.Cost = "firebase-scrypt", memory
	p.firebase = &firebaseParts{salt: salt, separator: separator, signer: signer}
	p.run = func(p *parsed, password []byte) ([]byte, error) {
		inner := *p
		inner.KeyBytes = 32
		key, err := runScrypt(&inner, password)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		out := make([]byte, len(signer))
		cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(out, signer)
		return out, nil
	}
	return p, nil
}

type firebaseParts struct {
	salt, separator, signer []byte
}

// firebaseText decodes the fields that every spelling has; Firebase's tools write either alphabet of base64.
func firebaseText(hash, salt, separator, signer string, rounds, memory int) (*parsed, *Error) {
	var b [4][]byte
	for i, one := range []struct{ name, text string }{{"digest", hash}, {"salt", salt}, {"salt separator", separator}, {"signer key", signer}} {
		text := strings.NewReplacer("-", "+", "_", "/").Replace(one.text)
		var err *Error
		if b[i], err = decodeAs("ab64", text, one.name); err != nil {
			return nil, err
		}
	}
	return newFirebase(b[0], b[1], b[2], b[3], rounds, memory)
}

var (
	kratosFirebase      = mustLayout("$firescrypt$ln=<memory:int>,r=<rounds:int>,p=1$<salt>$<hash>$<separator>$<signer>")
	clerkFirebase       = mustLayout("<hash>$<salt>$<signer>$<separator>$<rounds:int>$<memory:int>")
	supabaseFirebase    = mustLayout("$fbscrypt$v=1,n=<memory:int>,r=<rounds:int>,p=1,ss=<separator>,sk=<signer>$<salt>$<hash>")
	superTokensFirebase = mustLayout("$f_scrypt$<hash>$<salt>$m=<memory:int>$r=<rounds:int>$s=<separator>")
	workOSFirebase      = mustLayout("$firebase-scrypt$hash=<hash>$salt=<salt>$sk=<signer>$ss=<separator>$r=<rounds:int>$m=<memory:int>")
)

func firebaseFormat(name string, l *layout, certainty Confidence) Format {
	f := Format{
		Name: name, Family: "provider", Layout: l.source, Scheme: "Firebase's scrypt", prefix: l.prefix(), certainty: certainty, nul: true,
	}
	_, hasSigner := func() (*segment, bool) { s, _ := (&fields{layout: l}).lookup("signer"); return s, s != nil }()
	if !hasSigner {
		f.Context = []string{"signer_key"}
	}
	if certainty != Certain {
		f.why = "six fields between dollar signs"
	}
	f.parse = func(in *input) (*parsed, *Error) {
		m, err := l.match(in.encoded)
		if err != nil {
			return nil, err
		}
		rounds, err := m.int("rounds")
		if err != nil {
			return nil, err
		}
		memory, err := m.int("memory")
		if err != nil {
			return nil, err
		}
		signer := m.text("signer")
		if !hasSigner {
			key, err := in.ctx.need("signer_key")
			if err != nil {
				return nil, err
			}
			signer = b64raw.EncodeToString(key)
		}
		return firebaseText(m.text("hash"), m.text("salt"), m.text("separator"), signer, rounds, memory)
	}
	return f
}

func parseFirebaseExport(in *input) (*parsed, *Error) {
	e, err := openEnvelope(in, "passwordHash")
	if err != nil {
		return nil, err
	}
	config, err := e.object("hash_config")
	if err != nil {
		return nil, err
	}
	if algorithm := config.optional("algorithm", "SCRYPT"); algorithm != "SCRYPT" {
		return nil, unsupported("Firebase's algorithm %s here", shown(algorithm))
	}
	var text [4]string
	for i, one := range []struct {
		from *envelope
		key  string
	}{{e, "passwordHash"}, {e, "salt"}, {config, "base64_salt_separator"}, {config, "base64_signer_key"}} {
		if text[i], err = one.from.text(one.key); err != nil {
			return nil, err
		}
	}
	rounds, err := config.int("rounds")
	if err != nil {
		return nil, err
	}
	memory, err := config.int("mem_cost")
	if err != nil {
		return nil, err
	}
	return firebaseText(text[0], text[1], text[2], text[3], rounds, memory)
}

var firebaseFormats = []Format{
	{
		Name: "firebase-export-json", Aliases: []string{"firebase", "firebase-scrypt"}, Family: "provider", Scheme: "Firebase's scrypt",
		Layout:    `{"passwordHash","salt","hash_config":{"algorithm","base64_signer_key","base64_salt_separator","rounds","mem_cost"}}, or the hash alone with the rest in the context`,
		Context:   []string{"salt?", "base64_signer_key?", "base64_salt_separator?", "rounds?", "mem_cost?"},
		certainty: Certain, nul: true, parse: parseFirebaseExport,
	},
	firebaseFormat("kratos-firescrypt", kratosFirebase, Certain),
	firebaseFormat("supabase-fbscrypt", supabaseFirebase, Certain),
	firebaseFormat("supertokens-f_scrypt", superTokensFirebase, Certain),
	firebaseFormat("workos-firebase-scrypt", workOSFirebase, Certain),
	firebaseFormat("clerk-scrypt_firebase", clerkFirebase, Likely),
}
