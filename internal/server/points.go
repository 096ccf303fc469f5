package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func (s *Server) points(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	var f catalog.PointFilter
	if name := q.Get("source"); name != "" {
		row, err := s.Catalog.Source(ctx, name)
		if err != nil {
			return err
		}
		f.SourceID = row.ID
	}
	if name := q.Get("vault"); name != "" {
		row, err := s.Catalog.Vault(ctx, name)
		if err != nil {
			return err
		}
		f.VaultID = row.ID
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return errkind.New(errkind.Invalid, "limit %q is not a number", text)
		}
		f.Limit = n
	}
	rows, err := s.Catalog.Points(ctx, f)
	if err != nil {
		return err
	}
	out := []api.Point{}
	for _, row := range rows {
		p, err := s.pointOf(ctx, row)
		if err != nil {
			return err
		}
		p.Reasons = nil
		out = append(out, p)
	}
	return writeJSON(w, out)
}

// pointOf gives the API's view of a catalog row.
func (s *Server) pointOf(ctx context.Context, row catalog.Point) (api.Point, error) {
	source, err := s.Catalog.Source(ctx, row.SourceID)
	if err != nil {
		return api.Point{}, err
	}
	v, err := s.Catalog.Vault(ctx, row.VaultID)
	if err != nil {
		return api.Point{}, err
	}
	d, err := custody.Detail(row)
	if err != nil {
		return api.Point{}, err
	}
	var reasons []retention.Reason
	if err := json.Unmarshal(row.Reasons, &reasons); err != nil {
		return api.Point{}, errkind.Wrap(errkind.Damaged, err, "catalog row of point %s", row.ID)
	}
	out := api.Point{
		ID: row.ID, Name: source.Name + "@" + row.ReceivedAt.Format(time.RFC3339), Source: source.Name, SourceID: row.SourceID, Vault: v.Name, Number: row.Number,
		ReceivedAt: row.ReceivedAt, StartedAt: row.StartedAt, RetainUntil: row.RetainUntil, Unlimited: row.Unlimited, Size: row.Size, Stored: row.Stored,
		Files: row.Files, Entries: row.Entries, Complete: row.Complete, Fuzzy: row.Fuzzy, Problems: row.Problems, Tags: append([]string{}, row.Tags...),
		Level: string(row.Level), Trial: d.Trial, Root: row.Root, Reasons: reasonsOf(reasons), PolicyName: d.Facts.Policy, PolicyVer: d.Facts.PolicyVersion,
		Locked: !d.Trial && v.AssuranceLevel > 0,
	}
	out.OpenEnded = slices.ContainsFunc(reasons, func(r retention.Reason) bool { return r.Kind == retention.KindEventPending })
	if !d.LockUntil.IsZero() {
		out.LockUntil = &d.LockUntil
	}
	return out, nil
}

func reasonsOf(reasons []retention.Reason) []api.Reason {
	var longest time.Time
	unlimited := false
	for _, r := range reasons {
		unlimited = unlimited || r.Until.IsZero()
		if r.Until.After(longest) {
			longest = r.Until
		}
	}
	out := []api.Reason{}
	for _, r := range reasons {
		x := api.Reason{Kind: string(r.Kind), Name: nameOf(r), Basis: r.Basis, Sentence: r.Sentence(time.Local)}
		if !r.Period.IsZero() {
			x.Period = r.Period.String()
		}
		if !r.Until.IsZero() {
			until := r.Until
			x.Until = &until
		}
		x.Decides = unlimited && r.Until.IsZero() || !unlimited && r.Until.Equal(longest)
		out = append(out, x)
	}
	return out
}

func nameOf(r retention.Reason) string {
	for _, name := range []string{string(r.Tag), r.Class, r.Event, r.Hold} {
		if name != "" {
			return name
		}
	}
	return ""
}

