// Package host runs plugins: programs of their own that bring connectors and hashers. A plugin's process is started when it is first needed,
// watched, restarted when it dies, and gone with everything that it has started when usher ends, however that ends.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-id/usher/pipeline"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
)

// How much dying is borne: a plugin that has died more than maxDeaths times within deathWindow is given up.
const (
	maxDeaths   = 5
	deathWindow = 10 * time.Minute
	lastPause   = 5 * time.Second
)

// firstPause is how long a plugin stays dead the first time.
var firstPause = 100 * time.Millisecond

// defaultTimeout is how long one call may take.
const defaultTimeout = 2 * time.Minute

// Host knows the plugins of one program. It is safe for concurrent use.
type Host struct {
	cache string

	mu      sync.Mutex
	plugins map[string]*running
}

// New makes a Host that keeps what plugins say of themselves in the folder cache, by checksum; empty keeps nothing.
func New(cache string) *Host { return &Host{cache: cache, plugins: map[string]*running{}} }

// Close ends all plugins.
func (h *Host) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all sync.WaitGroup
	for _, p := range h.plugins {
		all.Go(p.close)
	}
	all.Wait()
	h.plugins = map[string]*running{}
}

// plugin gives the one for a declaration. Two that are declared in the same way are one.
func (h *Host) plugin(decl pipeline.Plugin, log *slog.Logger) *running {
	if decl.Timeout == 0 {
		decl.Timeout = defaultTimeout
	}
	key := fmt.Sprintf("%q", decl)
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.plugins[key]
	if p == nil {
		p = &running{Plugin: decl, log: log}
		h.plugins[key] = p
	}
	return p
}

// running is a plugin with the process that serves it at the time.
type running struct {
	pipeline.Plugin
	log     *slog.Logger
	hashers []*hasher

	mu      sync.Mutex
	current *process
	deaths  []time.Time
	reason  string // of the last death
	closed  bool
	last    *tail
}

func (p *running) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.current != nil {
		p.current.stop(true)
		p.current = nil
	}
}

// process gives a living process. One that died is replaced, after a pause that grows with every death.
func (p *running) process(ctx context.Context) (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil && !p.current.alive() {
		p.buryLocked(p.current, nil)
	}
	if p.current != nil {
		return p.configured(ctx, p.current)
	}
	if p.closed {
		return nil, pluginError("plugin.closed", p.Plugin, "has been ended", "")
	}
	if n := len(p.deaths); n > maxDeaths {
		e := pluginError("plugin.died", p.Plugin, fmt.Sprintf("has died %d times within %s and is given up; in the end %s", n, time.Since(p.deaths[0]).Round(time.Second), p.reason),
			"mend it, and resume the run")
		return nil, withTail(e, p.last)
	} else if n > 0 {
		pause := min(firstPause<<(n-1), lastPause)
		pause += time.Duration(rand.Int64N(int64(pause)/4 + 1))
		p.log.Warn("a plugin died and is started again", "plugin", p.Name, "deaths", n, "reason", p.reason)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err := verify(p.Plugin); err != nil {
		return nil, err
	}
	p.last = &tail{name: p.Name, log: p.log}
	process, err := launch(p.Plugin, p.last)
	if err != nil {
		return nil, err
	}
	return p.configured(ctx, process)
}

// configured makes a process the current one when its hashers have their options: one that was started to describe itself had none yet.
func (p *running) configured(ctx context.Context, process *process) (*process, error) {
	p.current = nil
	for ; process.hashers < len(p.hashers); process.hashers++ {
		if err := p.hashers[process.hashers].configure(ctx, process); err != nil {
			process.stop(false)
			return nil, err
		}
	}
	p.current = process
	return process, nil
}

// bury ends what may be left of a process and counts its death, once. The error is what it was noticed by.
func (p *running) bury(dead *process, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buryLocked(dead, err)
}

func (p *running) buryLocked(dead *process, err error) {
	if p.current != dead {
		return // somebody else has noticed before
	}
	p.current = nil
	p.reason = p.reasonOf(dead, err)
	dead.stop(false)
	now := time.Now()
	for len(p.deaths) > 0 && now.Sub(p.deaths[0]) > deathWindow {
		p.deaths = p.deaths[1:]
	}
	p.deaths = append(p.deaths, now)
}

// reasonOf tells how a process died, before what is left of it is killed.
func (p *running) reasonOf(dead *process, err error) string {
	if errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded {
		return fmt.Sprintf("it did not answer within %s", p.Timeout)
	}
	select {
	case <-dead.runner.done:
		return dead.runner.ended()
	case <-time.After(endPatience): // its connection ends before it does
		return "it closed its connection"
	}
}

// try makes calls to the plugin, again with a new process if it dies over them. Each has the plugin's timeout for itself.
func (p *running) try(ctx context.Context, call func(context.Context, *process) error) error {
	for {
		process, err := p.process(ctx)
		if err != nil {
			return err
		}
		timed, cancel := context.WithTimeout(ctx, p.Timeout)
		err = call(timed, process)
		cancel()
		if err == nil || ctx.Err() != nil || !lost(process, err) {
			return p.describe(ctx, err)
		}
		p.bury(process, err)
	}
}

// lost reports whether an error means that the process is of no use any more.
func lost(p *process, err error) bool {
	if errors.Is(err, errGone) || errors.Is(err, context.DeadlineExceeded) || !p.alive() {
		return true
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return true
	}
	return false
}

// errGone says that a stream ended although nothing was wrong with it.
var errGone = errors.New("the plugin ended the conversation")

// describe puts an error of gRPC into words.
func (p *running) describe(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	switch s.Code() {
	case codes.Unimplemented:
		return pluginError("plugin.unimplemented", p.Plugin, "does not serve what it says it has: "+printable(s.Message()), "")
	default:
		e := pluginError("plugin.failed", p.Plugin, "failed: "+printable(s.Message()), "this is a defect of the plugin")
		return withTail(e, p.last)
	}
}

// Describe asks a plugin what it has, or the cache.
func (h *Host) Describe(ctx context.Context, decl pipeline.Plugin, log *slog.Logger) (*pb.DescribeResponse, error) {
	if err := verify(decl); err != nil {
		return nil, err
	}
	key := cacheKey(decl)
	if d := h.cached(key); d != nil {
		return d, nil
	}
	p := h.plugin(decl, log)
	var d *pb.DescribeResponse
	err := p.try(ctx, func(ctx context.Context, process *process) (err error) {
		d, err = pb.NewPluginServiceClient(process.conn).Describe(ctx, &pb.DescribeRequest{})
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := p.valid(d); err != nil {
		return nil, err
	}
	h.keep(key, d)
	return d, nil
}

// Load gives the connectors of a plugin as pipeline.SourceType, TransformType and SinkType, and registers its hashers. The plugin is started only
// if it is not known yet what it has.
func (h *Host) Load(env pipeline.Env, decl pipeline.Plugin) ([]any, error) {
	d, err := h.Describe(context.Background(), decl, env.Log)
	if err != nil {
		return nil, err
	}
	p := h.plugin(decl, env.Log)
	if err := p.registerHashers(env, d); err != nil {
		return nil, err
	}
	return p.types(d)
}
