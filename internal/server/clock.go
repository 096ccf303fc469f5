package server

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/clock"
	"github.com/counterfoil/counterfoil/internal/gate"
)

func (s *Server) clock(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, clockOf(s.Clock.Status()))
}

func (s *Server) attestClock(w http.ResponseWriter, r *http.Request) error {
	var in api.Attest
	if err := readJSON(r, &in); err != nil {
		return err
	}
	at := s.Clock.Status().System
	if in.At != nil {
		at = *in.At
	}
	request := s.strict(access.ClockAttest, "", "clock", in.Reason, in)
	err := s.Gate.Do(r.Context(), request, func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		_, err := s.Clock.Attest(ctx, g, at, g.Subject(), in.Reason)
		return gate.Outcome{Detail: map[string]string{"attested": at.UTC().Format(time.RFC3339)}}, err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, clockOf(s.Clock.Status()))
}

func clockOf(st clock.Status) api.Clock {
	out := api.Clock{System: st.System, Receipt: st.Receipt, Proven: moment(st.Proven), Groups: st.Groups, Sources: []api.ClockSource{}, Refusal: st.Refusal}
	for _, x := range st.Sources {
		out.Sources = append(out.Sources, api.ClockSource{Name: x.Name, Group: x.Group, At: moment(x.At), Error: x.Error})
	}
	if st.Latch != nil {
		out.Latched, out.LatchedSince = st.Latch.Text, moment(st.Latch.Since)
	}
	if a := st.Attested; a != nil {
		out.Attested = fmt.Sprintf("%s by %s: %s", a.At.UTC().Format(time.RFC3339), a.By, a.Reason)
	}
	return out
}
