package gate_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/audit"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/gate"
)

var now = time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)

// journal is a recorder that keeps events in memory and can refuse them.
type journal struct {
	events []audit.Event
	fail   error
	strict error
}

func (j *journal) Record(_ context.Context, e audit.Event) (audit.Event, error) {
	if j.fail != nil {
		return e, j.fail
	}
	e.ID = string(rune('A' + len(j.events)))
	j.events = append(j.events, e)
	return e, nil
}

func (j *journal) RecordStrict(ctx context.Context, e audit.Event) (audit.Event, error) {
	if j.strict != nil {
		return e, j.strict
	}
	return j.Record(ctx, e)
}

func newGate(j *journal) *gate.Gate {
	return gate.New(access.Owner("owner"), j, func() time.Time { return now })
}

func request(subject string) gate.Request {
	return gate.Request{Actor: audit.Actor{Subject: subject, Kind: audit.Owner}, Action: access.BackupRun, Target: access.Target{Vault: "v"}, Name: "source books", Payload: "all"}
}

type line struct{ Phase, Result, Before, Kind string }

func (j *journal) lines() []line {
	var out []line
	for _, e := range j.events {
		out = append(out, line{string(e.Phase), string(e.Result), e.Before, e.ErrorKind})
	}
	return out
}

func TestDo_RecordsBeforeAndAfter(t *testing.T) {
	for name, tc := range map[string]struct {
		outcome gate.Outcome
		err     error
		want    line
	}{
		"done":       {want: line{"after", "done", "A", ""}},
		"incomplete": {outcome: gate.Outcome{Incomplete: true}, want: line{"after", "incomplete", "A", ""}},
		"failed":     {err: errkind.New(errkind.NoSpace, "full"), want: line{"after", "failed", "A", "no_space"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := &journal{}
			err := newGate(j).Do(t.Context(), request("owner"), func(_ context.Context, g access.Grant) (gate.Outcome, error) {
				if len(j.events) != 1 {
					t.Errorf("%d records before the act", len(j.events))
				}
				if err := g.Require(access.BackupRun); err != nil || g.Event() != "A" {
					t.Errorf("grant %v, event %q", err, g.Event())
				}
				return tc.outcome, tc.err
			})
			if !errors.Is(err, tc.err) {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff([]line{{"before", "allowed", "", ""}, tc.want}, j.lines()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDo_StrangerIsRefusedAndRecorded(t *testing.T) {
	j := &journal{}
	err := newGate(j).Do(t.Context(), request("stranger"), func(context.Context, access.Grant) (gate.Outcome, error) {
		t.Error("the act was done")
		return gate.Outcome{}, nil
	})
	if !errkind.Is(err, errkind.NotAllowed) {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff([]line{{"only", "refused", "", "not_allowed"}}, j.lines()); diff != "" {
		t.Error(diff)
	}
}

func TestDo_NothingHappensUnrecorded(t *testing.T) {
	act := func(context.Context, access.Grant) (gate.Outcome, error) {
		t.Error("the act was done without its record")
		return gate.Outcome{}, nil
	}
	if err := newGate(&journal{fail: errors.New("no")}).Do(t.Context(), request("owner"), act); err == nil {
		t.Error("no error though nothing could be recorded")
	}
	r := request("owner")
	r.Strict = true
	if err := newGate(&journal{strict: errors.New("no")}).Do(t.Context(), r, act); err == nil {
		t.Error("no error though the record is not in the log")
	}
	if _, err := newGate(&journal{}).Note(t.Context(), request("stranger")); !errkind.Is(err, errkind.NotAllowed) {
		t.Errorf("reading by a stranger: %v", err)
	}
}

func TestRefuse_RecordsAndGivesTheRefusalBack(t *testing.T) {
	j := &journal{}
	refusal := errkind.New(errkind.Refused, "erased")
	if err := newGate(j).Refuse(t.Context(), request("owner"), refusal); !errors.Is(err, refusal) {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff([]line{{"only", "refused", "", "refused"}}, j.lines()); diff != "" {
		t.Error(diff)
	}
	if err := newGate(&journal{fail: errors.New("no")}).Refuse(t.Context(), request("owner"), refusal); !errkind.Is(err, errkind.Refused) {
		t.Errorf("unrecorded: %v", err)
	}
}

func TestDo_OutcomeOfACancelledActIsRecorded(t *testing.T) {
	j := &journal{}
	ctx, cancel := context.WithCancel(t.Context())
	err := newGate(j).Do(ctx, request("owner"), func(ctx context.Context, _ access.Grant) (gate.Outcome, error) {
		cancel()
		return gate.Outcome{}, ctx.Err()
	})
	if !errors.Is(err, context.Canceled) || len(j.events) != 2 || j.events[1].Result != audit.Failed {
		t.Errorf("error %v, records %v", err, j.lines())
	}
}
