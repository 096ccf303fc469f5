package lifecycle

import (
	"context"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// CoolingOff is how long the locking of a vault can be called back.
const CoolingOff = 72 * time.Hour

// Locking is what locking a vault makes irrevocable.
type Locking struct {
	Vault string
	State string
	// Effective is when the locking can be finished; until then it can be called
	// back. Zero when none was asked for.
	Effective time.Time
	Points    int
	// Objects and Bytes are what can no longer be deleted before its date by anybody.
	Objects int
	Bytes   int64
	// Last is the latest date of any lock.
	Last time.Time
	// GBYears is what cannot be given up: 10^9 bytes times the years for which each
	// object is locked from now on, over ten years at most.
	GBYears float64
	// Converted counts the objects whose locks are compliance locks already, and
	// have what their store enforces them by.
	Converted int
}

// PreviewLock shows what locking a vault would make irrevocable.
func (l *Lifecycle) PreviewLock(ctx context.Context, name string) (Locking, error) {
	w, err := l.view(ctx, name)
	if err != nil {
		return Locking{}, err
	}
	return w.preview(ctx, l.cfg.Clock.Receipt())
}

func (w *view) preview(ctx context.Context, now time.Time) (Locking, error) {
	s := w.settings()
	out := Locking{Vault: w.row.Name, State: s.State, Points: len(w.points)}
	if s.State == vault.StateLocking {
		out.Effective = s.LockAt.Time()
	}
	err := w.vault.Bucket().List(ctx, "", func(i blob.Info) error {
		if !i.Lock.Holds(now) {
			return nil
		}
		out.Objects++
		out.Bytes += i.Size
		out.GBYears += gbYears(i, now)
		if i.Lock.Until.After(out.Last) {
			out.Last = i.Lock.Until
		}
		if i.Lock.Mode == blob.Compliance && !i.Loose {
			out.Converted++
		}
		return nil
	})
	return out, err
}

// gbYears is what an object's lock commits to in the ten years from now.
func gbYears(i blob.Info, now time.Time) float64 {
	const year = 365.25 * 24 * float64(time.Hour)
	return float64(i.Size) / 1e9 * min(10, float64(i.Lock.Until.Sub(now))/year)
}

// settings gives the vault's settings as last recorded.
func (w *view) settings() vault.SettingsRecord {
	if s, ok := custody.Settings(w.records); ok {
		return s
	}
	return vault.SettingsRecord{State: string(w.row.Kind), Minimum: w.row.MinRetention, Maximum: w.row.MaxRetention, SoftDeleteDays: w.row.SoftDeleteDays, Name: w.row.Name}
}

// Lock asks for a vault to be locked for ever. It takes effect after the
// cooling-off, by a second call; until then [Lifecycle.CallBack] undoes it.
func (l *Lifecycle) Lock(ctx context.Context, g access.Grant, name string) (Locking, error) {
	if err := g.Require(access.VaultLock); err != nil {
		return Locking{}, err
	}
	w, err := l.view(ctx, name)
	if err != nil {
		return Locking{}, err
	}
	if w.row.Kind == catalog.VaultLocked {
		return l.finishConverting(ctx, g, w)
	}
	if err := w.mayLock(); err != nil {
		return Locking{}, err
	}
	s, now := w.settings(), l.cfg.Clock.Receipt()
	if s.State != vault.StateLocking {
		s.State, s.LockAt = vault.StateLocking, new(vault.Stamp)
		*s.LockAt = vault.StampOf(now.Add(CoolingOff))
		return l.settle(ctx, g, w, s)
	}
	return l.finishLock(ctx, g, w, s)
}

func (w *view) mayLock() error {
	switch w.row.Kind {
	case catalog.VaultTrial:
		return errkind.New(errkind.Refused, "vault %q is a trial, of which nothing is locked: 'vault protect %s' makes a real one of it", w.row.Name, w.row.Name)
	case catalog.VaultOff:
		return errkind.New(errkind.Refused, "immutability of vault %q is off: switch it on first with 'vault set %s --immutability unlocked'", w.row.Name, w.row.Name)
	case catalog.VaultUnlocked, catalog.VaultLocked:
	}
	if custody.CanaryFailed(w.records) {
		return errkind.New(errkind.Refused, "the last canary of vault %q failed: its store does not keep locks, so nothing would be locked; `counterfoil vault canary` tries again", w.row.Name)
	}
	for _, mode := range w.vault.Bucket().Caps().Modes {
		if mode == blob.Compliance {
			return nil
		}
	}
	return errkind.New(errkind.Unsupported, "the store of vault %q has no compliance locks, so it cannot be locked", w.row.Name)
}

// finishLock says that the vault is locked, and then converts every lock.
func (l *Lifecycle) finishLock(ctx context.Context, g access.Grant, w *view, s vault.SettingsRecord) (Locking, error) {
	if s.LockAt == nil {
		return Locking{}, errkind.New(errkind.Damaged, "vault %q is asked to be locked without a date: call it back with 'vault unlock-request %s' and ask again", w.row.Name, w.row.Name)
	}
	cooling := func(now time.Time) error {
		if !now.Before(s.LockAt.Time()) {
			return nil
		}
		return errkind.New(errkind.Refused, "the cooling-off of vault %q ends %s: until then its locking can be called back, not finished", w.row.Name, s.LockAt.Time().Format(time.RFC3339))
	}
	if err := cooling(l.cfg.Clock.Receipt()); err != nil {
		return Locking{}, err
	}
	proven, err := l.cfg.Clock.MayDelete(true)
	if err == nil {
		err = cooling(proven)
	}
	if err != nil {
		return Locking{}, err
	}
	// The record comes first: a call-back at the same time wins or comes too late,
	// and nothing is irrevocable before that is known.
	s.State, s.LockAt = vault.StateLocked, nil
	if _, err := l.settle(ctx, g, w, s); err != nil {
		return Locking{}, err
	}
	return l.finishConverting(ctx, g, w)
}

// finishConverting converts what is locked by governance still, and counts the
// vault at the level of its store only when nothing is. It may be repeated.
func (l *Lifecycle) finishConverting(ctx context.Context, g access.Grant, w *view) (Locking, error) {
	before, err := w.preview(ctx, l.cfg.Clock.Receipt())
	if err != nil {
		return Locking{}, err
	}
	known, err := l.cfg.Catalog.Vault(ctx, w.row.ID)
	if err != nil {
		return Locking{}, err
	}
	if known.Kind != w.row.Kind { // a locking that stopped after its record
		if err := l.cfg.Custody.Settle(ctx, g, w.row, w.settings()); err != nil {
			return Locking{}, err
		}
	} else if before.Converted == before.Objects && w.row.AssuranceLevel == w.vault.Bucket().Caps().Assurance {
		return Locking{}, errkind.New(errkind.Exists, "vault %q is locked already", w.row.Name)
	}
	if err := convert(ctx, g, w.vault.Bucket(), l.cfg.Clock.Receipt()); err != nil {
		return Locking{}, err
	}
	after, err := w.preview(ctx, l.cfg.Clock.Receipt())
	if err != nil {
		return Locking{}, err
	}
	if after.Converted < after.Objects {
		return after, errkind.New(errkind.Incomplete, "%d of %d locks of vault %q could not be made compliance locks: run this again", after.Objects-after.Converted, after.Objects, w.row.Name)
	}
	return after, l.cfg.Custody.ReachLevel(ctx, g, w.row.ID, w.records)
}

// convert makes compliance locks of all governance locks that hold, and whole
// those that their store has lost the means of enforcing.
func convert(ctx context.Context, g access.Grant, b *blob.Bucket, now time.Time) error {
	var found []blob.Info
	err := b.List(ctx, "", func(i blob.Info) error {
		if (i.Lock.Mode == blob.Governance || i.Loose) && i.Lock.Holds(now) {
			found = append(found, i)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, i := range found {
		if err := b.SetLock(ctx, g, i.Name, blob.Lock{Mode: blob.Compliance, Until: i.Lock.Until}); err != nil && !errkind.Is(err, errkind.NotFound) {
			return err
		}
	}
	return nil
}

// CallBack undoes a request to lock a vault, within the cooling-off or after it,
// as long as it was not finished.
func (l *Lifecycle) CallBack(ctx context.Context, g access.Grant, name string) (Locking, error) {
	if err := g.Require(access.VaultCallBack); err != nil {
		return Locking{}, err
	}
	w, err := l.view(ctx, name)
	if err != nil {
		return Locking{}, err
	}
	s := w.settings()
	if s.State != vault.StateLocking {
		return Locking{}, errkind.New(errkind.Invalid, "nobody asked for vault %q to be locked: it is %s", w.row.Name, s.State)
	}
	s.State, s.LockAt = vault.StateUnlocked, nil
	return l.settle(ctx, g, w, s)
}

// settle records settings, has the catalog follow, and reads the view anew.
func (l *Lifecycle) settle(ctx context.Context, g access.Grant, w *view, s vault.SettingsRecord) (Locking, error) {
	if err := l.write(ctx, g, w, s); err != nil {
		return Locking{}, err
	}
	fresh, err := l.view(ctx, w.row.ID)
	if err != nil {
		return Locking{}, err
	}
	*w = *fresh
	return w.preview(ctx, l.cfg.Clock.Receipt())
}

// write records settings together with facts about points that follow from
// them, and then has the catalog follow.
func (l *Lifecycle) write(ctx context.Context, g access.Grant, w *view, s vault.SettingsRecord, facts ...retention.Fact) error {
	f, err := vault.NewFact(vault.FactVault, s)
	if err != nil {
		return err
	}
	if _, err := l.recordWith(ctx, g, w, []vault.Fact{f}, facts...); err != nil {
		return err
	}
	return l.cfg.Custody.Settle(ctx, g, w.row, s)
}
