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
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
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
	// LockUntil is when the locks of the point and its packs end; it counts
	// only in a session that locks.
	LockUntil Stamp
	// Known is the last point of the source that the catalog knows of, 0 for
	// none. Where storage lacks it, the new one is numbered after it all the same, so that
	// the loss shows.
	Known       uint64
	KnownDigest [32]byte
	// Hints are stored beside the point for the next run; may be nil.
	Hints *Hints
}

type intentClear struct {
	Vault  ID          `cbor:"1,keyasint"`
	Point  PointID     `cbor:"2,keyasint"`
	At     Stamp       `cbor:"3,keyasint"`
	Object string      `cbor:"4,keyasint"`
	Digest Digest      `cbor:"5,keyasint"`
	Lock   *intentLock `cbor:"6,keyasint,omitempty"`
	Body   Digest      `cbor:"7,keyasint"`
}

type intentLock struct {
	Mode  string `cbor:"1,keyasint"`
	Until Stamp  `cbor:"2,keyasint"`
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
		s.v.forgetPacks()
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
	if s.opts.Lock != blob.NoLock && d.LockUntil.Sec <= 0 {
		s.Abort()
		return Point{}, errkind.New(errkind.Invalid, "a session that locks needs to know until when")
	}
	if err := s.Flush(ctx); err != nil {
		return Point{}, err
	}
	v := s.v
	defer v.unregister(s)
	defer v.forgetPacks()
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
		if err := v.putHints(ctx, p.Envelope, d.Hints, s.provisionalLock()); err != nil {
			return Point{}, err
		}
	}
	lock := blob.Lock{}
	if s.opts.Lock != blob.NoLock {
		lock = blob.Lock{Mode: s.opts.Lock, Until: d.LockUntil.Time()}
	}
	if err := v.putIntent(ctx, p, object, lock); err != nil {
		return Point{}, err
	}
	return p, v.finishCommit(ctx, g, p, object, s.neededObjects(), lock)
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
	head, err := v.lastRecord(ctx)
	if err != nil {
		return Point{}, nil, err
	}
	d.Body.fit()
	plain, err := canon.Marshal(d.Body)
	if err != nil {
		return Point{}, nil, err
	}
	body, err := v.box(canon.Point, plain)
	if err != nil {
		return Point{}, nil, err
	}
	e := Envelope{
		Vault: v.header.Vault, ID: PointID(newULID(d.Received.Time())), Source: d.Source, Number: number, Previous: previous,
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
	object, err := canon.Sign(canon.Point, clear, body, v.ring.SigningKey())
	if err != nil {
		return Point{}, nil, err
	}
	return Point{Envelope: e, Body: d.Body, Object: pointObject(e.Source, e.Number), Digest: sha256.Sum256(object)}, object, nil
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
	last, err := v.LastPoint(ctx, d.Source)
	if err != nil && !errkind.Is(err, errkind.NotFound) && !errkind.Is(err, errkind.Damaged) {
		return 0, nil, err
	}
	number, previous := last.Envelope.Number+1, last.Digest[:]
	if l, err := v.readLedger(ctx); err == nil {
		for key, x := range l.removed {
			if key.source == d.Source && x.Number >= number {
				number, previous = x.Number+1, x.Digest[:]
			}
		}
	} else if !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NotFound) {
		return 0, nil, err
	}
	if d.Known >= number {
		number, previous = d.Known+1, d.KnownDigest[:]
	}
	refs, err := v.listPoints(ctx, pointPrefix+d.Source.String()+"/")
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

// LastPoint gives the newest point of a source that can be read: errkind.NotFound
// if it has none, errkind.Damaged if none of those it has can be read.
func (v *Vault) LastPoint(ctx context.Context, source SourceID) (Point, error) {
	refs, err := v.listPoints(ctx, pointPrefix+source.String()+"/")
	if err != nil {
		return Point{}, err
	}
	if len(refs) == 0 {
		return Point{}, errkind.New(errkind.NotFound, "source %s has no point in this vault", source)
	}
	for i := len(refs) - 1; i >= 0; i-- {
		p, err := v.ReadPoint(ctx, refs[i].Object)
		if err == nil {
			return p, nil
		}
		if !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NotFound) {
			return Point{}, err
		}
		v.warn("point %q cannot be read: %v", refs[i].Object, err)
	}
	return Point{}, errkind.New(errkind.Damaged, "none of the %d points of source %s can be read", len(refs), source)
}

