package blob

import (
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Limits of names. A part leaves a driver room for a suffix within the 255
// bytes of a file name; a name fits an object store's key with its prefix.
const (
	// MaxName is the longest name, in bytes.
	MaxName = 512
	// MaxPart is the longest part between slashes, in bytes.
	MaxPart = 200
	// MaxParts is the greatest number of parts.
	MaxParts = 16
)

// The names that drivers keep for their own records of locks.
const (
	reservedFolder = "locks"
	reservedSuffix = ".lock"
)

// CheckName fails with errkind.Invalid unless name is one that every driver
// can store: parts of [a-z0-9._-] that do not begin with a dot, joined by
// slashes. The folder locks and the suffix .lock are the drivers' own.
func CheckName(name string) error {
	if name == "" || len(name) > MaxName {
		return errkind.New(errkind.Invalid, "object name of %d bytes: it must have 1 to %d", len(name), MaxName)
	}
	parts := strings.Split(name, "/")
	if len(parts) > MaxParts {
		return errkind.New(errkind.Invalid, "object name %q: more than %d parts", name, MaxParts)
	}
	for i, part := range parts {
		if err := checkPart(name, part); err != nil {
			return err
		}
		if i == 0 && part == reservedFolder {
			return errkind.New(errkind.Invalid, "object name %q: the folder %s is reserved for the store", name, reservedFolder)
		}
	}
	return nil
}

// CheckPrefix fails with errkind.Invalid unless some name could begin with
// prefix. The empty prefix stands for all names.
func CheckPrefix(prefix string) error {
	folder, last := "", prefix
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		folder, last = prefix[:i], prefix[i+1:]
		if err := CheckName(folder); err != nil {
			return err
		}
	}
	if len(prefix) > MaxName || strings.HasPrefix(last, ".") || !plain(last) {
		return errkind.New(errkind.Invalid, "prefix %q: no object name begins so", prefix)
	}
	return nil
}

func checkPart(name, part string) error {
	switch {
	case part == "":
		return errkind.New(errkind.Invalid, "object name %q: an empty part", name)
	case len(part) > MaxPart:
		return errkind.New(errkind.Invalid, "object name %q: a part of more than %d bytes", name, MaxPart)
	case part[0] == '.':
		return errkind.New(errkind.Invalid, "object name %q: a part that begins with a dot", name)
	case strings.HasSuffix(part, reservedSuffix):
		return errkind.New(errkind.Invalid, "object name %q: the suffix %s is reserved for the store", name, reservedSuffix)
	case !plain(part):
		return errkind.New(errkind.Invalid, "object name %q: only a-z, 0-9, dot, underscore and hyphen are allowed", name)
	}
	return nil
}

// plain reports whether s has only the bytes that parts may have.
func plain(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
