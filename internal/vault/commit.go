package vault

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/records"
)

// Draft is what a session's work becomes: the point without what the vault
// itself adds (id, number, previous, packs).
type Draft struct {
	Source      SourceID
	Root        Digest
	Started     Stamp
	Received    Stamp
	RetainUntil *Stamp
	Term        Term
	Complete    bool
	Trial       bool
	Size        int64
	Entries     int64
	Body        Body
	// Lock is the mode of the locks where it is stronger than the session's.
	Lock blob.Mode
	// LockUntil is when the locks of the point and its packs end; it counts
	// only where there is a mode.
	LockUntil Stamp
	// OwnLockUntil is when the lock of the point's own objects ends; zero is
	// LockUntil.
	OwnLockUntil Stamp
	// Known is the last point of the source that the catalog knows of, 0 for
	// none. Where storage lacks it, the new one is numbered after it all the same, so that
	// the loss shows.
	Known       uint64
	KnownDigest [32]byte
	// Hints are stored beside the point for the next run; may be nil.
	Hints *Hints
}

// Flush sends everything collected to the store and waits until all packs are
// durable. Nothing can be stored in the session afterwards. The statistics
// are final when it returns.
func (s *Session) Flush(ctx context.Context) error {
	s.end.Do(func() { s.flushed = s.finish(ctx) })
	return s.flushed
}

// finish ends the pipeline, stage by stage.
func (s *Session) finish(ctx context.Context) error {
	defer context.AfterFunc(ctx, s.cancel)()
	var failed error
	for _, f := range s.framers {
		if err := f.flush(ctx); err != nil {
			failed = err
			s.cancel()
			break
		}
	}
	close(s.drain)
	s.coding.Wait()
	s.data.flush()
	s.tree.flush()
	failed = cmp.Or(failed, s.work.Wait())
	s.cancel()
	if failed != nil {
		s.v.packs.Forget()
	}
	return failed
}

// Commit makes the point, in the order that leaves every earlier point whole
// wherever it stops (section 14). The point is durable when it returns nil.
func (s *Session) Commit(ctx context.Context, g access.Grant, d Draft) (Point, error) {
	if err := g.Require(access.BackupRun); err != nil {
		s.Abort()
		return Point{}, err
	}
	mode := blob.Lock{Mode: s.opts.Lock}.Join(blob.Lock{Mode: d.Lock}).Mode
	if mode != blob.NoLock && d.LockUntil.Sec <= 0 {
		s.Abort()
		return Point{}, errkind.New(errkind.Invalid, "a session that locks needs to know until when")
	}
	if err := s.Flush(ctx); err != nil {
		return Point{}, err
	}
	s.opts.Lock = mode // nobody else reads it after the flush
	v := s.v
	defer v.unregister(s)
	defer v.packs.Forget()
	if err := s.putSegments(ctx); err != nil {
		return Point{}, err
	}
	if err := v.CheckOwner(ctx); err != nil {
		return Point{}, err
	}
	if err := s.promote(ctx, d); err != nil {
		return Point{}, err
	}
	v.committing.RLock()
	defer v.committing.RUnlock()
	if err := s.checkCondemned(ctx); err != nil {
		return Point{}, err
	}
	p, object, err := s.buildPoint(ctx, d)
	if err != nil {
		return Point{}, err
	}
	if d.Hints != nil {
		if err := v.points.PutHints(ctx, p.Envelope, d.Hints, s.provisionalLock()); err != nil {
			return Point{}, err
		}
	}
	l := d.locks(s.opts.Lock)
	if err := v.points.PutIntent(ctx, p, object, l.own, l.packs); err != nil {
		return Point{}, err
	}
	return p, v.finishCommit(ctx, g, p, object, s.neededObjects(), l)
}

// locks are those of a point's own objects and of the packs it needs.
type locks struct{ own, packs blob.Lock }

