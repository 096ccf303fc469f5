package lifecycle

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Locks compares the locks that a vault's store holds with those that its
// points need.
type Locks struct {
	Vault string
	Mode  blob.Mode
	// Objects are those that some point or the vault itself needs, Locked those of
	// them that are locked long enough.
	Objects, Locked int
	// Raise are locks to be raised: missing, short, or sliding ones that have run
	// down; and those to be set again as they are, since their store has lost what
	// it enforces them by.
	Raise []Raise
	// Missing are objects that a point needs and the store lacks.
	Missing []string
	// Margin is the least time by which a lock outlasts what it must cover,
	// negative when one is short; nil when nothing is locked.
	Margin *time.Duration
	// MarginObject is the object with that margin.
	MarginObject string
	// Over are objects locked longer than the bin edge of everything that needs them,
	// by more than the slack of a second.
	Over int
}

// Raise is a lock to be raised.
type Raise struct {
	Object   string
	From, To blob.Lock
	// Points are the points that need it, at most three of them; none for what the
	// vault itself needs.
	Points []string
}

// need is until when an object must be locked, and to what date a lock that
// falls short is raised.
type need struct {
	lock   retention.Lock
	points []string
}

func (n *need) join(l retention.Lock, point string) {
	if l.Least.After(n.lock.Least) {
		n.lock.Least = l.Least
	}
	if l.Target.After(n.lock.Target) {
		n.lock.Target = l.Target
	}
	if point != "" && len(n.points) < 3 {
		n.points = append(n.points, point)
	}
}

// PlanLocks compares the store's own listing with what points need now.
func (l *Lifecycle) PlanLocks(ctx context.Context, name string) (*Locks, error) {
	w, err := l.readable(ctx, name)
	if err != nil {
		return nil, err
	}
	return l.locks(ctx, w)
}

func (l *Lifecycle) locks(ctx context.Context, w *view) (*Locks, error) {
	out := &Locks{Vault: w.row.Name, Mode: custody.LockMode(w.row, w.vault.Bucket().Caps())}
	if out.Mode == blob.NoLock {
		return out, nil
	}
	now := l.cfg.Clock.LockBase(w.bounds.Max)
	needs, err := w.needs(ctx, out, now)
	if err != nil {
		return nil, err
	}
	have := map[string]blob.Info{}
	err = w.vault.Bucket().List(ctx, "", func(i blob.Info) error {
		have[i.Name] = i
		if vault.IsOwnObject(i.Name) {
			n := needs[i.Name]
			if n == nil {
				n = &need{}
				needs[i.Name] = n
			}
			n.join(custody.OwnTerm(w.bounds, now), "")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	compareLocks(out, needs, have, now)
	return out, nil
}

// needs gives what each object must be locked for: the packs, manifests and
// intents of every point in the store that is kept, whatever the catalog has.
// A point that cannot be read keeps its own objects, and is named.
func (w *view) needs(ctx context.Context, out *Locks, now time.Time) (map[string]*need, error) {
	needs := map[string]*need{}
	add := func(object, point string, lock retention.Lock) {
		if needs[object] == nil {
			needs[object] = &need{}
		}
		needs[object].join(lock, point)
	}
	points, unreadable, err := w.manifests(ctx)
	if err != nil {
		return nil, err
	}
	out.Missing = append(out.Missing, unreadable...)
	for _, m := range points {
		until, id := w.until(m), strings.ToUpper(m.Envelope.ID.String())
		if !until.After(now) {
			continue // a lock is not renewed for a point whose time has passed
		}
		lock := retention.LockFor(now, m.Envelope.Received.Time(), until, w.bounds.Max)
		packs, err := w.packs(ctx, m)
		if err != nil {
			return nil, err
		}
		for _, object := range packs {
			add(object, id, lock)
		}
		for _, object := range vault.PointObjects(m.Object) {
			add(object, id, lock.Alone())
		}
	}
	return needs, nil
}

// until is how long a point is kept: without end where the records are broken,
// since a hold may have stood in what is lost.
func (w *view) until(m vault.Point) retention.Until {
	state := retention.Fold(custody.Facts(m), w.facts)
	if state.Disposed && len(state.Holds) == 0 && !w.broken {
		return retention.Until{}
	}
	until := state.RetainUntil
	until.Unlimited = until.Unlimited || w.broken
	return until
}

// compareLocks fills in what the store holds beside what is needed. It decides
// by its arguments alone.
func compareLocks(out *Locks, needs map[string]*need, have map[string]blob.Info, now time.Time) {
	for _, object := range sortedKeys(needs) {
		n := needs[object]
		info, there := have[object]
		lock := info.Lock
		if !there {
			if !vault.IsIntent(object) { // a point stands without its intent
				out.Missing = append(out.Missing, object)
			}
			continue
		}
		out.Objects++
		out.margin(object, lock, n.lock, now)
		want := lock.Join(blob.Lock{Mode: out.Mode})
		if lock.Until.Before(n.lock.Least) {
			want = lock.Join(blob.Lock{Mode: out.Mode, Until: n.lock.Target})
		}
		if want != lock.Normal() || info.Loose {
			out.Raise = append(out.Raise, Raise{Object: object, From: lock, To: want, Points: n.points})
			continue
		}
		out.Locked++
		if lock.Until.After(n.lock.Target.Add(time.Second)) {
			out.Over++
		}
	}
	for _, object := range sortedKeys(have) {
		if info := have[object]; info.Loose && needs[object] == nil {
			out.Raise = append(out.Raise, Raise{Object: object, From: info.Lock, To: info.Lock.Normal()})
		}
	}
	slices.SortStableFunc(out.Raise, func(a, b Raise) int { return a.From.Until.Compare(b.From.Until) }) // the shortest first
}

func (l *Locks) margin(object string, have blob.Lock, need retention.Lock, now time.Time) {
	until := have.Until
	if have.Mode == blob.NoLock {
		until = now
	}
	m := until.Sub(need.Least)
	if l.Margin == nil || m < *l.Margin {
		l.Margin, l.MarginObject = &m, object
	}
}

// RaiseLocks raises every lock that has run down or falls short, the shortest
// first, and gives how many were raised. It needs no proof of time and goes on
// while the clock's latch is closed: a lock may always grow.
func (l *Lifecycle) RaiseLocks(ctx context.Context, g access.Grant, name string) (*Locks, int, error) {
	if err := g.Require(access.LockRaise); err != nil {
		return nil, 0, err
	}
	w, err := l.readable(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	if err := w.vault.CheckOwner(ctx); err != nil {
		return nil, 0, err
	}
	return l.raise(ctx, g, w)
}

// raise raises what falls short in a vault.
func (l *Lifecycle) raise(ctx context.Context, g access.Grant, w *view) (*Locks, int, error) {
	plan, err := l.locks(ctx, w)
	if err != nil {
		return nil, 0, err
	}
	raised := 0
	for _, r := range plan.Raise {
		err := w.vault.Bucket().SetLock(ctx, g, r.Object, r.To)
		if errkind.Is(err, errkind.NotFound) {
			continue // its point was disposed of meanwhile
		}
		if err != nil {
			return plan, raised, err
		}
		raised++
	}
	return plan, raised, nil
}

// Short reports whether some lock does not cover what needs it.
func (l *Locks) Short() bool { return l.Margin != nil && *l.Margin < 0 }
