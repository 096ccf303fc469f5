package scheduler

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
)

// state is what a scheduler knows of the past, as its file has it.
type state struct {
	// Alive is when it last looked.
	Alive   time.Time              `json:"alive,omitzero"`
	Outages []policy.Outage        `json:"outages,omitempty"`
	Sources map[string]*keptSource `json:"sources"`
	// Chores is when each is due next, by the vault's id and its name.
	Chores map[string]time.Time `json:"chores"`
}

// keptSource is what is known of a source's runs.
type keptSource struct {
	Started time.Time `json:"started,omitzero"`
	Missed  time.Time `json:"missed,omitzero"`
	// Running says that a run began and its end is not known; Before is what Started
	// was before it.
	Running bool      `json:"running,omitempty"`
	Before  time.Time `json:"before,omitzero"`
	// Tries counts the failures since the last success, Retry is when to try again.
	Tries int       `json:"tries,omitempty"`
	Retry time.Time `json:"retry,omitzero"`
}

// mostOutages bounds what is remembered of outages, the newest.
const mostOutages = 100

// shortest is an outage that is worth being remembered.
const shortest = 2 * aliveEvery

func (s *state) source(id string) *keptSource {
	if s.Sources[id] == nil {
		s.Sources[id] = &keptSource{}
	}
	return s.Sources[id]
}

// load reads the file; where there is none nothing was started yet.
func (s *state) load(path string) error {
	s.Sources, s.Chores = map[string]*keptSource{}, map[string]time.Time{}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return errkind.Wrap(errkind.Unavailable, err, "read what the scheduler started")
	}
	if err := json.Unmarshal(data, s); err != nil || s.Sources == nil || s.Chores == nil {
		return errkind.New(errkind.Damaged, "what the scheduler started is damaged in %s: move the file away, and runs that are due start anew", path)
	}
	return nil
}

// began takes up a state in a new process: the time since the last look was an
// outage, and runs that were under way are to be made again.
func (s *state) began(now time.Time) {
	if !s.Alive.IsZero() && now.Sub(s.Alive) > shortest {
		s.Outages = append(s.Outages, policy.Outage{From: s.Alive, To: now})
		s.Outages = s.Outages[max(0, len(s.Outages)-mostOutages):]
	}
	for _, k := range s.Sources {
		if k != nil && k.Running {
			k.Running, k.Started = false, k.Before
		}
	}
}

func (s *state) save(path string) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return durable.WriteFile(path, append(data, '\n'), 0o600)
}
