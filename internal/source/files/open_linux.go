package files

import (
	"errors"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// maxPath is how much of a path is given to the kernel at once; it refuses
// more than 4095 bytes.
const maxPath = 4000

// rootDir is the handle of a root; everything below is opened relative to it.
// It closes itself when nothing refers to it any more, because contents may be
// opened long after a walk.
type rootDir struct{ file *os.File }

// openRoot opens a directory to start from, following symbolic links.
func openRoot(abs string) (*rootDir, error) {
	fd, err := openAt(unix.AT_FDCWD, abs, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &rootDir{file: os.NewFile(uintptr(fd), abs)}, nil
}

// open opens path below the root without following any symbolic link.
func (r *rootDir) open(path string, flags int) (int, error) {
	fd, err := openBeneath(int(r.file.Fd()), path, flags)
	runtime.KeepAlive(r)
	return fd, err
}

// openAt is openat(2) with close-on-exec, repeated when interrupted.
func openAt(dir int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, mode)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// openBeneath opens a path below dir, of any length, without following any
// symbolic link; "" is dir itself. The path holds neither "." nor "..".
func openBeneath(dir int, path string, flags int) (int, error) {
	if path == "" {
		path = "."
	}
	at := dir
	for {
		head, rest := splitPath(path)
		step := flags
		if rest != "" {
			step = unix.O_PATH | unix.O_DIRECTORY
		}
		fd, err := openNoLinks(at, head, step)
		if at != dir {
			unix.Close(at)
		}
		if err != nil || rest == "" {
			return fd, err
		}
		at, path = fd, rest
	}
}

// splitPath cuts a path at a slash so that the head is no longer than maxPath.
func splitPath(path string) (head, rest string) {
	if len(path) <= maxPath {
		return path, ""
	}
	cut := strings.LastIndexByte(path[:maxPath], '/')
	if cut < 0 { // no name is that long; let the kernel say so
		return path, ""
	}
	return path[:cut], path[cut+1:]
}

// openNoLinks opens a path of at most maxPath bytes in one step where the
// kernel can (5.6 and later), else name by name.
func openNoLinks(dir int, path string, flags int) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC | unix.O_NOFOLLOW),
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		fd, err := unix.Openat2(dir, path, &how)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		case errors.Is(err, unix.ENOSYS):
			return openSteps(dir, path, flags)
		default:
			return fd, err
		}
	}
}

// openSteps opens a path name by name, for kernels without openat2.
func openSteps(dir int, path string, flags int) (int, error) {
	at := dir
	for {
		name, rest, more := strings.Cut(path, "/")
		step := flags | unix.O_NOFOLLOW
		if more {
			step = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW
		}
		fd, err := openAt(at, name, step, 0)
		if at != dir {
			unix.Close(at)
		}
		if err != nil || !more {
			return fd, err
		}
		at, path = fd, rest
	}
}

// openQuiet opens for reading without touching the access time, where we own
// the file or may do so, else with.
func openQuiet(open func(flags int) (int, error), flags int) (int, error) {
	fd, err := open(flags | unix.O_NOATIME)
	if errors.Is(err, unix.EPERM) {
		return open(flags)
	}
	return fd, err
}
