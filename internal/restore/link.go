package restore

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// groupKey names a group of hard links.
type groupKey struct {
	kind vault.Kind
	id   string
}

// group is what became of the first of the hard links to one object.
type group struct {
	state groupState
	path  string
	// why is the damage of a lost one.
	why error
	// waiting are further links met while the first is being written.
	waiting []named
}

type groupState int

const (
	groupWriting groupState = iota
	groupThere
	groupLost // damaged: all links have the same content
)

// setGroup notes the first of a group that is restored, if e has a group.
func (j *job) setGroup(e vault.Entry, g *group) {
	if len(e.LinkGroup) == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.groups[groupKey{e.Kind, string(e.LinkGroup)}] = g
}

// asLink restores an entry as a further link to one restored before. False
// means that it has to be restored as an object of its own.
func (j *job) asLink(ctx context.Context, path string, e vault.Entry) (bool, error) {
	if len(e.LinkGroup) == 0 {
		return false, nil
	}
	j.mu.Lock()
	g := j.groups[groupKey{e.Kind, string(e.LinkGroup)}]
	if g != nil && g.state == groupWriting {
		g.waiting = append(g.waiting, named{path, e})
		j.mu.Unlock()
		j.batch.hold(path, e)
		if j.batch.full() {
			return true, j.flush(ctx)
		}
		return true, nil
	}
	j.mu.Unlock()
	switch {
	case g == nil:
		return false, nil
	case g.state == groupLost:
		j.lostLink(named{path, e}, g)
		return true, nil
	}
	return j.link(g, named{path, e})
}

// link makes a further link; where the target has none, the entry has to be
// restored as an object of its own.
func (j *job) link(g *group, n named) (bool, error) {
	err := j.target.Link(g.path, n.path)
	switch {
	case err == nil:
	case concernsOne(err):
		j.tally.problem(source.Problem{Path: n.path, Op: "link", Err: err})
		return false, nil
	default:
		return false, err
	}
	j.setAside(n.path)
	if n.entry.Kind != vault.Regular {
		j.tally.entry()
		return true, nil
	}
	j.tally.file(0)
	j.tally.advance(n.entry.Size, 1, 0)
	return true, nil
}

func (j *job) lostLink(n named, g *group) {
	j.setAside(n.path)
	j.tally.damaged(n.path, "read", errkind.Wrap(errkind.Damaged, g.why, "the same file as %q", g.path))
	j.tally.advance(n.entry.Size, 1, 0)
}

// settle deals with the links that waited for a file, err being how it ended.
func (j *job) settle(o *output, err error) error {
	g := o.group
	if g == nil {
		return nil
	}
	j.mu.Lock()
	waiting := g.waiting
	g.waiting = nil
	switch {
	case err == nil:
		g.state = groupThere
	case errkind.Is(err, errkind.Damaged):
		g.state, g.why = groupLost, err
	default:
		delete(j.groups, groupKey{o.entry.Kind, string(o.entry.LinkGroup)})
		j.again = append(j.again, waiting...)
		waiting = nil
	}
	j.mu.Unlock()
	for _, n := range waiting {
		if g.state == groupLost {
			j.lostLink(n, g)
			continue
		}
		done, err := j.link(g, n)
		if err != nil {
			return err
		}
		if !done {
			n.entry.LinkGroup = nil
			j.mu.Lock()
			j.again = append(j.again, n)
			j.mu.Unlock()
		}
	}
	return nil
}
