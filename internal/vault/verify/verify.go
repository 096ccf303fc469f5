// Package verify checks a vault: every object, and in full every byte, and says
// which files of which points are concerned by what it finds.
package verify

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
	"github.com/counterfoil/counterfoil/internal/vault/inventory"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/points"
	"github.com/counterfoil/counterfoil/internal/vault/reader"
	"github.com/counterfoil/counterfoil/internal/vault/records"
)

// Mode says how much a verification reads.
type Mode string

// The modes of verification.
const (
	// Quick checks that every object is there, of the right length and locked long enough, and reads the small ones.
	Quick Mode = "quick"
	// Full also reads every byte, opens every frame and checks every chunk of every point.
	Full Mode = "full"
)

// AffectedFile is a file of a point that cannot be had whole.
type AffectedFile struct {
	Point objects.PointID
	// Object is the point's object, for those whose id cannot be read.
	Object string
	// Path is relative to the point's root, as bytes; a trailing slash marks
	// a folder of which something inside is lost.
	Path string
}

// Problem is one object found wrong, and what depends on it.
type Problem struct {
	Object string
	Reason string
	// Spared says why nothing is lost by it, "" when something is.
	Spared string
	// Unlocked marks an object that is whole but whose lock is missing or short.
	Unlocked bool
	Points   []objects.PointID
	// Files lists at most [MaxAffected] of the FileCount files concerned.
	Files     []AffectedFile
	FileCount int64
}

// MaxAffected bounds the files listed for one object.
const MaxAffected = 1000

// Report is what a verification found. It changes nothing.
type Report struct {
	Mode             Mode
	Started, Ended   time.Time
	Objects, Bytes   int64
	Frames, Chunks   int64
	Points, Packs    int64
	Problems         []*Problem
	Notes            []string
	UnreferencedPack int64
	// Seen holds the digest of every point that was checked and, in a full
	// verification, had all of its chunks.
	Seen map[objects.PointID][32]byte
}

// OK reports whether nothing was found wrong.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

// DamagedPacks names the pack objects found wrong; their chunks should be
// stored again by the next backup that still has them.
func (r *Report) DamagedPacks() []string {
	var out []string
	for _, p := range r.Problems {
		if strings.HasPrefix(p.Object, objects.PacksPrefix) && !p.Unlocked {
			out = append(out, p.Object)
		}
	}
	return out
}

// Progress is told how much of a verification is done, in bytes.
type Progress func(done, total int64)

// Vault is what a verification looks at.
type Vault struct {
	Store   *objects.Store
	Records *records.Log
	Points  *points.Points
	Packs   *inventory.Inventory
	// Exclude tells which packs an earlier verification found damaged; a full one
	// looks at them anew.
	Exclude func(object string) bool
}

type verifier struct {
	v        Vault
	store    *objects.Store
	report   *Report
	byObject map[string]*Problem
	infos    []blob.Info
	points   []points.Point
	records  []records.Record
	set      *inventory.Set
	// unfinished are points of which only the intent is there.
	unfinished map[objects.PointID]bool
	badFrame   map[reader.FrameKey]bool
	suspect    map[pack.Name]bool // packs with a fault: what a tree needs of them is read to know
	progress   Progress
	done       atomic.Int64
	total      int64
}

// Run checks the vault. Findings are in the report; an error means that
// the verification itself could not be carried through.
func Run(ctx context.Context, v Vault, mode Mode, progress Progress) (*Report, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	w := &verifier{v: v, store: v.Store, byObject: map[string]*Problem{}, unfinished: map[objects.PointID]bool{}, badFrame: map[reader.FrameKey]bool{}, suspect: map[pack.Name]bool{}, progress: progress,
		report: &Report{Mode: mode, Started: v.Store.Now(), Seen: map[objects.PointID][32]byte{}}}
	err := v.Store.Bucket.List(ctx, "", func(i blob.Info) error {
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
		if w.set != nil && w.set.Err() != nil {
			return nil, w.set.Err() // what the index lost is not lost in the vault
		}
	}
	w.finish()
	return w.report, nil
}

func (w *verifier) finish() {
	w.report.Ended = w.store.Now()
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
		case strings.HasPrefix(p.Object, objects.PacksPrefix) && w.report.Mode == Full:
			p.Spared = "no point needs what is damaged, or another copy of it is whole"
		}
	}
	w.progress(w.total, w.total)
}

// problem notes an object found wrong; a second finding on it adds to the first.
func (w *verifier) problem(object string, err error) *Problem {
	p := w.byObject[object]
	if p == nil {
		p = &Problem{Object: object, Reason: reason(err, object)}
		w.byObject[object] = p
		w.report.Problems = append(w.report.Problems, p)
	}
	return p
}

func reason(err error, object string) string {
	return strings.TrimPrefix(err.Error(), fmt.Sprintf("object %q: ", object))
}

func (p *Problem) affects(f AffectedFile) {
	p.FileCount++
	if len(p.Files) < MaxAffected {
		p.Files = append(p.Files, f)
	}
	p.point(f.Point)
}

func (p *Problem) point(id objects.PointID) {
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
	data, err := w.store.Bucket.ReadAll(ctx, i.Name, limit)
	w.step(i.Size)
	return data, err
}

func (w *verifier) step(n int64) {
	w.report.Bytes = w.done.Add(n)
	w.progress(w.report.Bytes, w.total)
}

func (w *verifier) loadSet(ctx context.Context) error {
	exclude := w.v.Exclude
	if w.report.Mode == Full { // what an earlier verification found is looked at anew
		exclude = func(string) bool { return false }
	}
	store, err := index.OpenStore("") // what is in the vault, and not what the cache remembers of it
	if err != nil {
		return err
	}
	set, err := w.v.Packs.ReadFrom(ctx, store, exclude)
	if err != nil {
		return err
	}
	w.set = set
	for _, f := range set.Faults {
		w.problem(f.Object, errkind.New(errkind.Damaged, "%s", f.Reason))
	}
	w.report.Packs = set.Whole
	return nil
}

func (w *verifier) reader() *reader.Reader { return reader.New(w.store, w.v.Packs, w.set) }
