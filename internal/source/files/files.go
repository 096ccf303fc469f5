// Package files reads and writes back folders of a host's file systems with
// everything that belongs to them: names as bytes, owners, modes, times in
// nanoseconds, links, sparse ranges, devices, extended attributes, ACLs and
// inode flags.
//
// A [Reader] walks one or several root paths as a [source.Reader]. A [Target]
// is a directory that a point is restored into. Both go from directory handle
// to directory handle and never follow a symbolic link below their root, so
// neither the depth of a tree nor a link planted in it leads them elsewhere.
//
// What must always be true: an input that cannot be taken as asked becomes a
// [source.Problem]; a file gets its final name only when all of its content and
// metadata is in place.
//
// What is left to others: chunking, comparing hints and deciding what to read
// (backup), and in which order contents come back (restore).
//
// Two habits to know. Inode flags cost an open file, so entries of regular
// files come from a walk without them: only [source.File.Refresh] fills them
// in, and an unchanged file carries them over from its previous entry (a change
// of flags changes ctime, so such a file is read again). And a file is read as
// far as its size says: the files of /proc, of size 0, are kept empty.
package files

import (
	"errors"
	"path"
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/source"
)

// Config says what a [Reader] takes.
type Config struct {
	// Paths are the absolute roots, as bytes. With a single directory the root
	// entry is that directory; with a single file it is the file's parent,
	// holding only it; with several paths it is "/", holding only what leads
	// to them. A symbolic link given here is followed.
	Paths []string
	// Excludes are patterns in gitignore syntax, relative to each root. A root
	// itself is never excluded.
	Excludes []string
	// ExcludeLarger leaves out regular files of more bytes; 0 means no limit.
	ExcludeLarger int64
	// ExcludeCaches leaves out the contents of directories with a valid
	// CACHEDIR.TAG, but for the tag itself.
	ExcludeCaches bool
	// OneFileSystem keeps the walk on the file system of each root; a mount
	// point is kept as an empty directory.
	OneFileSystem bool
	// Protect names absolute paths never read: our own data directory and
	// vault, which would otherwise be backed up into themselves.
	Protect []string
}

// Reader reads the files that a [Config] names. It holds no state between
// walks and may be used by several goroutines.
type Reader struct {
	cfg   Config
	rules []rule
	root  *node
}

var _ source.Reader = (*Reader)(nil)

// New checks cfg and makes a reader of it. Nothing is read yet: a root that is
// missing shows as a problem of the walk.
func New(cfg Config) (*Reader, error) {
	paths, err := cleanPaths(cfg.Paths, "path")
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, errkind.New(errkind.Invalid, "a source of files needs at least one path")
	}
	protect, err := cleanPaths(cfg.Protect, "protected path")
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		for _, own := range protect {
			if beneath(p, own) {
				return nil, errkind.New(errkind.Invalid, "path %q lies in %q, which is never backed up", p, own)
			}
		}
	}
	rules, err := parseRules(cfg.Excludes)
	if err != nil {
		return nil, err
	}
	if cfg.ExcludeLarger < 0 {
		return nil, errkind.New(errkind.Invalid, "size limit %d is negative", cfg.ExcludeLarger)
	}
	cfg.Paths, cfg.Protect = paths, protect
	return &Reader{cfg: cfg, rules: rules, root: plant(paths)}, nil
}

// cleanPaths gives the paths in lexically clean form.
func cleanPaths(paths []string, what string) ([]string, error) {
	var out []string
	for _, p := range paths {
		if !path.IsAbs(p) {
			return nil, errkind.New(errkind.Invalid, "%s %q is not absolute", what, p)
		}
		if strings.ContainsRune(p, 0) {
			return nil, errkind.New(errkind.Invalid, "%s %q holds a NUL byte", what, p)
		}
		out = append(out, path.Clean(p))
	}
	return out, nil
}

// beneath tells whether p is dir or lies in it, judged by the names alone.
func beneath(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// join puts a path below another one; "" is the root itself on either side.
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	if name == "" {
		return dir
	}
	return dir + "/" + name
}

// ErrReplaced says that a name belongs to another object than when it was
// listed, so that its content must not be kept under the listed metadata.
var ErrReplaced = errors.New("is no longer the file that was listed")

// errUnknownKind is for objects that are neither of the kinds of a tree.
var errUnknownKind = errkind.New(errkind.Unsupported, "unknown kind of file system object")
