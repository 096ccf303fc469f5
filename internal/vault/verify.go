package vault

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// VerifyMode says how much a verification reads.
type VerifyMode string

// The modes of verification.
const (
	// Quick checks that every object is there, of the right length and locked long enough, and reads the small ones.
	Quick VerifyMode = "quick"
	// Full also reads every byte, opens every frame and checks every chunk of every point.
	Full VerifyMode = "full"
)

// AffectedFile is a file of a point that cannot be had whole.
type AffectedFile struct {
	Point PointID
	// Object is the point's object, for those whose id cannot be read.
	Object string
	// Path is relative to the point's root, as bytes; a trailing slash marks
	// a folder of which something inside is lost.
	Path string
}

// VerifyProblem is one object found wrong, and what depends on it.
type VerifyProblem struct {
	Object string
	Reason string
	// Spared says why nothing is lost by it, "" when something is.
	Spared string
	Points []PointID
	// Files lists at most [MaxAffected] of the FileCount files concerned.
	Files     []AffectedFile
	FileCount int64
}

// MaxAffected bounds the files listed for one object.
const MaxAffected = 1000

// VerifyReport is what a verification found. It changes nothing.
type VerifyReport struct {
	Mode             VerifyMode
	Started, Ended   time.Time
	Objects, Bytes   int64
	Frames, Chunks   int64
	Points, Packs    int64
	Problems         []*VerifyProblem
	Notes            []string
	UnreferencedPack int64
}

// OK reports whether nothing was found wrong.
func (r *VerifyReport) OK() bool { return len(r.Problems) == 0 }

// DamagedPacks names the pack objects found wrong; their chunks should be
// stored again by the next backup that still has them.
func (r *VerifyReport) DamagedPacks() []string {
	var out []string
	for _, p := range r.Problems {
		if strings.HasPrefix(p.Object, packsPrefix) {
			out = append(out, p.Object)
		}
	}
	return out
}

// VerifyProgress is told how much of a verification is done, in bytes.
type VerifyProgress func(done, total int64)

type verifier struct {
	v        *Vault
	report   *VerifyReport
	byObject map[string]*VerifyProblem
	infos    []blob.Info
	points   []Point
	set      *packSet
	badFrame map[frameKey]bool
	suspect  map[pack.Name]bool // packs with a fault: what a tree needs of them is read to know
	progress VerifyProgress
	done     atomic.Int64
	total    int64
}

