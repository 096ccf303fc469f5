package policy

import (
	"fmt"
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
)

// Grace is how late a run may start. A run that was not started by then, or
// before the next run or the end of its window if that comes first, is missed.
const Grace = time.Hour

// The bounds of what [Due] says of the past.
const (
	// MaxMissed is how many missed runs are listed, the newest.
	MaxMissed = 100
	// LookBack is how far back runs are counted.
	LookBack = 366 * 24 * time.Hour
)

// Outage is a time in which something that a run needs was down: the server, or
// the agent of the source.
type Outage struct {
	From time.Time
	// To is zero while it lasts.
	To time.Time
}

// DueInput is everything that decides what a source's schedule asks for.
type DueInput struct {
	Schedule Schedule
	// Zone is the location of the policy's zone; nil is UTC.
	Zone *time.Location
	// Source is the source's id, from which its share of the jitter follows.
	Source string
	// Since is when the schedule began to hold for the source: its creation, or
	// the last change of its policy. Runs until then are not asked for.
	Since time.Time
	// LastStarted is when the newest run not after Now was started, on time or
	// as a catch-up; zero if none was. It answers for every run until then.
	// Backups made on demand do not count.
	LastStarted time.Time
	// LastMissed is the newest run that was reported as missed; it and those
	// before are not listed again.
	LastMissed time.Time
	// Running says that a run of the source is under way; no other is due.
	Running bool
	Outages []Outage
	Now     time.Time
}

// DueReason is why a run is due, or why none is. The list is closed.
type DueReason string

// The reasons. The first two are those for which a run is due.
const (
	DueOnTime  DueReason = "on_time"
	DueCatchUp DueReason = "catch_up"
	// WaitManual: the schedule has no runs.
	WaitManual DueReason = "manual"
	// WaitNext: the next run lies ahead.
	WaitNext DueReason = "next"
	// WaitJitter: the time has come, the source's share of the jitter has not.
	WaitJitter DueReason = "jitter"
	// WaitDown: a run is due, but an outage lasts.
	WaitDown DueReason = "down"
	// WaitRunning: a run is due, but one is under way.
	WaitRunning DueReason = "running"
	// WaitNoCatchUp: runs were missed and the schedule does not catch up.
	WaitNoCatchUp DueReason = "no_catch_up"
	// WaitNear: runs were missed; the next starts within the grace and serves.
	WaitNear DueReason = "near"
	// WaitWindow: a catch-up waits for the window to open.
	WaitWindow DueReason = "window"
)

// MissedReason is why a run was missed. The list is closed.
type MissedReason string

// The reasons.
const (
	// MissedDown: an outage fell into the time in which it could start.
	MissedDown MissedReason = "down"
	// MissedNotStarted: nothing is known to have been down.
	MissedNotStarted MissedReason = "not_started"
)

// MissedRun is a run that was not started in time.
type MissedRun struct {
	Run time.Time
	// Until is when it was given up.
	Until  time.Time
	Reason MissedReason
}

// DueDecision is what a schedule asks for now.
type DueDecision struct {
	// Run is the run to start now, the newest missed one for a catch-up; zero if
	// none is due.
	Run    time.Time
	Reason DueReason
	// Missed are the runs missed since LastStarted and not yet reported, in
	// order, at most [MaxMissed]; MissedCount counts all of them within
	// [LookBack].
	Missed      []MissedRun
	MissedCount int
	// Again is when to ask again at the latest, as long as the input stays the
	// same; zero is never.
	Again time.Time
}

// Due reports whether a run is to be started now.
func (d DueDecision) Due() bool { return !d.Run.IsZero() }

// Due decides what a source's schedule asks for now: at most one run, however
// many were missed.
//
// A run is due from its start, [Schedule.Start], until it is missed. If runs
// were missed and the schedule catches up, one run is due as soon as the window
// is open, spread by the jitter after the outage, unless the next run starts
// within [Grace]. Times after Now, as when a clock was set back, are not believed:
// if they leave open what was missed, nothing was.
func Due(in DueInput) DueDecision {
	t, ok := in.Schedule.table(in.Zone)
	if !ok {
		return DueDecision{Reason: WaitManual}
	}
	d := decider{in: in, table: t}
	d.past()
	d.present()
	d.block()
	return d.out
}

type decider struct {
	in    DueInput
	table timetable
	out   DueDecision
	// open is the newest run if it is not missed yet: it may start from start and
	// before until. lost is the newest missed run. Each is zero if there is none.
	open, start, until time.Time
	lost               MissedRun
}

// past sorts the runs since the last one started into those missed and the one
// that may still be started.
func (d *decider) past() {
	now, floor := d.in.Now, d.in.Now.Add(-LookBack)
	for _, t := range []time.Time{d.in.Since, d.in.LastStarted} {
		if !t.After(now) {
			floor = latest(floor, t)
		}
	}
	believed := !d.in.LastStarted.After(now) && (!d.in.LastStarted.IsZero() || !d.in.Since.After(now))
	var runs []time.Time
	for run := range d.table.runs(floor, now) {
		runs = append(runs, run)
	}
	if len(runs) == 0 {
		return
	}
	newest := runs[len(runs)-1]
	if start, until := d.allowed(newest); now.Before(until) {
		d.open, d.start, d.until = newest, start, until
		runs = runs[:len(runs)-1]
	}
	if !believed || len(runs) == 0 {
		return
	}
	d.lost = d.lostRun(runs[len(runs)-1])
	for i, run := range runs {
		if !run.After(d.in.LastMissed) {
			continue
		}
		d.out.MissedCount++
		if len(runs)-i <= MaxMissed {
			d.out.Missed = append(d.out.Missed, d.lostRun(run))
		}
	}
}

