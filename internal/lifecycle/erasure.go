package lifecycle

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/erasure"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Erasure is a recorded erasure and what of it is kept.
type Erasure struct {
	erasure.Erasure
	Vault string
	// Points counts the points kept that it concerns, whether they hold anything
	// of it or not. A point that was disposed of counts no more.
	Points int
}

// Erasures lists the erasures of a vault in the order of their records,
// withdrawn ones too.
func (l *Lifecycle) Erasures(ctx context.Context, name string) ([]Erasure, error) {
	w, err := l.view(ctx, name)
	if err != nil {
		return nil, err
	}
	list, err := custody.Erasures(w.records)
	if err != nil {
		return nil, err
	}
	out := []Erasure{}
	for _, e := range list {
		out = append(out, w.erased(e))
	}
	return out, nil
}

// Erasure gives one erasure with what is beyond use: the points that hold what
// it names. It goes through their trees.
func (l *Lifecycle) Erasure(ctx context.Context, name, id string) (Erasure, []BeyondUse, error) {
	w, e, err := l.findErasure(ctx, name, id)
	if err != nil {
		return Erasure{}, nil, err
	}
	held, err := w.beyondUse(ctx, e)
	return w.erased(e), held, err
}

// erased says how many points an erasure concerns.
func (w *view) erased(e erasure.Erasure) Erasure {
	return Erasure{Erasure: e, Vault: w.row.Name, Points: len(w.concerned(e))}
}

// concerned gives the points that an erasure concerns, oldest first.
func (w *view) concerned(e erasure.Erasure) []standing {
	var out []standing
	for _, p := range w.points {
		if !p.state.Disposed && e.Concerns(erasure.Point{Source: p.row.SourceID, Began: p.row.StartedAt}) {
			out = append(out, p)
		}
	}
	return out
}

// RecordErasure records that paths were erased in their sources for a data
// subject: from then on no restore of the points that concern it brings them
// back. It deletes nothing and changes no retention, lock or hold. Its id and
// time are given here, and the subject's id unless it is one of an earlier
// erasure; the subject's name, "" for none, is kept in the catalog alone.
func (l *Lifecycle) RecordErasure(ctx context.Context, g access.Grant, name string, e erasure.Erasure, subject string) (Erasure, error) {
	if err := g.Require(access.ErasureRecord); err != nil {
		return Erasure{}, err
	}
	w, err := l.view(ctx, name)
	if err != nil {
		return Erasure{}, err
	}
	if err := l.checkSubject(ctx, w, &e, subject); err != nil {
		return Erasure{}, err
	}
	e.At, e.By, e.ID = l.cfg.Clock.Receipt(), g.Subject(), vault.NewSourceID(l.cfg.Clock.Receipt()).String()
	if e.Until.IsZero() {
		e.Until = e.At
	}
	if err := e.Validate(); err != nil {
		return Erasure{}, err
	}
	if err := l.checkErasedPaths(ctx, w, e); err != nil {
		return Erasure{}, err
	}
	fact, err := erasureFact(e)
	if err != nil {
		return Erasure{}, err
	}
	if _, err := w.state(ctx, g, fact); err != nil {
		return Erasure{}, err
	}
	l.keepErasures(ctx, g, w)
	if subject != "" {
		err = l.cfg.Catalog.SetErasureSubject(ctx, g, catalog.ErasureSubject{VaultID: w.row.ID, ID: e.Subject, Name: subject, CreatedAt: e.At})
		err = errkind.Wrap(errkind.Of(err), err, "erasure %s is recorded and in force, but the name of subject %s is not kept", e.ID, e.Subject)
	}
	return w.erased(e), err
}

// checkSubject gives a new subject its id and refuses one that is not known, or
// a second name for one.
func (l *Lifecycle) checkSubject(ctx context.Context, w *view, e *erasure.Erasure, name string) error {
	if e.Subject == "" {
		e.Subject = vault.NewSourceID(l.cfg.Clock.Receipt()).String()
		return nil
	}
	if err := w.knowsSubject(e.Subject); err != nil {
		return err
	}
	_, err := l.cfg.Catalog.ErasureSubject(ctx, w.row.ID, e.Subject)
	switch {
	case name == "" || errkind.Is(err, errkind.NotFound):
		return nil
	case err != nil:
		return err
	}
	return errkind.New(errkind.Exists, "subject %s has a name already: give it no other, or forget that one first", e.Subject)
}

// knowsSubject fails with errkind.NotFound unless an erasure names the subject.
func (w *view) knowsSubject(id string) error {
	list, err := custody.Erasures(w.records)
	if err == nil && !slices.ContainsFunc(list, func(e erasure.Erasure) bool { return e.Subject == id }) {
		err = errkind.New(errkind.NotFound, "no erasure of vault %q names subject %q; `counterfoil erasure list %s` shows them", w.row.Name, id, w.row.Name)
	}
	return err
}

