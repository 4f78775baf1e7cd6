package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// job is one thing that both programs do.
type job struct {
	name string
	// usher are the words of usher's command line; limit is the loader's mode.
	usher []string
	limit string
	// source measures the source of the pipeline file that usher names alone.
	source bool
	// reads is what kind of users both programs read; empty for a file of NDJSON.
	reads string
	// filled starts with a store that has the users already, half reads the file in which half of them are different, shuffled one in
	// which they come in another order than that of the store.
	filled, half, shuffled bool
	// output is the option of what is written in the pipeline file: the environment variable that names it.
	output string
	// stored reads a store that usher has filled with the users, which is not changed.
	stored bool
	// expect tells whether a summary can be that of this job.
	expect func(n int64, s summary) bool
}

var jobs = []job{
	{name: "first", usher: []string{"run", "bench/store.yaml"}, limit: "store", output: "users.db",
		expect: func(n int64, s summary) bool { return s.Inserted == n }},
	{name: "again", usher: []string{"run", "bench/store.yaml"}, limit: "store", output: "users.db", filled: true, expect: unchanged},
	{name: "again-shuffled", usher: []string{"run", "bench/store.yaml"}, limit: "store", output: "users.db", filled: true, shuffled: true, expect: unchanged},
	{name: "half", usher: []string{"run", "bench/store.yaml"}, limit: "store", output: "users.db", filled: true, half: true, expect: halfUpdated},
	{name: "half-shuffled", usher: []string{"run", "bench/store.yaml"}, limit: "store", output: "users.db", filled: true, half: true, shuffled: true, expect: halfUpdated},
	{name: "drop", usher: []string{"run", "bench/drop.yaml"}, limit: "decode-map", expect: total},
	{name: "plan", usher: []string{"plan", "bench/store.yaml"}, limit: "decode-map", output: "users.db", expect: total},
	{name: "csv", usher: []string{"run", "bench/csv.yaml"}, limit: "csv", output: "users.csv", expect: total},
	{name: "sql", usher: []string{"bench/sql.yaml"}, limit: "sql", source: true, reads: "table", expect: total},
	{name: "sql-drop", usher: []string{"run", "bench/sql.yaml"}, limit: "sql", reads: "table", expect: total},
	{name: "excel", usher: []string{"bench/excel.yaml"}, limit: "excel", source: true, reads: "workbook", expect: total},
	{name: "excel-shared", usher: []string{"bench/excel.yaml"}, limit: "excel", source: true, reads: "shared workbook", expect: total},
	{name: "excel-drop", usher: []string{"run", "bench/excel.yaml"}, limit: "excel", reads: "workbook", expect: total},
	{name: "export-csv", usher: export, limit: "export-csv", output: "users.csv", stored: true, expect: total},
	{name: "export-sorted", usher: append(slices.Clone(export), "--sort", "email"), limit: "export-sorted", output: "users.csv", stored: true, expect: total},
	{name: "export-xlsx", usher: export, limit: "export-xlsx", output: "users.xlsx", stored: true, expect: total},
}

// export has twelve columns: paths of one and two steps, choices, a call and a condition.
var export = []string{"export",
	"--field", "Id=user.user_id",
	"--field", "Email=lower(user.email)",
	"--field", "Name=user.user_metadata.name || user.nickname",
	"--field", "Account=user.preferred_username",
	"--field", "Phone=user.phone_number",
	"--field", "Verified=user.email_verified ? true : false",
	"--field", "Logins=user.logins_count",
	"--field", "Created=user.created_at",
	"--field", "Locale=user.locale || 'en'",
	"--field", "City=user.user_metadata.city",
	"--field", "Plan=user.app_metadata.plan ?? 'none'",
	"--field", "Legacy=user.custom_attributes.legacy_id",
}

func unchanged(n int64, s summary) bool { return s.Skipped+s.Unchanged == n }

func halfUpdated(n int64, s summary) bool {
	return s.Updated > n/3 && s.Updated < 2*n/3+1 && s.Updated+s.Skipped+s.Unchanged == n
}

func total(n int64, s summary) bool { return s.Total == n && s.Failed == 0 }

func jobNames() []string {
	names := make([]string, len(jobs))
	for i := range jobs {
		names[i] = jobs[i].name
	}
	return names
}

func choose(only string) ([]job, error) {
	if only == "" {
		return jobs, nil
	}
	var chosen []job
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(jobs, func(j job) bool { return j.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no job %q: there are %s", name, strings.Join(jobNames(), ", "))
		}
		chosen = append(chosen, jobs[i])
	}
	return chosen, nil
}

