package policy

import (
	"embed"
	"fmt"
	"slices"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Basis is what a class's period rests on.
type Basis string

// The bases, strongest first.
const (
	Law       Basis = "law"
	Framework Basis = "framework"
	Practice  Basis = "practice"
	// NoBasis marks figures without a legal source.
	NoBasis Basis = "none"
)

// Received is the clock start of a class that counts from the receipt of the
// point; every other clock start is the name of an event.
const Received = "received"

// Class is a kind of record and how long it must and may live.
type Class struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	// Minimum is how long records are kept, counted from ClockStart; zero is
	// none.
	Minimum calendar.Period `json:"minimum,omitzero"`
	// Maximum is how long they may be kept at most; zero is no limit.
	Maximum    calendar.Period `json:"maximum,omitzero"`
	ClockStart string          `json:"clock_start"`
	// Accessible is how long they must be readable at once; zero is throughout.
	Accessible   calendar.Period `json:"accessible,omitzero"`
	Basis        Basis           `json:"basis"`
	Citation     string          `json:"citation"`
	PersonalData bool            `json:"personal_data,omitempty"`
}

// FromReceipt reports whether the minimum needs no event: it counts from the
// receipt of a point, or has no end to count to.
func (c Class) FromReceipt() bool {
	return c.Minimum.Unlimited || c.ClockStart == Received || c.ClockStart == ""
}

// ClassSet is a named list of classes.
type ClassSet struct {
	ID      string  `json:"id"`
	Title   string  `json:"title"`
	Note    string  `json:"note"`
	Classes []Class `json:"classes"`
}

// DefaultClassSet is the id of the set used unless another is chosen.
const DefaultClassSet = "uk-us"

//go:embed classes/*.json
var classFiles embed.FS

// ClassSets names the built-in sets of record classes.
func ClassSets() []string { return []string{DefaultClassSet, "article"} }

// Classes gives one of the built-in sets: "uk-us", the default, or "article".
func Classes(set string) (ClassSet, error) {
	if !slices.Contains(ClassSets(), set) {
		return ClassSet{}, errkind.New(errkind.NotFound, "there is no class set %q", set)
	}
	data, err := classFiles.ReadFile("classes/" + set + ".json")
	if err != nil {
		return ClassSet{}, fmt.Errorf("read class set %q: %w", set, err)
	}
	var out ClassSet
	if err := strict(data, &out); err != nil {
		return ClassSet{}, fmt.Errorf("read class set %q: %w", set, err)
	}
	return out, out.Validate()
}

// Find gives the class with that id.
func (s ClassSet) Find(id string) (Class, bool) {
	i := slices.IndexFunc(s.Classes, func(c Class) bool { return c.ID == id })
	if i < 0 {
		return Class{}, false
	}
	return s.Classes[i], true
}

// Validate gives every error of the set, one sentence each naming the key.
func (s ClassSet) Validate() error {
	var bad problems
	seen := map[string]bool{}
	for i, c := range s.Classes {
		key := fmt.Sprintf("classes[%d]", i)
		if seen[c.ID] {
			bad.add(key+".id", "must not repeat %q", c.ID)
		}
		seen[c.ID] = true
		c.check(&bad, key)
	}
	return bad.err(fmt.Sprintf("class set %q is not valid", s.ID))
}

func (c Class) check(bad *problems, key string) {
	if !classForm.MatchString(c.ID) {
		bad.add(key+".id", "must be lower-case letters, digits and underscores, not %q", c.ID)
	}
	if c.Title == "" {
		bad.add(key+".title", "must be given")
	}
	if !classForm.MatchString(c.ClockStart) {
		bad.add(key+".clock_start", "must be %q or the name of an event, not %q", Received, c.ClockStart)
	}
	for _, p := range []struct {
		key    string
		period calendar.Period
	}{{"minimum", c.Minimum}, {"maximum", c.Maximum}, {"accessible", c.Accessible}} {
		if err := p.period.Validate(); err != nil {
			bad.add(key+"."+p.key, "is not a period: %v", err)
		}
	}
	if !c.Maximum.IsZero() && c.Minimum.Compare(c.Maximum) > 0 {
		bad.add(key+".maximum", "must not be shorter than the minimum")
	}
	if !slices.Contains([]Basis{Law, Framework, Practice, NoBasis}, c.Basis) {
		bad.add(key+".basis", "must be law, framework, practice or none, not %q", c.Basis)
	}
	if c.Basis != NoBasis && c.Citation == "" {
		bad.add(key+".citation", "must say what the basis %s rests on", c.Basis)
	}
}

// CheckClasses refuses class rules that name an unknown class, and keep rules
// that outlive a class's maximum without a reason given.
func (p Policy) CheckClasses(set ClassSet) error {
	var bad problems
	longest := p.Longest()
	for _, r := range p.Keep {
		if term, ok := r.cycleTerm(); ok && term.Compare(longest) > 0 {
			longest = term
		}
	}
	for i, r := range p.Classes {
		key := fmt.Sprintf("classes[%d]", i)
		c, ok := set.Find(r.Class)
		if !ok {
			bad.add(key+".class", "names %q, which the class set %q does not have", r.Class, set.ID)
			continue
		}
		if !c.Maximum.IsZero() && longest.Compare(c.Maximum) > 0 && r.BeyondMaximum == "" {
			bad.add(key+".beyond_maximum",
				"must give a reason: the policy keeps points %s, class %s may be kept %s at most",
				longest.Words(), c.ID, c.Maximum.Words())
		}
	}
	return bad.err(fmt.Sprintf("policy %q does not fit its record classes", p.Name))
}
