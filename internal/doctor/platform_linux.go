package doctor

import (
	"os"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// spaceLow is how much of a file system should stay free, in percent.
const spaceLow = 5

func (e *examination) space(name, path string) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil || st.Blocks == 0 {
		return // the vault's own finding says what is wrong with its store
	}
	free := st.Bavail * uint64(st.Bsize)
	status := OK
	if st.Bavail*100/st.Blocks < spaceLow {
		status = Warn
	}
	e.add(name, status, "make room; a full store fails the next backup without harm to earlier points", "%s free in its store", humanize.IBytes(free))
}

func (e *examination) platform() {
	if os.Getuid() != 0 {
		e.add("privileges", Warn, "run as root to protect files of other users", "not running as root: files of other users cannot be read, owners cannot be restored")
	} else {
		e.add("privileges", OK, "", "running as root")
	}
}
