package custody

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/tlog"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// CopyState is how a vault's copy of the audit log stands to the log here.
type CopyState string

// The states of copies.
const (
	// CopyNone: the vault has no copy yet. CopyGood: it is a prefix of the log here.
	CopyNone CopyState = "none"
	CopyGood CopyState = "good"
	// CopyAhead: it has records that the log here lacks, or others. The log here
	// was rolled back or replaced.
	CopyAhead CopyState = "ahead"
	// CopyForeign: it is the log of another installation, or the vault belongs to
	// one by now, which carries the log on.
	CopyForeign CopyState = "foreign"
	// CopyUnread: it is out of reach or damaged, and says nothing of the log here.
	CopyUnread CopyState = "unread"
)

// LogCopy is a vault's copy of the audit log.
type LogCopy struct {
	// Vault and URL are empty for what the catalog knows.
	Vault, URL string
	State      CopyState
	// Size is the number of records that it has, where that is known.
	Size int64
	// Err says what is wrong, for any state but none and good.
	Err error
}

// Words says how far a copy is, in one line.
func (l LogCopy) Words() string {
	at := fmt.Sprintf("vault %s (%s): ", l.Vault, l.URL)
	if l.Vault == "" {
		at = "catalog: "
	}
	switch l.State {
	case CopyNone:
		return at + "no copy yet"
	case CopyGood:
		return at + fmt.Sprintf("%d records", l.Size)
	case CopyAhead, CopyForeign, CopyUnread:
		return at + l.Err.Error()
	}
	return at + string(l.State)
}

// LogHere is the audit log of this installation. Extends gives the size of a
// checkpoint; it fails with errkind.Refused when the log does not extend it,
// with errkind.WrongKey when the log's key did not sign it. Covers fails with
// errkind.Refused when the log has fewer records.
type LogHere interface {
	Extends(ctx context.Context, checkpoint []byte) (int64, error)
	Covers(ctx context.Context, size int64) error
}

// LogCopies compares the audit log with the copies in the vaults of the
// catalog, of which it reads only the checkpoints, and with what the catalog
// knows to be in it; the catalog is listed only when it knows more.
func (c *Custody) LogCopies(ctx context.Context, here LogHere) ([]LogCopy, error) {
	rows, err := c.cfg.Catalog.Vaults(ctx)
	if err != nil {
		return nil, err
	}
	known, err := c.cfg.Catalog.LogSize(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]LogCopy, 0, len(rows)+1)
	for _, row := range rows {
		l := c.logCopy(ctx, row, here)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	if err := here.Covers(ctx, known); errkind.Is(err, errkind.Refused) {
		out = append(out, LogCopy{State: CopyAhead, Size: known, Err: err})
	} else if err != nil {
		return nil, err
	}
	return out, nil
}

func (c *Custody) logCopy(ctx context.Context, row catalog.Vault, here LogHere) LogCopy {
	out := LogCopy{Vault: row.Name, URL: row.URL, State: CopyUnread}
	raw, err := c.readCheckpoint(ctx, row)
	if errors.Is(err, errNoCopy) {
		out.State = CopyNone
		return out
	}
	if err == nil {
		out.Size, err = here.Extends(ctx, raw)
	}
	out.Err = err
	switch {
	case err == nil:
		out.State = CopyGood
	case errkind.Is(err, errkind.Refused):
		out.State = CopyAhead
		c.excuse(ctx, row, &out)
	case errkind.Is(err, errkind.WrongKey):
		c.otherLog(ctx, row, raw, &out)
	}
	return out
}

var errNoCopy = errors.New("no copy of the audit log")

// readCheckpoint reads the checkpoint in a vault's store, for which no key is needed.
func (c *Custody) readCheckpoint(ctx context.Context, row catalog.Vault) ([]byte, error) {
	url, err := blob.ParseURL(row.URL)
	if err != nil {
		return nil, err
	}
	bucket, release, err := c.cfg.Stores.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	raw, err := blob.NewLogStore(bucket, "log/").Read(ctx, "checkpoint")
	if errors.Is(err, fs.ErrNotExist) {
		err = errNoCopy
	}
	return raw, errors.Join(err, release())
}

// excuse clears the log here of a copy that is ahead because another server took
// the vault over together with its log.
func (c *Custody) excuse(ctx context.Context, row catalog.Vault, out *LogCopy) {
	_, v, err := c.Vault(ctx, row.ID)
	if err != nil {
		return
	}
	if err := v.CheckOwner(ctx); errkind.Is(err, errkind.NotAllowed) {
		out.State, out.Err = CopyForeign, err
	}
}

// otherLog tells a log that replaced ours from the log of another installation,
// whose vault was recovered here: the keyring of a vault has the key of the log
// that was here when it was made.
func (c *Custody) otherLog(ctx context.Context, row catalog.Vault, raw []byte, out *LogCopy) {
	_, v, err := c.Vault(ctx, row.ID)
	if err != nil {
		return
	}
	if err := v.CheckOwner(ctx); errkind.Is(err, errkind.NotAllowed) {
		out.State, out.Err = CopyForeign, err
		return
	}
	key, err := tlog.ParseSigner(string(v.Attachment(AuditKeyName)))
	if err != nil {
		return
	}
	checkpoint, err := tlog.OpenCheckpoint(raw, key.Verifier)
	if err != nil {
		return
	}
	out.Size = checkpoint.Size
	if checkpoint.Origin == LogOrigin(c.cfg.Server) {
		out.State = CopyAhead
		out.Err = errkind.New(errkind.Refused, "it has %d records under another key, which the vault's keyring holds: the log here was replaced", out.Size)
		return
	}
	out.State = CopyForeign
	out.Err = errkind.New(errkind.WrongKey, "it is the log of another installation (%s, %d records), from which the vault was recovered", checkpoint.Origin, out.Size)
}

// LogOrigin is the name of the audit log that an installation begins.
func LogOrigin(server vault.ID) string { return "counterfoil/" + idText(server) }

// RolledBack is the error of a log that some copy is ahead of, nil if there is none.
func RolledBack(copies []LogCopy) error {
	for _, l := range copies {
		if l.State == CopyAhead {
			return errkind.New(errkind.Damaged, "the audit log is not the one that was written: %s; %s", l.Words(), l.WayOut())
		}
	}
	return nil
}

// WayOut says what to do about a log that this copy is ahead of.
func (l LogCopy) WayOut() string {
	const keep = "keep the folder audit for investigation and move it away, then "
	if l.Vault == "" {
		return keep + "run 'vault recover URL --key-file FILE', which takes the log up from a vault; where none has a copy, move catalog.db away first, which begins a new log"
	}
	return keep + "run 'vault recover " + l.URL + " --key-file FILE', which takes the log up from the vault"
}
