package restore

import (
	"sync"

	"github.com/counterfoil/counterfoil/internal/source"
)

// tally counts what a restore does, for its report and its progress.
type tally struct {
	progress func(Progress)

	mu     sync.Mutex // guards what follows and the calls of progress
	at     Progress
	report Report
}

func (t *tally) result() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.report
}

// advance moves the progress on.
func (t *tally) advance(bytes, files, verified int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at.Done += bytes
	t.at.Files += files
	t.at.Verified += verified
	if t.progress != nil {
		t.progress(t.at)
	}
}

// entry counts an object that is neither a file nor skipped.
func (t *tally) entry() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Entries++
}

// file counts a name of a regular file and the bytes written for it.
func (t *tally) file(bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Entries++
	t.report.Files++
	t.report.Bytes += bytes
}

// skipped counts a regular file that was left as it was.
func (t *tally) skipped() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Entries++
	t.report.Skipped++
}

// damaged counts and notes what the vault could not give back.
func (t *tally) damaged(path, op string, err error) {
	t.problem(source.Problem{Path: path, Op: op, Err: err})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Damaged++
}

// problem notes what could not be restored as it was.
func (t *tally) problem(p source.Problem) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.ProblemCount++
	if len(t.report.Problems) < maxProblems {
		t.report.Problems = append(t.report.Problems, p)
	}
}

func (t *tally) verified(ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Verified = ok
}