func (v *Vault) putIntent(ctx context.Context, p Point, object []byte, lock blob.Lock) error {
	body, err := v.box(canon.Intent, object)
	if err != nil {
		return err
	}
	c := intentClear{Vault: v.header.Vault, Point: p.Envelope.ID, At: StampOf(v.opts.Now()), Object: p.Object, Digest: p.Digest, Body: sha256.Sum256(body)}
	if lock.Mode != blob.NoLock {
		c.Lock = &intentLock{Mode: string(lock.Mode), Until: StampOf(lock.Until)}
	}
	clear, err := canon.Marshal(c)
	if err != nil {
		return err
	}
	data, err := canon.Sign(canon.Intent, clear, body, v.ring.SigningKey())
	if err != nil {
		return err
	}
	_, err = v.bucket.Put(ctx, p.Object+intentSuffix, data, blob.PutOptions{Lock: lock})
	if errkind.Is(err, errkind.Exists) {
		return errkind.New(errkind.Busy, "point %d of this source was just committed by somebody else: run the backup again", p.Envelope.Number)
	}
	return err
}

func (v *Vault) readIntent(ctx context.Context, name string) (intentClear, []byte, error) {
	var c intentClear
	signed, err := v.readSigned(ctx, canon.Intent, name, &c)
	if err != nil {
		return c, nil, err
	}
	if c.Vault != v.header.Vault || c.Object+intentSuffix != name || sha256.Sum256(signed.Body) != c.Body {
		return c, nil, errkind.New(errkind.Damaged, "intent %q is not what its name or signature says", name)
	}
	z := v.zippers.Get()
	defer v.zippers.Put(z)
	object, err := seal.Unbox(canon.Intent, v.header.Vault, signed.Body, v.ring, z)
	if err == nil && sha256.Sum256(object) != c.Digest {
		err = errkind.New(errkind.Damaged, "the point in it is not the one announced")
	}
	if err != nil {
		return c, nil, errkind.Wrap(errkind.Of(err), err, "intent %q", name)
	}
	return c, object, nil
}

// finishCommit locks the packs and writes the point; it may be repeated.
func (v *Vault) finishCommit(ctx context.Context, g access.Grant, p Point, object []byte, packs []string, lock blob.Lock) error {
	if lock.Mode != blob.NoLock {
		for _, name := range packs {
			if err := v.raiseLock(ctx, g, name, lock); err != nil {
				return fmt.Errorf("lock what point %s needs: %w", p.Envelope.ID, err)
			}
		}
	}
	_, err := v.bucket.Put(ctx, p.Object, object, blob.PutOptions{Lock: lock})
	if errkind.Is(err, errkind.Exists) {
		stored, readErr := v.bucket.ReadAll(ctx, p.Object, smallObjectLimit)
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
	info, err := v.bucket.Stat(ctx, name)
	if err != nil {
		return err
	}
	have := info.Lock
	if !have.Holds(v.opts.Now()) {
		have.Mode = blob.NoLock // a lock that ended does not lend its mode to the new one
	}
	want := have.Join(lock)
	if want == info.Lock.Normal() {
		return nil
	}
	return v.bucket.SetLock(ctx, g, name, want)
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
	err := v.bucket.List(ctx, pointPrefix, func(i blob.Info) error {
		if _, _, intent, ok := parsePointObject(i.Name); !ok {
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
	removed, err := v.readLedger(ctx)
	if err != nil {
		if !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NotFound) {
			return nil, err
		}
		removed = newLedger()
	}
	var finished []string
	for _, name := range intents {
		object := strings.TrimSuffix(name, intentSuffix)
		if points[object] || removed.has(name) {
			continue
		}
		err := v.finishIntent(ctx, g, name)
		if errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
			v.warn("intent %q cannot be finished: %v", name, err)
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
	c, object, err := v.readIntent(ctx, name)
	if err != nil {
		return err
	}
	p, err := v.parsePoint(ctx, c.Object, object)
	if err != nil {
		return err
	}
	lock := blob.Lock{}
	if c.Lock != nil {
		lock = blob.Lock{Mode: blob.Mode(c.Lock.Mode), Until: c.Lock.Until.Time()}
	}
	packs, err := v.PackObjects(ctx, p.Envelope)
	if err != nil {
		return err
	}
	return v.finishCommit(ctx, g, p, object, packs, lock)
}
