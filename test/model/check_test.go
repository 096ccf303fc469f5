package model

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// check compares the vault with the model, by raw objects where it can.
func (w *world) check(after string) {
	w.t.Helper()
	now := map[string]blob.Info{}
	err := w.driver.List(context.Background(), "", func(i blob.Info) error {
		now[i.Name] = i
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	f := w.facts()
	w.checkGone(after, now, f)
	w.objects = now
	if f.count < w.records {
		w.t.Errorf("day %d, after %s: %d governance records, there were %d", w.day, after, f.count, w.records)
	}
	w.records = f.count
	for _, object := range slices.Sorted(maps.Keys(w.points)) {
		w.checkPoint(after, w.points[object])
	}
}

// checkGone asks for each object that is no longer there whether it may be.
func (w *world) checkGone(after string, now map[string]blob.Info, f facts) {
	for name, info := range w.objects {
		if _, still := now[name]; still {
			continue
		}
		if info.Lock.Holds(w.now) {
			w.t.Errorf("day %d, after %s: %s went under a lock until %s", w.day, after, name, info.Lock.Until)
		}
		switch {
		case strings.HasPrefix(name, "packs/"):
			by := f.condemned[name[strings.LastIndexByte(name, '/')+1:]]
			if by == 0 {
				w.t.Errorf("day %d, after %s: %s went without having been condemned", w.day, after, name)
			}
			if w.open != nil && w.open.records < by {
				w.t.Errorf("day %d, after %s: %s went while a session is open that may count on it", w.day, after, name)
			}
		case strings.HasPrefix(name, "points/"):
			if !f.removed[strings.TrimSuffix(name, ".intent")] {
				w.t.Errorf("day %d, after %s: %s went without a record", w.day, after, name)
			}
		case strings.HasPrefix(name, "index/"): // derived
		default:
			w.t.Errorf("day %d, after %s: %s went", w.day, after, name)
		}
	}
}

// checkPoint reads a point and looks at the locks of all that it needs.
func (w *world) checkPoint(after string, p *point) {
	fail := func(format string, args ...any) {
		w.t.Errorf("day %d, after %s: point %s: %s", w.day, after, p.object, fmt.Sprintf(format, args...))
	}
	ctx := context.Background()
	stored, err := w.v.ReadPoint(ctx, p.object)
	if err != nil || stored.Digest != p.digest {
		fail("%v", err)
		return
	}
	if err := w.read(ctx, p); err != nil {
		fail("%v", err)
	}
	packs, err := w.v.PackObjects(ctx, stored.Envelope)
	if err != nil {
		fail("%v", err)
	}
	for _, name := range append(packs, p.object) {
		info, there := w.objects[name]
		switch {
		case !there:
			fail("%s is not there", name)
		case w.lock != blob.NoLock && w.now.Before(p.until) && (info.Lock.Mode != w.lock || info.Lock.Until.Before(p.until)):
			fail("%s is locked %q until %s, the point is kept until %s", name, info.Lock.Mode, info.Lock.Until, p.until)
		}
	}
}

// read compares every byte of a point.
func (w *world) read(ctx context.Context, p *point) error {
	r, err := w.v.NewReader(ctx)
	if err != nil {
		return err
	}
	root, err := r.Root(ctx, p.root)
	if err != nil {
		return err
	}
	seen := 0
	err = r.ReadDir(ctx, *root.Tree, nil, func(e vault.Entry) error {
		seen++
		var data []byte
		err := r.Chunks(ctx, e.Content, func(d vault.Digest, _ int64) error {
			chunk, err := r.Chunk(ctx, d)
			data = append(data, chunk...)
			return err
		})
		if want, ok := p.files[string(e.Name)]; err == nil && (!ok || !bytes.Equal(want, data)) {
			err = fmt.Errorf("%s has other bytes than were backed up", e.Name)
		}
		return err
	})
	if err == nil && seen != len(p.files) {
		err = fmt.Errorf("%d files of %d", seen, len(p.files))
	}
	return err
}

// facts is what the governance records say.
type facts struct {
	count     int
	condemned map[string]int  // names of packs that ever were, by which record
	removed   map[string]bool // objects of points
	// spent are packs that are given up: condemned, or replaced by others.
	spent map[string]bool
}

func (w *world) facts() facts {
	w.t.Helper()
	f := facts{condemned: map[string]int{}, removed: map[string]bool{}, spent: map[string]bool{}}
	records, err := w.v.Records(context.Background())
	if err != nil {
		w.t.Fatalf("day %d: %v", w.day, err)
	}
	f.count = len(records)
	for _, r := range records {
		for _, fact := range r.Facts {
			switch fact.Kind {
			case vault.FactCondemned:
				var x vault.PacksRecord
				w.decode(fact, &x)
				for names := x.Names; len(names) >= 32; names = names[32:] {
					f.condemned[hex.EncodeToString(names[:32])] = int(r.Number)
					f.spent[hex.EncodeToString(names[:32])] = true
				}
			case vault.FactReleased:
				var x vault.PacksRecord
				w.decode(fact, &x)
				for names := x.Names; len(names) >= 32; names = names[32:] {
					delete(f.spent, hex.EncodeToString(names[:32]))
				}
			case vault.FactPlacement:
				var x vault.PlacementRecord
				w.decode(fact, &x)
				f.spent[hex.EncodeToString(x.Pack)] = true
			case vault.FactRemoved:
				var x vault.RemovedRecord
				w.decode(fact, &x)
				f.removed[fmt.Sprintf("points/%s/%010d", x.Source, x.Number)] = true
			}
		}
	}
	return f
}

func (w *world) decode(f vault.Fact, into any) {
	w.t.Helper()
	if err := f.Decode(into); err != nil {
		w.t.Fatal(err)
	}
}