func (d *Draft) locks(mode blob.Mode) locks {
	if mode == blob.NoLock {
		return locks{}
	}
	l := locks{packs: blob.Lock{Mode: mode, Until: d.LockUntil.Time()}}
	if l.own = l.packs; d.OwnLockUntil.Sec > 0 {
		l.own.Until = d.OwnLockUntil.Time()
	}
	return l
}

// neededObjects names the packs the point needs.
func (s *Session) neededObjects() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]string, 0, len(s.needed))
	for n, kind := range s.needed {
		out = append(out, pack.Object(kind, n))
	}
	slices.Sort(out)
	return out
}

func (s *Session) buildPoint(ctx context.Context, d Draft) (Point, []byte, error) {
	v := s.v
	number, previous, err := v.nextNumber(ctx, d)
	if err != nil {
		return Point{}, nil, err
	}
	head, err := v.records.Last(ctx)
	if err != nil {
		return Point{}, nil, err
	}
	d.Body.Fit()
	plain, err := canon.Marshal(d.Body)
	if err != nil {
		return Point{}, nil, err
	}
	body, err := v.store.Box(canon.Point, plain)
	if err != nil {
		return Point{}, nil, err
	}
	e := Envelope{
		Vault: v.store.Vault, ID: objects.NewPointID(d.Received.Time()), Source: d.Source, Number: number, Previous: previous,
		Started: d.Started, Received: d.Received, RetainUntil: d.RetainUntil, Term: d.Term, Root: d.Root, BodyDigest: sha256.Sum256(body),
		Packs: PackList{Names: s.neededNames()}, Complete: d.Complete, Session: s.id, Trial: d.Trial, Size: d.Size, Entries: d.Entries,
	}
	if head.Number > 0 {
		e.Records, e.RecordsHead = head.Number, head.Digest[:]
	}
	clear, err := canon.Marshal(e)
	if err != nil {
		return Point{}, nil, err
	}
	object, err := canon.Sign(canon.Point, clear, body, v.store.Ring.SigningKey())
	if err != nil {
		return Point{}, nil, err
	}
	return Point{Envelope: e, Body: d.Body, Object: objects.PointName(e.Source, e.Number), Digest: sha256.Sum256(object)}, object, nil
}

func (s *Session) neededNames() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]pack.Name, 0, len(s.needed))
	for n := range s.needed {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b pack.Name) int { return bytes.Compare(a[:], b[:]) })
	out := make([]byte, 0, 32*len(names))
	for _, n := range names {
		out = append(out, n[:]...)
	}
	return out
}

// farNumber is how far a number may lie ahead and still be taken for that of a
// point which was lost, rather than for something put there to use up numbers.
const farNumber = 1 << 20

// nextNumber gives the number of a new point and the digest of the one before
// it. Numbers that are taken, by a damaged point or by what is no point at all, and those
// that the catalog knows are not given again.
func (v *Vault) nextNumber(ctx context.Context, d Draft) (uint64, []byte, error) {
	last, err := v.points.Last(ctx, d.Source)
	if err != nil && !errkind.Is(err, errkind.NotFound) && !errkind.Is(err, errkind.Damaged) {
		return 0, nil, err
	}
	number, previous := last.Envelope.Number+1, last.Digest[:]
	if l, err := v.records.Ledger(ctx); err == nil {
		for key, x := range l.Removed {
			if key.Source == d.Source && x.Number >= number {
				number, previous = x.Number+1, x.Digest[:]
			}
		}
	} else if !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NotFound) {
		return 0, nil, err
	}
	if d.Known >= number {
		number, previous = d.Known+1, d.KnownDigest[:]
	}
	refs, err := v.points.ListOf(ctx, d.Source)
	if err != nil {
		return 0, nil, err
	}
	for _, ref := range refs {
		if ref.Number >= number && ref.Number < number+farNumber {
			number = ref.Number + 1
		}
	}
	if Digest(previous) == (Digest{}) {
		previous = nil // none, or none that can be read
	}
	return number, previous, nil
}

