// Package doctor looks at an installation and says what is wrong with it and
// how to mend it. It changes nothing.
package doctor

import (
	"context"
	"crypto/fips140"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/counterfoil/counterfoil/internal/audit"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/clock"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
)

// Status is how a thing was found.
type Status string

// The statuses.
const (
	OK       Status = "ok"
	Warn     Status = "warn"
	Fail     Status = "fail"
	Untested Status = "untested"
)

// Finding is one thing looked at.
type Finding struct {
	Name    string
	Status  Status
	Message string
	// Fix says what to do, for what is not in order.
	Fix string
}

// Installation is what doctor looks at. Log gives the audit log, or why it
// cannot be opened.
type Installation struct {
	DataDir string
	Catalog *catalog.Catalog
	Custody *custody.Custody
	Log     func(ctx context.Context) (*audit.Log, error)
	Behind  func() time.Duration
	// Clock tells what the trusted clock knows.
	Clock func() clock.Status
	// Locks compares the locks in a vault's store with those that are needed.
	Locks func(ctx context.Context, vault string) (*lifecycle.Locks, error)
	// Closes lists the fiscal closes of a vault's sources.
	Closes func(ctx context.Context, vault string) ([]lifecycle.SourceClose, error)
	Now    func() time.Time
}

// Examine looks at everything, also when some of it is out of order.
func Examine(ctx context.Context, in Installation) ([]Finding, error) {
	e := &examination{in: in}
	e.dataDir()
	e.catalog(ctx)
	e.log(ctx)
	e.clock()
	if err := e.vaults(ctx); err != nil {
		return nil, err
	}
	e.runs(ctx)
	e.crypto()
	e.platform()
	return e.findings, ctx.Err()
}

type examination struct {
	in       Installation
	findings []Finding
}

func (e *examination) add(name string, status Status, fix, format string, args ...any) {
	if status == OK {
		fix = ""
	}
	e.findings = append(e.findings, Finding{Name: name, Status: status, Message: fmt.Sprintf(format, args...), Fix: fix})
}

