//go:build linux

package e2e

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// maxMemory is what no command may pass.
const maxMemory = 256 << 20

// bigTree has many files, one large file that cannot be compressed and a
// sparse one.
func bigTree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "big")
	for i := range 20_000 {
		if i%500 == 0 {
			if err := os.MkdirAll(fmt.Sprintf("%s/%03d", dir, i/500), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(fmt.Sprintf("%s/%03d/record %d.csv", dir, i/500, i), fmt.Appendf(nil, "%d,1200,%d.00\n", i, i*7), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	random := rand.NewChaCha8([32]byte{1})
	f, err := os.Create(dir + "/random")
	if err != nil {
		t.Fatal(err)
	}
	w, block := bufio.NewWriterSize(f, 1<<20), make([]byte, 1<<20)
	for range 300 {
		_, _ = random.Read(block) // never fails
		if _, err := w.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir+"/sparse", "begins")
	if err := os.Truncate(dir+"/sparse", 5<<30); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestMemory_StaysBounded measures the peak memory of every command that works
// on much.
func TestMemory_StaysBounded(t *testing.T) {
	t.Parallel()
	s, src := newSite(t), bigTree(t)
	measure(t, s, "quickstart", src)
	writeFile(t, src+"/000/record 1.csv", "changed")
	measure(t, s, "backup", "run", "big")
	measure(t, s, "vault", "verify", "trial")
	measure(t, s, "point", "ls", "latest", "-R")
	dst := restored(t)
	measure(t, s, "restore", "run", "latest", "--to", dst, "--verify")
	checkSparse(t, dst+"/sparse")
	measure(t, s, "vault", "recover", "file://"+s.path("vaults/trial"), "--key-file", s.only("recovery-kits/*.txt"))
}

// checkSparse checks the sparse file of bigTree without reading its zeros.
func checkSparse(t *testing.T, path string) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	if st.Size != 5<<30 || st.Blocks*512 > 1<<20 {
		t.Errorf("%s has %d bytes in %d blocks, want 5 GiB in next to none", path, st.Size, st.Blocks)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	head := make([]byte, 8)
	if _, err := f.Read(head); err != nil || string(head) != "begins\x00\x00" {
		t.Errorf("%s begins with %q, %v", path, head, err)
	}
}

// TestMemory_System does the same over a system's /usr/share.
func TestMemory_System(t *testing.T) {
	t.Parallel()
	long(t)
	s := newSite(t)
	out := measure(t, s, "quickstart", "/usr/share")
	t.Log(out.stdout)
	measure(t, s, "quickstart", "/usr/share")
	measure(t, s, "vault", "verify", "trial")
	measure(t, s, "restore", "run", "latest", "--to", restored(t))
}

func measure(t *testing.T, s site, args ...string) outcome {
	t.Helper()
	out := s.exit(0, args...)
	program, err := os.Stat(counterfoil)
	if err != nil {
		t.Fatal(err)
	}
	// The program's own pages come from its file and go when room is needed.
	out.maxRSS -= program.Size()
	t.Logf("%v: at most %d MiB, %.1f s of processor", args[:2], out.maxRSS>>20, out.cpu.Seconds())
	if out.maxRSS > maxMemory {
		t.Errorf("%q took %d MiB of memory, more than %d", args, out.maxRSS>>20, maxMemory>>20)
	}
	return out
}
