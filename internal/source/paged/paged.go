// Package paged recognises files that are made of pages: database files and
// disk images. A change in one costs a page, so they are best cut into fixed
// blocks and not by content. The signatures are those of the formats' public
// descriptions; a wrong guess costs space, never data.
package paged

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Head is how many of a file's first bytes [Detect] wants to see.
const Head = 68 << 10

// Blocks that page-structured files are cut into, in bytes.
const (
	Block      = 16 << 10
	LargeBlock = 64 << 10
	// LargeFrom is the size from which smaller blocks would be too many.
	LargeFrom = 1 << 40
)

// BlockFor gives the block size for a page-structured file of that size.
func BlockFor(size int64) uint32 {
	if size >= LargeFrom {
		return LargeBlock
	}
	return Block
}

// Detect names the format of a page-structured file from its first bytes,
// which are at most [Head], and its size; "" where it is none that is known.
func Detect(head []byte, size int64) string {
	for _, f := range []struct {
		name string
		is   func(head []byte, size int64) bool
	}{
		{"sqlite", isSQLite}, {"postgresql", isPostgreSQL}, {"postgresql-wal", isPostgreSQLLog}, {"innodb", isInnoDB},
		{"sqlserver", isSQLServer}, {"oracle", isOracle}, {"ese", isESE}, {"access", isAccess},
		{"lmdb", isLMDB}, {"bbolt", isBbolt}, {"berkeleydb", isBerkeleyDB}, {"wiredtiger", isWiredTiger},
		{"qcow2", isQcow2}, {"vmdk", isVMDK}, {"vhd", isVHD}, {"vhdx", isVHDX}, {"vdi", isVDI},
		{"filesystem", isFileSystem}, {"disk", isDisk},
	} {
		if f.is(head, size) {
			return f.name
		}
	}
	return ""
}

// at tells whether the bytes of a mark stand at an offset.
func at(head []byte, offset int, mark string) bool {
	return len(head) >= offset+len(mark) && string(head[offset:offset+len(mark)]) == mark
}

func le16(p []byte, at int) uint16 { return binary.LittleEndian.Uint16(p[at:]) }
func le32(p []byte, at int) uint32 { return binary.LittleEndian.Uint32(p[at:]) }
func be16(p []byte, at int) uint16 { return binary.BigEndian.Uint16(p[at:]) }
func be32(p []byte, at int) uint32 { return binary.BigEndian.Uint32(p[at:]) }

func powerOfTwo(n uint32, least, most uint32) bool {
	return bits.OnesCount32(n) == 1 && n >= least && n <= most
}

// isSQLite: "Database File Format" of SQLite, section 1.3.
func isSQLite(head []byte, _ int64) bool {
	if len(head) < 100 || !at(head, 0, "SQLite format 3\x00") {
		return false
	}
	n := be16(head, 16)
	return n == 1 || powerOfTwo(uint32(n), 512, 32768)
}

// isPostgreSQL: "Database Page Layout" of PostgreSQL; pages of 8 KiB in layout
// version 4. Empty pages are all zeros.
func isPostgreSQL(head []byte, size int64) bool {
	const page = 8192
	if size%page != 0 || len(head) < 2*page {
		return false
	}
	valid := 0
	for p := head; len(p) >= page; p = p[page:] {
		if allZero(p[:page]) {
			continue
		}
		lower, upper, special := le16(p, 12), le16(p, 14), le16(p, 16)
		if le16(p, 18) != page|4 || le16(p, 10)&^7 != 0 || lower < 24 || lower > upper || upper > special || special > page {
			return false
		}
		valid++
	}
	return valid > 0
}

func allZero(p []byte) bool { return len(bytes.TrimLeft(p, "\x00")) == 0 }

// isPostgreSQLLog: the long header of a write-ahead log segment
// (access/xlog_internal.h).
func isPostgreSQLLog(head []byte, size int64) bool {
	if len(head) < 40 || head[1] != 0xd0 && head[1] != 0xd1 || le16(head, 2)&2 == 0 || le16(head, 2)&^15 != 0 {
		return false
	}
	segment := le32(head, 32)
	return powerOfTwo(segment, 1<<20, 1<<30) && size == int64(segment) && powerOfTwo(le32(head, 36), 1024, 65536)
}

// isInnoDB: "InnoDB page structure" in the MySQL internals: page 0 is a file
// space header (type 8), page 1 an insert buffer bitmap (type 5).
func isInnoDB(head []byte, size int64) bool {
	if len(head) < 40 || be32(head, 4) != 0 || be16(head, 24) != 8 {
		return false
	}
	for page := 1024; page <= 65536; page *= 2 {
		if len(head) >= page+40 && size%int64(page) == 0 && be32(head, page+4) == 1 && be16(head, page+24) == 5 {
			return true
		}
	}
	return false
}