func (e *examination) dataDir() {
	info, err := os.Stat(e.in.DataDir)
	switch {
	case err != nil:
		e.add("data directory", Fail, "give the right folder with --data or COUNTERFOIL_DATA", "%v", err)
	case info.Mode().Perm()&0o077 != 0:
		e.add("data directory", Warn, "chmod 700 "+e.in.DataDir, "%s is open to others (mode %v): keys lie in it", e.in.DataDir, info.Mode().Perm())
	default:
		e.add("data directory", OK, "", "%s", e.in.DataDir)
	}
	err = filepath.WalkDir(filepath.Join(e.in.DataDir, "keys"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err == nil && info.Mode().Perm()&0o077 != 0 {
			e.add("key file", Fail, "chmod 600 "+path, "%s can be read by others (mode %v)", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		e.add("key files", Fail, "make the keys readable for the account that runs counterfoil", "%v", err)
	}
}

func (e *examination) catalog(ctx context.Context) {
	if err := e.in.Catalog.Check(ctx); err != nil {
		e.add("catalog", Fail, "move catalog.db away and run 'vault recover' for each vault", "%v", err)
		return
	}
	e.add("catalog", OK, "", "structure is whole")
}

func (e *examination) log(ctx context.Context) {
	log, err := e.in.Log(ctx)
	if err == nil {
		_, err = log.Verify(ctx)
	}
	if err != nil {
		e.add("audit log", Fail, "keep the folder as it is for investigation; the copy in a vault's log/ may be whole", "%v", err)
		return
	}
	whole := e.copies(ctx, log)
	lag, err := log.Lag(ctx)
	switch {
	case err != nil:
		e.add("audit log", Fail, "move catalog.db away and run 'vault recover' for each vault", "what waits to be written into the log cannot be read: %v", err)
	case lag.Err != nil:
		e.add("audit log", Fail, "free space or mend the disk; waiting events are written by the next command", "%d events wait to be written into the log, which failed: %v", lag.Pending, lag.Err)
	case lag.Pending > 0 && !whole:
		e.add("audit log", Warn, "mend the log; they are kept until then", "%d events wait to be written into the log", lag.Pending)
	case lag.Pending > 0:
		e.add("audit log", Warn, "the next command that changes something writes them", "%d events wait to be written into the log, the first since %s", lag.Pending, lag.Oldest.Local().Format("2006-01-02 15:04:05 -07:00"))
	case whole:
		e.add("audit log", OK, "", "%d records, every one under the signed checkpoint", log.Size())
	}
}

// copies compares the log with the copies in the vaults.
func (e *examination) copies(ctx context.Context, log *audit.Log) (whole bool) {
	copies, err := e.in.Custody.LogCopies(ctx, log)
	if err != nil {
		e.add("audit log", Fail, "run 'doctor' again", "the vaults' copies of it cannot be looked at: %v", err)
		return false
	}
	whole = true
	for _, l := range copies {
		switch l.State {
		case custody.CopyAhead:
			if !whole {
				continue // one such copy says it
			}
			whole = false
			e.add("audit log", Fail, l.WayOut(), "the log here is not the one that was written, and nothing is written into it: %s", l.Words())
		case custody.CopyUnread:
			if errkind.Is(l.Err, errkind.NotFound) || errkind.Is(l.Err, errkind.Unavailable) {
				continue // that its store is out of reach is said of the vault
			}
			e.add("audit log", Warn, "run 'vault verify "+l.Vault+"'", "a copy cannot be compared: %s", l.Words())
		case custody.CopyForeign:
			e.add("audit log", Warn, "keep the copies in your other vaults; this one is left as it is", "a vault has another log: %s", l.Words())
		case custody.CopyNone, custody.CopyGood:
		}
	}
	return whole
}

func (e *examination) clock() {
	st := e.in.Clock()
	if st.Latch != nil {
		e.add("clock", Fail, "look at another clock, set the system's right, then run 'clock attest'", "the clock's latch is closed since %s: %s; nothing is deleted, backups and locks go on", st.Latch.Since.Local().Format("2006-01-02 15:04:05 -07:00"), st.Latch.Text)
		return
	}
	if behind := e.in.Behind(); behind > 0 {
		e.add("clock", Warn, "set the system clock; until then records are dated by the trusted clock", "the system clock lies %v behind the last time this installation recorded", behind)
		return
	}
	sources := "one source (the system clock)"
	if st.Groups > 1 {
		sources = fmt.Sprintf("%d independent sources", st.Groups)
	}
	e.add("clock", OK, "", "%s, %s", e.in.Now().Local().Format("2006-01-02 15:04:05 -07:00"), sources)
}

func (e *examination) vaults(ctx context.Context) error {
	rows, err := e.in.Catalog.Vaults(ctx)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		e.add("vaults", Warn, "run 'quickstart PATH' or 'vault create NAME URL'", "there is no vault yet")
	}
	for _, row := range rows {
		e.vault(ctx, row)
	}
	return nil
}

func (e *examination) vault(ctx context.Context, row catalog.Vault) {
	name := "vault " + row.Name
	_, v, err := e.in.Custody.Vault(ctx, row.ID)
	if err != nil {
		e.add(name, Fail, "mount or mend its store; if it is another server's now, 'vault recover' takes it back", "%v", err)
		return
	}
	for _, w := range v.Warnings() {
		e.add(name, Warn, "run 'vault verify "+row.Name+"'", "%s", w)
	}
	if err := v.CheckOwner(ctx); err != nil {
		e.add(name, Fail, "use the server that owns it, or 'vault recover' to take it over", "%v", err)
		return
	}
	if _, err := v.Records(ctx); err != nil {
		e.add(name, Fail, "nothing is deleted meanwhile: bring the record back from a copy of the store, or 'vault recover "+row.URL+"' goes on without it", "%v", err)
		return
	}
	if d, err := custody.DetailOfVault(row); err == nil && !d.LockAt.IsZero() {
		e.add(name, Warn, "'vault unlock-request "+row.Name+"' calls it back", "it is asked to be locked for ever, which can be finished from %s on", d.LockAt.Local().Format("2006-01-02 15:04"))
	}
	damages, err := e.in.Catalog.Damages(ctx, row.ID)
	if err != nil || len(damages) > 0 {
		e.add(name, Fail, "run a backup of its sources (what they still have heals), then 'vault verify "+row.Name+"'", "%d damaged objects are known", len(damages))
		return
	}
	enforcer := "nobody"
	if row.Kind != catalog.VaultTrial {
		enforcer = v.Bucket().Caps().Enforcer
	}
	e.add(name, OK, "", "%s, level L%d, locks kept by %s", row.URL, row.AssuranceLevel, enforcer)
	if row.Kind == catalog.VaultTrial {
		e.add(name, Warn, "make a real vault of it with 'vault protect "+row.Name+"', or a new one with 'vault create'", "it is a trial vault: nothing in it is locked")
	}
	if row.Kind == catalog.VaultOff {
		e.add(name, Warn, "'vault protect "+row.Name+"' switches it on", "its immutability is off: points can be deleted before their time")
	}
	e.locks(ctx, name, row)
	e.closes(ctx, name, row)
	if url, err := blob.ParseURL(row.URL); err == nil && url.Scheme == blob.SchemeFile {
		e.space(name, url.Path)
	}
}

// locks says whether storage holds what points need for long enough.
func (e *examination) locks(ctx context.Context, name string, row catalog.Vault) {
	l, err := e.in.Locks(ctx, row.ID)
	fix := "run 'vault locks " + row.Name + " --apply'"
	switch {
	case err != nil:
		e.add(name, Warn, "run 'vault verify "+row.Name+"'", "its locks cannot be compared with what is needed: %v", err)
	case l.Short() || len(l.Missing) > 0:
		e.add(name, Fail, fix, "%d locks are short and %d objects that points need are missing", len(l.Raise), len(l.Missing))
	case len(l.Raise) > 0:
		e.add(name, Warn, fix, "%d locks have run down, or their store has lost what it enforces them by, and should be renewed", len(l.Raise))
	}
}

func (e *examination) runs(ctx context.Context) {
	runs, err := e.in.Catalog.Runs(ctx, catalog.RunFilter{Unfinished: true})
	if err != nil {
		e.add("runs", Fail, "run 'doctor' again; if it persists, 'vault recover' rebuilds the catalog", "%v", err)
		return
	}
	e.interrupted(ctx)
	for _, r := range runs {
		e.add("runs", Warn, "none needed if it still works; else the next run marks it as interrupted", "%s of process %d began %s and has not ended", r.Kind, r.PID, r.StartedAt.Local().Format("2006-01-02 15:04"))
	}
}

// interrupted tells of each source whose last runs came to no end of their own.
func (e *examination) interrupted(ctx context.Context) {
	sources, err := e.in.Catalog.Sources(ctx)
	for _, s := range sources {
		var runs []catalog.Run
		if runs, err = e.in.Catalog.Runs(ctx, catalog.RunFilter{Kind: catalog.RunBackup, SourceID: s.ID, Limit: 100}); err != nil {
			break
		}
		var since []catalog.Run
		for _, r := range runs {
			if r.Result == catalog.ResultDone || r.Result == catalog.ResultIncomplete {
				break
			}
			if r.Result == catalog.ResultInterrupted {
				since = append(since, r)
			}
		}
		if len(since) > 0 {
			e.add("runs", OK, "", "backups of %s that were interrupted since its last point: %d, the latest one begun %s; the next finds again what was stored",
				s.Name, len(since), since[0].StartedAt.Local().Format("2006-01-02 15:04"))
		}
	}
	if err != nil {
		e.add("runs", Fail, "run 'doctor' again; if it persists, 'vault recover' rebuilds the catalog", "%v", err)
	}
}

func (e *examination) crypto() {
	if fips140.Enabled() {
		e.add("cryptography", OK, "", "Go cryptographic module in FIPS 140-3 mode")
		return
	}
	e.add("cryptography", Warn, "start with GODEBUG=fips140=on where FIPS 140-3 is required", "FIPS 140-3 mode is off; the algorithms are the same")
}
