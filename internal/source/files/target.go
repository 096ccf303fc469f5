package files

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Overwrite says what happens to objects that are in a target already.
// Directories are always merged with what is there.
type Overwrite int

// The ways to treat what is there.
const (
	// OverwriteNever keeps it; what differs is a problem of kind Exists.
	OverwriteNever Overwrite = iota
	// OverwriteIfNewer replaces it when the point's object has a later
	// modification time.
	OverwriteIfNewer
	// OverwriteAlways replaces it.
	OverwriteAlways
)

// Owner says whose the restored objects become.
type Owner int

// The ways to give owners back.
const (
	// OwnerByName uses the ids that this host has for the names of the user
	// and group, and the ids of the point for names it does not know.
	OwnerByName Owner = iota
	// OwnerByID uses the ids of the point.
	OwnerByID
	// OwnerNone leaves everything to whoever restores.
	OwnerNone
)

// Action is what a target decided about a file.
type Action int

// The actions.
const (
	// Write: the content is wanted; write it, then finish or abandon the file.
	Write Action = iota + 1
	// SkipSame: a regular file of the same size and modification time is there.
	SkipSame
	// SkipExisting: something else is there and stays.
	SkipExisting
)

// TargetOptions says how a target writes.
type TargetOptions struct {
	Overwrite Overwrite
	Owner     Owner
	// Token names the restore, for example by the point's id. Names of
	// unfinished files derive from it, so that the same restore, run again,
	// replaces what it left unfinished. It must be something that whoever made
	// the tree could not know then, or a file of the tree could be named so.
	Token string
	// Removable leaves out the inode flags that forbid changes, for a restore
	// that is to be removed again.
	Removable bool
}

// The names of unfinished files: a prefix, 32 hex digits and a suffix, short
// enough beside a name of any length.
const (
	tempPrefix = ".cf-"
	tempSuffix = ".part"
)

// tempName names the unfinished file that will become path.
func tempName(token, path string) string {
	sum := sha256.Sum256([]byte("counterfoil unfinished file\x00" + token + "\x00" + path))
	return tempPrefix + hex.EncodeToString(sum[:16]) + tempSuffix
}

// checkPath refuses every path that could lead out of a target.
func checkPath(path string) error {
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." || name == ".." || len(name) > 255 || strings.IndexByte(name, 0) >= 0 {
			return errkind.New(errkind.Invalid, "path %q has a name that no file can have", path)
		}
	}
	return nil
}

// splitLast gives a path's directory ("" for the root) and last name.
func splitLast(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}