// allowed gives from when a run may start and when it is missed.
func (d *decider) allowed(run time.Time) (start, until time.Time) {
	start, end := d.table.allowed(run, d.in.Source)
	return start, earliest(start.Add(Grace), end)
}

func (d *decider) lostRun(run time.Time) MissedRun {
	start, until := d.allowed(run)
	m := MissedRun{Run: run, Until: until, Reason: MissedNotStarted}
	for _, o := range d.in.Outages {
		if o.From.Before(until) && (o.To.IsZero() || o.To.After(start)) {
			m.Reason = MissedDown
		}
	}
	return m
}

// present decides as if nothing were down or under way.
func (d *decider) present() {
	now := d.in.Now
	coming, nextStart := d.open, d.start
	if coming.IsZero() || !now.Before(d.start) {
		coming, nextStart = calendar.End, calendar.End
		if run, ok := d.table.next(now); ok {
			coming, nextStart = run, d.table.start(run, d.in.Source)
		}
	}
	d.out.Again = nextStart
	switch {
	case !d.open.IsZero() && !now.Before(d.start):
		d.out.Run, d.out.Reason = d.open, DueOnTime
	case !d.lost.Run.IsZero() && d.in.Schedule.CatchUp:
		d.catchUp(coming, nextStart)
	case !d.open.IsZero():
		d.out.Reason = WaitJitter
	case !d.lost.Run.IsZero():
		d.out.Reason = WaitNoCatchUp
	default:
		d.out.Reason = WaitNext
	}
}

// catchUp decides about the newest missed run; coming is the run that follows.
func (d *decider) catchUp(coming, nextStart time.Time) {
	now, window := d.in.Now, d.table.opening(d.in.Now)
	if nextStart.Sub(now) <= Grace {
		d.out.Reason = WaitNear
		return
	}
	if !window.has(now) {
		d.out.Reason, d.out.Again = WaitWindow, earliest(window.open, nextStart)
		return
	}
	from := latest(d.lost.Until, window.open, d.up())
	start := d.table.spread(from, earliest(window.shut, coming), d.in.Source)
	if now.Before(start) {
		d.out.Reason, d.out.Again = WaitJitter, start
		return
	}
	d.out.Run, d.out.Reason = d.lost.Run, DueCatchUp
}

// up gives the end of the last outage that is over.
func (d *decider) up() time.Time {
	var up time.Time
	for _, o := range d.in.Outages {
		if !o.To.After(d.in.Now) {
			up = latest(up, o.To)
		}
	}
	return up
}

// block takes back a run that cannot start now.
func (d *decider) block() {
	if !d.out.Due() {
		return
	}
	now, reason := d.in.Now, DueReason("")
	for _, o := range d.in.Outages {
		if !o.From.After(now) && (o.To.IsZero() || o.To.After(now)) {
			reason = WaitDown
		}
	}
	if d.in.Running {
		reason = WaitRunning
	}
	if reason == "" {
		return
	}
	if d.out.Reason == DueOnTime {
		d.out.Again = earliest(d.out.Again, d.until)
	}
	d.out.Run, d.out.Reason = time.Time{}, reason
}

func latest(t time.Time, others ...time.Time) time.Time {
	for _, o := range others {
		if o.After(t) {
			t = o
		}
	}
	return t
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Sentence says the decision in one plain sentence, with times in zone.
func (d DueDecision) Sentence(zone *time.Location) string {
	switch d.Reason {
	case DueOnTime:
		return fmt.Sprintf("The run of %s is due.", stamp(d.Run, zone))
	case DueCatchUp:
		return fmt.Sprintf("The run of %s was missed and is caught up.", stamp(d.Run, zone))
	case WaitManual:
		return "Nothing is scheduled."
	case WaitNext:
		return fmt.Sprintf("The next run starts at %s.", stamp(d.Again, zone))
	case WaitJitter:
		return fmt.Sprintf("Starts are spread: this source's is at %s.", stamp(d.Again, zone))
	case WaitDown:
		return "A run is due, but what it needs is down."
	case WaitRunning:
		return "A run is due, but one is under way."
	case WaitNoCatchUp:
		return fmt.Sprintf("Runs were missed and are not caught up; the next starts at %s.", stamp(d.Again, zone))
	case WaitNear:
		return fmt.Sprintf("Runs were missed; the next, which starts at %s, serves for them.", stamp(d.Again, zone))
	case WaitWindow:
		return fmt.Sprintf("Runs were missed; the window is shut until %s.", stamp(d.Again, zone))
	}
	return fmt.Sprintf("Waits for a reason of a newer kind, %q.", string(d.Reason))
}

func stamp(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("2006-01-02 15:04:05 -07:00")
}
