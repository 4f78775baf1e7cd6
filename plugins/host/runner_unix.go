//go:build unix

package host

import (
	"os"
	"syscall"
)

// wrap has the supervisor stand between usher and the plugin.
func (r *runner) wrap(dir, workingDir string, command []string) error {
	self, err := selfPath()
	if err != nil {
		return err
	}
	r.cmd.Path = self
	r.cmd.Args = append([]string{supervisorName, dir, workingDir}, command...)
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return nil
}

// launch starts the supervisor with its end of the lifeline.
func (r *runner) launch() error {
	end, hold, err := os.Pipe()
	if err != nil {
		return err
	}
	r.cmd.ExtraFiles = []*os.File{end}
	err = r.cmd.Start()
	end.Close()
	if err != nil {
		hold.Close()
		return err
	}
	r.hold = hold
	return nil
}

// end has the supervisor kill the plugin.
func (r *runner) end() { r.hold.Close() }
