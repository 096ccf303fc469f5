package backup

import (
	"context"
	"slices"

	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// carried tells which classes a file has whose period its points do not all
// carry, so that it must not go with the point that had it last.
func (c *classCount) carried(path string) []string {
	var out []string
	for _, r := range c.rules {
		if c.needsCarrier(r) && policy.MatchPath(r.Path, path) {
			out = append(out, r.Class)
		}
	}
	return out
}

// carriedBelow reports whether a file below a folder can have such a class.
func (c *classCount) carriedBelow(folder string) bool {
	return slices.ContainsFunc(c.rules, func(r policy.ClassRule) bool { return c.needsCarrier(r) && policy.MatchBelow(r.Path, folder) })
}

func (c *classCount) needsCarrier(r policy.ClassRule) bool {
	return r.Carrier() != policy.EveryPoint && !c.classes[r.Class].Minimum.IsZero()
}

// has reports whether a file has all the classes given.
func (c *classCount) has(path string, classes []string) bool {
	return !slices.ContainsFunc(classes, func(id string) bool {
		return !slices.ContainsFunc(c.rules, func(r policy.ClassRule) bool { return r.Class == id && policy.MatchPath(r.Path, path) })
	})
}

// below reports whether a file below a folder can have any class.
func (c *classCount) below(folder string) bool {
	return slices.ContainsFunc(c.rules, func(r policy.ClassRule) bool { return policy.MatchBelow(r.Path, folder) })
}

// comparison finds the records that an earlier point has and a new one has not.
// A record is a regular file in a path of a class. It is gone when its path holds
// no file any more, unless its content has appeared at another path of the same
// classes: then it was moved, and lives on there. Where that is not sure, it is
// gone: a record kept needlessly costs little, one that is missed is lost.
type comparison struct {
	reader        *vault.Reader
	before, after vault.Digest
	classes       *classCount
	// within is where the earlier point is looked at, unread where the new one
	// says nothing.
	within, unread region
	// broken is called for a folder of the earlier point that cannot be read, once
	// or more often.
	broken func(path string, err error)

	// blind is where the earlier point does not tell what was there: what it could
	// not read of the source, and the folders that were broken.
	blind []string
	moved map[vault.Digest][]string // where the contents of what is gone appeared
}

// run calls enter for the folders of the earlier point that are looked into, and
// keep for each record that is gone, in the order of trees.
func (c *comparison) run(ctx context.Context, enter func(vault.Change), keep func(vault.Change) error) error {
	lost := map[vault.Digest]bool{}
	err := c.walk(ctx, c.had, func(x vault.Change) error {
		if c.lost(x) {
			lost[vault.ContentKey(x.Before)] = true
		}
		return nil
	})
	if err != nil || len(lost) == 0 {
		return err
	}
	if err := c.findMoved(ctx, lost); err != nil {
		return err
	}
	return c.walk(ctx, func(x vault.Change) bool {
		looked := c.had(x)
		if looked {
			enter(x)
		}
		return looked
	}, func(x vault.Change) error {
		if !c.lost(x) || c.movedOn(x) {
			return nil
		}
		return keep(x)
	})
}

// findMoved notes where contents appeared that are lost elsewhere. Where the
// earlier point is blind they may have been before.
func (c *comparison) findMoved(ctx context.Context, lost map[vault.Digest]bool) error {
	blind := newRegion(c.blind...)
	c.moved = map[vault.Digest][]string{}
	enter := func(x vault.Change) bool { return c.classes.below(x.Path) }
	return c.walk(ctx, enter, func(x vault.Change) error {
		if isFile(x.Before) || !isFile(x.After) || x.After.Size == 0 || blind.has(x.Path) {
			return nil
		}
		if key := vault.ContentKey(x.After); lost[key] {
			c.moved[key] = append(c.moved[key], x.Path)
		}
		return nil
	})
}

func (c *comparison) walk(ctx context.Context, enter func(vault.Change) bool, fn func(vault.Change) error) error {
	scope := vault.Scope{Enter: enter, Broken: func(path string, err error) error {
		if ctx.Err() != nil || !isDamage(err) {
			return err
		}
		c.blind = append(c.blind, path)
		c.broken(path, err)
		return nil
	}}
	return c.reader.DiffWithin(ctx, c.before, c.after, scope, fn)
}

// had reports whether a folder of the earlier point can have had records.
func (c *comparison) had(x vault.Change) bool {
	return x.Before != nil && x.Before.Kind == vault.Dir && c.within.meets(x.Path) && c.classes.carriedBelow(x.Path)
}

// lost reports whether a record is not at its path any more.
func (c *comparison) lost(x vault.Change) bool {
	return isFile(x.Before) && !isFile(x.After) && c.within.has(x.Path) && !c.unread.has(x.Path) && len(c.classes.carried(x.Path)) > 0
}

// movedOn takes the place of a record among those where its content appeared.
// Each is taken once, so that of two equal records none goes for the other; an empty
// record is like any other empty one, and is never found again.
func (c *comparison) movedOn(x vault.Change) bool {
	key, classes := vault.ContentKey(x.Before), c.classes.carried(x.Path)
	i := slices.IndexFunc(c.moved[key], func(path string) bool { return c.classes.has(path, classes) })
	if i < 0 {
		return false
	}
	c.moved[key] = slices.Delete(c.moved[key], i, i+1)
	return true
}

func isFile(e *vault.Entry) bool { return e != nil && e.Kind == vault.Regular }
