package testserver

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// children gives the processes that a process has started.
func children(pid int) (pids []int) {
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	for _, text := range bytes.Fields(list) {
		if child, err := strconv.Atoi(string(text)); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// running reports whether there is a process that has not ended, waited for or not.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// The state is behind the name in parentheses, which may hold anything.
	state := bytes.TrimLeft(stat[bytes.LastIndexByte(stat, ')')+1:], " ")
	return len(state) > 0 && state[0] != 'Z' && state[0] != 'X'
}
