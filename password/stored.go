package password

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/usher-id/usher/value"
)

// storedPrefix begins what a store keeps of a hash that does not name its format, or that needs a context:
// $usher$<format>[,<base64url of the context's JSON>]$<encoded>.
const storedPrefix = "$usher$"

var (
	storedEscape   = strings.NewReplacer("%", "%25", "$", "%24", ",", "%2C")
	storedUnescape = strings.NewReplacer("%2C", ",", "%24", "$", "%25", "%")
)

// Stored gives one string that holds format, encoded hash and context: the encoded hash itself if it names its format, which is built in, and needs no context.
// The context is written into it in clear, so that peppers and keys, which belong elsewhere, should be left out and given at [Verify].
func (h Hash) Stored() (string, error) {
	f, err := Lookup(h.Format)
	if err != nil {
		return "", err
	}
	encoded := h.Encoded.Reveal()
	if len(h.Context) == 0 {
		if own, err := Recognise(encoded); err == nil && own == f.Name && f.hasher == nil {
			return encoded, nil
		}
		return storedPrefix + storedEscape.Replace(f.Name) + "$" + encoded, nil
	}
	b, err := h.Context.clear()
	if err != nil {
		return "", &Error{Code: CodeMalformed, Format: f.Name, Message: "a context value is neither text nor a number"}
	}
	return storedPrefix + storedEscape.Replace(f.Name) + "," + base64.RawURLEncoding.EncodeToString(b) + "$" + encoded, nil
}

// clear gives a context as JSON, with what is secret in it.
func (c Context) clear() ([]byte, error) {
	members := make(map[string]any, len(c))
	for key, v := range c {
		switch v := v.(type) {
		case value.Secret:
			members[key] = v.Reveal()
		case []byte:
			members[key+"_hex"] = hexBytes(v)
		default:
			members[key] = v
		}
	}
	return json.Marshal(members)
}

// ParseStored takes what [Hash.Stored] gave, and any string that names its own format.
func ParseStored(s string) (Hash, error) {
	rest, ok := strings.CutPrefix(s, storedPrefix)
	if !ok {
		format, err := Recognise(s)
		if err != nil {
			return Hash{}, err
		}
		return Parse(format, s, nil)
	}
	head, encoded, found := strings.Cut(rest, "$")
	if !found {
		return Hash{}, malformed("no hash after $usher$ and the format's name")
	}
	name, packed, has := strings.Cut(head, ",")
	var values Context
	if has {
		b, err := b64url.DecodeString(packed)
		if err != nil {
			return Hash{}, malformed("the context behind $usher$ and the format's name is not base64url")
		}
		object, e := decodeObject(string(b))
		if e != nil {
			return Hash{}, malformed("the context behind $usher$ and the format's name is not a JSON object")
		}
		values = object
	}
	return Parse(storedUnescape.Replace(name), encoded, values)
}
