//go:build linux

package restore_test

import (
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/erasure"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/restore"
)

// staff is a folder with what two people left, one of them under a second name too.
func staff(t *testing.T) string {
	t.Helper()
	src := t.TempDir()
	write(t, src+"/staff/smith/pay.csv", random(1, 30_000))
	write(t, src+"/staff/smith/old/note.txt", []byte("a note"))
	write(t, src+"/staff/jones/pay.csv", random(2, 20_000))
	write(t, src+"/letters/smith.txt", []byte("dear"))
	must(t, os.Symlink("../letters", src+"/staff/smith/link"))
	must(t, os.Link(src+"/staff/smith/pay.csv", src+"/staff/jones/shared.csv"))
	return src
}

func erased(id string, patterns ...string) erasure.Erasure {
	return erasure.Erasure{ID: id, Subject: "s", Paths: patterns}
}

func TestRun_LeavesOutWhatIsErasedAndCountsIt(t *testing.T) {
	src := staff(t)
	f := newFixture(t)
	p := f.backup(src)
	for name, c := range map[string]struct {
		erased  erasure.List
		paths   [][]byte
		want    []string
		leftOut restore.LeftOut
	}{
		"nothing": {erasure.List{erased("e", "elsewhere/**")}, nil,
			[]string{"letters/smith.txt", "staff/jones/pay.csv", "staff/jones/shared.csv", "staff/smith/old/note.txt", "staff/smith/pay.csv"}, restore.LeftOut{}},
		"a folder with all below it; its file's other name stays": {erasure.List{erased("e", "staff/smith")}, nil,
			[]string{"letters/smith.txt", "staff/jones/pay.csv", "staff/jones/shared.csv"}, restore.LeftOut{Entries: 5, Files: 2, Bytes: 30_006, Erasures: []string{"e"}}},
		"by two erasures": {erasure.List{erased("b", "staff/smith/**/*.txt", "staff/jones/shared.csv"), erased("a", "letters/smi*")}, nil,
			[]string{"staff/jones/pay.csv", "staff/smith/pay.csv"}, restore.LeftOut{Entries: 3, Files: 3, Bytes: 30_010, Erasures: []string{"a", "b"}}},
		"asked for by name": {erasure.List{erased("e", "staff/smith")}, paths("staff/smith/pay.csv", "letters"),
			[]string{"letters/smith.txt"}, restore.LeftOut{Entries: 2, Files: 1, Bytes: 30_000, Erasures: []string{"e"}}},
		"everything": {erasure.List{erased("e", "**")}, nil, nil, restore.LeftOut{Entries: 11, Files: 5, Bytes: 80_010, Erasures: []string{"e"}}},
	} {
		t.Run(name, func(t *testing.T) {
			dst := t.TempDir() + "/out"
			r := f.whole(p, restore.Options{To: dst, Paths: c.paths, Erased: c.erased, Verify: true})
			got := slices.Sorted(maps.Keys(content(t, dst)))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("files: %s", diff)
			}
			if diff := cmp.Diff(c.leftOut, r.LeftOut); diff != "" {
				t.Errorf("left out: %s", diff)
			}
			if r.Files != int64(len(c.want)) {
				t.Errorf("%d files are said to be restored", r.Files)
			}
		})
	}
}

func TestRun_AFolderOfWhichAllIsErasedStaysEmpty(t *testing.T) {
	f := newFixture(t)
	p := f.backup(staff(t))
	dst := t.TempDir() + "/out"
	f.whole(p, restore.Options{To: dst, Erased: erasure.List{erased("e", "staff/smith/*")}})
	left, err := os.ReadDir(dst + "/staff/smith")
	if err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestRun_WithErasuresTheProgressStillEndsAtTheTotal(t *testing.T) {
	f := newFixture(t)
	p := f.backup(staff(t))
	var last restore.Progress
	_, err := restore.Run(t.Context(), grant(access.RestoreErased), f.reader(), p,
		restore.Options{To: t.TempDir() + "/out", Erased: erasure.List{erased("e", "staff/smith")}}, func(at restore.Progress) { last = at })
	must(t, err)
	if last.Done != last.Total || last.Total != p.Envelope.Size || last.Files != 5 {
		t.Errorf("ends at %+v of a point of %d bytes", last, p.Envelope.Size)
	}
}

func TestRun_AMistypedPathIsToldFromAnErasedOne(t *testing.T) {
	f := newFixture(t)
	p := f.backup(staff(t))
	_, err := f.try(t.Context(), p, restore.Options{To: t.TempDir() + "/out", Paths: paths("staff/smith/nothing"), Erased: erasure.List{erased("e", "staff/smith")}})
	if !errkind.Is(err, errkind.NotFound) {
		t.Errorf("got %v", err)
	}
}
