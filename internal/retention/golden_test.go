package retention

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/policy"
)

var update = flag.Bool("update", false, "rewrite golden files")

const divider = "----\n"

// TestGolden runs the cases of testdata: above the divider a policy and a
// calendar of points, below it what they get and why.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script, want, _ := strings.Cut(string(data), divider)
			got := play(t, script)
			if *update {
				if err := os.WriteFile(file, []byte(script+divider+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// stage is the state of a script as it is played.
type stage struct {
	t     *testing.T
	in    AssignInput
	known map[string]PointFacts
	facts []Fact
	out   strings.Builder
}

func play(t *testing.T, script string) string {
	t.Helper()
	s := &stage{t: t, known: map[string]PointFacts{}}
	s.in = AssignInput{Source: "ledger", Policy: policy.SOX(), Zone: time.UTC, Bounds: Bounds{DefaultMin, DefaultMax}}
	for _, line := range strings.Split(script, "\n") {
		if f := strings.Fields(line); len(f) > 0 && !strings.HasPrefix(line, "#") {
			s.line(f[0], f[1:])
		}
	}
	return s.out.String()
}

func (s *stage) line(word string, args []string) {
	s.t.Helper()
	switch word {
	case "policy":
		s.in.Policy = map[string]policy.Policy{"sox": policy.SOX(), "sox-long": policy.SOXLong()}[args[0]]
	case "keep": // keep TAG PERIOD [key=value ...]
		s.keep(args)
	case "zone":
		loc, err := time.LoadLocation(args[0])
		if err != nil {
			s.t.Fatal(err)
		}
		s.in.Zone = loc
	case "created":
		s.in.SourceCreatedAt = s.time(args[0])
	case "bounds":
		s.in.Bounds = Bounds{s.period(args[0]), s.period(args[1])}
	case "class": // class ID CARRIER PERIOD START [MAXIMUM]
		c := policy.Class{ID: args[0], Minimum: s.period(args[2]), ClockStart: args[3], Basis: policy.Practice}
		if len(args) > 4 {
			c.Maximum = s.period(args[4])
		}
		s.in.Classes = append(s.in.Classes, FoundClass{Class: c, CarriedBy: policy.Carrier(args[1])})
	case "event": // event NAME AT FROM TO
		e := Event{ID: "e", Name: args[0], At: s.time(args[1]), Covers: Selector{From: s.time(args[2]), To: s.time(args[3])}}
		s.in.Events = append(s.in.Events, e)
		s.facts = append(s.facts, Fact{Kind: EventRecorded, At: e.At, Event: &e})
	case "hold":
		h := hold.Hold{ID: args[0], Matter: strings.Join(args[1:], " ")}
		s.in.Holds = append(s.in.Holds, h)
		s.facts = append(s.facts, Fact{Kind: HoldPlaced, Hold: &h})
	case "release":
		s.in.Holds = nil
		s.facts = append(s.facts, Fact{Kind: HoldReleased, HoldID: args[0]})
	case "fails":
		for i := range s.in.History {
			if s.in.History[i].ID == args[0] {
				s.in.History[i].Verified = Failed
			}
		}
	case "fiscal": // fiscal JSON
		s.fiscal(strings.Join(args, " "))
	case "close": // close ID PERIOD RECORDED [SOURCE]
		s.close(args)
	case "closes": // closes TIME
		s.closes(s.time(args[0]))
	case "point": // point ID RECEIVED ENTRIES BYTES [incomplete|on_demand|remnant]
		s.point(args)
	case "handovers":
		s.handovers(s.time(args[0]))
	case "explain":
		s.explain(args[0])
	case "decide": // decide ID TIME [signed|newest]
		s.decide(args)
	default:
		s.t.Fatalf("unknown word %q", word)
	}
}

func (s *stage) keep(args []string) {
	s.t.Helper()
	r := policy.KeepRule{Tag: policy.TagName(args[0]), For: s.period(args[1])}
	for _, a := range args[2:] {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "weekday":
			r.Weekday = policy.Weekday(value)
		case "nth":
			r.Nth = s.number(value)
		case "month_day":
			r.MonthDay = s.number(value)
		case "last":
			r.Last = true
		case "month":
			r.Month = s.number(value)
		case "day":
			r.Day = s.number(value)
		case "fiscal_year_end":
			r.FiscalYearEnd = s.number(value)
		case "fiscal":
			r.Fiscal = true
		case "cycles":
			r.Cycles = s.number(value)
		}
	}
	s.written()
	s.in.Policy.Keep = append(s.in.Policy.Keep, r)
	s.check()
}

func (s *stage) check() {
	s.t.Helper()
	if err := s.in.Policy.Validate(); err != nil {
		s.t.Fatal(err)
	}
}

// written makes a policy of the script's own.
func (s *stage) written() {
	if s.in.Policy.Name == "sox" {
		s.in.Policy = policy.Policy{Name: "written", Version: 1, Zone: "UTC", Schedule: policy.Schedule{Kind: policy.Manual},
			OnDemand: DefaultOnDemand, EveryPoint: DefaultEveryPoint}
	}
}

func (s *stage) fiscal(text string) {
	s.t.Helper()
	s.written()
	if err := json.Unmarshal([]byte(text), &s.in.Policy.Fiscal); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) close(args []string) {
	s.t.Helper()
	at := s.time(args[2])
	e := Event{ID: args[0], Name: CloseEvent, Period: args[1], At: at, RecordedAt: at, Covers: Selector{From: at, Sources: args[3:]}}
	s.in.Events = append(s.in.Events, e)
	s.facts = append(s.facts, Fact{Kind: EventRecorded, At: at, Event: &e})
}

func (s *stage) closes(now time.Time) {
	fmt.Fprintf(&s.out, "closes %s\n", now.Format(time.RFC3339))
	for _, c := range Closes(CloseInput{Source: s.in.Source, Policy: s.in.Policy, Zone: s.in.Zone, Now: now, SourceCreatedAt: s.in.SourceCreatedAt,
		Events: s.in.Events, History: s.in.History}) {
		fmt.Fprintf(&s.out, " %s event=%q since %s due by %s holder=%q stand-in=%q overdue=%v\n", tagList([]Tag{c.Tag}), c.Event,
			c.Since.Format(time.RFC3339), c.DueBy.Format(time.RFC3339), c.Holder, c.StandIn, c.Overdue(now))
	}
}

func (s *stage) point(args []string) {
	s.t.Helper()
	in := s.in
	in.Point, in.ReceivedAt, in.Complete, in.Trigger = args[0], s.time(args[1]), true, Scheduled
	in.Entries, in.Bytes = int64(s.number(args[2])), int64(s.number(args[3]))
	for _, a := range args[4:] {
		switch a {
		case "incomplete":
			in.Complete = false
		case "on_demand":
			in.Trigger = OnDemand
		case "remnant":
			in.Trigger = Remnant
		default:
			s.t.Fatalf("unknown mark %q", a)
		}
	}
	a := Assign(in)
	fmt.Fprintf(&s.out, "point %s %s\n  tags:%s\n  until: %s\n", in.Point, args[1], tagList(a.Tags), a.RetainUntil)
	for _, r := range a.Reasons {
		fmt.Fprintf(&s.out, "  %s: %s\n", r.Kind, r.Sentence(s.in.Zone))
	}
	for _, w := range a.Warnings {
		fmt.Fprintf(&s.out, "  ! %s: %s\n", w.Kind, w.Text)
	}
	s.in.History = append(s.in.History, PastPoint{
		ID: in.Point, ReceivedAt: in.ReceivedAt, Trigger: in.Trigger, Complete: in.Complete, Tags: a.Tags, Entries: in.Entries, Bytes: in.Bytes,
	})
	s.known[in.Point] = factsOf(in, a)
}

// factsOf is what a commit writes down of an assignment.
func factsOf(in AssignInput, a Assignment) PointFacts {
	p := PointFacts{
		ID: in.Point, Source: in.Source, ReceivedAt: in.ReceivedAt, Complete: in.Complete, Trigger: in.Trigger,
		Tags: a.Tags, Computed: a.Computed, Reasons: a.Reasons, Pending: a.Pending,
	}
	for _, f := range in.Classes {
		p.Classes = append(p.Classes, f.Class.ID)
	}
	return p
}

func tagList(tags []Tag) string {
	var b strings.Builder
	for _, t := range tags {
		fmt.Fprintf(&b, " %s", t.Name)
		if t.Period != "" {
			fmt.Fprintf(&b, "=%s", t.Period)
		}
		if t.Provisional {
			b.WriteString("(provisional)")
		}
	}
	if b.Len() == 0 {
		return " none"
	}
	return b.String()
}

func (s *stage) handovers(now time.Time) {
	hs := Handovers(HandoverInput{Policy: s.in.Policy, Zone: s.in.Zone, Now: now, SourceCreatedAt: s.in.SourceCreatedAt,
		History: s.in.History, Classes: s.in.Classes})
	fmt.Fprintf(&s.out, "handovers %s: %d\n", now.Format(time.RFC3339), len(hs))
	for _, h := range hs {
		fmt.Fprintf(&s.out, "  to %s from %q:%s until %s\n", h.To, h.From, tagList([]Tag{h.Tag}), h.Until)
		for _, r := range h.Reasons {
			fmt.Fprintf(&s.out, "    %s: %s\n", r.Kind, r.Sentence(s.in.Zone))
		}
		s.facts = append(s.facts, h.Fact(now))
		for i := range s.in.History {
			if s.in.History[i].ID == h.To {
				s.in.History[i].Tags = append(s.in.History[i].Tags, h.Tag)
			}
		}
	}
}

func (s *stage) explain(id string) {
	st := Fold(s.known[id], s.facts)
	fmt.Fprintf(&s.out, "explain %s\n  tags:%s\n  until: %s\n", id, tagList(st.Tags), st.RetainUntil)
	for _, r := range st.Reasons {
		fmt.Fprintf(&s.out, "  %s: %s\n", r.Kind, r.Sentence(s.in.Zone))
	}
}

func (s *stage) decide(args []string) {
	it := Item{State: Fold(s.known[args[0]], s.facts)}
	for _, a := range args[2:] {
		it.DisposalSigned = it.DisposalSigned || a == "signed"
		it.Newest = it.Newest || a == "newest"
	}
	d := Decide(it, s.time(args[1]), nil)
	fmt.Fprintf(&s.out, "decide %s: %s\n", strings.Join(args, " "), d.Verdict)
	for _, f := range d.Findings {
		fmt.Fprintf(&s.out, "  %s: %s\n", f.Ground, f.Sentence(s.in.Zone))
	}
}

func (s *stage) time(text string) time.Time {
	s.t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		s.t.Fatal(err)
	}
	return at
}

func (s *stage) period(text string) calendar.Period {
	s.t.Helper()
	p, err := calendar.ParsePeriod(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *stage) number(text string) int {
	s.t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}
