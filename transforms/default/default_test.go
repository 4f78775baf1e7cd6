package defaults

import (
	"testing"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/pipeline/acceptance"
)

func TestAcceptance(t *testing.T) {
	for name, tt := range map[string]struct {
		options       string
		records, want []string
	}{
		"null is filled in": {`{ locale: "'zh'", m.x: user.locale, verified: false, n: user.no, bad: bool(user.b), age: 'user.a && Number(user.a)' }`,
			[]string{`{}`, `{"locale":null,"m":{"y":1}}`, `{"locale":"en","m":null}`, `{"m":"text"}`, `{"m":{"x":0},"verified":true,"bad":1}`, `{"b":"hunter2"}`, `{"a":"hunter2"}`},
			[]string{`{"locale":"zh","m":{"x":"zh"},"verified":false}`, `{"locale":"zh","m":{"y":1,"x":"zh"},"verified":false}`,
				`{"locale":"en","m":{"x":"en"},"verified":false}`, "failed: default.conflict", `{"m":{"x":0},"verified":true,"bad":1,"locale":"zh"}`, "failed: expression.boolean", "failed: default.not_a_number"}},
		"null stays": {`{ replace_null: false, a: 1, m.x: 2, fields: { replace_null: 3 } }`,
			[]string{`{}`, `{"a":null}`, `{"m":null}`, `{"m":{"x":null},"replace_null":null}`},
			[]string{`{"a":1,"m":{"x":2},"replace_null":3}`, `{"a":null,"m":{"x":2},"replace_null":3}`, `{"m":null,"a":1,"replace_null":3}`, `{"m":{"x":null},"replace_null":null,"a":1}`}},
	} {
		t.Run(name, func(t *testing.T) {
			acceptance.Transform(t, acceptance.TransformCase{
				New: func(t *testing.T) pipeline.Transform {
					return acceptance.NewTransform(t, Type, pipeline.Env{}, tt.options)
				},
				Records: tt.records,
				Want:    tt.want,
				Secrets: []string{"hunter2"},
			})
		})
	}
}
