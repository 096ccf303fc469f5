package hostile

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFlip_OneByteOfAnyObject changes one byte of one object at a time. The
// full verification must name the object, and the files that cannot be had whole
// any more; a restore must leave out exactly these, and never give wrong bytes.
func TestFlip_OneByteOfAnyObject(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	flips := 16
	if long() {
		flips = 250
	}
	for i, kind := range []string{"trial", "unlocked"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := newFlipper(t, kind, rand.New(rand.NewPCG(seed, uint64(i))))
			f.run(flips)
		})
	}
}

type flipper struct {
	*rig
	random *rand.Rand
	vault  string
	trees  map[string]listing // by point
	points []string
	done   map[string]int // flips by class of object
}

func newFlipper(t *testing.T, kind string, random *rand.Rand) *flipper {
	t.Helper()
	f := &flipper{rig: place(t), random: random, vault: kind, trees: map[string]listing{}, done: map[string]int{}}
	source := "src"
	if kind == "trial" {
		f.store = filepath.Join(f.data, "vaults", "trial")
		f.must("quickstart", f.src)
	} else {
		source = "docs"
		f.must("vault", "create", kind, "file://"+f.store)
		f.must("source", "create", source, f.src, "--vault", kind)
		f.must("backup", "run", source)
	}
	f.trees[f.rig.points()[0]] = list(t, f.src)
	write(t, filepath.Join(f.src, "2026/04/more.csv"), text(random, 70_000))
	write(t, filepath.Join(f.src, "2026/05/more.bin"), noise(random, 400_000))
	f.must("backup", "run", source)
	f.points = f.rig.points()
	f.trees[f.points[0]] = list(t, f.src)
	f.must("vault", "verify", kind)
	return f
}

// classOf sorts objects by what they are: the folder and, where there are
// kinds in it, the kind.
func classOf(object string) string {
	dir, name := filepath.Split(object)
	switch {
	case strings.HasPrefix(dir, "packs/"), strings.HasPrefix(dir, "log/tile/"):
		return strings.Join(strings.SplitN(dir, "/", 4)[:2], "/")
	case strings.HasPrefix(dir, "locks/"):
		return "locks"
	case strings.HasPrefix(dir, "points/"):
		return "points" + filepath.Ext(name)
	case dir == "keys/", dir == "index/":
		kind, _, _ := strings.Cut(name, "-")
		return dir + kind
	default:
		return strings.TrimSuffix(dir, "/") + "/" + map[bool]string{true: name}[dir == "" || dir == "log/"]
	}
}

// classes gives the store's objects by class.
func (f *flipper) classes() (names []string, byClass map[string][]string) {
	f.t.Helper()
	byClass = map[string][]string{}
	err := filepath.WalkDir(f.store, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		object, err := filepath.Rel(f.store, path)
		if info, ierr := d.Info(); err == nil && ierr == nil && info.Size() > 0 {
			byClass[classOf(object)] = append(byClass[classOf(object)], object)
		}
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	for name := range byClass {
		names = append(names, name)
		slices.Sort(byClass[name])
	}
	slices.Sort(names)
	return names, byClass
}

func (f *flipper) run(flips int) {
	for n := 0; n < flips && !f.t.Failed(); n++ {
		names, byClass := f.classes()
		class := names[n%len(names)]
		objects := byClass[class]
		f.flip(objects[f.random.IntN(len(objects))])
		f.done[class]++
	}
	f.must("vault", "verify", f.vault)
	f.must("audit", "verify")
	f.t.Logf("flips: %v", f.done)
}

func (f *flipper) flip(object string) {
	f.t.Helper()
	path := filepath.Join(f.store, object)
	data := read(f.t, path)
	at, by := f.random.IntN(len(data)), byte(1+f.random.IntN(255))
	what := fmt.Sprintf("byte %d of %d of %s xor %#x", at, len(data), object, by)
	wrong := slices.Clone(data)
	wrong[at] ^= by
	rewrite(f.t, path, wrong)
	first, second := f.points[0], f.points[1]
	if f.random.IntN(2) == 0 {
		first, second = second, first
	}
	lost := map[string]listing{first: f.restored(what, first)} // before anything is known of the damage
	v := f.verified(what, object)
	lost[second] = f.restored(what, second)
	for point, missing := range lost {
		f.compare(what, point, missing, v)
	}
	rewrite(f.t, path, data)
}

// verified runs a full verification, which has to name the object.
func (f *flipper) verified(what, object string) verification {
	f.t.Helper()
	var v verification
	x := f.query(&v, "vault", "verify", f.vault)
	if x.code != 1 || v.OK {
		f.t.Errorf("%s: the verification found nothing\n%s", what, x)
	}
	for _, p := range v.Problems {
		if p.Object == object {
			return v
		}
	}
	f.t.Errorf("%s: the object is not named\n%s", what, x)
	return v
}

// restored restores a point and gives the files that are missing. Files with
// other bytes, and a wrong exit code, fail the test.
func (f *flipper) restored(what, point string) listing {
	f.t.Helper()
	to := filepath.Join(f.dir, "to")
	x := f.rig.run("restore", "run", point, "--to", to)
	want, got := f.trees[point].content(), list(f.t, to).content()
	missing := listing{}
	for path, digest := range want {
		if _, ok := got[path]; !ok {
			missing[path] = digest
		}
	}
	for path, digest := range got {
		if want[path] != digest {
			f.t.Errorf("%s: %q was restored with wrong bytes\n%s", what, path, x)
		}
	}
	switch {
	case len(missing) > 0 && x.code != 1:
		f.t.Errorf("%s: %d files are missing but the exit code is %d\n%s", what, len(missing), x.code, x)
	case len(missing) == 0 && x.code != 0:
		f.t.Errorf("%s: all is there but the exit code is %d\n%s", what, x.code, x)
	case len(missing) == 0:
		wantSame(f.t, what+": restored "+point, f.trees[point], list(f.t, to))
	}
	if err := os.RemoveAll(to); err != nil {
		f.t.Fatal(err)
	}
	return missing
}

// compare checks that what a restore left out is what the verification named.
func (f *flipper) compare(what, point string, missing listing, v verification) {
	f.t.Helper()
	named := map[string]bool{}
	whole := false
	for _, p := range v.Problems {
		for _, x := range p.Files {
			if x.Point == point {
				named[x.Path] = true
				whole = whole || x.Path == "/"
			}
		}
		if strings.HasPrefix(p.Object, "points/") && slices.Contains(p.Points, point) {
			whole = true // the point itself
		}
	}
	if len(missing) > 0 && whole {
		return
	}
	for path := range missing {
		if !named[path] && !below(named, path) {
			f.t.Errorf("%s: %q of point %s was lost, and not named: %v", what, path, point, named)
		}
	}
	for path := range named {
		if _, ok := missing[path]; !ok && !strings.HasSuffix(path, "/") {
			f.t.Errorf("%s: %q of point %s was named as lost, and was restored", what, path, point)
		}
	}
}

// below reports whether a folder above path is named.
func below(named map[string]bool, path string) bool {
	for dir := filepath.Dir(path); dir != "."; dir = filepath.Dir(dir) {
		if named[dir+"/"] {
			return true
		}
	}
	return false
}
