package files

import (
	"golang.org/x/sys/unix"
)

// Inode flags as the kernel's linux/fs.h numbers them (FS_..._FL).
const (
	flagSecureDelete = 0x00000001
	flagUndelete     = 0x00000002
	flagCompress     = 0x00000004
	flagSync         = 0x00000008
	flagImmutable    = 0x00000010
	flagAppend       = 0x00000020
	flagNoDump       = 0x00000040
	flagNoATime      = 0x00000080
	flagNoCompress   = 0x00000400
	flagJournalData  = 0x00004000
	flagNoTail       = 0x00008000
	flagDirSync      = 0x00010000
	flagTopDir       = 0x00020000
	flagNoCOW        = 0x00800000
	flagProjInherit  = 0x20000000
)

// userFlags are the flags that a user or administrator sets; all others say
// how a file system stores things.
const userFlags = flagSecureDelete | flagUndelete | flagCompress | flagSync | flagImmutable | flagAppend |
	flagNoDump | flagNoATime | flagNoCompress | flagJournalData | flagNoTail | flagDirSync | flagTopDir |
	flagNoCOW | flagProjInherit

// lockFlags forbid changes, so they are set after everything else.
const lockFlags = flagImmutable | flagAppend

// earlyFlags take effect only on a file that is still empty.
const earlyFlags = flagNoCOW | flagCompress | flagNoCompress

// getFlags gives the user's flags of an open file or directory, 0 where the
// file system has none.
func getFlags(fd int) uint32 {
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		return 0
	}
	return flags & userFlags
}

// setFlags makes the user's flags of an open file or directory equal to want.
// A file system without flags is an error only when some are wanted.
func setFlags(fd int, want uint32) error {
	have, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		if want == 0 {
			return nil
		}
		return err
	}
	next := have&^userFlags | want&userFlags
	if next == have {
		return nil
	}
	return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(next))
}
