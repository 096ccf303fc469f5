package verify

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/points"
	"github.com/counterfoil/counterfoil/internal/vault/records"
)

// pointObjects checks every point and intent, their numbers and chain.
func (w *verifier) pointObjects(ctx context.Context) error {
	refs, err := w.v.Points.List(ctx)
	if err != nil {
		return err
	}
	present := map[string]bool{}
	for _, i := range w.infos {
		if strings.HasPrefix(i.Name, objects.PointPrefix) {
			present[i.Name] = true
			if _, _, _, ok := objects.ParsePoint(i.Name); !ok {
				w.report.Notes = append(w.report.Notes, fmt.Sprintf("object %q is not part of the format", i.Name))
			}
		}
	}
	next := map[objects.SourceID]uint64{}
	last := map[objects.SourceID]points.Point{}
	for _, ref := range refs {
		w.gap(ref, next[ref.Source]+1)
		next[ref.Source] = ref.Number
		if w.set.Ledger.Has(ref.Object) {
			w.report.Notes = append(w.report.Notes, fmt.Sprintf("point %q was removed, and something of it is still there: the next garbage collection deletes it", ref.Object))
			delete(last, ref.Source)
			continue
		}
		p, err := w.pointObject(ctx, ref, present)
		if err != nil {
			return err
		}
		if p == nil {
			delete(last, ref.Source)
			continue
		}
		before := last[ref.Source]
		if x, gone := w.set.Ledger.Removed[records.PointKey{Source: ref.Source, Number: ref.Number - 1}]; gone {
			before = points.Point{Envelope: points.Envelope{Number: x.Number}, Object: objects.PointName(x.Source, x.Number), Digest: x.Digest}
		}
		w.checkChain(before, *p)
		w.checkRecords(*p)
		w.points = append(w.points, *p)
		last[ref.Source] = *p
	}
	w.report.Points = int64(len(w.points))
	return nil
}

// gap names the points that numbering knows and storage lacks, but for those
// that were removed on the record.
func (w *verifier) gap(ref points.Ref, want uint64) {
	for n := want; n < ref.Number && n < want+maxGap; n++ {
		if w.set.Ledger.Has(objects.PointName(ref.Source, n)) {
			continue
		}
		w.problem(objects.PointName(ref.Source, n), errkind.New(errkind.Damaged, "the point is not in the store, though later ones of its source are"))
	}
	if ref.Number > want+maxGap {
		w.report.Notes = append(w.report.Notes, fmt.Sprintf("source %s: points %d to %d are not there", ref.Source, want+maxGap, ref.Number-1))
	}
}

// maxGap bounds the missing points that are named one by one.
const maxGap = 1000

// checkRecords compares the governance records with what a point saw of them.
func (w *verifier) checkRecords(p points.Point) {
	n := p.Envelope.Records
	if n == 0 || n <= uint64(len(w.records)) && bytes.Equal(w.records[n-1].Digest[:], p.Envelope.RecordsHead) {
		return
	}
	w.problem(objects.RecordName(n), errkind.New(errkind.Damaged, "point %d of source %s was made when this record was there: it is missing or was replaced", p.Envelope.Number, p.Envelope.Source)).point(p.Envelope.ID)
}

func (w *verifier) pointObject(ctx context.Context, ref points.Ref, present map[string]bool) (*points.Point, error) {
	intent := ref.Object + objects.IntentSuffix
	_, twin, intentErr := w.v.Points.ReadIntent(ctx, intent)
	data, err := w.store.Bucket.ReadAll(ctx, ref.Object, objects.SmallLimit)
	var p points.Point
	if err == nil {
		p, err = w.v.Points.Parse(ref.Object, data)
	}
	if err == nil {
		if intentErr != nil {
			if err := w.finding(intent, intentErr); err != nil {
				return nil, err
			}
			w.problem(intent, intentErr).Spared = "the point itself is whole"
		}
		return &p, nil
	}
	if !present[ref.Object] && intentErr == nil {
		w.report.Notes = append(w.report.Notes, fmt.Sprintf("the commit of %q was interrupted: the next backup finishes it", ref.Object))
		if p, err = w.v.Points.Parse(ref.Object, twin); err != nil {
			return nil, w.finding(intent, err)
		}
		w.unfinished[p.Envelope.ID] = true
		return &p, nil
	}
	if err := w.finding(ref.Object, err); err != nil {
		return nil, err
	}
	if intentErr == nil {
		if p, err = w.v.Points.Parse(ref.Object, twin); err == nil {
			w.problem(ref.Object, err2(err)).Spared = "the intent beside it holds a whole copy"
			w.problem(ref.Object, err2(err)).point(p.Envelope.ID)
			return &p, nil
		}
	}
	w.problem(ref.Object, err2(err)).affects(AffectedFile{Object: ref.Object, Path: "/"})
	return nil, nil
}

