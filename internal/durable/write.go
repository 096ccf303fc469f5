package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// placement says what happens to a target that exists already.
type placement int

const (
	replace placement = iota
	exclusive
)

// handle is what write needs of an open file.
type handle interface {
	Write(p []byte) (int, error)
	Sync() error
	Close() error
}

// steps are the acts of a durable write, as fields so that tests can fail
// each of them, applied or not.
type steps struct {
	create  func(path string, perm fs.FileMode) (handle, error)
	rename  func(from, to string) error
	link    func(from, to string) error
	remove  func(path string) error
	syncDir func(dir string) error
}

func osSteps() steps {
	return steps{
		create: func(path string, perm fs.FileMode) (handle, error) {
			return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		},
		rename:  os.Rename,
		link:    os.Link,
		remove:  os.Remove,
		syncDir: SyncDir,
	}
}

// write runs the steps in order: temporary file, its bytes on disk, the name,
// the directory on disk. A crash before the name leaves a temporary file and
// the old state; a crash after it leaves the new file, which counts as stored
// only when the directory is on disk too.
func (s steps) write(path string, data []byte, perm fs.FileMode, p placement) error {
	dir := filepath.Dir(path)
	tmp := tempName(dir)
	if err := s.fill(tmp, data, perm); err != nil {
		_ = s.remove(tmp)
		return Classify(fmt.Errorf("write %s: %w", path, err))
	}
	if err := s.name(tmp, path, p); err != nil {
		_ = s.remove(tmp)
		return err
	}
	if err := s.syncDir(dir); err != nil {
		return Classify(fmt.Errorf("write %s: %w", path, err))
	}
	return nil
}

// fill makes the temporary file and puts its bytes on disk.
func (s steps) fill(tmp string, data []byte, perm fs.FileMode) error {
	f, err := s.create(tmp, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// name gives the finished temporary file its name.
func (s steps) name(tmp, path string, p placement) error {
	if p == replace {
		if err := s.rename(tmp, path); err != nil {
			return Classify(fmt.Errorf("write %s: %w", path, err))
		}
		return nil
	}
	switch err := s.link(tmp, path); {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.EMLINK):
		return errkind.Wrap(errkind.Unsupported, err, "write %s: the file system has no hard links", path)
	case err != nil:
		return Classify(fmt.Errorf("write %s: %w", path, err))
	}
	// The file is in place; a temporary name left beside it does no harm.
	_ = s.remove(tmp)
	return nil
}
