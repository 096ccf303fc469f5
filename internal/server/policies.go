package server

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/gate"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/policy"
)

func (s *Server) policies(w http.ResponseWriter, r *http.Request) error {
	rows, err := s.Catalog.Policies(r.Context())
	if err != nil {
		return err
	}
	sources, err := s.Catalog.Sources(r.Context())
	if err != nil {
		return err
	}
	out := []api.Policy{}
	for _, row := range rows {
		p, err := policyOf(row, sources)
		if err != nil {
			return err
		}
		out = append(out, p)
	}
	return writeJSON(w, out)
}

func (s *Server) policy(w http.ResponseWriter, r *http.Request) error {
	version := 0
	if text := r.URL.Query().Get("version"); text != "" {
		var err error
		if version, err = strconv.Atoi(text); err != nil || version < 1 {
			return errkind.New(errkind.Invalid, "version %q is not a number from 1", text)
		}
	}
	row, err := s.Catalog.Policy(r.Context(), r.PathValue("name"), version)
	if err != nil {
		return err
	}
	sources, err := s.Catalog.Sources(r.Context())
	if err != nil {
		return err
	}
	out, err := policyOf(row, sources)
	if err != nil {
		return err
	}
	return writeJSON(w, out)
}

func policyOf(row catalog.Policy, sources []catalog.Source) (api.Policy, error) {
	p, err := policy.Parse(row.Body)
	if err != nil {
		return api.Policy{}, err
	}
	out := api.Policy{Name: row.Name, Version: row.Version, Schedule: p.Schedule.Words(p.Zone), Document: row.Body, Keep: []api.PolicyKeep{}, Classes: []string{}, Sources: []string{}}
	for _, s := range sources {
		if s.Policy == row.Name && s.PolicyVersion == row.Version {
			out.Sources = append(out.Sources, s.Name)
		}
	}
	for _, k := range p.Keep {
		keep := api.PolicyKeep{Tag: string(k.Tag), For: k.For.Words(), Due: dueOf(k)}
		if k.Cycles > 0 {
			keep.For += fmt.Sprintf(" and the last %d", k.Cycles)
		}
		out.Keep = append(out.Keep, keep)
	}
	for _, c := range p.Classes {
		out.Classes = append(out.Classes, classWords(c))
	}
	if p.Fiscal != nil {
		out.Fiscal = p.Fiscal.Words()
	}
	out.Keep = append(out.Keep, api.PolicyKeep{Tag: "on-demand", For: p.OnDemand.Words()}, api.PolicyKeep{Tag: "every point", For: p.EveryPoint.Words()})
	return out, nil
}

// classWords says where the records of a class are and what carries its period.
func classWords(c policy.ClassRule) string {
	text := c.Class
	if c.Path != "" {
		text += " at " + c.Path
	}
	if c.Carrier() == policy.EveryPoint {
		text += ", carried by every point"
	}
	if c.BeyondMaximum != "" {
		text += ", beyond its maximum: " + c.BeyondMaximum
	}
	return text
}

// dueOf says in a few words when a tag falls due.
func dueOf(k policy.KeepRule) string {
	switch {
	case k.Last:
		return "last of the month"
	case k.Nth > 0:
		return fmt.Sprintf("%s no. %d of the month", k.Weekday, k.Nth)
	case k.Weekday != "":
		return string(k.Weekday)
	case k.MonthDay > 0:
		return fmt.Sprintf("day %d of the month", k.MonthDay)
	case k.FiscalYearEnd > 0:
		return fmt.Sprintf("after the fiscal year that ends in month %d", k.FiscalYearEnd)
	case k.Fiscal:
		return "after each year of the financial calendar"
	case k.Month > 0:
		return fmt.Sprintf("%02d-%02d", k.Month, k.Day)
	}
	return ""
}

func (s *Server) classes(w http.ResponseWriter, r *http.Request) error {
	set, err := policy.Classes(cmp.Or(r.URL.Query().Get("set"), policy.DefaultClassSet))
	if err != nil {
		return err
	}
	out := []api.Class{}
	for _, c := range set.Classes {
		out = append(out, classOf(c))
	}
	return writeJSON(w, out)
}

func classOf(c policy.Class) api.Class {
	x := api.Class{ID: c.ID, Title: c.Title, Minimum: "none", ClockStart: c.ClockStart, Basis: string(c.Basis), Citation: c.Citation, Personal: c.PersonalData}
	if !c.Minimum.IsZero() {
		x.Minimum = c.Minimum.Words()
	}
	if !c.Maximum.IsZero() {
		x.Maximum = c.Maximum.Words()
	}
	return x
}

func (s *Server) freeze(w http.ResponseWriter, r *http.Request) error {
	var in api.Why
	if err := readJSON(r, &in); err != nil {
		return err
	}
	name := r.PathValue("name")
	return s.freezing(w, r, access.PointFreeze, in, true, func(ctx context.Context, g access.Grant) (lifecycle.Freeze, error) {
		return s.Lifecycle.FreezeSource(ctx, g, name, in.Reason)
	})
}

func (s *Server) unfreeze(w http.ResponseWriter, r *http.Request) error {
	var in api.Why
	if err := readJSON(r, &in); err != nil {
		return err
	}
	name, id := r.PathValue("name"), r.PathValue("id")
	return s.freezing(w, r, access.PointUnfreeze, in, false, func(ctx context.Context, g access.Grant) (lifecycle.Freeze, error) {
		return s.Lifecycle.UnfreezeSource(ctx, g, name, id, in.Reason)
	})
}

func (s *Server) freezing(w http.ResponseWriter, r *http.Request, action access.Action, in api.Why, frozen bool, fn func(context.Context, access.Grant) (lifecycle.Freeze, error)) error {
	row, err := s.Catalog.Source(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	request := s.request(action, access.Target{Vault: row.VaultID, Source: row.ID}, "source "+row.Name, in)
	request.Reason, request.Strict = in.Reason, true
	var f lifecycle.Freeze
	err = s.Gate.Do(r.Context(), request, func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		f, err = fn(ctx, g)
		return gate.Outcome{Detail: map[string]string{"freeze": f.ID}}, err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, api.Freeze{ID: f.ID, Source: f.Source, Vault: f.Vault, Points: f.Points, Frozen: frozen})
}
