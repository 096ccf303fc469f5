package server

import (
	"context"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/retention"
)

// closesOf gives, by the id of their event, the closes of a vault that events
// record.
func (s *Server) closesOf(ctx context.Context, vault string, events ...retention.Event) (map[string][]api.Close, error) {
	if !slices.ContainsFunc(events, func(e retention.Event) bool { return e.Name == retention.CloseEvent }) {
		return nil, nil
	}
	list, err := s.Lifecycle.Closes(ctx, vault)
	if err != nil {
		return nil, err
	}
	out := map[string][]api.Close{}
	for _, c := range list {
		if c.Event != "" {
			out[c.Event] = append(out[c.Event], closeOf(c))
		}
	}
	return out, nil
}

func closeOf(c lifecycle.SourceClose) api.Close {
	out := api.Close{Source: c.Source, Period: c.Tag.Period, State: api.CloseDue, DueBy: c.DueBy}
	switch {
	case c.Captured():
		out.State = api.CloseCaptured
	case c.Overdue:
		out.State = api.CloseOverdue
	}
	// A point that stood in before the whole one came is told by its own tags.
	if out.Point = strings.ToUpper(c.Holder); out.Point == "" {
		out.Point = strings.ToUpper(c.StandIn)
	}
	return out
}