// summary has what either program counts: usher's skipped are the loader's unchanged.
type summary struct {
	Total     int64 `json:"total"`
	Inserted  int64 `json:"inserted"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
	Skipped   int64 `json:"skipped"`
	Failed    int64 `json:"failed"`
}

// measurement is one process.
type measurement struct {
	Seconds float64 `json:"seconds"`
	// UserSeconds and SystemSeconds are the time that processors spent on it.
	UserSeconds   float64 `json:"user_seconds"`
	SystemSeconds float64 `json:"system_seconds"`
	// PeakBytes is the most memory that was resident.
	PeakBytes int64 `json:"peak_bytes"`

	users int
}

func perSecond(m measurement) float64    { return float64(m.users) / m.Seconds }
func perCPUSecond(m measurement) float64 { return float64(m.users) / (m.UserSeconds + m.SystemSeconds) }
func cpu(m measurement) float64          { return 1e6 / perCPUSecond(m) }
func peak(m measurement) float64         { return float64(m.PeakBytes) / (1 << 20) }

// measure runs the pairs of a job.
func (b *bench) measure(ctx context.Context, j job, pairs int) (jobReport, error) {
	r := jobReport{Job: j.name}
	if err := b.prepare(ctx, j); err != nil {
		return r, fmt.Errorf("making the users: %w", err)
	}
	for range pairs {
		for _, side := range []struct {
			program string
			into    *[]measurement
		}{{b.usher, &r.Usher}, {b.limit, &r.Limit}} {
			m, err := b.once(ctx, j, side.program)
			if err != nil {
				return r, err
			}
			*side.into = append(*side.into, m)
		}
	}
	r.Speed, r.CPU = ratios(&r, perSecond), ratios(&r, perCPUSecond)
	return r, nil
}

// once runs one program on one job, in a folder of its own.
func (b *bench) once(ctx context.Context, j job, program string) (measurement, error) {
	dir, err := os.MkdirTemp(b.dir, "run-")
	if err != nil {
		return measurement{}, err
	}
	defer os.RemoveAll(dir)
	output := ""
	if j.output != "" {
		output = filepath.Join(dir, j.output)
	}
	if j.filled {
		if err := b.fill(ctx, program, output); err != nil {
			return measurement{}, fmt.Errorf("filling a store: %w", err)
		}
	}
	if j.stored {
		if err := b.fill(ctx, b.usher, ""); err != nil {
			return measurement{}, fmt.Errorf("filling a store: %w", err)
		}
	}
	m, err := b.run(ctx, j, program, dir, output)
	if err == nil && filepath.Ext(output) == ".csv" {
		err = b.compareOutput(j.name, output)
	}
	return m, err
}

// compareOutput makes sure that both programs write the same file.
func (b *bench) compareOutput(job, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return err
	}
	sum := hash.Sum(nil)
	if b.output[job] == nil {
		b.output[job] = sum
	} else if !bytes.Equal(b.output[job], sum) {
		return errors.New("the two programs wrote different files")
	}
	return nil
}

// fill puts a store at path that program has filled with the users. It is made once and copied, or only made where path is empty.
func (b *bench) fill(ctx context.Context, program, path string) error {
	from := b.filled[program]
	if from == "" {
		dir, err := os.MkdirTemp(b.dir, "filled-")
		if err != nil {
			return err
		}
		from = filepath.Join(dir, "users.db")
		if _, err := b.run(ctx, jobs[0], program, dir, from); err != nil {
			return err
		}
		if program == b.limit {
			// Usher reads every user of the loader's and must find nothing to change.
			if _, err := b.run(ctx, jobs[1], b.usher, dir, from); err != nil {
				return err
			}
		}
		b.filled[program] = from
	}
	if _, err := os.Stat(from + "-wal"); err == nil && path != "" {
		return errors.New("the program left a write-ahead log behind")
	}
	if path == "" {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	// What the system still has to write must not fall into the measurement.
	return out.Sync()
}

func (b *bench) run(ctx context.Context, j job, program, dir, output string) (measurement, error) {
	in, err := b.variant(j)
	if err != nil {
		return measurement{}, err
	}
	if j.stored {
		in.limit = b.filled[b.usher]
	}
	var cmd *exec.Cmd
	switch {
	case program != b.usher:
		cmd = exec.CommandContext(ctx, program, "-mode", j.limit, "-i", in.limit, "-o", output, "-outcomes", filepath.Join(dir, "outcomes.ndjson"))
	case j.source:
		cmd = exec.CommandContext(ctx, b.read, j.usher...)
	case j.stored:
		cmd = exec.CommandContext(ctx, program, append(slices.Clone(j.usher), "--store", "sqlite:"+in.limit, "-o", output, "--json", "--quiet", "--state", filepath.Join(dir, "state"))...)
	default:
		cmd = exec.CommandContext(ctx, program, append(slices.Clone(j.usher), "--json", "--quiet", "--state", filepath.Join(dir, "state"))...)
	}
	cmd.Env = append(os.Environ(), "BENCH_INPUT="+in.usher, "BENCH_OUTPUT="+output)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err = cmd.Run()
	seconds := time.Since(start).Seconds()
	if err != nil {
		return measurement{}, fmt.Errorf("%s: %w\n%s%s", filepath.Base(program), err, stderr.Bytes(), stdout.Bytes())
	}
	if err := b.check(j, program, stdout.Bytes()); err != nil {
		return measurement{}, err
	}
	state := cmd.ProcessState
	return measurement{seconds, state.UserTime().Seconds(), state.SystemTime().Seconds(), maxRSS(state.SysUsage().(*syscall.Rusage)), b.n}, nil
}

// check makes sure that the work was done.
func (b *bench) check(j job, program string, stdout []byte) error {
	var sum summary
	var err error
	if program == b.usher {
		var document struct{ Summary summary }
		err = json.Unmarshal(stdout, &document)
		sum = document.Summary
	} else {
		err = json.Unmarshal(stdout, &sum)
	}
	if err != nil {
		return fmt.Errorf("%s printed no summary: %w", filepath.Base(program), err)
	}
	if !j.expect(int64(b.n), sum) {
		return fmt.Errorf("%s did not do the job: %+v", filepath.Base(program), sum)
	}
	return nil
}
