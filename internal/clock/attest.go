package clock

import (
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// attest takes a person's word on the time: it opens the latch, closes a gap
// and proves time, but only to what some source says and nothing before it.
func attest(s State, o Observation, word Attestation) (State, []Event, error) {
	a := newStep(s, o)
	if strings.TrimSpace(word.By) == "" || strings.TrimSpace(word.Reason) == "" {
		return s, nil, errkind.New(errkind.Invalid, "attest the time: say who attests it and why")
	}
	word.At = word.At.UTC().Round(0)
	if ahead := word.At.Sub(a.most); ahead > 0 && ahead <= Tolerance {
		word.At = a.most // written to the minute
	}
	for _, r := range a.all {
		if r.At.Sub(word.At).Abs() <= Margin {
			word.Confirmed = later(word.Confirmed, r.At)
		}
	}
	switch {
	case word.At.After(a.most):
		return s, nil, errkind.New(errkind.Refused, "attest %s: no time source has got there yet: %s", stamp(word.At), a.list())
	case word.Confirmed.IsZero():
		return s, nil, errkind.New(errkind.Refused, "attest %s: no time source agrees within %v: %s; set the clock that is wrong first", stamp(word.At), Margin, a.list())
	case word.At.Before(s.Proven):
		return s, nil, errkind.New(errkind.Refused, "attest %s: that lies behind %s, which has passed for certain", stamp(word.At), stamp(s.Proven))
	}
	word.Number = s.attests() + 1
	a.adopt(word)
	return a.s, a.events, nil
}

// adopt begins the process's count anew at an attested time.
func (a *step) adopt(word Attestation) {
	closed := a.s.Latch
	a.s.Latch, a.s.Gap, a.s.Attested = nil, nil, &word
	a.s.Proven = later(a.s.Proven, word.At)
	a.s.Trusted = later(a.s.Trusted, word.Confirmed)
	a.s.run = run{
		started: true, attests: word.Number,
		base: word.Confirmed, proven: word.At, anchored: true,
		trusted: a.s.Trusted, system: a.o.System, greatest: word.Confirmed, groups: a.groups,
	}
	a.event(EventAttested, "%s attested that it is %s: %s", word.By, stamp(word.At), word.Reason)
	if closed != nil {
		a.event(EventCleared, "the clock's latch, closed since %s, is open again", stamp(closed.Since))
	}
}
