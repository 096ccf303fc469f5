package lifecycle

import (
	"context"
	"fmt"
	"slices"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// The bounds of soft delete in days, where it is on.
const (
	MinSoftDelete = 14
	MaxSoftDelete = 180
)

// NewSettings are settings of a vault to be changed; nil leaves one as it is.
type NewSettings struct {
	// Immutability is vault.StateOff or vault.StateUnlocked; locking a vault for
	// ever is [Lifecycle.Lock].
	Immutability     *string
	Minimum, Maximum *calendar.Period
	// SoftDeleteDays is 0 to switch soft delete off.
	SoftDeleteDays *int
	// SoftDeleteOn makes soft delete always-on, which nobody can undo.
	SoftDeleteOn bool
}

// SettingsPlan is what a change of settings does.
type SettingsPlan struct {
	Vault    string
	From, To vault.SettingsRecord
	// Changes say, a sentence each, what changes.
	Changes []string
	// Action is what the change takes: VaultUpdate, VaultWeaken or VaultHarden.
	Action access.Action
}

// PlanSettings shows what a change of a vault's settings does. What cannot be,
// such as a shorter minimum of a locked vault, is errkind.Refused.
func (l *Lifecycle) PlanSettings(ctx context.Context, name string, n NewSettings) (*SettingsPlan, error) {
	w, err := l.view(ctx, name)
	if err != nil {
		return nil, err
	}
	return l.planSettings(ctx, w, n)
}

func (l *Lifecycle) planSettings(ctx context.Context, w *view, n NewSettings) (*SettingsPlan, error) {
	from := w.settings()
	p, err := changeSettings(w.row.Name, from, n)
	if err != nil {
		return nil, err
	}
	return p, l.fits(ctx, w, p.To)
}

// ChangeSettings changes a vault's settings as a plan by the same request says.
// What was locked or promised before stays as it was.
func (l *Lifecycle) ChangeSettings(ctx context.Context, g access.Grant, name string, n NewSettings) (*SettingsPlan, error) {
	w, err := l.view(ctx, name)
	if err != nil {
		return nil, err
	}
	p, err := l.planSettings(ctx, w, n)
	if errkind.Is(err, errkind.Exists) {
		return nil, l.settleAgain(ctx, g, w, err)
	}
	if err != nil {
		return nil, err
	}
	if err := g.Require(p.Action); err != nil {
		return nil, err
	}
	if p.Action == access.VaultWeaken {
		if _, err := l.cfg.Clock.MayDelete(w.immutable()); err != nil {
			return nil, err // what lets go needs proof of the time
		}
	}
	if err := w.vault.CheckOwner(ctx); err != nil {
		return nil, err
	}
	if err := l.write(ctx, g, w, p.To); err != nil {
		return nil, err
	}
	if !w.immutable() && p.To.State == vault.StateUnlocked {
		return p, l.lockAll(ctx, g, name)
	}
	return p, nil
}

// settleAgain does what an earlier change may not have come to after its record:
// the catalog follows, and what an immutable vault holds is locked. It gives the
// error that says that there is nothing else to do.
func (l *Lifecycle) settleAgain(ctx context.Context, g access.Grant, w *view, done error) error {
	if err := l.cfg.Custody.Settle(ctx, g, w.row, w.settings()); err != nil {
		return err
	}
	if w.immutable() {
		if err := l.lockAll(ctx, g, w.row.Name); err != nil {
			return err
		}
	}
	return done
}

// lockAll locks what a vault holds, now that it is immutable.
func (l *Lifecycle) lockAll(ctx context.Context, g access.Grant, name string) error {
	w, err := l.readable(ctx, name)
	if err != nil {
		return err
	}
	_, _, err = l.raise(ctx, g, w)
	return errkind.Wrap(errkind.Of(err), err, "vault %q is immutable now, but not all that it holds is locked yet: run 'vault locks %s --apply'", name, name)
}

// changeSettings gives the plan of a change, or says why it cannot be. It
// decides by its arguments alone.
func changeSettings(name string, from vault.SettingsRecord, n NewSettings) (*SettingsPlan, error) {
	c := &settingsChange{plan: SettingsPlan{Vault: name, From: from, To: from}}
	if from.State == vault.StateLocking {
		return nil, errkind.New(errkind.Refused, "vault %q is about to be locked: call that back first with 'vault unlock-request %s'", name, name)
	}
	if from.Deleted != nil {
		return nil, errkind.New(errkind.Refused, "vault %q is deleted: bring it back first with 'vault undelete %s'", name, name)
	}
	if n.Immutability != nil {
		c.immutability(*n.Immutability)
	}
	if n.Minimum != nil {
		c.minimum(*n.Minimum)
	}
	if n.Maximum != nil {
		c.maximum(*n.Maximum)
	}
	if n.SoftDeleteDays != nil {
		c.softDelete(*n.SoftDeleteDays)
	}
	if n.SoftDeleteOn {
		c.alwaysOn()
	}
	return c.end()
}

type settingsChange struct {
	plan             SettingsPlan
	refused          error
	weakens, hardens bool
}

func (c *settingsChange) say(format string, args ...any) {
	c.plan.Changes = append(c.plan.Changes, fmt.Sprintf(format, args...))
}

func (c *settingsChange) refuse(format string, args ...any) {
	if c.refused == nil {
		c.refused = errkind.New(errkind.Refused, "vault %q: "+format, append([]any{c.plan.Vault}, args...)...)
	}
}

func (c *settingsChange) invalid(format string, args ...any) {
	if c.refused == nil {
		c.refused = errkind.New(errkind.Invalid, "vault %q: "+format, append([]any{c.plan.Vault}, args...)...)
	}
}

func (c *settingsChange) locked() bool { return c.plan.From.State == vault.StateLocked }

func (c *settingsChange) immutability(to string) {
	from := c.plan.From.State
	switch {
	case to != vault.StateOff && to != vault.StateUnlocked:
		c.invalid("immutability is off or unlocked, not %q; 'vault lock %s' locks a vault for ever", to, c.plan.Vault)
	case c.locked():
		c.refuse("it is locked: nobody can change its immutability, ever")
	case from == to:
		return
	case to == vault.StateOff && from == vault.StateTrial:
		c.refuse("a trial is not immutable to begin with")
	case to == vault.StateOff:
		c.weakens = true
		c.say("immutability is switched off: points can be deleted before their time, and new ones are not locked; locks taken before stay until their dates")
	default:
		c.say("immutability is switched on: no point can be deleted before its time, and storage locks them")
	}
	c.plan.To.State = to
	if from == vault.StateTrial && c.plan.To.SoftDeleteDays == 0 {
		c.softDelete(MinSoftDelete)
	}
	if from == vault.StateTrial && c.plan.To.Minimum == (calendar.Period{}).String() {
		c.minimum(retention.DefaultMin)
	}
}

func (c *settingsChange) minimum(to calendar.Period) {
	from, err := calendar.ParsePeriod(c.plan.From.Minimum)
	switch order := to.Compare(from); {
	case err != nil:
		c.refused = err
	case order == 0:
		return
	case order < 0 && c.locked():
		c.refuse("it is locked: its minimum of %s can be raised and never shortened", from.Words())
	case order < 0:
		c.weakens = true
		c.say("points to come are kept at least %s instead of %s; those there are keep what they have", to.Words(), from.Words())
	default:
		c.say("points to come are kept at least %s instead of %s", to.Words(), from.Words())
	}
	c.plan.To.Minimum = to.String()
}

func (c *settingsChange) maximum(to calendar.Period) {
	from, err := calendar.ParsePeriod(c.plan.From.Maximum)
	switch order := to.Compare(from); {
	case err != nil:
		c.refused = err
	case to.Unlimited || to.Compare(retention.MostMax) > 0:
		c.invalid("the maximum bounds how far ahead anything is locked, so it is %s at most; longer retention is kept by locks that are renewed", retention.MostMax.Words())
	case order == 0:
		return
	case order < 0 && c.locked():
		c.refuse("it is locked: its maximum of %s cannot be lowered, since points may be promised that long", from.Words())
	case order < 0:
		c.weakens = true
		c.say("nothing new is locked further ahead than %s instead of %s; locks taken before stay", to.Words(), from.Words())
	default:
		c.hardens = true
		c.say("locks may reach %s ahead instead of %s, and a lock taken cannot be shortened again", to.Words(), from.Words())
	}
	c.plan.To.Maximum = to.String()
}

func (c *settingsChange) softDelete(to int) {
	from := c.plan.From.SoftDeleteDays
	switch {
	case to == from:
		return
	case to != 0 && (to < MinSoftDelete || to > MaxSoftDelete):
		c.invalid("soft delete lasts %d to %d days, or 0 to switch it off, not %d", MinSoftDelete, MaxSoftDelete, to)
	case to == 0 && c.plan.From.SoftDeleteOn:
		c.refuse("its soft delete is always on: nobody can switch it off")
	case to == 0:
		c.weakens = true
		c.say("soft delete is switched off: what is deleted from now on cannot be brought back")
	case to < from:
		c.weakens = true
		c.say("what is deleted from now on can be brought back for %d days instead of %d", to, from)
	default:
		c.say("what is deleted from now on can be brought back for %d days instead of %d", to, from)
	}
	c.plan.To.SoftDeleteDays = to
}

func (c *settingsChange) alwaysOn() {
	switch {
	case c.plan.From.SoftDeleteOn:
		return
	case c.plan.To.SoftDeleteDays == 0:
		c.invalid("soft delete cannot be always on while it is off: give its days as well")
	default:
		c.hardens = true
		c.say("soft delete is always on: nobody can switch it off again")
	}
	c.plan.To.SoftDeleteOn = true
}

func (c *settingsChange) end() (*SettingsPlan, error) {
	switch {
	case c.refused != nil:
		return nil, c.refused
	case len(c.plan.Changes) == 0:
		return nil, errkind.New(errkind.Exists, "vault %q is as asked already: nothing to change", c.plan.Vault)
	case c.weakens && c.hardens:
		return nil, errkind.New(errkind.Invalid, "vault %q: one change takes protection away and another cannot be undone: ask for them one at a time", c.plan.Vault)
	case c.weakens:
		c.plan.Action = access.VaultWeaken
	case c.hardens:
		c.plan.Action = access.VaultHarden
	default:
		c.plan.Action = access.VaultUpdate
	}
	return &c.plan, nil
}

// fits refuses settings that the policies and classes of the vault's sources
// are outside of.
func (l *Lifecycle) fits(ctx context.Context, w *view, s vault.SettingsRecord) error {
	row := w.row
	row.MinRetention, row.MaxRetention = s.Minimum, s.Maximum
	bounds, err := custody.Bounds(row)
	if err != nil {
		return err
	}
	if bounds.Min.Compare(bounds.Max) > 0 {
		return errkind.New(errkind.Invalid, "vault %q: its minimum %s must not be longer than its maximum %s", w.row.Name, bounds.Min.Words(), bounds.Max.Words())
	}
	sources, err := l.cfg.Catalog.Sources(ctx)
	if err != nil {
		return err
	}
	for _, source := range sources {
		if source.VaultID != w.row.ID || s.State == vault.StateTrial {
			continue
		}
		if err := l.sourceFits(ctx, source, bounds); err != nil {
			return errkind.Wrap(errkind.Refused, err, "source %q would not fit vault %q", source.Name, w.row.Name)
		}
	}
	return nil
}

func (l *Lifecycle) sourceFits(ctx context.Context, source catalog.Source, bounds retention.Bounds) error {
	p, err := l.cfg.Custody.Policy(ctx, source.Policy, source.PolicyVersion)
	if err != nil {
		return err
	}
	found, err := sourceClasses(source, p)
	if err != nil {
		return err
	}
	classes := make([]policy.Class, 0, len(found))
	for _, f := range found {
		classes = append(classes, f.Class)
	}
	return bounds.Check(p, slices.Clip(classes))
}
