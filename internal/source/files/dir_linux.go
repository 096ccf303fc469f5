package files

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// maxOpenDirs bounds how many directories a walk keeps open, however deep the
// tree is; the ones furthest up are closed first and opened again on return.
const maxOpenDirs = 32

// openDir is a directory on the way from the root to where a walk is.
type openDir struct {
	fd   int // -1 while closed
	id   objectID
	path string // relative to the root that is walked
}

// dirStack is that way, the deepest directory last.
type dirStack struct {
	root *rootDir
	dirs []*openDir
}

// push adds an opened directory and closes one above if there are too many.
func (s *dirStack) push(d *openDir) {
	s.dirs = append(s.dirs, d)
	if i := len(s.dirs) - 1 - maxOpenDirs; i >= 0 {
		s.dirs[i].close()
	}
}

// pop leaves the deepest directory. The one above is open again after it,
// unless it is gone: then its fd stays -1 and the error says why.
func (s *dirStack) pop() error {
	last := s.dirs[len(s.dirs)-1]
	s.dirs = s.dirs[:len(s.dirs)-1]
	defer last.close()
	if len(s.dirs) == 0 {
		return nil
	}
	up := s.dirs[len(s.dirs)-1]
	if up.fd >= 0 {
		return nil
	}
	var err error
	if up.fd, err = openDirAt(last.fd, ".."); err == nil && up.same() {
		return nil
	}
	// Somebody moved the directory, or we may not go up: start from the root.
	up.close()
	up.fd, err = openQuiet(func(flags int) (int, error) {
		return s.root.open(up.path, flags)
	}, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
	if err != nil {
		up.fd = -1
		return err
	}
	if !up.same() {
		up.close()
		return errors.New("the directory was replaced while its contents were read")
	}
	return nil
}

// closeAll gives up the whole way.
func (s *dirStack) closeAll() {
	for _, d := range s.dirs {
		d.close()
	}
	s.dirs = nil
}

func (d *openDir) close() {
	if d.fd >= 0 {
		unix.Close(d.fd)
		d.fd = -1
	}
}

// same tells whether what is open is still the directory that was entered.
func (d *openDir) same() bool {
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil {
		return false
	}
	id, _ := hintOf(&st)
	return id == d.id
}

// openDirAt opens the directory name in dir for listing.
func openDirAt(dir int, name string) (int, error) {
	return openQuiet(func(flags int) (int, error) {
		return openAt(dir, name, flags, 0)
	}, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK)
}

// listNames gives all names in an open directory in bytewise order, without
// "." and "..". With an error it still gives those that were read.
func listNames(fd int, buf []byte) ([]string, error) {
	var names []string
	var problem error
	for {
		n, err := unix.ReadDirent(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			problem = err
			break
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
	slices.Sort(names)
	return slices.Compact(names), problem
}
