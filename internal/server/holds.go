package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/gate"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/retention"
)

func (s *Server) holds(w http.ResponseWriter, r *http.Request) error {
	list, err := s.Lifecycle.Holds(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	out := []api.Hold{}
	for _, h := range list {
		out = append(out, s.holdOf(r.Context(), h))
	}
	return writeJSON(w, out)
}

func (s *Server) placeHold(w http.ResponseWriter, r *http.Request) error {
	var in api.NewHold
	if err := readJSON(r, &in); err != nil {
		return err
	}
	name := r.PathValue("name")
	scope, err := s.scope(r.Context(), in.Scope)
	if err != nil {
		return err
	}
	h := hold.Hold{Matter: in.Matter, Reason: in.Reason, Scope: scope}
	var placed lifecycle.Hold
	err = s.Gate.Do(r.Context(), s.strict(access.HoldPlace, name, "vault "+name, in.Reason, in), func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		placed, err = s.Lifecycle.PlaceHold(ctx, g, name, h)
		return gate.Outcome{Detail: map[string]string{"hold": placed.ID, "matter": in.Matter}}, err
	})
	if err != nil {
		return err
	}
	// The copy in the vault knows of the hold too. It is brought up to date by every
	// job, if not now.
	_ = s.Jobs.PublishLog(r.Context(), name)
	return s.writeHold(w, r, placed)
}

func (s *Server) releaseHold(w http.ResponseWriter, r *http.Request) error {
	var in api.Why
	if err := readJSON(r, &in); err != nil {
		return err
	}
	name, id := r.PathValue("name"), r.PathValue("id")
	var released lifecycle.Hold
	err := s.Gate.Do(r.Context(), s.strict(access.HoldRelease, name, "hold "+id, in.Reason, in), func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		var err error
		released, err = s.Lifecycle.ReleaseHold(ctx, g, name, id, in.Reason)
		return gate.Outcome{Detail: map[string]string{"hold": id}}, err
	})
	if err != nil {
		return err
	}
	return s.writeHold(w, r, released)
}

func (s *Server) applyHolds(w http.ResponseWriter, r *http.Request) error {
	out := api.HoldsApplied{Vault: r.PathValue("name")}
	err := s.do(r.Context(), s.strict(access.HoldPlace, out.Vault, "vault "+out.Vault, "", nil), func(ctx context.Context, g access.Grant) error {
		var err error
		out.Objects, err = s.Lifecycle.ApplyHolds(ctx, g, out.Vault)
		return err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, out)
}

func (s *Server) writeHold(w http.ResponseWriter, r *http.Request, h lifecycle.Hold) error {
	return writeJSON(w, s.holdOf(r.Context(), h))
}

// strict is a request that is refused when its record cannot be integrated at
// once.
func (s *Server) strict(action access.Action, vault, name, reason string, payload any) gate.Request {
	r := s.request(action, access.Target{Vault: vault}, name, payload)
	r.Reason, r.Strict = reason, true
	return r
}

// scope turns names into ids.
func (s *Server) scope(ctx context.Context, in api.Scope) (hold.Scope, error) {
	out := hold.Scope{Classes: in.Classes, Paths: in.Paths}
	for _, name := range in.Sources {
		row, err := s.Catalog.Source(ctx, name)
		if err != nil {
			return out, err
		}
		out.Sources = append(out.Sources, strings.ToLower(row.ID))
	}
	for _, ref := range in.Points {
		row, err := s.Catalog.Point(ctx, ref)
		if err != nil {
			return out, err
		}
		out.Points = append(out.Points, strings.ToLower(row.ID))
	}
	if in.From != nil {
		out.From = *in.From
	}
	if in.To != nil {
		out.To = *in.To
	}
	return out, nil
}

// scopeOf turns ids into names, where they are known.
func (s *Server) scopeOf(ctx context.Context, in hold.Scope) api.Scope {
	out := api.Scope{Classes: in.Classes, Paths: in.Paths, From: moment(in.From), To: moment(in.To)}
	for _, id := range in.Sources {
		name := id
		if row, err := s.Catalog.Source(ctx, strings.ToUpper(id)); err == nil {
			name = row.Name
		}
		out.Sources = append(out.Sources, name)
	}
	for _, id := range in.Points {
		out.Points = append(out.Points, strings.ToUpper(id))
	}
	return out
}

func (s *Server) holdOf(ctx context.Context, h lifecycle.Hold) api.Hold {
	return api.Hold{
		ID: h.ID, Vault: h.Vault, Matter: h.Matter, Reason: h.Reason, PlacedBy: h.PlacedBy, PlacedAt: h.PlacedAt, ReleasedBy: h.ReleasedBy, ReleasedAt: moment(h.ReleasedAt),
		Scope: s.scopeOf(ctx, h.Scope), Points: h.Points, Bytes: h.Bytes, OtherwiseGone: h.Kept,
	}
}

// moment is a time for the wire, nil where there is none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	list, err := s.Lifecycle.Events(r.Context(), name)
	if err != nil {
		return err
	}
	closes, err := s.closesOf(r.Context(), name, list...)
	if err != nil {
		return err
	}
	out := []api.RetentionEvent{}
	for _, e := range list {
		x := eventOf(name, e)
		x.Closes = closes[e.ID]
		out = append(out, x)
	}
	return writeJSON(w, out)
}

