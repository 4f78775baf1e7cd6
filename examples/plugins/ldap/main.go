// Command ldap is a plugin of usher with a source: the people of an LDAP directory.
package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/sdk"
	"github.com/usher-id/usher/value"
)

func main() { sdk.Serve(sdk.Source(Type)) }

// Type is the source.
var Type = pipeline.SourceType{
	Spec: pipeline.Spec{
		Name:    "ldap",
		Summary: "Reads the entries of an LDAP directory.",
		Doc: "Each entry is a record with its `dn` and its attributes, named as the server writes them. An attribute with several values is a list; `multi` names those that " +
			"are lists always. Values that are not UTF-8 are bytes.",
		Options: []pipeline.Option{
			{Name: "url", Type: pipeline.String, Required: true, Example: "ldaps://ldap.example.com", Doc: "The server: `ldap://`, `ldaps://` or `ldapi://`."},
			{Name: "bind_dn", Type: pipeline.String, Example: "cn=reader,dc=example,dc=com", Doc: "Who reads. Anonymous by default."},
			{Name: "password", Type: pipeline.String, Secret: true, Example: "${LDAP_PASSWORD}", Doc: "The password of `bind_dn`."},
			{Name: "base", Type: pipeline.String, Required: true, Example: "ou=people,dc=example,dc=com", Doc: "Where the people are, with all below."},
			{Name: "filter", Type: pipeline.String, Default: "(objectClass=person)", Example: "(uid=*)", Doc: "Which entries are wanted, as RFC 4515 writes it."},
			{Name: "attributes", Type: pipeline.String, List: true, Example: "[uid, cn, mail, userPassword]", Doc: "The attributes. All by default, but for those that the server gives only when asked."},
			{Name: "multi", Type: pipeline.String, List: true, Example: "[mail]", Doc: "Attributes that are lists also where there is one value."},
			{Name: "timeout", Type: pipeline.Duration, Default: "30s", Example: "1m", Doc: "How long the server may take for a page."},
		},
	},
	New: func(_ pipeline.Env, c *pipeline.Config) (pipeline.Source, error) {
		if _, err := ldap.CompileFilter(c.String("filter")); err != nil {
			return nil, &pipeline.OptionError{Option: "filter", Message: "is no filter of RFC 4515: " + err.Error()}
		}
		return &source{config: c}, nil
	},
}

type source struct {
	pipeline.UnimplementedSource
	config *pipeline.Config
	conn   *ldap.Conn
	paging *ldap.ControlPaging
	page   []*ldap.Entry
	last   bool
}

// Open implements pipeline.Source.
func (s *source) Open(context.Context) error {
	conn, err := ldap.DialURL(s.config.String("url"))
	if err != nil {
		return &pipeline.Error{Code: "ldap.unreachable", Message: "the LDAP server cannot be reached: " + err.Error(), Hint: "check url and that the server runs", Unreachable: true}
	}
	s.conn = conn
	conn.SetTimeout(s.config.Duration("timeout"))
	if dn := s.config.String("bind_dn"); dn != "" {
		if err := conn.Bind(dn, s.config.String("password")); err != nil {
			return &pipeline.Error{Code: "ldap.refused", Message: "the LDAP server refuses " + dn + ": " + explain(err), Hint: "check bind_dn and password", Unreachable: true}
		}
	}
	s.paging = ldap.NewControlPaging(500) // as many as most servers give
	return nil
}

// Next implements pipeline.Source.
func (s *source) Next(ctx context.Context, max int) (*pipeline.Batch, error) {
	for len(s.page) == 0 {
		if err := s.nextPage(ctx); err != nil {
			return nil, err
		}
	}
	n := min(max, len(s.page))
	b := &pipeline.Batch{Records: make([]pipeline.Record, n)}
	for i, entry := range s.page[:n] {
		b.Records[i] = pipeline.Record{Ref: pipeline.Ref{Origin: "ldap", Key: entry.DN}, Source: s.record(entry)}
	}
	s.page = s.page[n:]
	return b, nil
}

func (s *source) nextPage(ctx context.Context) error {
	if s.last {
		return io.EOF
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	found, err := s.conn.Search(ldap.NewSearchRequest(s.config.String("base"), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		s.config.String("filter"), s.config.Strings("attributes"), []ldap.Control{s.paging}))
	if err != nil {
		return &pipeline.Error{Code: "ldap.search", Message: "the LDAP server does not search below " + s.config.String("base") + ": " + explain(err),
			Hint: "check base, filter and what bind_dn may read"}
	}
	s.page = found.Entries
	next, ok := ldap.FindControl(found.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
	if s.last = !ok || len(next.Cookie) == 0; !s.last {
		s.paging.SetCookie(next.Cookie)
	}
	return nil
}

func (s *source) record(entry *ldap.Entry) *value.Object {
	o := value.ObjectOf(value.Member{Name: "dn", Value: entry.DN})
	for _, a := range entry.Attributes {
		values := make([]any, len(a.ByteValues))
		for i, b := range a.ByteValues {
			switch {
			case strings.EqualFold(a.Name, "userPassword"):
				values[i] = value.Secret(b)
			case utf8.Valid(b):
				values[i] = string(b)
			default:
				values[i] = b
			}
		}
		if len(values) == 1 && !slices.Contains(s.config.Strings("multi"), a.Name) {
			o.Set(a.Name, values[0])
		} else {
			o.Set(a.Name, values)
		}
	}
	return o
}

// Close implements pipeline.Source.
func (s *source) Close() error {
	if s.conn != nil {
		return s.conn.Close()
	}
	return nil
}

// explain leaves out what an error says of the request.
func explain(err error) string {
	var e *ldap.Error
	if errors.As(err, &e) && ldap.LDAPResultCodeMap[e.ResultCode] != "" {
		return ldap.LDAPResultCodeMap[e.ResultCode]
	}
	return err.Error()
}