// isSQLServer: the first pages of a data file are its header, free space, and
// the two allocation maps (types 15, 11, 8, 9), in pages of 8 KiB.
func isSQLServer(head []byte, size int64) bool {
	const page = 8192
	if size%page != 0 || len(head) < 4*page {
		return false
	}
	for i, kind := range []byte{15, 11, 8, 9} {
		if head[i*page] != 1 || head[i*page+1] != kind {
			return false
		}
	}
	return true
}

// isOracle: every file of an Oracle database begins with a block that tells its
// block size and the byte order.
func isOracle(head []byte, size int64) bool {
	if len(head) < 512 || head[0] != 0 || head[1]&0x1f != 2 || size%512 != 0 {
		return false
	}
	return at(head, 28, "}|{z") && powerOfTwo(le32(head, 20), 512, 32768) ||
		at(head, 28, "z{|}") && powerOfTwo(be32(head, 20), 512, 32768)
}

// isESE: "Extensible Storage Engine database file format" of libesedb.
func isESE(head []byte, _ int64) bool {
	return len(head) >= 12 && at(head, 4, "\xef\xcd\xab\x89") && le32(head, 8) == 0x620
}

// isAccess: the Jet and ACE engines, as mdbtools describes them.
func isAccess(head []byte, _ int64) bool {
	return at(head, 0, "\x00\x01\x00\x00Standard Jet DB\x00") || at(head, 0, "\x00\x01\x00\x00Standard ACE DB\x00")
}

// isBerkeleyDB: the metadata page (db_page.h), in either byte order; B-tree, hash and queue.
func isBerkeleyDB(head []byte, _ int64) bool {
	if len(head) < 24 {
		return false
	}
	for _, u32 := range []func([]byte, int) uint32{le32, be32} {
		switch u32(head, 12) {
		case 0x053162, 0x061561, 0x042253:
			return powerOfTwo(u32(head, 20), 512, 65536)
		}
	}
	return false
}

// isWiredTiger: the block manager's description (block.h), version 1.0.
func isWiredTiger(head []byte, size int64) bool {
	return len(head) >= 8 && le32(head, 0) == 120897 && le16(head, 4) == 1 && le16(head, 6) == 0 && size%512 == 0
}

func isLMDB(head []byte, _ int64) bool  { return at(head, 16, "\xde\xc0\xef\xbe") }
func isBbolt(head []byte, _ int64) bool { return at(head, 16, "\xed\xda\x0c\xed") }

// isQcow2: docs/interop/qcow2 of QEMU.
func isQcow2(head []byte, _ int64) bool {
	if len(head) < 24 || !at(head, 0, "QFI\xfb") {
		return false
	}
	version, cluster := be32(head, 4), be32(head, 20)
	return version >= 2 && version <= 3 && cluster >= 9 && cluster <= 21
}

// isVMDK: "Virtual Disk Format" of VMware; a flat extent is a raw disk.
func isVMDK(head []byte, _ int64) bool {
	return len(head) >= 8 && (at(head, 0, "KDMV") || at(head, 0, "COWD")) && le32(head, 4) >= 1 && le32(head, 4) <= 3
}

func isVHD(head []byte, _ int64) bool  { return at(head, 0, "conectix") }
func isVHDX(head []byte, _ int64) bool { return at(head, 0, "vhdxfile") }
func isVDI(head []byte, _ int64) bool  { return at(head, 64, "\x7f\x10\xda\xbe") }

// isFileSystem: an image of one file system, volume or encrypted volume.
func isFileSystem(head []byte, size int64) bool {
	switch {
	case len(head) < 4096 || size%512 != 0:
		return false
	case at(head, 1080, "\x53\xef"): // ext2 to ext4: superblock at 1024
		return le32(head, 1048) <= 6 && le32(head, 1100) <= 1 && le32(head, 1024) > 0
	case at(head, 0, "XFSB"):
		return powerOfTwo(be32(head, 4), 512, 65536)
	case at(head, 510, "\x55\xaa"):
		return at(head, 3, "NTFS    ") || at(head, 3, "EXFAT   ") || at(head, 54, "FAT") || at(head, 82, "FAT32")
	}
	return at(head, 0, "LUKS\xba\xbe") || at(head, 512, "LABELONE") || at(head, 65536+64, "_BHRfS_M")
}

// isDisk: a raw image with a partition table (UEFI specification, section 5). A
// Linux kernel has the mark of a boot sector too, behind that of a program.
func isDisk(head []byte, size int64) bool {
	if len(head) < 1024 || !at(head, 510, "\x55\xaa") || size%512 != 0 || at(head, 0, "MZ") {
		return false
	}
	if at(head, 512, "EFI PART") {
		return true
	}
	used := 0
	for i := 446; i < 510; i += 16 {
		entry := head[i : i+16]
		start, sectors := int64(le32(entry, 8)), int64(le32(entry, 12))
		switch {
		case allZero(entry):
			continue
		case entry[0]&0x7f != 0, entry[4] == 0, start == 0, sectors == 0, (start+sectors)*512 > size:
			return false
		}
		used++
	}
	return used > 0
}
