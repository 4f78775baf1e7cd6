// Command compare runs usher and the limit loader in turn on the same users and prints what usher reaches of the loader's speed:
// a machine that is slow or busy is so for both. It is run at the root of the repository, as `make bench` does:
//
//	go run ./bench/compare -n 1000000 -pairs 3 -only first,again
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/usher-id/usher/bench/users"
	"github.com/usher-id/usher/internal/testserver"
)

func main() {
	n := flag.Int("n", 100_000, "how many users")
	pairs := flag.Int("pairs", 3, "how often each of the two runs")
	only := flag.String("only", "", "the jobs to run, separated by commas; empty for all of "+strings.Join(jobNames(), ", "))
	asJSON := flag.Bool("json", false, "print every measurement as JSON instead of the table")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := compare(ctx, *n, *pairs, *only, *asJSON); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// bench is one call of this program.
type bench struct {
	n      int
	data   string // for what is made and kept
	dir    string // for what is made and not kept
	usher  string
	limit  string
	read   string           // reads a source of usher's alone
	inputs map[string]input // what the jobs read, by its kind
	server *testserver.Server
	filled map[string]string
	output map[string][]byte // by job, the SHA-256 of the file that is written
}

// compare prints what it has measured, also where it is interrupted.
func compare(ctx context.Context, n, pairs int, only string, asJSON bool) error {
	if n < 1 || pairs < 1 {
		return fmt.Errorf("-n and -pairs are 1 at least")
	}
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	data, err := filepath.Abs("bench/data")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(data, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(data, "compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{n: n, data: data, dir: dir, inputs: map[string]input{}, filled: map[string]string{}, output: map[string][]byte{}}
	defer b.close()
	for name, path := range map[string]*string{"./cmd/usher": &b.usher, "./bench/limit": &b.limit, "./bench/read": &b.read} {
		if *path, err = build(ctx, dir, name); err != nil {
			return err
		}
	}
	report := report{Users: n, Pairs: pairs, CPUs: runtime.NumCPU(), Go: runtime.Version()}
	load, _ := os.ReadFile("/proc/loadavg")
	report.Load, _, _ = strings.Cut(string(load), " ")
	var failure error
	for _, j := range chosen {
		r, err := b.measure(ctx, j, pairs)
		if err != nil {
			failure = fmt.Errorf("%s: %w", j.name, err)
			break
		}
		report.Jobs = append(report.Jobs, r)
	}
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		err = e.Encode(report)
	} else {
		err = report.print(os.Stdout)
	}
	return errors.Join(failure, err)
}

// build makes a program as it is shipped: without cgo.
func build(ctx context.Context, dir, name string) (string, error) {
	path := filepath.Join(dir, filepath.Base(name))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return path, cmd.Run()
}

// generate makes a file of users, where it is not there from an earlier call.
func generate(dir string, n int, changed float64, shuffled bool) (string, error) {
	path := filepath.Join(dir, fmt.Sprintf("users-%d-%g.ndjson", n, changed))
	if shuffled {
		path = filepath.Join(dir, fmt.Sprintf("users-%d-%g-shuffled.ndjson", n, changed))
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	f, err := os.Create(path + ".new")
	if err != nil {
		return "", err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 256<<10)
	maker := users.Maker{Seed: 1, ChangedShare: changed}
	var line []byte
	for i := range n {
		if shuffled {
			i = int(uint64(i) * 982_451_653 % uint64(n)) // a prime: each comes once
		}
		line = append(maker.JSON(line[:0], i), '\n')
		if _, err := w.Write(line); err != nil {
			return "", err
		}
	}
	if err := w.Flush(); err != nil {
		return "", err
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	return path, os.Rename(f.Name(), path)
}

type report struct {
	Users int         `json:"users"`
	Pairs int         `json:"pairs"`
	CPUs  int         `json:"cpus"`
	Go    string      `json:"go"`
	Load  string      `json:"load_average"`
	Jobs  []jobReport `json:"jobs"`
}

// jobReport holds the pairs of one job: the i-th of usher ran just before the i-th of limit.
type jobReport struct {
	Job   string        `json:"job"`
	Usher []measurement `json:"usher"`
	Limit []measurement `json:"limit"`
	// Speed and CPU are medians over the pairs: usher's users per second, and per second of processor time, over
	// the loader's.
	Speed float64 `json:"speed_ratio"`
	CPU   float64 `json:"cpu_ratio"`
}

func (r *report) print(out *os.File) error {
	fmt.Fprintf(out, "%d users, medians of %d, %d processors, %s, load average %s at the start\n\n", r.Users, r.Pairs, r.CPUs, r.Go, r.Load)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tusers/s\t\t\tCPU µs a user\t\t\tpeak MB\t\t")
	fmt.Fprintln(w, "job\tusher\tlimit\tratio\tusher\tlimit\tratio\tusher\tlimit\t")
	for _, j := range r.Jobs {
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.2f\t%.1f\t%.1f\t%.2f\t%.0f\t%.0f\t\n", j.Job,
			median(j.Usher, perSecond), median(j.Limit, perSecond), j.Speed,
			median(j.Usher, cpu), median(j.Limit, cpu), j.CPU, median(j.Usher, peak), median(j.Limit, peak))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "\nratio: what usher reaches of the loader, 1 is as fast; the median over pairs that ran one after the other")
	return err
}

func median[T any](list []T, of func(T) float64) float64 {
	values := make([]float64, len(list))
	for i, e := range list {
		values[i] = of(e)
	}
	slices.Sort(values)
	half := len(values) / 2
	if len(values)%2 == 1 {
		return values[half]
	}
	return (values[half-1] + values[half]) / 2
}

// ratios is the median over pairs of a value of usher's over the loader's.
func ratios(j *jobReport, of func(measurement) float64) float64 {
	pairs := make([]float64, len(j.Usher))
	for i := range pairs {
		pairs[i] = of(j.Usher[i]) / of(j.Limit[i])
	}
	return median(pairs, func(f float64) float64 { return f })
}
