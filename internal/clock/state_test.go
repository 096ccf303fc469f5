package clock

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestDecodeState_Forms(t *testing.T) {
	ask := errkind.Internal // none
	for name, tt := range map[string]struct {
		text string
		kind errkind.Kind
		want State
	}{
		"first form":         {`{"floor":"2026-03-31T12:00:00Z"}`, ask, State{Floor: start}},
		"another zone":       {`{"floor":"2026-03-31T14:00:00+02:00"}`, ask, State{Floor: start}},
		"without a floor":    {`{"format":2,"trusted":"2026-03-31T12:00:00Z"}`, ask, State{Trusted: start}},
		"latched":            {`{"format":2,"trusted":"2026-03-31T12:00:00Z","latch":{}}`, ask, State{Trusted: start, Latch: &Latch{}}},
		"fields of tomorrow": {`{"format":2,"trusted":"2026-03-31T12:00:00Z","moon":1}`, ask, State{Trusted: start}},
		"later format":       {`{"format":3,"floor":"2026-03-31T12:00:00Z"}`, errkind.NewerFormat, State{}},
		"no format at all":   {`{"format":-1,"floor":"2026-03-31T12:00:00Z"}`, errkind.Damaged, State{}},
		"nothing":            {``, errkind.Damaged, State{}},
		"no object":          {`null`, errkind.Damaged, State{}},
		"no time":            {`{"format":2}`, errkind.Damaged, State{}},
		"first, no floor":    {`{"trusted":"2026-03-31T12:00:00Z"}`, errkind.Damaged, State{}},
		"cut":                {`{"floor":"2026-03-31T12:00:00Z"`, errkind.Damaged, State{}},
		"two":                {`{"floor":"2026-03-31T12:00:00Z"}{}`, errkind.Damaged, State{}},
		"before our time":    {`{"floor":"1026-03-31T12:00:00Z"}`, errkind.Damaged, State{}},
		"after our time":     {`{"floor":"2026-03-31T12:00:00Z","proven":"9999-03-31T12:00:00Z"}`, errkind.Damaged, State{}},
	} {
		got, err := decodeState([]byte(tt.text))
		if (err != nil) != (tt.kind != ask) || err != nil && !errkind.Is(err, tt.kind) {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(tt.want, got, cmp.AllowUnexported(State{}, run{})); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestMerge_KeepsTheLaterAndTheClosed(t *testing.T) {
	latch, gap := &Latch{Reason: LatchJump, Since: start}, &Gap{From: start, To: start.Add(LatchGap)}
	early, late := State{Floor: start, Trusted: start, Proven: start}, State{Floor: start.Add(1), Trusted: start.Add(1), Proven: start.Add(1)}
	attested := late
	attested.Attested = &Attestation{Number: 1}
	closed := early
	closed.Latch, closed.Gap = latch, gap
	both := late
	both.Latch, both.Gap = latch, gap
	for name, tt := range map[string]struct{ disk, own, want State }{
		"times of the file":        {late, early, late},
		"own times":                {early, late, late},
		"closed in the file":       {closed, late, both},
		"closed here":              {late, closed, both},
		"attested in the file":     {attested, closed, attested},
		"closed after attestation": {State{Latch: latch, Attested: attested.Attested}, attested, State{Floor: late.Floor, Trusted: late.Trusted, Proven: late.Proven, Latch: latch, Attested: attested.Attested}},
	} {
		if d := cmp.Diff(tt.want, merge(tt.disk, tt.own), cmp.AllowUnexported(State{}, run{})); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func FuzzDecodeState(f *testing.F) {
	for _, seed := range []string{
		`{"floor":"2026-03-31T12:00:00Z"}`,
		`{"format":2,"floor":"2026-03-31T12:00:00Z","trusted":"2026-03-31T12:00:00.5Z","proven":"2026-03-31T12:00:00+23:59"}`,
		`{"format":2,"trusted":"9998-01-01T00:00:00Z","latch":{"reason":"jump","since":"2026-03-31T12:00:00Z","text":"x"},"gap":{"from":"2026-03-31T12:00:00Z"}}`,
		`{"format":2,"proven":"1970-01-01T00:00:00Z","attested":{"number":1,"at":"2026-03-31T12:00:00Z","by":"ann"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decodeState(data)
		if err != nil {
			if !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NewerFormat) {
				t.Fatalf("error without a kind: %v", err)
			}
			return
		}
		again := roundTrip(t, s)
		if d := cmp.Diff(s, again, cmp.AllowUnexported(State{}, run{})); d != "" {
			t.Fatal(d)
		}
		o := Observation{System: start, Started: true, Sources: []Reading{{Name: "store", Group: "offsite", At: start.Add(time.Hour)}}}
		next, _ := Advance(s.opened(start), o)
		if next.Proven.Before(s.Proven) || next.Trusted.Before(s.Trusted) || s.Latch != nil && next.Latch == nil {
			t.Fatalf("%+v became %+v", s, next)
		}
		roundTrip(t, next)
	})
}

func roundTrip(t *testing.T, s State) State {
	t.Helper()
	data, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := decodeState(data)
	if err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return again
}
