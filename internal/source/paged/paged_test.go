package paged_test

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/counterfoil/counterfoil/internal/source/paged"
)

// image is a file's first bytes with marks at offsets.
func image(n int, marks map[int]string) []byte {
	head := make([]byte, n)
	for at, mark := range marks {
		copy(head[at:], mark)
	}
	return head
}

// pgPage is a page of PostgreSQL with the pointers given.
func pgPage(lower, upper, special uint16) []byte {
	p := make([]byte, 8192)
	for at, v := range map[int]uint16{12: lower, 14: upper, 16: special, 18: 8192 | 4} {
		binary.LittleEndian.PutUint16(p[at:], v)
	}
	return p
}

func be(values ...uint32) string {
	var out []byte
	for _, v := range values {
		out = binary.BigEndian.AppendUint32(out, v)
	}
	return string(out)
}

func le(values ...uint32) string {
	var out []byte
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, v)
	}
	return string(out)
}

func TestDetect(t *testing.T) {
	const mb = 1 << 20
	tests := map[string]struct {
		head []byte
		size int64
		want string
	}{
		"sqlite":                    {image(4096, map[int]string{0: "SQLite format 3\x00\x10\x00"}), mb, "sqlite"},
		"sqlite of 64 KiB pages":    {image(4096, map[int]string{0: "SQLite format 3\x00\x00\x01"}), mb, "sqlite"},
		"sqlite of odd pages":       {image(4096, map[int]string{0: "SQLite format 3\x00\x10\x01"}), mb, ""},
		"sqlite cut short":          {[]byte("SQLite format 3\x00"), mb, ""},
		"postgresql":                {bytes.Join([][]byte{pgPage(28, 8000, 8192), make([]byte, 8192), pgPage(24, 8176, 8176)}, nil), mb, "postgresql"},
		"postgresql, odd length":    {bytes.Join([][]byte{pgPage(28, 8000, 8192), pgPage(24, 8176, 8176)}, nil), mb + 1, ""},
		"postgresql, one bad page":  {bytes.Join([][]byte{pgPage(28, 8000, 8192), pgPage(30, 28, 8192)}, nil), mb, ""},
		"all zeros":                 {make([]byte, paged.Head), mb, ""},
		"write-ahead log":           {image(8192, map[int]string{0: "\x10\xd1\x02\x00", 32: le(16*mb, 8192)}), 16 * mb, "postgresql-wal"},
		"write-ahead log, cut":      {image(8192, map[int]string{0: "\x10\xd1\x02\x00", 32: le(16*mb, 8192)}), 15 * mb, ""},
		"innodb":                    {image(paged.Head, map[int]string{24: "\x00\x08", 16384 + 4: be(1), 16384 + 24: "\x00\x05"}), 32 * 16384, "innodb"},
		"innodb of 8 KiB pages":     {image(paged.Head, map[int]string{24: "\x00\x08", 8192 + 4: be(1), 8192 + 24: "\x00\x05"}), 32 * 16384, "innodb"},
		"innodb without page 1":     {image(paged.Head, map[int]string{24: "\x00\x08"}), 32 * 16384, ""},
		"sql server":                {image(paged.Head, map[int]string{0: "\x01\x0f", 8192: "\x01\x0b", 16384: "\x01\x08", 24576: "\x01\x09"}), 8 * mb, "sqlserver"},
		"lmdb":                      {image(4096, map[int]string{16: "\xde\xc0\xef\xbe"}), mb, "lmdb"},
		"bbolt":                     {image(4096, map[int]string{16: "\xed\xda\x0c\xed"}), mb, "bbolt"},
		"qcow2":                     {image(4096, map[int]string{0: "QFI\xfb" + be(3), 20: be(16)}), mb, "qcow2"},
		"qcow2 of a far version":    {image(4096, map[int]string{0: "QFI\xfb" + be(9), 20: be(16)}), mb, ""},
		"vmdk":                      {image(4096, map[int]string{0: "KDMV" + le(1)}), mb, "vmdk"},
		"vhd":                       {image(4096, map[int]string{0: "conectix"}), mb, "vhd"},
		"vhdx":                      {image(4096, map[int]string{0: "vhdxfile"}), mb, "vhdx"},
		"vdi":                       {image(4096, map[int]string{64: "\x7f\x10\xda\xbe"}), mb, "vdi"},
		"ext4":                      {image(4096, map[int]string{1024: le(128), 1048: le(2), 1080: "\x53\xef"}), mb, "filesystem"},
		"xfs":                       {image(4096, map[int]string{0: "XFSB" + be(4096)}), mb, "filesystem"},
		"ntfs":                      {image(4096, map[int]string{3: "NTFS    ", 510: "\x55\xaa"}), mb, "filesystem"},
		"luks":                      {image(4096, map[int]string{0: "LUKS\xba\xbe"}), mb, "filesystem"},
		"lvm":                       {image(4096, map[int]string{512: "LABELONE"}), mb, "filesystem"},
		"btrfs":                     {image(paged.Head, map[int]string{65536 + 64: "_BHRfS_M"}), mb, "filesystem"},
		"gpt":                       {image(4096, map[int]string{510: "\x55\xaaEFI PART"}), mb, "disk"},
		"mbr":                       {image(4096, map[int]string{446: "\x80\x00\x00\x00\x83\x00\x00\x00" + le(64, 1024), 510: "\x55\xaa"}), mb, "disk"},
		"mbr, beyond its end":       {image(4096, map[int]string{446: "\x80\x00\x00\x00\x83\x00\x00\x00" + le(64, 4096), 510: "\x55\xaa"}), mb, ""},
		"boot sector without parts": {image(4096, map[int]string{510: "\x55\xaa"}), mb, ""},
		"text":                      {bytes.Repeat([]byte("2026-03-31 invoice 12\n"), 4096)[:paged.Head], mb, ""},
		"zip":                       {image(paged.Head, map[int]string{0: "PK\x03\x04"}), mb, ""},
		"elf":                       {image(paged.Head, map[int]string{0: "\x7fELF\x02\x01\x01"}), mb, ""},
		"nothing":                   {nil, 0, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := paged.Detect(tt.head, tt.size); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func detect(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, paged.Head)
	n, err := io.ReadFull(f, head)
	if err != nil && n == 0 {
		t.Fatal(err)
	}
	return paged.Detect(head[:n], info.Size())
}

func TestDetect_FilesOfRealPrograms(t *testing.T) {
	dir := t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(dir, "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("create table t (x); insert into t values (1)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got := detect(t, filepath.Join(dir, "a.db")); got != "sqlite" {
		t.Errorf("SQLite's file is %q", got)
	}
	for program, want := range map[string]string{"mkfs.ext4": "filesystem", "mkfs.xfs": "filesystem", "mkfs.vfat": "filesystem", "mkfs.btrfs": "filesystem", "mkswap": ""} {
		t.Run(program, func(t *testing.T) {
			tool, err := exec.LookPath(program)
			if err != nil {
				tool = "/sbin/" + program
			}
			if _, err := os.Stat(tool); err != nil {
				t.Skipf("%s is not installed", program)
			}
			path := filepath.Join(t.TempDir(), "image")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, 512<<20); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(tool, path).CombinedOutput(); err != nil {
				t.Skipf("%s: %v: %s", program, err, out)
			}
			if got := detect(t, path); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestDetect_OrdinaryFiles looks at the system's own files: nothing among them
// is a database or an image but what says so by its name.
func TestDetect_OrdinaryFiles(t *testing.T) {
	seen := 0
	for _, root := range []string{"/usr/share", "/usr/lib", "/usr/bin"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || seen > 20000 {
				return nil //nolint:nilerr // what cannot be read is not looked at
			}
			info, err := d.Info()
			if err != nil || info.Size() < 64<<10 {
				return nil //nolint:nilerr // as above
			}
			seen++
			kind := detect(t, path)
			if known := strings.Contains(path, "sqlite") || strings.HasSuffix(path, ".db") || strings.HasSuffix(path, ".bin") || strings.HasSuffix(path, ".img"); kind != "" && !known {
				t.Errorf("%s is taken for %s", path, kind)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen == 0 {
		t.Skip("no large files here")
	}
}

func FuzzDetect(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, paged.Head)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	f.Add(noise, int64(1<<20))
	f.Add(pgPage(28, 8000, 8192), int64(8192))
	f.Add([]byte("SQLite format 3\x00"), int64(100))
	f.Fuzz(func(t *testing.T, head []byte, size int64) {
		if kind := paged.Detect(head, size); kind != "" && len(head) < 8 {
			t.Errorf("%q from %d bytes", kind, len(head))
		}
	})
}

func TestBlockFor(t *testing.T) {
	for size, want := range map[int64]uint32{0: 16 << 10, 1<<40 - 1: 16 << 10, 1 << 40: 64 << 10} {
		if got := paged.BlockFor(size); got != want {
			t.Errorf("%d: got %d, want %d", size, got, want)
		}
	}
}
