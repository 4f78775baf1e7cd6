package journal

import (
	"encoding/json"
	"path/filepath"

	"github.com/usher-id/usher/pipeline"
)

// The states of a Reconciled.
const (
	ReconcileDone    = "done"
	ReconcileRefused = "refused" // more were missing than may be removed, and nobody was
	ReconcileSkipped = "skipped" // it cannot be told who is missing
)

// Reconciled counts the users of the sink that no record of a run was about. They are no records: the summary does not count
// them.
type Reconciled struct {
	Status string `json:"status"`
	// Reason says why it was skipped.
	Reason string `json:"reason,omitempty"`
	// Missing is the sum of what became of them.
	Missing   int64 `json:"missing"`
	Disabled  int64 `json:"disabled"`
	Deleted   int64 `json:"deleted"`
	Unchanged int64 `json:"unchanged"`
	Kept      int64 `json:"kept"`
	// Users is the absolute path of the file that lists them, empty where there are none.
	Users string `json:"users"`
}

// SkipReconcile notes that nobody was looked for.
func (r *Run) SkipReconcile(reason string) error {
	r.doc.Reconciled = &Reconciled{Status: ReconcileSkipped, Reason: reason}
	return r.save()
}

// MissingList is the list of the users that no record was about, as it is written.
type MissingList struct {
	run  *Run
	file *appendFile
	Reconciled
}

// BeginReconcile begins the list anew.
func (r *Run) BeginReconcile() (*MissingList, error) {
	file, err := openAppend(filepath.Join(r.dir, "missing.ndjson"), 0, 0)
	if err != nil {
		return nil, err
	}
	return &MissingList{run: r, file: file}, nil
}

// Append adds users.
func (l *MissingList) Append(users []pipeline.Missing) error {
	for i := range users {
		l.Missing++
		switch users[i].Outcome {
		case pipeline.MissingDisabled:
			l.Disabled++
		case pipeline.MissingDeleted:
			l.Deleted++
		case pipeline.MissingUnchanged:
			l.Unchanged++
		default:
			l.Kept++
		}
		line, err := json.Marshal(&users[i])
		if err != nil {
			return err
		}
		if err := l.file.append(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// End makes the list durable, and then the document that names it.
func (l *MissingList) End(refused bool) error {
	if err := l.file.sync(); err != nil {
		return err
	}
	l.Status = ReconcileDone
	if refused {
		l.Status = ReconcileRefused
	}
	if l.Missing > 0 {
		l.Users = l.file.Name()
	}
	l.run.doc.Reconciled = &l.Reconciled
	return l.run.save()
}

// Close closes the file.
func (l *MissingList) Close() { _ = l.file.Close() }