// Verify checks the vault. Findings are in the report; an error means that
// the verification itself could not be carried through.
func (v *Vault) Verify(ctx context.Context, mode VerifyMode, progress VerifyProgress) (*VerifyReport, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	w := &verifier{v: v, byObject: map[string]*VerifyProblem{}, badFrame: map[frameKey]bool{}, suspect: map[pack.Name]bool{}, progress: progress,
		report: &VerifyReport{Mode: mode, Started: v.opts.Now()}}
	err := v.bucket.List(ctx, "", func(i blob.Info) error {
		w.infos = append(w.infos, i)
		w.total += i.Size
		return nil
	})
	if err != nil {
		return nil, err
	}
	w.report.Objects = int64(len(w.infos))
	steps := []func(context.Context) error{w.smallObjects, w.governance, w.loadSet, w.pointObjects, w.packLists}
	if mode == Full {
		steps = append(steps, w.packBytes, w.pointTrees)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	w.finish()
	return w.report, nil
}

func (w *verifier) finish() {
	w.report.Ended = w.v.opts.Now()
	sort.Slice(w.report.Problems, func(i, j int) bool { return w.report.Problems[i].Object < w.report.Problems[j].Object })
	for _, p := range w.report.Problems {
		switch {
		case p.Spared != "" || len(p.Points) > 0:
		case strings.HasPrefix(p.Object, "index/"):
			p.Spared = "the index is derived: it was read from the packs instead"
		case strings.HasPrefix(p.Object, packsPrefix) && w.report.Mode == Full:
			p.Spared = "no point needs what is damaged, or another copy of it is whole"
		}
	}
	w.progress(w.total, w.total)
}

// problem notes an object found wrong; a second finding on it adds to the first.
func (w *verifier) problem(object string, err error) *VerifyProblem {
	p := w.byObject[object]
	if p == nil {
		p = &VerifyProblem{Object: object, Reason: reason(err, object)}
		w.byObject[object] = p
		w.report.Problems = append(w.report.Problems, p)
	}
	return p
}

func reason(err error, object string) string {
	return strings.TrimPrefix(err.Error(), fmt.Sprintf("object %q: ", object))
}

func (p *VerifyProblem) affects(f AffectedFile) {
	p.FileCount++
	if len(p.Files) < MaxAffected {
		p.Files = append(p.Files, f)
	}
	p.point(f.Point)
}

func (p *VerifyProblem) point(id PointID) {
	for _, have := range p.Points {
		if have == id {
			return
		}
	}
	p.Points = append(p.Points, id)
}

// finding turns an error into a problem when it is about the object's bytes,
// and gives it back when the verification itself is in trouble.
func (w *verifier) finding(object string, err error) error {
	if err == nil {
		return nil
	}
	switch errkind.Of(err) {
	case errkind.Damaged, errkind.NotFound, errkind.NewerFormat, errkind.WrongKey:
		w.problem(object, err)
		return nil
	default:
		return err
	}
}

func (w *verifier) read(ctx context.Context, i blob.Info) ([]byte, error) {
	data, err := w.v.bucket.ReadAll(ctx, i.Name, 4<<30)
	w.step(i.Size)
	return data, err
}

func (w *verifier) step(n int64) {
	w.report.Bytes = w.done.Add(n)
	w.progress(w.report.Bytes, w.total)
}

// smallObjects checks header, keys and hints, and names what does not belong.
func (w *verifier) smallObjects(ctx context.Context) error {
	for _, name := range []string{headerObject, headerTwin} {
		_, h, err := w.v.readHeaderObject(ctx, name)
		if err == nil && h.Vault != w.v.header.Vault {
			err = errkind.New(errkind.Damaged, "header of another vault")
		}
		if err == nil {
			var again Header
			_, err = w.v.readSigned(ctx, canon.Header, name, &again)
		}
		if err := w.finding(name, err); err != nil {
			return err
		}
		if p := w.byObject[name]; p != nil {
			p.Spared = "header and keys/header are copies of each other"
		}
	}
	for _, name := range w.v.bucket.Caps().Faults {
		w.problem(name, errkind.New(errkind.Damaged, "it is not what the store's driver wrote")).Spared = "it only marks the folder as a store"
	}
	for _, i := range w.infos {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i.Lock.Mode == blob.Compliance && i.Lock.Until.Equal(blob.Forever()) {
			w.problem("locks/"+i.Name+".lock", errkind.New(errkind.Damaged, "the store cannot read this object's lock")).Spared = "the object itself is kept, as if locked for ever"
		}
		if err := w.finding(i.Name, w.smallObject(ctx, i)); err != nil {
			return err
		}
	}
	return nil
}

func (w *verifier) smallObject(ctx context.Context, i blob.Info) error {
	switch {
	case i.Name == headerObject, i.Name == headerTwin:
		return nil
	case strings.HasPrefix(i.Name, "keys/slot-"):
		data, err := w.read(ctx, i)
		if err == nil {
			_, err = seal.ParseSlot(data)
		}
		if err != nil {
			w.problem(i.Name, err).Spared = "each key slot has two copies, and there are several slots"
		}
		return err
	case strings.HasPrefix(i.Name, "keys/sign-"):
		var k signingKey
		_, err := w.v.readSigned(ctx, canon.SigningKey, i.Name, &k)
		w.step(i.Size)
		if err != nil {
			w.problem(i.Name, err).Spared = "the key is in the keyring too; auditors without it need this object or the kit"
		}
		return err
	case strings.HasPrefix(i.Name, "index/hint-"):
		if w.report.Mode != Full {
			return nil
		}
		data, err := w.read(ctx, i)
		if err == nil {
			_, err = w.v.parseHints(i.Name, data)
		}
		return err
	case strings.HasPrefix(i.Name, packsPrefix), strings.HasPrefix(i.Name, segmentPrefix), strings.HasPrefix(i.Name, pointPrefix),
		strings.HasPrefix(i.Name, governancePrefix), strings.HasPrefix(i.Name, "log/"):
		return nil
	default:
		w.report.Notes = append(w.report.Notes, fmt.Sprintf("object %q is not part of the format", i.Name))
		return nil
	}
}

func (w *verifier) governance(ctx context.Context) error {
	for _, i := range w.infos {
		if strings.HasPrefix(i.Name, ownerPrefix) {
			_, err := w.v.readOwner(ctx, i.Name)
			if err := w.finding(i.Name, err); err != nil {
				return err
			}
		} else if _, ok := strings.CutPrefix(i.Name, governancePrefix); ok {
			if _, ok := parseRecordObject(i.Name); !ok {
				w.report.Notes = append(w.report.Notes, fmt.Sprintf("object %q is not part of the format", i.Name))
				continue
			}
			_, _, err := w.v.readRecord(ctx, i.Name)
			if err := w.finding(i.Name, err); err != nil {
				return err
			}
		}
	}
	if _, err := w.v.Records(ctx); errkind.Is(err, errkind.Damaged) {
		if w.noneBelow(governancePrefix) {
			w.problem(governancePrefix, err)
		}
	} else if err != nil {
		return err
	}
	return nil
}

func (w *verifier) noneBelow(prefix string) bool {
	for _, p := range w.report.Problems {
		if strings.HasPrefix(p.Object, prefix) {
			return false
		}
	}
	return true
}

func (w *verifier) loadSet(ctx context.Context) error {
	exclude := w.v.opts.Exclude
	if w.report.Mode == Full { // what an earlier verification found is looked at anew
		exclude = func(string) bool { return false }
	}
	set, err := w.v.readPackSetWithout(ctx, exclude)
	if err != nil {
		return err
	}
	w.set = set
	for _, f := range set.faults {
		w.problem(f.Object, errkind.New(errkind.Damaged, "%s", f.Reason))
	}
	w.report.Packs = int64(len(set.healthy))
	return nil
}

// pointObjects checks every point and intent, their numbers and chain.
func (w *verifier) pointObjects(ctx context.Context) error {
	refs, err := w.v.ListPoints(ctx)
	if err != nil {
		return err
	}
	present := map[string]bool{}
	for _, i := range w.infos {
		if strings.HasPrefix(i.Name, pointPrefix) {
			present[i.Name] = true
			if _, _, _, ok := parsePointObject(i.Name); !ok {
				w.report.Notes = append(w.report.Notes, fmt.Sprintf("object %q is not part of the format", i.Name))
			}
		}
	}
	var last Point
	for _, ref := range refs {
		p, err := w.pointObject(ctx, ref, present)
		if err != nil {
			return err
		}
		if p == nil {
			last = Point{}
			continue
		}
		w.checkChain(last, *p, ref)
		w.points = append(w.points, *p)
		last = *p
	}
	w.report.Points = int64(len(w.points))
	return nil
}

func (w *verifier) pointObject(ctx context.Context, ref PointRef, present map[string]bool) (*Point, error) {
	intent := ref.Object + intentSuffix
	_, twin, intentErr := w.v.readIntent(ctx, intent)
	data, err := w.v.bucket.ReadAll(ctx, ref.Object, smallObjectLimit)
	var p Point
	if err == nil {
		p, err = w.v.parsePoint(ctx, ref.Object, data)
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
	if err := w.finding(ref.Object, err); err != nil {
		return nil, err
	}
	if !present[ref.Object] && intentErr == nil {
		w.problem(ref.Object, err).Reason = "the point of this intent was not written: the next backup finishes it"
	}
	if intentErr == nil {
		if p, err = w.v.parsePoint(ctx, ref.Object, twin); err == nil {
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

func (w *verifier) checkChain(last, p Point, ref PointRef) {
	if last.Object == "" || last.Envelope.Source != p.Envelope.Source {
		if ref.Number == 1 && len(p.Envelope.Previous) > 0 {
			w.problem(ref.Object, errkind.New(errkind.Damaged, "the first point of its source names a previous one"))
		}
		return
	}
	if p.Envelope.Number == last.Envelope.Number+1 && string(p.Envelope.Previous) != string(last.Digest[:]) {
		w.problem(ref.Object, errkind.New(errkind.Damaged, "it does not follow the point before it: one of the two was replaced")).point(p.Envelope.ID)
	}
	if p.Envelope.Number > last.Envelope.Number+1 {
		w.report.Notes = append(w.report.Notes, fmt.Sprintf("source %s: points %d to %d are not there", p.Envelope.Source, last.Envelope.Number+1, p.Envelope.Number-1))
	}
}

// packLists checks that every pack a point needs is there and locked long enough.
func (w *verifier) packLists(ctx context.Context) error {
	locks := map[string]blob.Lock{}
	sizes := map[string]bool{}
	for _, i := range w.infos {
		locks[i.Name] = i.Lock
		sizes[i.Name] = true
	}
	needed := map[string]bool{}
	for _, p := range w.points {
		objects, err := w.set.objects(p.Envelope)
		if err != nil {
			if err := w.finding(p.Object, err); err != nil {
				return err
			}
			continue
		}
		for _, o := range objects {
			needed[o] = true
			switch {
			case !sizes[o]:
				w.problem(o, errkind.New(errkind.Damaged, "the pack is not in the store")).point(p.Envelope.ID)
			case w.byObject[o] != nil && w.report.Mode == Quick: // a full one finds out by the trees
				w.byObject[o].point(p.Envelope.ID)
			case w.byObject[o] != nil:
			case w.shortLock(p, locks[o]):
				w.problem(o, errkind.New(errkind.Damaged, "its lock ends %s, before the point's retain-until", locks[o].Until.Format(time.RFC3339))).point(p.Envelope.ID)
			}
		}
	}
	for _, i := range w.infos {
		if strings.HasPrefix(i.Name, packsPrefix) && !needed[i.Name] {
			w.report.UnreferencedPack++
		}
	}
	return ctx.Err()
}

func (w *verifier) shortLock(p Point, lock blob.Lock) bool {
	if p.Envelope.Trial || p.Envelope.RetainUntil == nil || len(w.v.bucket.Caps().Modes) == 0 {
		return false
	}
	until := p.Envelope.RetainUntil.Time()
	return until.After(w.report.Started) && (lock.Mode == blob.NoLock || lock.Until.Before(until))
}
