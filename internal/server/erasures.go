package server

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/erasure"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/gate"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/restore"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func (s *Server) erasures(w http.ResponseWriter, r *http.Request) error {
	list, err := s.Lifecycle.Erasures(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	out := []api.Erasure{}
	for _, e := range list {
		out = append(out, s.erasureOf(r.Context(), e))
	}
	return writeJSON(w, out)
}

// erasure shows an erasure. That a person's name is opened by it is recorded.
func (s *Server) erasure(w http.ResponseWriter, r *http.Request) error {
	ctx, name, id := r.Context(), r.PathValue("name"), r.PathValue("id")
	if _, err := s.Gate.Note(ctx, s.request(access.ErasureRead, access.Target{Vault: name}, "erasure "+id, nil)); err != nil {
		return err
	}
	e, held, err := s.Lifecycle.Erasure(ctx, name, id)
	if err != nil {
		return err
	}
	out := s.erasureDetail(ctx, e, held)
	if out.SubjectName, err = s.Lifecycle.SubjectName(ctx, name, e.Subject); err != nil {
		return err
	}
	return writeJSON(w, out)
}

func (s *Server) recordErasure(w http.ResponseWriter, r *http.Request) error {
	var in api.NewErasure
	if err := readJSON(r, &in); err != nil {
		return err
	}
	ctx, name := r.Context(), r.PathValue("name")
	scope, err := s.scope(ctx, api.Scope{Sources: in.Sources})
	if err != nil {
		return err
	}
	e := erasure.Erasure{Subject: in.Subject, Reason: in.Reason, Sources: scope.Sources, Paths: api.DecodePaths(in.Paths, in.PathsRaw)}
	if in.Until != nil {
		e.Until = *in.Until
	}
	// The log outlives a name and what a path says of somebody, and its digests of
	// what was asked for could be searched for both: it gets neither.
	asked := api.NewErasure{Sources: in.Sources, Until: in.Until, Reason: in.Reason, Subject: in.Subject}
	var recorded lifecycle.Erasure
	err = s.Gate.Do(ctx, s.strict(access.ErasureRecord, name, "vault "+name, in.Reason, asked), func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		recorded, err = s.Lifecycle.RecordErasure(ctx, g, name, e, in.SubjectName)
		return gate.Outcome{Detail: map[string]string{"erasure": recorded.ID, "subject": recorded.Subject, "paths": strconv.Itoa(len(e.Paths)), "points": strconv.Itoa(recorded.Points)}}, err
	})
	if err != nil {
		return err
	}
	_, held, err := s.Lifecycle.Erasure(ctx, name, recorded.ID)
	out := s.erasureDetail(ctx, recorded, held)
	if err != nil { // it stands all the same
		out.Warnings = append(out.Warnings, "the erasure is recorded and in force; what points still hold of it could not be counted: "+err.Error())
	} else if len(held) == 0 {
		out.Warnings = append(out.Warnings, "nothing in the points that it concerns matches: compare its paths with `counterfoil point ls POINT -R`, letter for letter")
	}
	return writeJSON(w, out)
}

func (s *Server) withdrawErasure(w http.ResponseWriter, r *http.Request) error {
	var in api.Why
	if err := readJSON(r, &in); err != nil {
		return err
	}
	name, id := r.PathValue("name"), r.PathValue("id")
	var e lifecycle.Erasure
	err := s.Gate.Do(r.Context(), s.strict(access.ErasureWithdraw, name, "erasure "+id, in.Reason, in), func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		var err error
		e, err = s.Lifecycle.WithdrawErasure(ctx, g, name, id, in.Reason)
		return gate.Outcome{Detail: map[string]string{"erasure": id, "subject": e.Subject}}, err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, s.erasureOf(r.Context(), e))
}