// err2 stands in where a problem already holds its reason.
func err2(err error) error {
	if err == nil {
		return errkind.New(errkind.Damaged, "damaged")
	}
	return err
}

func (w *verifier) checkChain(last, p points.Point) {
	switch {
	case p.Envelope.Number == 1 && len(p.Envelope.Previous) > 0:
		w.problem(p.Object, errkind.New(errkind.Damaged, "the first point of its source names a previous one")).point(p.Envelope.ID)
	case last.Object == "" || p.Envelope.Number != last.Envelope.Number+1:
	case !bytes.Equal(p.Envelope.Previous, last.Digest[:]):
		w.problem(p.Object, errkind.New(errkind.Damaged, "it does not follow the point before it: one of the two was replaced")).point(p.Envelope.ID)
	}
}

// packLists checks that every pack a point needs is there and locked long enough.
func (w *verifier) packLists(ctx context.Context) error {
	there := map[string]bool{}
	for _, i := range w.infos {
		there[i.Name] = true
	}
	needed := map[string]bool{}
	for _, p := range w.points {
		needs, err := w.set.Objects(p.Envelope)
		if err != nil {
			if err := w.finding(p.Object, err); err != nil {
				return err
			}
			continue
		}
		for _, o := range needs {
			needed[o] = true
			if !there[o] {
				w.problem(o, errkind.New(errkind.Damaged, "the pack is not in the store")).point(p.Envelope.ID)
			} else if w.byObject[o] != nil && w.report.Mode == Quick { // a full one finds out by the trees
				w.byObject[o].point(p.Envelope.ID)
			}
		}
	}
	for _, i := range w.infos {
		if strings.HasPrefix(i.Name, objects.PacksPrefix) && !needed[i.Name] {
			w.report.UnreferencedPack++
		}
	}
	return ctx.Err()
}

// locks checks that what a point needs, and the point itself, is locked long
// enough. An object that is whole but not locked is a finding of its own kind. The
// locks of a commit that was interrupted come with its end; a vault whose
// immutability is off takes none.
func (w *verifier) locks(ctx context.Context) error {
	if len(w.store.Bucket.Caps().Modes) == 0 || w.immutabilityOff() {
		return ctx.Err()
	}
	held := map[string]blob.Lock{}
	for _, i := range w.infos {
		held[i.Name] = i.Lock
	}
	for _, p := range w.points {
		if w.unfinished[p.Envelope.ID] || p.Envelope.Trial || p.Envelope.RetainUntil == nil || !p.Envelope.RetainUntil.Time().After(w.report.Started) {
			continue
		}
		needs, err := w.set.Objects(p.Envelope)
		if err != nil {
			continue // packLists told
		}
		for _, o := range append(needs, p.Object, p.Object+objects.IntentSuffix) {
			lock, there := held[o]
			if known := w.byObject[o]; !there || known != nil && !known.Unlocked || !short(lock, p.Envelope.RetainUntil.Time()) {
				continue
			}
			problem := w.problem(o, lockFinding(lock))
			problem.Unlocked, problem.Spared = true, "the object is whole, but nothing stops its deletion until a backup that needs it locks it again"
			problem.point(p.Envelope.ID)
		}
	}
	return ctx.Err()
}

// immutabilityOff reports whether the vault's last settings say so.
func (w *verifier) immutabilityOff() bool {
	off := false
	for _, r := range w.records {
		for _, f := range r.Facts {
			var s records.SettingsRecord
			if f.Kind == records.FactVault && f.Decode(&s) == nil {
				off = s.State == records.StateOff
			}
		}
	}
	return off
}

func short(lock blob.Lock, until time.Time) bool {
	return lock.Mode == blob.NoLock || lock.Until.Before(until)
}

func lockFinding(lock blob.Lock) error {
	if lock.Mode == blob.NoLock {
		return errkind.New(errkind.Damaged, "it has no lock, and a point that needs it is to be kept")
	}
	return errkind.New(errkind.Damaged, "its lock ends %s, before the time until which a point that needs it is kept", lock.Until.UTC().Format(time.RFC3339))
}