// checkErasedPaths refuses sources of other vaults, and paths as they are on a
// host: they would match nothing.
func (l *Lifecycle) checkErasedPaths(ctx context.Context, w *view, e erasure.Erasure) error {
	sources, err := l.cfg.Catalog.Sources(ctx)
	if err != nil {
		return err
	}
	for _, s := range sources {
		named := slices.ContainsFunc(e.Sources, func(id string) bool { return strings.EqualFold(id, s.ID) })
		if named && s.VaultID != w.row.ID {
			return errkind.New(errkind.Invalid, "source %q does not lie in vault %q: record the erasure in its vault", s.Name, w.row.Name)
		}
		if s.VaultID != w.row.ID || len(s.Paths) != 1 || len(e.Sources) > 0 && !named {
			continue
		}
		root := path.Clean(string(s.Paths[0]))
		for _, p := range e.Paths {
			if rest, ok := strings.CutPrefix(path.Clean(p), strings.TrimSuffix(root, "/")+"/"); ok && root != "/" {
				return errkind.New(errkind.Invalid, "path %q of an erasure is relative to the folder of its source, %q: give %q", p, root, rest)
			}
		}
	}
	return nil
}

func erasureFact(e erasure.Erasure) (vault.Fact, error) {
	x := vault.ErasureRecord{ID: e.ID, At: vault.StampOf(e.At), By: e.By, Subject: e.Subject, Reason: e.Reason, Until: vault.StampOf(e.Until)}
	for _, text := range e.Sources {
		id, err := vault.ParseSourceID(text)
		if err != nil {
			return vault.Fact{}, err
		}
		x.Sources = append(x.Sources, id)
	}
	for _, p := range e.Paths {
		x.Paths = append(x.Paths, []byte(p))
	}
	return vault.NewFact(vault.FactErasure, x)
}

// WithdrawErasure ends an erasure that was recorded by mistake: what it named
// is restored again. Both records stay.
func (l *Lifecycle) WithdrawErasure(ctx context.Context, g access.Grant, name, id, why string) (Erasure, error) {
	if err := g.Require(access.ErasureWithdraw); err != nil {
		return Erasure{}, err
	}
	if strings.TrimSpace(why) == "" {
		return Erasure{}, errkind.New(errkind.Invalid, "the withdrawal of erasure %s needs a reason", id)
	}
	w, e, err := l.findErasure(ctx, name, id)
	if err != nil {
		return Erasure{}, err
	}
	if !e.Active() {
		return Erasure{}, errkind.New(errkind.Exists, "erasure %s was withdrawn already, on %s", id, e.Withdrawn.At.Format("2006-01-02"))
	}
	e.Withdrawn = &erasure.Withdrawal{Reason: why, By: g.Subject(), At: l.cfg.Clock.Receipt()}
	fact, err := vault.NewFact(vault.FactErasureWithdrawn, vault.WithdrawalRecord{Erasure: e.ID, At: vault.StampOf(e.Withdrawn.At), By: e.Withdrawn.By, Reason: why})
	if err != nil {
		return Erasure{}, err
	}
	if _, err = w.state(ctx, g, fact); err != nil {
		return Erasure{}, err
	}
	l.keepErasures(ctx, g, w)
	return w.erased(e), nil
}

// keepErasures copies what the records say to the catalog. The records stand;
// a copy that fails comes right with the next change or a recovery.
func (l *Lifecycle) keepErasures(ctx context.Context, g access.Grant, w *view) {
	_ = l.cfg.Custody.KeepErasures(ctx, g, w.row.ID, w.records)
}

func (l *Lifecycle) findErasure(ctx context.Context, name, id string) (*view, erasure.Erasure, error) {
	w, err := l.view(ctx, name)
	if err != nil {
		return nil, erasure.Erasure{}, err
	}
	list, err := custody.Erasures(w.records)
	if err != nil {
		return nil, erasure.Erasure{}, err
	}
	at := slices.IndexFunc(list, func(e erasure.Erasure) bool { return e.ID == id })
	if at < 0 {
		return nil, erasure.Erasure{}, errkind.New(errkind.NotFound, "vault %q has no erasure %q; `counterfoil erasure list %s` shows them", name, id, name)
	}
	return w, list[at], nil
}

// ForgetSubject removes the name of a data subject; its id stays in the
// records. False says that no name was there.
func (l *Lifecycle) ForgetSubject(ctx context.Context, g access.Grant, name, subject string) (bool, error) {
	if err := g.Require(access.ErasureForget); err != nil {
		return false, err
	}
	row, err := l.cfg.Catalog.Vault(ctx, name)
	if err != nil {
		return false, err
	}
	gone, err := l.cfg.Catalog.ForgetErasureSubject(ctx, g, row.ID, subject)
	if gone || err != nil {
		return gone, err
	}
	w, err := l.view(ctx, name)
	if err != nil {
		return false, err
	}
	return false, w.knowsSubject(subject)
}

// SubjectName gives the name of a data subject, "" where it is not known.
func (l *Lifecycle) SubjectName(ctx context.Context, name, subject string) (string, error) {
	row, err := l.cfg.Catalog.Vault(ctx, name)
	if err != nil {
		return "", err
	}
	s, err := l.cfg.Catalog.ErasureSubject(ctx, row.ID, subject)
	if errkind.Is(err, errkind.NotFound) {
		return "", nil
	}
	return s.Name, err
}
