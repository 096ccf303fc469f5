package hostile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestVaultCreate_FailureLeavesNothing asks for vaults that cannot be made, and
// then for the same one where it can.
func TestVaultCreate_FailureLeavesNothing(t *testing.T) {
	t.Parallel()
	r := place(t)
	kit := filepath.Join(r.dir, "kit.txt")
	write(t, kit, []byte("somebody's"))
	r.want(1, "vault", "create", "books", "file://"+r.store, "--recovery-kit", kit)
	for _, c := range []struct{ store, kit, words string }{
		{r.store, filepath.Join(r.store, "kit.txt"), "would lie in the store"},
		{filepath.Join(r.data, "keys", "store"), "", "lies among counterfoil's own files"},
		{filepath.Join(r.data, "recovery-kits"), "", "lies among counterfoil's own files"},
		{r.data, "", "lies among counterfoil's own files"},
	} {
		args := []string{"vault", "create", "books", "file://" + c.store}
		if c.kit != "" {
			args = append(args, "--recovery-kit", c.kit)
		}
		if x := r.want(2, args...); !strings.Contains(x.err, c.words) {
			t.Errorf("%s", x)
		}
	}
	if _, err := os.Lstat(r.store); !os.IsNotExist(err) {
		t.Errorf("the store is left: %v", err)
	}
	if left := globs(t, filepath.Join(r.data, "keys", "*.key")); len(left) != 1 || filepath.Base(left[0]) != "audit.key" {
		t.Errorf("keys left: %q", left)
	}
	if string(read(t, kit)) != "somebody's" {
		t.Error("a file that was there was written over")
	}
	r.must("vault", "create", "books", "file://"+r.store)
	r.must("vault", "create", "below", "file://"+filepath.Join(r.data, "vaults", "below"))
	if x := r.want(2, "vault", "create", "within", "file://"+filepath.Join(r.store, "within")); !strings.Contains(x.err, "the store of another vault") {
		t.Errorf("%s", x)
	}
}

// TestSource_OwnFoldersAreNamed has a vault within what is protected.
func TestSource_OwnFoldersAreNamed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	inner := filepath.Join(r.src, "vault")
	var made struct{ Warnings []string }
	r.query(&made, "vault", "create", "inner", "file://"+inner)
	if len(made.Warnings) != 1 || !strings.Contains(made.Warnings[0], "which source docs protects") {
		t.Errorf("warnings %q", made.Warnings)
	}
	write(t, filepath.Join(r.src, "not.tmp"), []byte("x"))
	var point struct {
		Excluded *int64
		LeftOut  []string `json:"left_out"`
	}
	for _, args := range [][]string{{"backup", "run", "docs"}, {"point", "show", "latest"}} {
		point.Excluded, point.LeftOut = nil, nil
		r.query(&point, args...)
		if point.Excluded == nil || *point.Excluded != 1 || len(point.LeftOut) != 1 || point.LeftOut[0] != inner {
			t.Errorf("%q: excluded %v, left out %q", args, point.Excluded, point.LeftOut)
		}
	}
}