// finishCommit locks the packs and writes the point; it may be repeated.
func (v *Vault) finishCommit(ctx context.Context, g access.Grant, p Point, object []byte, packs []string, l locks) error {
	if l.packs.Mode != blob.NoLock {
		for _, name := range packs {
			if err := v.raiseLock(ctx, g, name, l.packs); err != nil {
				return fmt.Errorf("lock what point %s needs: %w", p.Envelope.ID, err)
			}
		}
	}
	_, err := v.store.Bucket.Put(ctx, p.Object, object, blob.PutOptions{Lock: l.own})
	if errkind.Is(err, errkind.Exists) {
		stored, readErr := v.store.Bucket.ReadAll(ctx, p.Object, objects.SmallLimit)
		if readErr == nil && bytes.Equal(stored, object) {
			return nil // an earlier attempt came this far
		}
		return errkind.New(errkind.Damaged, "object %q is there already and is not the point of its intent", p.Object)
	}
	return err
}

// raiseLock raises a lock only where it is short. What is there already is
// never weakened or shortened, whatever the mode asked for.
func (v *Vault) raiseLock(ctx context.Context, g access.Grant, name string, lock blob.Lock) error {
	info, err := v.store.Bucket.Stat(ctx, name)
	if err != nil {
		return err
	}
	have := info.Lock
	if !have.Holds(v.store.Now()) {
		have.Mode = blob.NoLock // a lock that ended does not lend its mode to the new one
	}
	want := have.Join(lock)
	if want == info.Lock.Normal() {
		return nil
	}
	return v.store.Bucket.SetLock(ctx, g, name, want)
}

// FinishCommits finishes the points whose intent was written before a crash
// and gives their object names. Sessions do so when they open.
func (v *Vault) FinishCommits(ctx context.Context, g access.Grant) ([]string, error) {
	if err := g.Require(access.CommitFinish, access.VaultRecover, access.BackupRun); err != nil {
		return nil, err
	}
	if err := v.CheckOwner(ctx); err != nil {
		return nil, err
	}
	return v.finishCommits(ctx, g)
}

// finishCommits finishes the points whose intent was written before a crash
// and gives their object names. An intent that cannot be finished, because it
// is damaged or a pack is gone, is left alone with a warning: it serves readers
// as the point itself and must not stop the next backup.
func (v *Vault) finishCommits(ctx context.Context, g access.Grant) ([]string, error) {
	points := map[string]bool{}
	var intents []string
	err := v.store.Bucket.List(ctx, objects.PointPrefix, func(i blob.Info) error {
		if _, _, intent, ok := objects.ParsePoint(i.Name); !ok {
			return nil
		} else if intent {
			intents = append(intents, i.Name)
		} else {
			points[i.Name] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	removed, err := v.records.Ledger(ctx)
	if err != nil {
		if !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NotFound) {
			return nil, err
		}
		removed = records.NewLedger()
	}
	var finished []string
	for _, name := range intents {
		object := strings.TrimSuffix(name, objects.IntentSuffix)
		if points[object] || removed.Has(name) {
			continue
		}
		err := v.finishIntent(ctx, g, name)
		if errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
			v.store.Warn("intent %q cannot be finished: %v", name, err)
			continue
		}
		if err != nil {
			return finished, err
		}
		finished = append(finished, object)
	}
	return finished, nil
}

func (v *Vault) finishIntent(ctx context.Context, g access.Grant, name string) error {
	c, object, err := v.points.ReadIntent(ctx, name)
	if err != nil {
		return err
	}
	p, err := v.points.Parse(c.Object, object)
	if err != nil {
		return err
	}
	var l locks
	if c.Lock != nil {
		l.packs = blob.Lock{Mode: blob.Mode(c.Lock.Mode), Until: c.Lock.Until.Time()}
		if l.own = l.packs; c.Own != nil {
			l.own.Until = c.Own.Time()
		}
	}
	packs, err := v.PackObjects(ctx, p.Envelope)
	if err != nil {
		return err
	}
	return v.finishCommit(ctx, g, p, object, packs, l)
}
