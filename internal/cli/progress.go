package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/counterfoil/counterfoil/internal/api"
)

// The forms of progress.
const (
	progressAuto  = "auto"
	progressBar   = "bar"
	progressPlain = "plain"
	progressJSON  = "json"
	progressNone  = "none"
)

// progress shows how far long work has come. Events come from one goroutine;
// stop comes last and leaves the terminal clean.
type progress interface {
	event(api.Event)
	stop()
}

var (
	_ progress = silent{}
	_ progress = (*plainProgress)(nil)
	_ progress = jsonProgress{}
	_ progress = (*barProgress)(nil)
)

func (s *session) newProgress() progress {
	form := s.flags.progress
	if form == progressAuto {
		switch {
		case s.env.Terminal:
			form = progressBar
		case s.flags.output == formatJSON:
			form = progressNone // a program reads: on its error output is JSON or nothing
		default:
			form = progressPlain
		}
	}
	switch {
	case s.flags.quiet || form == progressNone:
		return silent{}
	case form == progressJSON:
		return jsonProgress{s}
	case form == progressBar:
		return newBarProgress(s.env.Err, s.env.Width)
	default:
		return newPlainProgress(s)
	}
}

// silent shows nothing.
type silent struct{}

func (silent) event(api.Event) {}
func (silent) stop()           {}

// jsonProgress passes events on, one a line, for a program.
type jsonProgress struct{ s *session }

func (p jsonProgress) event(e api.Event) {
	if text, err := json.Marshal(e); err == nil {
		fmt.Fprintf(p.s.env.Err, "%s\n", printableJSON(text))
	}
}

func (jsonProgress) stop() {}

// plainEvery is how often a line is written into a log; work that is shorter
// leaves none.
const plainEvery = 5 * time.Second

// plainProgress writes lines, for logs.
type plainProgress struct {
	s       *session
	pace    pace
	written time.Time
}

func newPlainProgress(s *session) *plainProgress {
	return &plainProgress{s: s, written: s.env.Now()}
}

func (p *plainProgress) event(e api.Event) {
	if e.Message != "" {
		fmt.Fprintln(p.s.env.Err, safe(e.Message))
	}
	if e.Progress == nil {
		return
	}
	now := p.s.env.Now()
	p.pace.see(*e.Progress, now)
	if now.Sub(p.written) >= plainEvery {
		p.written = now
		fmt.Fprintln(p.s.env.Err, safe(p.pace.line(*e.Progress, now)))
	}
}

func (*plainProgress) stop() {}

// pace reckons rate and time left within one step.
type pace struct {
	step  string
	begun time.Time
	from  int64
}

func (p *pace) see(at api.Progress, now time.Time) {
	if p.begun.IsZero() || at.Step != p.step {
		*p = pace{step: at.Step, begun: now, from: at.Done}
	}
}

func (p *pace) line(at api.Progress, now time.Time) string {
	text := amount(at.Done, at.Unit)
	if at.Total > 0 {
		text += fmt.Sprintf(" of %s (%d %%)", amount(at.Total, at.Unit), min(100, int(100*float64(at.Done)/float64(at.Total))))
	}
	parts := []string{text}
	if at.Files > 0 {
		parts = append(parts, count(at.Files, "file", "files"))
	}
	elapsed, done := now.Sub(p.begun), at.Done-p.from
	if elapsed >= time.Second && done > 0 {
		rate := float64(done) / elapsed.Seconds()
		parts = append(parts, amount(int64(rate), at.Unit)+"/s")
		if left := at.Total - at.Done; left > 0 {
			parts = append(parts, "about "+lasting(time.Duration(float64(left)/rate*float64(time.Second)))+" left")
		}
	}
	return at.Step + ": " + strings.Join(parts, ", ")
}

func amount(n int64, unit string) string {
	if unit == "bytes" || unit == "" {
		return size(n)
	}
	if n == 1 {
		unit = strings.TrimSuffix(strings.Replace(unit, "entries", "entry", 1), "s")
	}
	return humanize.Comma(n) + " " + unit
}
