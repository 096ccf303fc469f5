package diskblob

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// excludeProcesses takes a lock of the operating system on byte n of the
// store's mark. The lock belongs to the open file: it is released by closing,
// also when the process dies.
func (d *Driver) excludeProcesses(n int) (unlock func(), err error) {
	f, err := d.root.OpenFile(markerName, os.O_RDWR, 0)
	if err != nil {
		return nil, writeFailure("open "+markerName, err)
	}
	want := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: int64(n), Len: 1}
	for {
		err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &want)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, closing(f, writeFailure("lock "+markerName, err))
	}
	return func() { _ = f.Close() }, nil
}
