package diskblob

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// directAlign is what address, offset and length of a direct write are
	// multiples of; no device asks for more.
	directAlign = 4096
	// directFrom is the size from which going around the page cache pays.
	directFrom = 1 << 20
)

// direct makes writes to f go around the page cache, which only costs time
// where the bytes are to be on the disk at once. It needs large data that lies at a page's
// beginning in memory and a file system that can; else it gives nil and
// changes nothing. What it gives ends it.
func direct(f *os.File, data []byte) (end func()) {
	if len(data) < directFrom || uintptr(unsafe.Pointer(unsafe.SliceData(data)))%directAlign != 0 {
		return nil
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	set := func(on bool) (done bool) {
		err := raw.Control(func(fd uintptr) {
			flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
			if err != nil {
				return
			}
			flags &^= unix.O_DIRECT
			if on {
				flags |= unix.O_DIRECT
			}
			_, err = unix.FcntlInt(fd, unix.F_SETFL, flags)
			done = err == nil
		})
		return err == nil && done
	}
	if !set(true) {
		return nil
	}
	// Room made before is not made piece by piece; without it the writes do so.
	_ = raw.Control(func(fd uintptr) { _ = unix.Fallocate(int(fd), unix.FALLOC_FL_KEEP_SIZE, 0, int64(len(data))) })
	return func() { set(false) }
}
