//go:build unix

package host

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// A plugin runs under a supervisor: a second process of this same program, in a session of its own, that does nothing but see to the
// plugin's end. It holds one end of a pipe, the other end of which closes when usher ends, however it ends: then, and when the
// plugin's own process ends, it kills whatever the plugin has left running and deletes the folder of its socket. A plugin cannot do that for
// itself, since it may hang, be killed or leave children behind.

// supervisorName is the name under which the program is started to be a supervisor.
const supervisorName = "usher-plugin-supervisor"

// lifeline is the file descriptor of the pipe's end.
const lifeline = 3

func init() {
	// Whatever program uses this package can be started as a supervisor; its main never runs then.
	if len(os.Args) > 3 && os.Args[0] == supervisorName {
		os.Exit(supervise(os.Args[1], os.Args[2], os.Args[3:]))
	}
}

// supervise runs a plugin until it ends or the lifeline does, and gives its exit code. The main thread, to which an init function is bound,
// is the plugin's parent: it lives as long as this process.
func supervise(dir, workingDir string, command []string) int {
	defer os.RemoveAll(dir)
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGPIPE)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	adoptOrphans()
	syscall.CloseOnExec(lifeline)
	null, err := os.Open(os.DevNull)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitCannotStart
	}
	p, err := os.StartProcess(command[0], command, &os.ProcAttr{
		Dir: workingDir, Env: os.Environ(), Files: []*os.File{null, os.Stdout, os.Stderr}, Sys: childAttributes(),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitCannotStart
	}
	ended := make(chan struct{})
	go func() {
		var b [1]byte
		for {
			if _, err := syscall.Read(lifeline, b[:]); err != syscall.EINTR {
				close(ended)
				return
			}
		}
	}()
	code := make(chan int, 1)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		reap(p.Pid, code)
	}()
	result := 1
	select {
	case result = <-code:
	case <-ended:
	case <-stop:
	}
	// What is killed may have had children, which are this process's from then on.
	for deadline := time.Now().Add(killPatience); time.Now().Before(deadline); {
		_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
		killChildren()
		select {
		case <-gone:
			return result
		case <-time.After(5 * time.Millisecond):
		}
	}
	return result
}

// exitCannotStart is the exit code of a supervisor that could not start the plugin.
const exitCannotStart = 126

// reap waits for every child there will be, and tells the exit code of one.
func reap(plugin int, code chan<- int) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return
		case pid == plugin && status.Signaled():
			code <- 128 + int(status.Signal())
		case pid == plugin:
			code <- status.ExitStatus()
		}
	}
}