func (s *Server) forgetSubject(w http.ResponseWriter, r *http.Request) error {
	name, id := r.PathValue("name"), r.PathValue("id")
	out := api.Forgotten{Vault: name, Subject: id}
	err := s.do(r.Context(), s.strict(access.ErasureForget, name, "subject "+id, "", nil), func(ctx context.Context, g access.Grant) error {
		var err error
		out.Name, err = s.Lifecycle.ForgetSubject(ctx, g, name, id)
		return err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, out)
}

func (s *Server) erasureOf(ctx context.Context, e lifecycle.Erasure) api.Erasure {
	out := api.Erasure{ID: e.ID, Vault: e.Vault, Subject: e.Subject, Reason: e.Reason, RecordedBy: e.By, RecordedAt: e.At, Until: e.Until, Points: e.Points, Sources: []string{}}
	out.Paths, out.PathsRaw = api.EncodePaths(e.Paths)
	for _, id := range e.Sources {
		name := strings.ToUpper(id)
		if row, err := s.Catalog.Source(ctx, name); err == nil {
			name = row.Name
		}
		out.Sources = append(out.Sources, name)
	}
	if x := e.Withdrawn; x != nil {
		out.Withdrawn, out.WithdrawnBy, out.WithdrawnFor = moment(x.At), x.By, x.Reason
	}
	return out
}

func (s *Server) erasureDetail(ctx context.Context, e lifecycle.Erasure, held []lifecycle.BeyondUse) api.ErasureDetail {
	out := api.ErasureDetail{Erasure: s.erasureOf(ctx, e), BeyondUse: []api.BeyondUse{}}
	for _, b := range held {
		x := api.BeyondUse{Point: b.Point, Source: b.Source, ReceivedAt: b.Received, Entries: b.Entries, Files: b.Files, Bytes: b.Bytes, Linked: b.Linked,
			Unlimited: b.Kept.Unlimited, LockedUntil: moment(b.Locked), Holds: b.Holds, Problem: b.Problem}
		if !b.Kept.Unlimited {
			x.RetainUntil = moment(b.Kept.Time)
		}
		out.BeyondUse = append(out.BeyondUse, x)
	}
	return out
}

// mayGiveOut fails with errkind.Refused where a path of a point was erased. It
// fails too where that cannot be known.
func (s *Server) mayGiveOut(ctx context.Context, row catalog.Point, p vault.Point, path string) error {
	list, _, err := s.Custody.Erased(ctx, row.VaultID, p)
	if err != nil {
		return err
	}
	e, ok := list.Match(path)
	if !ok {
		return nil
	}
	refusal := errkind.New(errkind.Refused, "the content of %q in point %s is not given out: erasure %s of %s covers it; for a legal need, 'restore run --include-erased --reason WHY' restores it, on the record",
		path, row.ID, e.ID, e.At.Format(time.DateOnly))
	return s.Gate.Refuse(ctx, s.request(access.PointRead, access.Target{Vault: row.VaultID, Source: row.SourceID}, "point "+row.ID+" erasure "+e.ID, nil), refusal)
}

// marked is an entry for a list, with the erasure that covers it. Where a link
// points is content, and is withheld as that.
func marked(list erasure.List, path string, e vault.Entry) api.Entry {
	out := entryOf(path, e)
	if by, ok := list.Match(path); ok {
		out.Erased, out.Target, out.TargetRaw = by.ID, "", nil
	}
	return out
}

// restoreRequest asks for a restore, or for one that brings back what was erased
// too: an operation of its own, with a reason.
func (s *Server) restoreRequest(row catalog.Point, in api.Restore) (gate.Request, error) {
	if !in.IncludeErased {
		return s.request(access.RestoreRun, access.Target{Vault: row.VaultID, Source: row.SourceID}, "point "+row.ID, in), nil
	}
	if strings.TrimSpace(in.Reason) == "" {
		return gate.Request{}, errkind.New(errkind.Invalid, "to restore what was erased needs a reason")
	}
	r := s.strict(access.RestoreErased, row.VaultID, "point "+row.ID, in.Reason, in)
	r.Target.Source = row.SourceID
	return r, nil
}

// restoreDetail is what a restore's closing record says; how much was left out
// stands there even if it was nothing, as proof that it was looked for.
func restoreDetail(in api.Restore, opts restore.Options, r restore.Report) map[string]string {
	detail := map[string]string{"to": printable(opts.To), "files": fmt.Sprint(r.Files), "bytes": fmt.Sprint(r.Bytes), "damaged": fmt.Sprint(r.Damaged)}
	if in.IncludeErased {
		detail["erased"] = "included"
		return detail
	}
	if r.Doubt != "" {
		detail["erasures_in_doubt"] = r.Doubt
	}
	detail["left_out_files"], detail["left_out_bytes"] = fmt.Sprint(r.LeftOut.Files), fmt.Sprint(r.LeftOut.Bytes)
	if len(r.LeftOut.Erasures) > 0 {
		detail["erasures"] = strings.Join(r.LeftOut.Erasures, " ")
	}
	return detail
}

func leftOutOf(l restore.LeftOut) *api.LeftOut {
	if l.Entries == 0 {
		return nil
	}
	return &api.LeftOut{Entries: l.Entries, Files: l.Files, Bytes: l.Bytes, Erasures: l.Erasures}
}
