package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// killPatience is how long a killed plugin may take to be gone.
const killPatience = 5 * time.Second

// endPatience is how long a plugin may take to end of which nothing more is heard, and what it has written to be read when it has ended.
const endPatience = 2 * time.Second

// maxLine bounds what is read of a plugin's first line. A handshake has some hundred bytes.
const maxLine = 16 << 10

// runner starts and ends one process of a plugin for go-plugin. Unlike go-plugin's own it never waits for anything that the plugin can hold up.
type runner struct {
	name string
	cmd  *exec.Cmd
	tail *tail
	// hold is closed to have the supervisor end the plugin.
	hold    *os.File
	stdout  *os.File
	stderr  *lastReader
	first   *io.PipeReader   // the plugin's first line, and nothing else
	drained [2]chan struct{} // closed when all of stdout and of stderr is read
	kill    sync.Once
	early   bool // it had ended before it was killed
	done    chan struct{}
	err     error // after done

	mu        sync.Mutex
	handshake string
	spoke     bool
}

// start starts the process.
func (r *runner) Start(context.Context) error {
	stdout, stdoutEnd, err := os.Pipe()
	if err != nil {
		return err
	}
	stderr, stderrEnd, err := os.Pipe()
	if err != nil {
		return errors.Join(err, stdout.Close(), stdoutEnd.Close())
	}
	r.cmd.Stdout, r.cmd.Stderr = stdoutEnd, stderrEnd
	err = r.launch()
	stdoutEnd.Close()
	stderrEnd.Close()
	if err != nil {
		return errors.Join(err, stdout.Close(), stderr.Close())
	}
	r.drained = [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	r.stdout, r.stderr = stdout, &lastReader{File: stderr, end: r.drained[1]}
	var line *io.PipeWriter
	r.first, line = io.Pipe()
	go r.read(line)
	go func() {
		r.err = r.cmd.Wait()
		close(r.done)
	}()
	return nil
}

// read takes the first line, which is to be the handshake, and from then on drains what the plugin prints, so that it never blocks.
func (r *runner) read(line *io.PipeWriter) {
	buffer := bufio.NewReaderSize(r.stdout, maxLine)
	text, err := buffer.ReadSlice('\n')
	r.mu.Lock()
	r.handshake, r.spoke = string(text), len(text) > 0
	r.mu.Unlock()
	if err == nil || len(text) > 0 {
		_, _ = line.Write(append(text, '\n'))
	}
	_, _ = io.Copy(r.tail, buffer)
	close(r.drained[0])
	_ = line.Close()
}

// lastReader closes a channel at the end of what is read.
type lastReader struct {
	*os.File
	end  chan struct{}
	once sync.Once
}

// Read implements io.Reader.
func (l *lastReader) Read(p []byte) (int, error) {
	n, err := l.File.Read(p)
	if err != nil {
		l.once.Do(func() { close(l.end) })
	}
	return n, err
}

// drain waits until what the plugin has written is read: its last words tell why it ended.
func (r *runner) drain() {
	late := time.After(endPatience)
	for _, end := range r.drained {
		select {
		case <-end:
		case <-late:
			return // somebody else holds the other end
		}
	}
}

// said gives the plugin's first line, and whether there was one.
func (r *runner) said() (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.handshake, r.spoke
}

// Wait implements go-plugin's runner.Runner.
func (r *runner) Wait(context.Context) error {
	<-r.done
	return r.err
}

// Kill ends the plugin and all that it has started.
func (r *runner) Kill(context.Context) error {
	if r.stdout == nil {
		return nil
	}
	r.kill.Do(func() {
		if _, spoke := r.said(); !spoke { // it may be ending by itself, which is worth to know
			select {
			case <-r.done:
				r.early = true
			case <-time.After(endPatience):
			}
		}
		r.end()
		select {
		case <-r.done:
		case <-time.After(killPatience + time.Second):
			_ = r.cmd.Process.Kill() // the plugin's parent: it is killed with it
		}
		r.drain()
		_ = r.stdout.Close()
		_ = r.stderr.Close()
	})
	return nil
}

// Stdout implements runner.Runner.
func (r *runner) Stdout() io.ReadCloser { return r.first }

// Stderr implements runner.Runner.
func (r *runner) Stderr() io.ReadCloser { return r.stderr }

// Name implements runner.Runner.
func (r *runner) Name() string { return r.name }

// ID implements runner.Runner.
func (r *runner) ID() string {
	if r.cmd.Process == nil {
		return ""
	}
	return strconv.Itoa(r.cmd.Process.Pid)
}

// Diagnose implements runner.Runner.
func (*runner) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.Runner.
func (*runner) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin implements runner.Runner.
func (*runner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// ended tells how a process ended.
func (r *runner) ended() string {
	var exit *exec.ExitError
	switch {
	case r.err == nil:
		return "it ended with exit code 0"
	case errors.As(r.err, &exit) && exit.ExitCode() > 128 && exit.ExitCode() < 128+64:
		return fmt.Sprintf("it was ended by signal %d", exit.ExitCode()-128)
	case errors.As(r.err, &exit) && exit.ExitCode() >= 0:
		return fmt.Sprintf("it ended with exit code %d", exit.ExitCode())
	}
	return "it ended: " + r.err.Error()
}

// tempDir is where the folder of a socket goes. The path of a socket has at most 107 bytes.
func tempDir() string {
	const most = 60
	if dir := os.TempDir(); len(dir) <= most {
		return dir
	}
	return filepath.FromSlash("/tmp")
}
