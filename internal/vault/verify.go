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
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
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
	// Unlocked marks an object that is whole but whose lock is missing or short.
	Unlocked bool
	Points   []PointID
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
	// Seen holds the digest of every point that was checked and, in a full
	// verification, had all of its chunks.
	Seen map[PointID][32]byte
}

// OK reports whether nothing was found wrong.
func (r *VerifyReport) OK() bool { return len(r.Problems) == 0 }

// DamagedPacks names the pack objects found wrong; their chunks should be
// stored again by the next backup that still has them.
func (r *VerifyReport) DamagedPacks() []string {
	var out []string
	for _, p := range r.Problems {
		if strings.HasPrefix(p.Object, packsPrefix) && !p.Unlocked {
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
	records  []Record
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
		report: &VerifyReport{Mode: mode, Started: v.opts.Now(), Seen: map[PointID][32]byte{}}}
	err := v.bucket.List(ctx, "", func(i blob.Info) error {
		w.infos = append(w.infos, i)
		w.total += i.Size
		return nil
	})
	if err != nil {
		return nil, err
	}
	w.report.Objects = int64(len(w.infos))
	steps := []func(context.Context) error{w.smallObjects, w.governance, w.loadSet, w.pointObjects, w.packLists, w.locks}
	if mode == Full {
		steps = append(steps, w.packBytes, w.pointTrees)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
		if w.set != nil && w.set.err() != nil {
			return nil, w.set.err() // what the index lost is not lost in the vault
		}
	}
	w.finish()
	return w.report, nil
}

func (w *verifier) finish() {
	w.report.Ended = w.v.opts.Now()
	for _, p := range w.points {
		w.report.Seen[p.Envelope.ID] = p.Digest
	}
	for _, p := range w.report.Problems {
		for _, id := range p.Points {
			if p.FileCount > 0 {
				delete(w.report.Seen, id)
			}
		}
	}
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

func (w *verifier) read(ctx context.Context, i blob.Info, limit int64) ([]byte, error) {
	data, err := w.v.bucket.ReadAll(ctx, i.Name, limit)
	w.step(i.Size)
	return data, err
}

func (w *verifier) step(n int64) {
	w.report.Bytes = w.done.Add(n)
	w.progress(w.report.Bytes, w.total)
}

func (w *verifier) loadSet(ctx context.Context) error {
	exclude := w.v.opts.Exclude
	if w.report.Mode == Full { // what an earlier verification found is looked at anew
		exclude = func(string) bool { return false }
	}
	store, err := index.OpenStore("") // what is in the vault, and not what the cache remembers of it
	if err != nil {
		return err
	}
	set, err := w.v.readPackSetFrom(ctx, store, exclude)
	if err != nil {
		return err
	}
	w.set = set
	for _, f := range set.faults {
		w.problem(f.Object, errkind.New(errkind.Damaged, "%s", f.Reason))
	}
	w.report.Packs = set.healthy
	return nil
}