func eventOf(vault string, e retention.Event) api.RetentionEvent {
	return api.RetentionEvent{ID: e.ID, Vault: vault, Name: e.Name, Period: e.Period, At: e.At, RecordedBy: e.RecordedBy, Evidence: e.Evidence}
}

func (s *Server) recordEvent(w http.ResponseWriter, r *http.Request) error {
	var in api.NewEvent
	if err := readJSON(r, &in); err != nil {
		return err
	}
	name := r.PathValue("name")
	if len(in.Covers.Paths) > 0 {
		return errkind.New(errkind.Invalid, "an event concerns points, not paths: give sources, classes, points or a period of receipt")
	}
	scope, err := s.scope(r.Context(), in.Covers)
	if err != nil {
		return err
	}
	e := retention.Event{Name: in.Name, Period: in.Period, At: in.At, Evidence: in.Evidence,
		Covers: retention.Selector{Points: scope.Points, Sources: scope.Sources, Classes: scope.Classes, From: scope.From, To: scope.To}}
	var settled lifecycle.Settled
	err = s.Gate.Do(r.Context(), s.strict(access.EventRecord, name, "vault "+name, in.Evidence, in), func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		settled, err = s.Lifecycle.RecordEvent(ctx, g, name, e)
		return gate.Outcome{Detail: map[string]string{"event": settled.ID, "name": in.Name}}, err
	})
	if err != nil {
		return err
	}
	out := eventOf(name, settled.Event)
	for _, p := range settled.Points {
		out.Settled = append(out.Settled, api.SettledPoint{Point: p.Point, Source: p.Source, Until: p.Until.String()})
	}
	closes, err := s.closesOf(r.Context(), name, settled.Event)
	if err != nil {
		return fmt.Errorf("the event was recorded, and what waits for a point by it cannot be listed: %w", err)
	}
	out.Closes = closes[settled.ID]
	return writeJSON(w, out)
}

func (s *Server) deletePoint(w http.ResponseWriter, r *http.Request) error {
	var in api.Why
	if err := readJSON(r, &in); err != nil {
		return err
	}
	ref := r.PathValue("id")
	return s.deletion(w, r, access.PointDelete, in.Reason, in, func(ctx context.Context, g access.Grant) (lifecycle.Deletion, error) {
		return s.Lifecycle.DeletePoint(ctx, g, ref, in.Reason)
	})
}

func (s *Server) undeletePoint(w http.ResponseWriter, r *http.Request) error {
	ref := r.PathValue("id")
	return s.deletion(w, r, access.PointUndelete, "", nil, func(ctx context.Context, g access.Grant) (lifecycle.Deletion, error) {
		return s.Lifecycle.UndeletePoint(ctx, g, ref)
	})
}

func (s *Server) deletion(w http.ResponseWriter, r *http.Request, action access.Action, why string, payload any, fn func(context.Context, access.Grant) (lifecycle.Deletion, error)) error {
	row, err := s.Catalog.Point(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	var done lifecycle.Deletion
	err = s.do(r.Context(), s.strict(action, row.VaultID, "point "+row.ID, why, payload), func(ctx context.Context, g access.Grant) error {
		done, err = fn(ctx, g)
		return err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, api.Deletion{Point: done.Point, Source: done.Source, Vault: done.Vault, PurgeAfter: moment(done.PurgeAfter)})
}
