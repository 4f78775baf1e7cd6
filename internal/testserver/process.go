package testserver

import (
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// process is a running server.
type process struct {
	cmd    *exec.Cmd
	done   chan struct{}
	killed atomic.Bool
}

// spawn starts cmd so that it does not outlive this process, as another user where as says so.
func spawn(cmd *exec.Cmd, as *syscall.Credential) (*process, error) {
	cmd.SysProcAttr = attributes(as)
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel ends the child with the thread that started it, so that thread stays until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(p.done)
	}()
	return p, <-started
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the process and all that it started, and waits for them: what is left of a PostgreSQL goes on to answer, and holds its memory.
func (p *process) kill() {
	p.killed.Store(true)
	if p.ended() {
		return
	}
	pid := p.cmd.Process.Pid
	_ = syscall.Kill(-pid, syscall.SIGSTOP) // it starts nothing more
	left := children(pid)
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	for _, child := range left { // they are in groups of their own
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	<-p.done
	for deadline := time.Now().Add(startTimeout); slices.ContainsFunc(left, running) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

// unprivileged gives the user that servers run as where this process is root, which PostgreSQL refuses; else nil.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
