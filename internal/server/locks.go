package server

import (
	"context"
	"net/http"
	"strconv"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/gate"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
)

func (s *Server) locks(w http.ResponseWriter, r *http.Request) error {
	var in api.RaiseLocks
	if err := readJSON(r, &in); err != nil {
		return err
	}
	name := r.PathValue("name")
	if !in.Apply {
		plan, err := s.Lifecycle.PlanLocks(r.Context(), name)
		if err != nil {
			return err
		}
		return writeJSON(w, locksOf(plan, 0))
	}
	var plan *lifecycle.Locks
	raised := 0
	request := s.request(access.LockRaise, access.Target{Vault: name}, "vault "+name, in)
	err := s.Gate.Do(r.Context(), request, func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		var err error
		plan, raised, err = s.Lifecycle.RaiseLocks(ctx, g, name)
		if plan == nil {
			return gate.Outcome{}, err
		}
		// A lock that was short before it was raised calls for a security alert.
		return gate.Outcome{Incomplete: len(plan.Missing) > 0 || raised < len(plan.Raise), Detail: map[string]string{
			"raised": strconv.Itoa(raised), "missing": strconv.Itoa(len(plan.Missing)), "short": strconv.FormatBool(plan.Short()),
		}}, err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, locksOf(plan, raised))
}

func locksOf(p *lifecycle.Locks, raised int) api.Locks {
	out := api.Locks{Vault: p.Vault, Mode: string(p.Mode), Objects: p.Objects, Locked: p.Locked, ToRaise: len(p.Raise), Raised: raised,
		Missing: append([]string{}, p.Missing...), MarginObject: p.MarginObject, Short: p.Short(), Raises: []api.Raise{}}
	if p.Margin != nil {
		out.Margin = p.Margin.String()
	}
	for _, r := range p.Raise {
		out.Raises = append(out.Raises, api.Raise{Object: r.Object, From: moment(r.From.Until), To: r.To.Until, Mode: string(r.To.Mode), Points: r.Points})
	}
	return out
}

func (s *Server) lockVault(w http.ResponseWriter, r *http.Request) error {
	var in api.LockVault
	if err := readJSON(r, &in); err != nil {
		return err
	}
	name := r.PathValue("name")
	if !in.Yes {
		l, err := s.Lifecycle.PreviewLock(r.Context(), name)
		if err != nil {
			return err
		}
		return writeJSON(w, lockingOf(l, false))
	}
	return s.locking(w, r, access.VaultLock, s.Lifecycle.Lock)
}

func (s *Server) callBackLock(w http.ResponseWriter, r *http.Request) error {
	return s.locking(w, r, access.VaultCallBack, s.Lifecycle.CallBack)
}

func (s *Server) locking(w http.ResponseWriter, r *http.Request, action access.Action, fn func(context.Context, access.Grant, string) (lifecycle.Locking, error)) error {
	name := r.PathValue("name")
	var l lifecycle.Locking
	err := s.Gate.Do(r.Context(), s.strict(action, name, "vault "+name, "", nil), func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		var err error
		l, err = fn(ctx, g, name)
		return gate.Outcome{Detail: map[string]string{"state": l.State}}, err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, lockingOf(l, true))
}

func lockingOf(l lifecycle.Locking, asked bool) api.Locking {
	return api.Locking{Vault: l.Vault, State: l.State, Effective: moment(l.Effective), Points: l.Points, Objects: l.Objects, Bytes: l.Bytes, Last: moment(l.Last), Converted: l.Converted, GBYears: l.GBYears, Asked: asked}
}

func (s *Server) proof(w http.ResponseWriter, r *http.Request) error {
	row, err := s.Catalog.Point(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	var p *lifecycle.Proof
	request := s.request(access.VaultProve, access.Target{Vault: row.VaultID, Source: row.SourceID}, "point "+row.ID, nil)
	err = s.Gate.Do(r.Context(), request, func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		if p, err = s.Lifecycle.Prove(ctx, g, row.ID); err != nil {
			return gate.Outcome{}, err
		}
		return gate.Outcome{Detail: map[string]string{"root": p.Root, "objects": strconv.Itoa(len(p.Objects))}}, nil
	})
	if err != nil {
		return err
	}
	return writeJSON(w, proofOf(p))
}

func proofOf(p *lifecycle.Proof) api.Proof {
	out := api.Proof{Vault: p.Vault, Point: p.Point, At: p.At, Until: moment(p.Until), Mode: p.Mode, Enforcer: p.Enforcer, Level: p.Level, Root: p.Root, Record: p.Record}
	for _, o := range p.Objects {
		out.Objects = append(out.Objects, api.ProofObject{Object: o.Object, Version: o.Version, Size: o.Size, SHA256: o.SHA256, Mode: o.Mode, Until: moment(o.Until)})
	}
	return out
}

func (s *Server) canary(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	var c *lifecycle.Canary
	request := s.request(access.CanaryRun, access.Target{Vault: name}, "vault "+name, nil)
	err := s.Gate.Do(r.Context(), request, func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		var err error
		if c, err = s.Lifecycle.RunCanary(ctx, g, name); c == nil {
			return gate.Outcome{}, err
		}
		return gate.Outcome{Incomplete: c.Verdict != lifecycle.Pass, Detail: map[string]string{"verdict": string(c.Verdict), "object": c.Object}}, err
	})
	if err != nil {
		return err
	}
	out := api.Canary{Vault: c.Vault, At: c.At, Object: c.Object, Mode: string(c.Mode), Verdict: string(c.Verdict)}
	for _, a := range c.Attempts {
		out.Attempts = append(out.Attempts, api.CanaryAttempt{Name: a.Name, Verdict: string(a.Verdict), Answer: a.Answer})
	}
	return writeJSON(w, out)
}
