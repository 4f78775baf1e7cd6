// Command http-users is a plugin of usher with a sink: it posts users to an HTTP API, many in one request, and has the API say what
// became of each.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/plugins/sdk"
	"github.com/usher-id/usher/value"
)

func main() { sdk.Serve(sdk.Sink(Type)) }

// Type is the sink.
var Type = pipeline.SinkType{
	Spec: pipeline.Spec{
		Name:    "http_users",
		Summary: "Posts users to an HTTP API that upserts them.",
		Doc: "A request is a JSON array of users. The API answers with an array of as many results, in the same order: `id`, `result` (`created`, `updated`, `unchanged` or `rejected`), " +
			"and for a rejected user `field` and `message`. It finds users by their identifier, so that a request that is sent again does no harm. With `?dry_run=true` it changes nothing.",
		Options: []pipeline.Option{
			{Name: "url", Type: pipeline.String, Required: true, Example: "https://api.example.com/users", Doc: "Where users are posted to."},
			{Name: "token", Type: pipeline.String, Secret: true, Example: "${API_TOKEN}", Doc: "Sent as `Authorization: Bearer …`."},
			{Name: "timeout", Type: pipeline.Duration, Default: "30s", Example: "2m", Doc: "How long a request may take."},
		},
	},
	New: func(_ pipeline.Env, c *pipeline.Config) (pipeline.Sink, error) {
		u, err := url.Parse(c.String("url"))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" {
			return nil, &pipeline.OptionError{Option: "url", Message: "is no address that begins with http:// or https://"}
		}
		return &sink{url: u, token: c.String("token"), client: &http.Client{Timeout: c.Duration("timeout")}}, nil
	},
}

type sink struct {
	pipeline.UnimplementedSink
	url    *url.URL
	token  string
	client *http.Client
	run    string
}

// result is what the API says of one user.
type result struct {
	ID      string `json:"id"`
	Result  string `json:"result"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Open implements pipeline.Sink.
func (s *sink) Open(_ context.Context, run pipeline.Run) error {
	s.run = run.ID
	if run.Plan {
		q := s.url.Query()
		q.Set("dry_run", "true")
		s.url.RawQuery = q.Encode()
	}
	return nil
}

// Write implements pipeline.Sink.
func (s *sink) Write(ctx context.Context, b *pipeline.Batch) error {
	body := []byte{'['}
	var open []*pipeline.Record
	for i := range b.Records {
		if r := &b.Records[i]; r.Open() {
			if len(open) > 0 {
				body = append(body, ',')
			}
			body = value.AppendJSON(body, r.Fields)
			open = append(open, r)
		}
	}
	if len(open) == 0 {
		return nil
	}
	// A request that comes again, after a crash, is to be answered as it was.
	key := fmt.Sprintf("%s-%d-%d", s.run, open[0].Index, open[len(open)-1].Index)
	results, err := s.post(ctx, key, append(body, ']'))
	if err != nil {
		return err
	}
	if len(results) != len(open) {
		return &pipeline.Error{Code: "http_users.bad_answer", Message: fmt.Sprintf("the API answered %d results for %d users", len(results), len(open))}
	}
	for i, r := range results {
		open[i].Outcome.UserID = r.ID
		switch r.Result {
		case "created":
			open[i].Outcome.Decision = pipeline.Inserted
		case "updated":
			open[i].Outcome.Decision = pipeline.Updated
		case "unchanged":
			open[i].Skip(pipeline.Unchanged)
		default:
			open[i].Fail(pipeline.Problem{Code: "http_users.rejected", Field: r.Field, Message: "the API refuses the user: " + r.Message})
		}
	}
	return nil
}

// post sends users. What may pass is tried again by usher, as often as it tries any sink.
func (s *sink) post(ctx context.Context, key string, body []byte) ([]result, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, &pipeline.Temporary{Err: &pipeline.Error{Code: "http_users.unreachable", Message: "the API cannot be reached: " + err.Error(),
			Hint: "check url and that the API runs", Unreachable: true}}
	}
	defer response.Body.Close()
	switch answer := "the API answered " + response.Status; {
	case response.StatusCode == http.StatusTooManyRequests, response.StatusCode >= 500:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return nil, &pipeline.Temporary{Err: &pipeline.Error{Code: "http_users.busy", Message: answer, Unreachable: true}, After: time.Duration(seconds) * time.Second}
	case response.StatusCode != http.StatusOK:
		return nil, &pipeline.Error{Code: "http_users.refused", Message: answer, Hint: "check url and token"}
	}
	var results []result
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<20)).Decode(&results); err != nil {
		return nil, &pipeline.Error{Code: "http_users.bad_answer", Message: "the API's answer cannot be read: " + err.Error()}
	}
	return results, nil
}
