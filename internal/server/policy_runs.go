package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// How many runs of a schedule are shown unless asked for, and at most.
const (
	shownRuns = 10
	mostRuns  = 1000
)

func (s *Server) policyRuns(w http.ResponseWriter, r *http.Request) error {
	p, err := s.Custody.Policy(r.Context(), r.PathValue("name"), 0)
	if err != nil {
		return err
	}
	zone, err := custody.Zone(p)
	if err != nil {
		return err
	}
	count, err := runCount(r.URL.Query().Get("count"))
	if err != nil {
		return err
	}
	after := s.Receipt()
	if text := r.URL.Query().Get("from"); text != "" {
		day, err := calendar.ParseDate(text)
		if err != nil {
			return errkind.Wrap(errkind.Invalid, err, "runs of policy %q", p.Name)
		}
		after = day.Start(zone).Add(-time.Nanosecond) // a run at midnight is the day's
	}
	out := api.PolicyRuns{Policy: p.Name, Version: p.Version, Zone: p.Zone, Schedule: p.Schedule.Words(p.Zone), Runs: []api.PolicyRun{}}
	for run := range p.Schedule.Runs(after, calendar.End, zone) {
		if len(out.Runs) == count {
			break
		}
		out.Runs = append(out.Runs, api.PolicyRun{At: run.UTC(), Local: run.In(zone).Format("Mon 2006-01-02 15:04 -07:00")})
	}
	return writeJSON(w, out)
}

func runCount(text string) (int, error) {
	if text == "" {
		return shownRuns, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > mostRuns {
		return 0, errkind.New(errkind.Invalid, "count %q is not a number between 1 and %d", text, mostRuns)
	}
	return n, nil
}
