// Package durable writes small files so that a crash leaves the old file or
// the whole new one, and locks files against other processes.
//
// Its words: a write is durable when the bytes, the name and the directory
// that holds the name have all reached the disk; a temporary file is a
// half-made one, recognised by [IsTemp], that a crash may leave behind and
// that anybody may remove.
//
// What must always be true: after a function returns nil the change survives
// a power cut; after it returns an error a reader sees the old state or the
// whole new one, never a part.
//
// The package knows nothing about backup. It attaches error kinds to what the
// operating system says ([Classify]) so that no caller reads error numbers.
package durable

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// tempPrefix begins the name of every temporary file. The name does not repeat
// that of the target, so a target of 255 bytes can be written too.
const tempPrefix = ".tmp-"

// IsTemp reports whether name, a last path element, is that of a temporary
// file of this package.
func IsTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }

// WriteFile stores data under path, replacing what was there. The mode is
// subject to the umask, as with os.WriteFile.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	return osSteps().write(path, data, perm, replace)
}

// WriteFileExclusive stores data under path and fails with errkind.Exists,
// leaving everything as it was, when something is there already. The test and
// the appearance of the whole file are one act, link(2); a file system
// without hard links gives errkind.Unsupported.
func WriteFileExclusive(path string, data []byte, perm fs.FileMode) error {
	return osSteps().write(path, data, perm, exclusive)
}

// Remove deletes one file or empty directory so that it stays deleted.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		return Classify(err)
	}
	return SyncDir(filepath.Dir(path))
}

// MkdirAll makes the directory path and the missing ones above it, each
// durable in its parent. A directory that is there is left as it is.
func MkdirAll(path string, perm fs.FileMode) error {
	path = filepath.Clean(path)
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return errkind.New(errkind.Exists, "make directory %s: a file of that name is in the way", path)
	case !errors.Is(err, fs.ErrNotExist):
		return Classify(err)
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := MkdirAll(parent, perm); err != nil {
			return err
		}
	}
	// Somebody else may have made it meanwhile; that serves us as well.
	if err := os.Mkdir(path, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return Classify(err)
	}
	return SyncDir(parent)
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return Classify(err)
	}
	defer d.Close() //nolint:errcheck // read-only handle, nothing can be lost
	err = d.Sync()
	// Some file systems have no fsync for directories and answer EINVAL:
	// their names are as durable as they will get.
	if err == nil || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return Classify(fmt.Errorf("sync directory: %w", err))
}

// tempName makes a fresh name for a temporary file in dir.
func tempName(dir string) string {
	var b [12]byte
	// crypto/rand never fails on the systems we build for; it ends the
	// program rather than return poor bytes.
	_, _ = rand.Read(b[:])
	return filepath.Join(dir, tempPrefix+hex.EncodeToString(b[:]))
}
