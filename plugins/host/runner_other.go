//go:build !unix

package host

// Without process groups there is no supervisor: the plugin's own process is all that is ended.

func (r *runner) wrap(_, workingDir string, command []string) error {
	r.cmd.Path, r.cmd.Args, r.cmd.Dir = command[0], command, workingDir
	return nil
}

func (r *runner) launch() error { return r.cmd.Start() }

func (r *runner) end() { _ = r.cmd.Process.Kill() }
