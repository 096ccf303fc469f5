package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/backup"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/gate"
	"github.com/counterfoil/counterfoil/internal/jobs"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
)

func (s *Server) sources(w http.ResponseWriter, r *http.Request) error {
	rows, err := s.Catalog.Sources(r.Context())
	if err != nil {
		return err
	}
	out := []api.Source{}
	for _, row := range rows {
		x, err := s.sourceOf(r.Context(), row)
		if err != nil {
			return err
		}
		out = append(out, x)
	}
	return writeJSON(w, out)
}

func (s *Server) source(w http.ResponseWriter, r *http.Request) error {
	row, err := s.Catalog.Source(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	out, err := s.sourceOf(r.Context(), row)
	if err != nil {
		return err
	}
	return writeJSON(w, out)
}

func (s *Server) sourceOf(ctx context.Context, row catalog.Source) (api.Source, error) {
	var d custody.SourceDetail
	if err := json.Unmarshal(row.Detail, &d); err != nil {
		return api.Source{}, errkind.Wrap(errkind.Damaged, err, "catalog row of source %q", row.Name)
	}
	v, err := s.Catalog.Vault(ctx, row.VaultID)
	if err != nil {
		return api.Source{}, err
	}
	out := api.Source{
		ID: row.ID, Name: row.Name, Kind: string(row.Kind), Vault: v.Name, Policy: row.Policy, PolicyVersion: row.PolicyVersion,
		Excludes: append([]string{}, row.Excludes...), ExcludeLarger: row.ExcludeLarger, ExcludeCaches: row.ExcludeCaches, OneFileSystem: row.OneFileSystem,
		Classes: []api.ClassPath{}, Owner: row.Owner, CreatedAt: row.CreatedAt, State: sourceState(d.State),
	}
	if d.Deleted != nil {
		out.PurgeAfter = moment(d.Deleted.PurgeAfter.Time())
	}
	var paths []string
	for _, p := range row.Paths {
		paths = append(paths, string(p))
	}
	out.Paths, out.PathsRaw = api.EncodePaths(paths)
	for _, c := range d.Classes {
		out.Classes = append(out.Classes, api.ClassPath{Class: c.Class, Path: c.Path})
	}
	points, err := s.Catalog.Points(ctx, catalog.PointFilter{SourceID: row.ID, States: catalog.Kept()})
	out.Points = int64(len(points))
	isState := func(p catalog.Point) bool { return !slices.Contains(p.Tags, catalog.RemnantTag) }
	if i := slices.IndexFunc(points, isState); i >= 0 {
		out.LastPoint, out.LastReceived = points[i].ID, &points[i].ReceivedAt
	}
	return out, err
}

func (s *Server) createSource(w http.ResponseWriter, r *http.Request) error {
	var in api.NewSource
	if err := readJSON(r, &in); err != nil {
		return err
	}
	n := custody.NewSource{Name: in.Name, Vault: in.Vault, Policy: in.Policy, Excludes: in.Excludes, ExcludeLarger: in.ExcludeLarger,
		ExcludeCaches: in.ExcludeCaches, OneFileSystem: in.OneFileSystem, Owner: in.Owner}
	for _, p := range api.DecodePaths(in.Paths, in.PathsRaw) {
		n.Paths = append(n.Paths, []byte(p))
	}
	for _, c := range in.Classes {
		n.Classes = append(n.Classes, policy.ClassRule{Class: c.Class, Path: c.Path})
	}
	var row catalog.Source
	err := s.do(r.Context(), s.request(access.SourceCreate, access.Target{Vault: in.Vault, Source: in.Name}, "source "+in.Name, in), func(ctx context.Context, g access.Grant) error {
		var err error
		row, err = s.Custody.CreateSource(ctx, g, n)
		return err
	})
	if err != nil {
		return err
	}
	out, err := s.sourceOf(r.Context(), row)
	if err != nil {
		return err
	}
	return writeJSON(w, out)
}

func (s *Server) backup(w http.ResponseWriter, r *http.Request) error {
	var in api.Backup
	if err := readJSON(r, &in); err != nil {
		return err
	}
	row, err := s.Catalog.Source(r.Context(), in.Source)
	if err != nil {
		return err
	}
	st := s.stream(w)
	out, _, err := s.runBackup(r.Context(), st, row, in)
	return st.end(out, err)
}

// backupOutcome is what the audit log keeps of a backup.
func backupOutcome(done jobs.BackedUp) gate.Outcome {
	detail := map[string]string{
		"vault": done.Row.VaultID, "point": done.Row.ID, "root": done.Row.Root, "manifest": done.Row.ManifestSHA256,
		"problems": fmt.Sprint(done.Row.Problems), "fuzzy": fmt.Sprint(done.Row.Fuzzy)}
	var remnants []string
	for _, m := range done.Remnants {
		remnants = append(remnants, strings.ToUpper(m.Point.Envelope.ID.String()))
	}
	if len(remnants) > 0 {
		detail["remnants"] = strings.Join(remnants, " ")
	}
	return gate.Outcome{Incomplete: !done.Row.Complete, Detail: detail}
}

func (s *Server) runBackup(ctx context.Context, st *stream, row catalog.Source, in api.Backup) (api.Point, jobs.BackedUp, error) {
	var done jobs.BackedUp
	request := s.request(access.BackupRun, access.Target{Vault: row.VaultID, Source: row.Name}, "source "+row.Name, in)
	trigger := retention.OnDemand
	if in.Scheduled {
		trigger = retention.Scheduled
	}
	err := s.Gate.Do(ctx, request, func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		var err error
		done, err = s.Jobs.Backup(ctx, g, jobs.Backup{Source: row.ID, Rehash: in.Rehash, Block: in.BlockSize, Trigger: trigger, Progress: func(p backup.Progress) {
			st.progress(api.Progress{Step: "back up", Done: p.Bytes, Total: p.ExpectedBytes, Unit: "bytes", Files: p.Entries})
		}, Note: st.note})
		if err != nil {
			return gate.Outcome{}, err
		}
		return backupOutcome(done), nil
	})
	if err != nil {
		return api.Point{}, done, err
	}
	if err := s.Jobs.PublishLog(ctx, row.VaultID); err != nil {
		done.Warnings = append(done.Warnings, err.Error())
	}
	if behind := s.Behind(); behind > 0 {
		done.Warnings = append(done.Warnings, fmt.Sprintf("the system clock lies %v behind the last record of this installation: the point is dated by trusted time; set the clock", behind))
	}
	for _, warning := range done.Warnings {
		st.note(warning)
	}
	out, err := s.pointOf(ctx, done.Row)
	if err != nil {
		return out, done, err
	}
	addBody(&out, done.Point)
	out.Warnings, out.LeftOut = done.Warnings, done.LeftOut
	return out, done, nil
}
