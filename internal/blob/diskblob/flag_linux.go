package diskblob

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// flagImmutable is FS_IMMUTABLE_FL of the kernel's linux/fs.h.
const flagImmutable = 0x10

// flagRefusal says why files here cannot bear the immutable flag, "" where they
// can. The flag is tried on a file without a name, which cannot be left behind.
// What fails for another reason, such as a full disk, does not mean that they
// cannot: locking then says so.
func (d *Driver) flagRefusal() string {
	if !mayFlag() {
		return "it may not set the immutable flag (CAP_LINUX_IMMUTABLE)"
	}
	folder, err := d.root.Open(".")
	if err != nil {
		return ""
	}
	defer func() { _ = folder.Close() }()
	const none = "this file system has no immutable flag"
	if _, err := unix.IoctlGetUint32(int(folder.Fd()), unix.FS_IOC_GETFLAGS); flagless(err) {
		return none
	}
	fd, err := unix.Openat(int(folder.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return ""
	}
	scratch := os.NewFile(uintptr(fd), "scratch")
	defer func() { _ = scratch.Close() }()
	switch err := setImmutable(scratch); {
	case flagless(err):
		return none
	case errors.Is(err, fs.ErrPermission):
		return "the system does not let it set the immutable flag"
	}
	_ = clearImmutable(scratch)
	return ""
}

// mayFlag reports whether this process has the capability; where that cannot
// be told, trying will.
func mayFlag() bool {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&head, &data[0]) != nil {
		return true
	}
	return data[0].Effective&(1<<unix.CAP_LINUX_IMMUTABLE) != 0
}

// flagless reports whether err means that there are no flags here.
func flagless(err error) bool {
	return errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS)
}

// immutable reports whether f bears the flag.
func immutable(f *os.File) (bool, error) {
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if flagless(err) {
		return false, nil
	}
	return flags&flagImmutable != 0, err
}

func setImmutable(f *os.File) error {
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil || flags&flagImmutable != 0 {
		return err
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags|flagImmutable))
}

func clearImmutable(f *os.File) error {
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags&^flagImmutable))
}

// links is the number of names that a file has.
func links(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink)
	}
	return 1
}