func (s *Server) point(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	row, v, p, err := s.Jobs.OpenPoint(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	out, err := s.pointOf(ctx, row)
	if err != nil {
		return err
	}
	if err := addLock(ctx, &out, v, p); err != nil {
		return err
	}
	addBody(&out, p)
	if out.LeftOut, err = s.Custody.LeftOut(ctx, p.Body.Source.Paths); err != nil {
		return err
	}
	return writeJSON(w, out)
}

// addLock says what storage holds of the point now, which may be longer than what
// was locked at its commit.
func addLock(ctx context.Context, out *api.Point, v *vault.Vault, p vault.Point) error {
	info, err := v.Bucket().Stat(ctx, p.Object)
	if errkind.Is(err, errkind.NotFound) {
		return nil // its intent stands in for it until the next backup
	}
	if err != nil {
		return err
	}
	if out.Locked = info.Lock.Mode != blob.NoLock; out.Locked {
		out.LockUntil = &info.Lock.Until
	}
	return nil
}

// addBody adds what only the point's manifest has.
func addBody(out *api.Point, p vault.Point) {
	out.Packs = len(p.Envelope.Packs.Names) / 32
	out.Previous = fmt.Sprintf("%x", p.Envelope.Previous)
	out.Warnings = p.Body.Warnings
	excluded := p.Body.Excluded
	out.Excluded = &excluded
	for _, x := range p.Body.Problems {
		problem := api.InputProblem{Op: x.Op, Message: x.Message}
		problem.Path, problem.PathRaw = api.EncodePath(string(x.Path))
		out.ProblemList = append(out.ProblemList, problem)
	}
	for _, x := range p.Body.Fuzzy {
		text, _ := api.EncodePath(string(x))
		out.FuzzyList = append(out.FuzzyList, text)
	}
}

func (s *Server) explain(w http.ResponseWriter, r *http.Request) error {
	row, err := s.Catalog.Point(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	out, err := s.explanation(r.Context(), row)
	if err != nil {
		return err
	}
	return writeJSON(w, out)
}

// explanation says why a point is kept: by its manifest and every fact
// recorded since, which are read from the vault.
func (s *Server) explanation(ctx context.Context, row catalog.Point) (api.Explanation, error) {
	state, err := s.Jobs.PointState(ctx, row)
	if err != nil {
		return api.Explanation{}, err
	}
	p, err := s.pointOf(ctx, row)
	if err != nil {
		return api.Explanation{}, err
	}
	p.Reasons = reasonsOf(state.Reasons)
	item := retention.Item{State: state}
	decision := retention.Decide(item, s.Receipt(), nil)
	if decision.Verdict == retention.Expire {
		if item.Cycle, err = s.Lifecycle.Cycle(ctx, row); err != nil {
			return api.Explanation{}, err
		}
		decision = retention.Decide(item, s.Receipt(), nil)
	}
	out := api.Explanation{Point: p, Decision: string(decision.Verdict), Lines: []string{}}
	out.Lines = append(out.Lines, custody.Gone(state)...)
	for _, reason := range state.Reasons {
		out.Lines = append(out.Lines, reason.Sentence(time.Local))
	}
	out.Lines = append(out.Lines, custody.Uncarried(state)...)
	for _, f := range decision.Findings {
		out.Lines = append(out.Lines, f.Sentence(time.Local))
	}
	return out, nil
}

// read opens a point's contents for the caller, with a record of it.
func (s *Server) read(ctx context.Context, ref, what string) (vault.Point, *vault.Reader, catalog.Point, error) {
	row, v, p, err := s.Jobs.OpenPoint(ctx, ref)
	if err != nil {
		return p, nil, row, err
	}
	if _, err := s.Gate.Note(ctx, s.request(access.PointRead, access.Target{Vault: row.VaultID, Source: row.SourceID}, "point "+row.ID+" "+what, what)); err != nil {
		return p, nil, row, err
	}
	reader, err := v.NewReader(ctx)
	return p, reader, row, err
}

// splitPath makes the parts of a path within a point: relative to its root, or
// absolute as on the source.
func splitPath(path string, p vault.Point) []string {
	path = strings.TrimSuffix(path, "/")
	if sources := p.Body.Source.Paths; strings.HasPrefix(path, "/") && len(sources) == 1 {
		root := strings.TrimSuffix(string(sources[0]), "/")
		if path == root {
			return nil
		}
		if rest, ok := strings.CutPrefix(path, root+"/"); ok {
			path = rest
		}
	}
	path = strings.Trim(path, "/")
	if path == "" || path == "." {
		return nil
	}
	return strings.Split(path, "/")
}
