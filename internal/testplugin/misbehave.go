package testplugin

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ModeVariable names the environment variable that says how the plugin misbehaves:
//
//	garbage      prints something else than a handshake
//	silent       prints nothing
//	exit         ends at once with code 7
//	wordy        ends so too, when it has written a warning and more behind it
//	protocol     speaks a version of the protocol that nobody knows
//	insecure     gives no certificate
//	long         prints a line without end
//	flood        writes to its log as fast as it can
//	chatter      prints on standard output all the time from its first record on
//	deaf         ignores SIGTERM and SIGINT
//	fork         leaves a child in its process group that holds its log open
//	daemon       leaves a child in a session of its own
//	bad_sample   verifies wrongly
//	die:PART:N[:FILE]    dies at record N of a source, transform or sink; with FILE only while that does not exist
//	hang:PART:N[:FILE]   hangs there
//	stop:PART:N[:FILE]   stops itself there as by SIGSTOP
//	panic:PART:N[:FILE]  panics there, of which the SDK makes an error
//
// Several have a comma between them.
const ModeVariable = "TESTPLUGIN_MODE"

func modes() []string { return strings.Split(os.Getenv(ModeVariable), ",") }

// chatter begins to print.
var chatter = func() {}

func misbehave() {
	certificate := strings.Repeat("A", 100)
	for _, mode := range modes() {
		switch mode {
		case "garbage":
			fmt.Println("Hello, I am \x1b[31mnot\x1b[0m a plugin")
			time.Sleep(time.Hour)
		case "silent":
			time.Sleep(time.Hour)
		case "exit":
			fmt.Fprintln(os.Stderr, "my configuration is missing")
			os.Exit(7)
		case "wordy":
			fmt.Fprintln(os.Stderr, "WARNING: this may take a while")
			time.Sleep(100 * time.Millisecond)
			fmt.Fprintln(os.Stderr, "my configuration is missing")
			os.Exit(7)
		case "protocol":
			fmt.Println("1|99|unix|/nowhere|grpc|" + certificate)
			time.Sleep(time.Hour)
		case "insecure":
			fmt.Println("1|1|unix|/nowhere|grpc")
			time.Sleep(time.Hour)
		case "long":
			for {
				fmt.Print(certificate)
			}
		case "flood":
			go func() {
				for {
					fmt.Fprintln(os.Stderr, certificate)
				}
			}()
		case "chatter":
			stdout := os.Stdout // the SDK puts another one in its place
			chatter = sync.OnceFunc(func() {
				go func() {
					for {
						fmt.Fprintln(stdout, certificate)
					}
				}()
			})
		case "deaf":
			signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		case "fork", "daemon":
			child := exec.Command("sleep", "1000")
			child.Stdout, child.Stderr = os.Stdout, os.Stderr
			child.SysProcAttr = &syscall.SysProcAttr{Setsid: mode == "daemon"}
			_ = child.Start()
		}
	}
}

// dieAt dies, hangs, stops or begins to print where the mode says so.
func dieAt(part string, n int64) {
	chatter()
	for _, mode := range modes() {
		words := strings.SplitN(mode, ":", 4)
		if len(words) < 3 || words[1] != part || words[2] != strconv.FormatInt(n, 10) {
			continue
		}
		if len(words) == 4 {
			f, err := os.OpenFile(words[3], os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				continue // once is enough
			}
			f.Close()
		}
		switch words[0] {
		case "die":
			fmt.Fprintf(os.Stderr, "dying at %s %d\n", part, n)
			os.Exit(3)
		case "hang":
			time.Sleep(time.Hour)
		case "panic":
			panic("nobody expected this")
		case "stop":
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		}
	}
}
