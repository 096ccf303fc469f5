package paged_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

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
		"oracle":                    {image(4096, map[int]string{1: "\xa2", 20: le(8192, 100), 28: "}|{z"}), mb, "oracle"},
		"oracle, the other order":   {image(4096, map[int]string{1: "\xa2", 20: be(8192, 100), 28: "z{|}"}), mb, "oracle"},
		"oracle of odd blocks":      {image(4096, map[int]string{1: "\xa2", 20: le(8000, 100), 28: "}|{z"}), mb, ""},
		"ese":                       {image(4096, map[int]string{4: "\xef\xcd\xab\x89\x20\x06"}), mb, "ese"},
		"access":                    {image(4096, map[int]string{1: "\x01\x00\x00Standard ACE DB"}), mb, "access"},
		"access of old":             {image(4096, map[int]string{1: "\x01\x00\x00Standard Jet DB"}), mb, "access"},
		"font of that beginning":    {image(4096, map[int]string{1: "\x01\x00\x00Standard J"}), mb, ""},
		"berkeley db":               {image(4096, map[int]string{12: le(0x053162, 9, 4096)}), mb, "berkeleydb"},
		"berkeley db, hash, other":  {image(4096, map[int]string{12: be(0x061561, 9, 4096)}), mb, "berkeleydb"},
		"berkeley db of odd pages":  {image(4096, map[int]string{12: le(0x053162, 9, 4095)}), mb, ""},
		"wiredtiger":                {image(4096, map[int]string{0: le(120897, 1)}), mb, "wiredtiger"},
		"wiredtiger, far version":   {image(4096, map[int]string{0: le(120897, 2)}), mb, ""},
		"lmdb":                      {image(4096, map[int]string{16: "\xde\xc0\xef\xbe"}), mb, "lmdb"},
		"bbolt":                     {image(4096, map[int]string{16: "\xed\xda\x0c\xed"}), mb, "bbolt"},
		"qcow2":                     {image(4096, map[int]string{0: "QFI\xfb" + be(3), 20: be(16)}), mb, "qcow2"},
		"qcow2 of a far version":    {image(4096, map[int]string{0: "QFI\xfb" + be(9), 20: be(16)}), mb, ""},
		"vmdk":                      {image(4096, map[int]string{0: "KDMV" + le(1)}), mb, "vmdk"},
		"vmdk of esx":               {image(4096, map[int]string{0: "COWD" + le(1)}), mb, "vmdk"},
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
		"linux kernel":              {image(4096, map[int]string{0: "MZ", 446: "\x80\x00\x00\x00\x83\x00\x00\x00" + le(64, 1024), 510: "\x55\xaa"}), mb, ""},
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
			for n := range min(len(tt.head), 1200) {
				if got := paged.Detect(tt.head[:n], tt.size); got != "" && got != tt.want {
					t.Fatalf("the first %d bytes are %q", n, got)
				}
			}
		})
	}
}

func TestDetect_Noise(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 9))
	head := make([]byte, paged.Head)
	for range 2000 {
		for i := 0; i < len(head); i += 8 {
			binary.LittleEndian.PutUint64(head[i:], random.Uint64())
		}
		if got := paged.Detect(head, 1<<20); got != "" {
			t.Fatalf("noise is taken for %s", got)
		}
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
