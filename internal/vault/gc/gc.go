// Package gc decides what becomes of a vault's packs. It is pure: package vault
// collects the facts, shows and records the plan, and acts on it.
//
// Words: a pack is listed when a point's signed list, read with the placements
// recorded since, names it. Of the packs that hold a chunk which a point's tree reaches,
// one is its keeper; where none of them is whole, all are. A pack is first condemned, which is a record, and deleted by a
// later step: sessions opened after the record do not count on it any more.
//
// What must always be true: nothing is deleted that is listed, keeps a chunk or is
// locked, nor what an open session stored or counts on, nor a pack that was not condemned
// before every open session began.
package gc

import (
	"cmp"
	"slices"
	"time"
)

// Action is what is to be done with a pack.
type Action string

// The actions, in the order in which they are applied.
const (
	// Release takes back a condemnation.
	Release Action = "release"
	// Repack copies what is needed of a pack into new ones.
	Repack Action = "repack"
	// Condemn announces the deletion of a pack.
	Condemn Action = "condemn"
	// Delete removes a condemned pack.
	Delete Action = "delete"
	// Keep leaves a pack as it is.
	Keep Action = "keep"
)

// Reason says why.
type Reason string

// The reasons.
const (
	InUse       Reason = "points need it"
	Unlisted    Reason = "points need what it holds, though no list names it"
	Locked      Reason = "locked"
	InSession   Reason = "an open session stored it or counts on it"
	Unneeded    Reason = "no point needs it"
	Replaced    Reason = "damaged or superseded, and all that points need of it is elsewhere"
	MostlyDead  Reason = "most of it is needed by no point"
	NeededAgain Reason = "condemned, but needed again"
	Announced   Reason = "condemned, and no session older than that is open"
	Waiting     Reason = "condemned, but a session older than that is open"
	MayHold     Reason = "damaged, and points lack chunks that may be in it"
)

// Pack is what is known about a pack in the store.
type Pack struct {
	Object string
	// Size is the pack's length in bytes.
	Size int64
	// Whole is false for a pack that was found damaged.
	Whole bool
	// LockedUntil is the end of its lock, zero without one.
	LockedUntil time.Time
	// Listed says that a point's list names it.
	Listed bool
	// Plain is the length in bytes of all its chunks, Needed of those that
	// points reach, Keeps of those whose keeper it is.
	Plain, Needed, Keeps int64
	// Condemned is the number of the governance record that condemned it, 0 for none.
	Condemned uint64
	// Held says that an open session stored it or counts on it.
	Held bool
}

// Facts are all that a plan depends on.
type Facts struct {
	Now   time.Time
	Packs []Pack
	// OldestSession is the number of the last governance record when the oldest
	// open session began; NoSession without one.
	OldestSession uint64
	// RepackBelow is the share of a pack's chunks, by bytes, under which what is
	// needed of it is copied; 0 means never.
	RepackBelow float64
	// Missing says that points need chunks which no pack is known to hold.
	Missing bool
}

// NoSession stands for the oldest session when none is open.
const NoSession = ^uint64(0)

// Step is what is to be done with one pack, and why.
type Step struct {
	Object string
	Action Action
	Reason Reason
	Size   int64
	// Needed is how many bytes of its chunks points reach.
	Needed int64
}

// Decide gives a step for every pack, ordered by object name.
func Decide(f Facts) []Step {
	steps := make([]Step, 0, len(f.Packs))
	for _, p := range f.Packs {
		action, reason := f.decide(p)
		steps = append(steps, Step{Object: p.Object, Action: action, Reason: reason, Size: p.Size, Needed: p.Needed})
	}
	slices.SortFunc(steps, func(a, b Step) int { return cmp.Compare(a.Object, b.Object) })
	return steps
}

func (f Facts) decide(p Pack) (Action, Reason) {
	locked := f.Now.Before(p.LockedUntil)
	wanted := p.Listed || p.Keeps > 0
	switch {
	case p.Condemned > 0 && wanted:
		return Release, NeededAgain
	case p.Condemned > 0 && locked:
		return Keep, Locked
	case f.Missing && !p.Whole && !locked && !p.Held:
		return Keep, MayHold
	case p.Condemned > 0 && (p.Held || f.OldestSession < p.Condemned):
		return Keep, Waiting
	case p.Condemned > 0:
		return Delete, Announced
	case locked && wanted:
		return Keep, InUse
	case locked:
		return Keep, Locked
	case p.Held:
		return Keep, InSession
	case p.Keeps > 0 && !p.Listed:
		return Keep, Unlisted
	case !wanted:
		return Condemn, Unneeded
	case p.Keeps == 0:
		return Repack, Replaced // nothing of it has to be copied
	case p.Whole && float64(p.Keeps) < f.RepackBelow*float64(p.Plain):
		return Repack, MostlyDead
	}
	return Keep, InUse
}

// Better reports whether a is to be the keeper of a chunk rather than b: first
// what is whole, then what stays anyway, then by name.
func Better(a, b Pack, now time.Time) bool {
	for _, c := range [][2]bool{
		{a.Whole, b.Whole}, {a.Condemned == 0, b.Condemned == 0}, {now.Before(a.LockedUntil), now.Before(b.LockedUntil)}, {a.Listed, b.Listed},
	} {
		if c[0] != c[1] {
			return c[0]
		}
	}
	return a.Object < b.Object
}
