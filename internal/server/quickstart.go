package server

import (
	"context"
	"net/http"
	"path/filepath"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/gate"
	"github.com/counterfoil/counterfoil/internal/jobs"
	"github.com/counterfoil/counterfoil/internal/restore"
	"github.com/counterfoil/counterfoil/internal/trial"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func (s *Server) quickstart(w http.ResponseWriter, r *http.Request) error {
	var in api.Quickstart
	if err := readJSON(r, &in); err != nil {
		return err
	}
	st := s.stream(w)
	out, err := s.runQuickstart(r.Context(), st, api.DecodePath(in.Path, in.PathRaw))
	return st.end(out, err)
}

func (s *Server) runQuickstart(ctx context.Context, st *stream, path string) (api.QuickstartResult, error) {
	out := api.QuickstartResult{DataDir: s.DataDir, Next: []string{}}
	var err error
	if path == "" {
		if path, err = s.Trial.Sample(s.Receipt()); err != nil {
			return out, err
		}
		out.Sample = path
	}
	if !filepath.IsAbs(path) {
		return out, errkind.New(errkind.Invalid, "path %q is not absolute", path)
	}
	path = filepath.Clean(path)
	if err := s.Trial.CheckPath(path); err != nil {
		return out, err
	}
	row, source, first, err := s.setUp(ctx, path)
	if err != nil {
		return out, err
	}
	out.First = first
	var done jobs.BackedUp
	if out.Point, done, err = s.runBackup(ctx, st, source, api.Backup{Source: source.Name}); err != nil {
		return out, err
	}
	if out.Verification, err = s.verify(ctx, st, row.Name, vault.Full); err != nil {
		return out, err
	}
	if out.Restore, err = s.restoreTest(ctx, st, done.Row); err != nil {
		return out, err
	}
	return out, s.summarise(ctx, &out, row, source, done)
}

// setUp makes vault and source where they are not there yet.
func (s *Server) setUp(ctx context.Context, path string) (catalog.Vault, catalog.Source, bool, error) {
	row, firstVault, err := s.Trial.Vault(ctx, func(fn func(context.Context, access.Grant) error) error {
		return s.do(ctx, s.request(access.VaultCreate, access.Target{Vault: trial.VaultName}, "vault "+trial.VaultName, path), fn)
	})
	if err != nil {
		return row, catalog.Source{}, false, err
	}
	source, firstSource, err := s.Trial.Source(ctx, row, path, func(fn func(context.Context, access.Grant) error) error {
		return s.do(ctx, s.request(access.SourceCreate, access.Target{Vault: row.ID}, "source for "+printable(path), path), fn)
	})
	return row, source, firstVault || firstSource, err
}

func (s *Server) restoreTest(ctx context.Context, st *stream, row catalog.Point) (api.RestoreTest, error) {
	var tested jobs.Tested
	request := s.request(access.RestoreRun, access.Target{Vault: row.VaultID, Source: row.SourceID}, "point "+row.ID, "restore test")
	err := s.Gate.Do(ctx, request, func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		var err error
		tested, err = s.Jobs.RestoreTest(ctx, g, row.ID, func(p restore.Progress) {
			st.progress(api.Progress{Step: "restore test", Done: p.Done, Total: p.Total, Unit: "bytes", Files: p.Files})
		})
		return gate.Outcome{Incomplete: tested.Err() != nil}, err
	})
	return api.RestoreTest{OK: err == nil && tested.Damaged == 0 && tested.Verified, Files: tested.Files, Bytes: tested.Bytes, Sampled: tested.Sampled,
		Seconds: tested.Elapsed.Seconds(), Findings: append([]string{}, tested.Findings...)}, err
}

func (s *Server) summarise(ctx context.Context, out *api.QuickstartResult, row catalog.Vault, source catalog.Source, done jobs.BackedUp) error {
	point, err := s.Catalog.Point(ctx, done.Row.ID)
	if err != nil {
		return err
	}
	explained, err := s.explanation(ctx, point)
	if err != nil {
		return err
	}
	warnings := out.Point.Warnings
	out.Point, out.Explanation = explained.Point, explained.Lines
	addBody(&out.Point, done.Point)
	out.Point.Warnings, out.Point.LeftOut = warnings, done.LeftOut
	bounds, err := custody.Bounds(row)
	if err != nil {
		return err
	}
	out.WouldLock = trial.WouldLock(out.Point.Packs, done.Lock, bounds)
	if out.Vault, err = s.vaultOf(ctx, row); err != nil {
		return err
	}
	if out.Source, err = s.sourceOf(ctx, source); err != nil {
		return err
	}
	if err := s.Jobs.PublishLog(ctx, row.ID); err != nil {
		out.Point.Warnings = append(out.Point.Warnings, err.Error())
	}
	if log, err := s.Log(ctx); err == nil {
		out.AuditSize, out.AuditRoot = log.Size(), rootOf(log)
	}
	out.Next = append(out.Next,
		"counterfoil point list                         what can be restored",
		"counterfoil restore run latest --to DIR        bring it back",
		"counterfoil vault protect trial                make it real: lock what it keeps",
		"counterfoil quickstart --remove --yes          take the trial away again")
	return nil
}

func (s *Server) quickstartRemove(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	paths, err := s.Trial.Removal(ctx)
	if err != nil {
		return err
	}
	out := api.Removal{Paths: paths, Kept: s.Trial.Kept()}
	if r.URL.Query().Get("yes") != "true" {
		return writeJSON(w, out)
	}
	request := s.request(access.VaultRemove, access.Target{Vault: trial.VaultName}, "vault "+trial.VaultName, paths)
	request.Strict = true
	grant, err := s.Gate.Enter(ctx, request)
	if err != nil {
		return err
	}
	if err := s.Purge(ctx, grant, paths); err != nil {
		return err
	}
	out.Removed = true
	return writeJSON(w, out)
}
