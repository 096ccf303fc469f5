// Package erasure says which files of which points were erased: recorded, for a
// data subject who asked for it, as not to be brought back.
//
// An erasure names paths of sources and concerns the points that were begun
// until a time; a subject is the opaque id of a person whose name is kept
// elsewhere, or nowhere. What must always be true: an erasure deletes nothing,
// shortens nothing and lifts no hold; what a pattern matches is erased as a
// whole, a folder with all below it; in doubt about a point's time it is
// covered. Leaving out what is erased is restore's, recording it lifecycle's.
// It is the meaning of the facts erasure and erasure_withdrawn in
// docs/format/governance.md.
package erasure

import (
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
)

// Erasure is one recorded erasure.
type Erasure struct {
	ID string
	// Subject is the id of whose data was erased, given by us.
	Subject string
	// Reason is a document or ticket by which it can be shown.
	Reason string
	By     string
	At     time.Time
	// Sources are ids in lower case; none stands for every source of the vault.
	Sources []string
	// Paths are patterns as [policy.MatchPath] reads them, compared byte for byte
	// with paths relative to the root of a point.
	Paths []string
	// Until bounds the points: those whose reading began no later are concerned.
	// What a source holds after its erasure is a new record.
	Until time.Time
	// Withdrawn is set once the erasure turned out to be a mistake.
	Withdrawn *Withdrawal
}

// Withdrawal ends an erasure that was recorded by mistake.
type Withdrawal struct {
	Reason string
	By     string
	At     time.Time
}

// Point is what an erasure needs to know of a point: its source's id and when
// its reading began.
type Point struct {
	Source string
	Began  time.Time
}

// The bounds of an erasure's patterns.
const (
	maxPaths = 1000
	maxPath  = 4096
)

// Active reports whether the erasure is in force.
func (e Erasure) Active() bool { return e.Withdrawn == nil }

// Concerns reports whether anything in a point can be erased by it.
func (e Erasure) Concerns(p Point) bool {
	source := len(e.Sources) == 0 || slices.ContainsFunc(e.Sources, func(id string) bool { return strings.EqualFold(id, p.Source) })
	return e.Active() && source && !p.Began.After(e.Until)
}

// Covers reports whether the erasure concerns a path of a point: it matches
// the path or a folder in which it lies.
func (e Erasure) Covers(p Point, path string) bool {
	_, ok := List{e}.Of(p).Match(path)
	return ok
}

func (e Erasure) names(path string) bool {
	return slices.ContainsFunc(e.Paths, func(pattern string) bool { return policy.MatchPath(pattern, path) })
}

// List is erasures, in the order of their records.
type List []Erasure

// Of gives the erasures that concern a point.
func (l List) Of(p Point) List {
	var out List
	for _, e := range l {
		if e.Concerns(p) {
			out = append(out, e)
		}
	}
	return out
}

// At gives the first erasure with a pattern that matches this path. Whoever
// goes through a tree asks for each entry and goes no further below one that is
// matched, as everything there is erased with it.
func (l List) At(path string) (Erasure, bool) {
	for _, e := range l {
		if e.names(path) {
			return e, true
		}
	}
	return Erasure{}, false
}

// Match gives the erasure of a path, or of the uppermost folder in which it lies
// that is erased. The root of a point always stays.
func (l List) Match(path string) (Erasure, bool) {
	if path == "" {
		return Erasure{}, false
	}
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		if e, ok := l.At(path[:i]); ok {
			return e, true
		}
	}
	return l.At(path)
}

// Below reports whether anything below a folder can be erased. Where it cannot,
// nothing there need be looked at.
func (l List) Below(folder string) bool {
	if _, ok := l.Match(folder); ok {
		return true
	}
	return slices.ContainsFunc(l, func(e Erasure) bool {
		return slices.ContainsFunc(e.Paths, func(pattern string) bool { return policy.MatchBelow(pattern, folder) })
	})
}

// Validate refuses an erasure that could not be explained later, or that erases
// by a slip of the pen.
func (e Erasure) Validate() error {
	for _, f := range []struct{ key, value string }{{"id", e.ID}, {"subject", e.Subject}, {"reason", e.Reason}, {"person who records it", e.By}} {
		if strings.TrimSpace(f.value) == "" {
			return errkind.New(errkind.Invalid, "an erasure needs its %s", f.key)
		}
	}
	switch {
	case e.At.IsZero() || e.Until.IsZero():
		return errkind.New(errkind.Invalid, "an erasure needs its time and the time until which points are concerned")
	case e.Until.After(e.At):
		return errkind.New(errkind.Invalid, "an erasure concerns points that exist: %s is yet to come", e.Until.Format("2006-01-02 15:04:05Z07:00"))
	case len(e.Paths) == 0:
		return errkind.New(errkind.Invalid, "an erasure needs the paths of what was erased")
	case len(e.Paths) > maxPaths:
		return errkind.New(errkind.Invalid, "an erasure has %d paths, more than %d: record several for the same subject", len(e.Paths), maxPaths)
	}
	for _, pattern := range e.Paths {
		if err := e.checkPath(pattern); err != nil {
			return err
		}
	}
	return nil
}

func (e Erasure) checkPath(pattern string) error {
	parts := strings.FieldsFunc(pattern, func(r rune) bool { return r == '/' })
	switch {
	case len(parts) == 0:
		return errkind.New(errkind.Invalid, "path %q of an erasure is empty, which would be the whole point: to erase all of a source, name the source and the path **", pattern)
	case len(pattern) > maxPath:
		return errkind.New(errkind.Invalid, "path %.40q... of an erasure has more than %d bytes", pattern, maxPath)
	case strings.ContainsRune(pattern, 0):
		return errkind.New(errkind.Invalid, "path %q of an erasure has a NUL, which no path has", pattern)
	case slices.Contains(parts, ".") || slices.Contains(parts, ".."):
		return errkind.New(errkind.Invalid, "path %q of an erasure has . or .., which no path in a point has", pattern)
	case strings.Trim(pattern, "*/") == "" && len(e.Sources) == 0:
		return errkind.New(errkind.Invalid, "path %q matches everything in the vault: name the source that was erased, or the paths", pattern)
	}
	return nil
}
