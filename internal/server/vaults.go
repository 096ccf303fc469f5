package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/audit"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/gate"
	"github.com/counterfoil/counterfoil/internal/jobs"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func (s *Server) vaults(w http.ResponseWriter, r *http.Request) error {
	rows, err := s.Catalog.Vaults(r.Context())
	if err != nil {
		return err
	}
	out := []api.Vault{}
	for _, row := range rows {
		v, err := s.vaultOf(r.Context(), row)
		if err != nil {
			return err
		}
		out = append(out, v)
	}
	return writeJSON(w, out)
}

func (s *Server) vault(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	row, v, err := s.Custody.Vault(ctx, r.PathValue("name"))
	if err != nil {
		return err
	}
	out, err := s.vaultOf(ctx, row)
	if err != nil {
		return err
	}
	objects, size, err := v.Bucket().Count(ctx, "")
	if err != nil {
		return err
	}
	if out.Enforcer != nobody {
		out.Enforcer = v.Bucket().Caps().Enforcer // as it is now, which may differ from when the vault was made
	}
	held := int64(objects)
	out.Objects, out.Size, out.Warnings, out.AuditKey = &held, &size, v.Warnings(), custody.AuditPublic(v)
	return writeJSON(w, out)
}

func (s *Server) vaultOf(ctx context.Context, row catalog.Vault) (api.Vault, error) {
	d, err := custody.DetailOfVault(row)
	if err != nil {
		return api.Vault{}, err
	}
	points, err := s.Catalog.Points(ctx, catalog.PointFilter{VaultID: row.ID, States: catalog.Kept()})
	return api.Vault{
		ID: row.ID, Name: row.Name, URL: row.URL, Kind: string(row.Kind), CreatedAt: row.CreatedAt, MinRetention: row.MinRetention, MaxRetention: row.MaxRetention,
		SoftDeleteDays: row.SoftDeleteDays, SoftDeleteOn: d.SoftDeleteOn, PurgeAfter: moment(d.PurgeAfter), LockAt: moment(d.LockAt), AssuranceLevel: fmt.Sprintf("L%d", row.AssuranceLevel), Enforcer: enforcer(row, d), SigningKey: row.SigningKey,
		Points: int64(len(points)), KeyFile: s.Custody.KeyFile(row.ID), RecoveryKit: d.RecoveryKit,
	}, err
}

// nobody enforces locks where there are none.
const nobody = "nobody"

func enforcer(row catalog.Vault, d custody.VaultDetail) string {
	if row.AssuranceLevel == 0 {
		return nobody
	}
	return d.Enforcer
}

func (s *Server) createVault(w http.ResponseWriter, r *http.Request) error {
	var in api.NewVault
	if err := readJSON(r, &in); err != nil {
		return err
	}
	url, err := blob.ParseURL(in.URL)
	if err != nil {
		return err
	}
	n := custody.NewVault{Name: in.Name, URL: url, Kind: vault.Unlocked, RecoveryKit: in.RecoveryKit}
	if n.Minimum, err = period(in.MinRetention); err != nil {
		return err
	}
	if n.Maximum, err = period(in.MaxRetention); err != nil {
		return err
	}
	var row catalog.Vault
	err = s.do(r.Context(), s.request(access.VaultCreate, access.Target{Vault: in.Name}, "vault "+in.Name, in), func(ctx context.Context, g access.Grant) error {
		row, err = s.Custody.CreateVault(ctx, g, n)
		return err
	})
	if err != nil {
		return err
	}
	out, err := s.created(r.Context(), row, url)
	if err != nil {
		return err
	}
	return writeJSON(w, out)
}

// created is the answer of a vault just made, with what its owner should know.
func (s *Server) created(ctx context.Context, row catalog.Vault, url blob.URL) (api.Vault, error) {
	out, err := s.vaultOf(ctx, row)
	if err != nil {
		return out, err
	}
	if out.Warnings, err = s.Custody.StoreWarnings(ctx, url); err != nil {
		return out, err
	}
	if err := s.Jobs.PublishLog(ctx, row.ID); err != nil {
		out.Warnings = append(out.Warnings, err.Error())
	}
	_, v, err := s.Custody.Vault(ctx, row.ID)
	if err != nil {
		return out, err
	}
	out.AuditKey = custody.AuditPublic(v)
	return out, nil
}

func period(text string) (calendar.Period, error) {
	if text == "" {
		return calendar.Period{}, nil
	}
	return calendar.ParsePeriod(text)
}

func (s *Server) verifyVault(w http.ResponseWriter, r *http.Request) error {
	var in api.Verify
	if err := readJSON(r, &in); err != nil {
		return err
	}
	mode := vault.VerifyMode(in.Mode)
	if in.Mode == "" {
		mode = vault.Full
	}
	if mode != vault.Full && mode != vault.Quick {
		return errkind.New(errkind.Invalid, "verification mode %q: full and quick exist", in.Mode)
	}
	name := r.PathValue("name")
	if _, err := s.Catalog.Vault(r.Context(), name); err != nil {
		return err
	}
	st := s.stream(w)
	out, err := s.verify(r.Context(), st, name, mode)
	return st.end(out, err)
}

func (s *Server) verify(ctx context.Context, st *stream, name string, mode vault.VerifyMode) (api.Verification, error) {
	var found jobs.Verified
	request := s.request(access.VaultVerify, access.Target{Vault: name}, "vault "+name, api.Verify{Mode: string(mode)})
	err := s.Gate.Do(ctx, request, func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		var err error
		found, err = s.Jobs.Verify(ctx, g, name, mode, func(done, total int64) {
			st.progress(api.Progress{Step: "verify", Done: done, Total: total, Unit: "bytes"})
		}, st.note)
		if err != nil {
			return gate.Outcome{}, err
		}
		return gate.Outcome{Incomplete: !found.OK(), Detail: map[string]string{"mode": string(mode), "problems": fmt.Sprint(len(found.Problems))}}, nil
	})
	if err != nil {
		return api.Verification{}, err
	}
	if err := s.Jobs.PublishLog(ctx, name); err != nil {
		found.Warnings = append(found.Warnings, err.Error())
	}
	for _, warning := range found.Warnings {
		st.note(warning)
	}
	return verification(name, found), nil
}

func verification(name string, f jobs.Verified) api.Verification {
	out := api.Verification{
		Vault: name, Mode: string(f.Mode), OK: f.OK(), StartedAt: f.Started, EndedAt: f.Ended, Objects: f.Objects, Bytes: f.Bytes, Packs: f.Packs,
		Frames: f.Frames, Chunks: f.Chunks, Points: f.Points, AuditTree: f.LogSize, Unneeded: f.UnreferencedPack,
		Problems: []api.DamagedObject{}, Notes: append([]string{}, f.Notes...),
	}
	for _, p := range f.Problems {
		d := api.DamagedObject{Object: p.Object, Reason: p.Reason, Spared: p.Spared, FileCount: p.FileCount, Points: []string{}, Files: []api.AffectedFile{}}
		for _, id := range p.Points {
			d.Points = append(d.Points, strings.ToUpper(id.String()))
		}
		for _, a := range p.Files {
			x := api.AffectedFile{Object: a.Object}
			if a.Object == "" {
				x.Point = strings.ToUpper(a.Point.String())
			}
			x.Path, x.PathRaw = api.EncodePath(a.Path)
			d.Files = append(d.Files, x)
		}
		out.Problems = append(out.Problems, d)
	}
	return out
}

func (s *Server) recoverVault(w http.ResponseWriter, r *http.Request) error {
	var in api.Recover
	if err := readJSON(r, &in); err != nil {
		return err
	}
	url, err := blob.ParseURL(in.URL)
	if err != nil {
		return err
	}
	st := s.stream(w)
	out, err := s.recover(r.Context(), st, in, url)
	return st.end(out, err)
}

func (s *Server) recover(ctx context.Context, st *stream, in api.Recover, url blob.URL) (api.Recovered, error) {
	st.progress(api.Progress{Step: "recover"})
	lost, err := s.adoptLog(ctx, url, in.KeyFile)
	if err != nil {
		return api.Recovered{}, err
	}
	var found custody.Recovered
	err = s.do(ctx, s.request(access.VaultRecover, access.Target{}, "vault at "+in.URL, in), func(ctx context.Context, g access.Grant) error {
		var err error
		found, err = s.Jobs.Recover(ctx, g, url, in.KeyFile)
		return err
	})
	if err != nil {
		return api.Recovered{}, err
	}
	if err := s.Jobs.PublishLog(ctx, found.Vault.ID); err != nil {
		st.note(err.Error())
	}
	out := api.Recovered{Sources: found.Sources, Points: found.Points, Policies: found.Policies, Packs: found.Packs,
		Missing: append(lost, found.Missing...), Warnings: append([]string{}, found.Warnings...)}
	log, err := s.Log(ctx)
	if err != nil {
		return out, err
	}
	out.Events = log.Size()
	gone, err := s.gone(ctx, log, found.Vault.ID)
	if err != nil {
		return out, err
	}
	out.Missing = append(out.Missing, gone...)
	out.Vault, err = s.vaultOf(ctx, found.Vault)
	return out, err
}

// gone names the points that the audit log says were made in a vault and that
// storage does not have, or has otherwise.
func (s *Server) gone(ctx context.Context, log *audit.Log, vaultID string) ([]string, error) {
	entries, err := log.List(ctx, audit.Filter{Action: access.BackupRun})
	if err != nil {
		return nil, err
	}
	points, err := s.Catalog.Points(ctx, catalog.PointFilter{VaultID: vaultID})
	if err != nil {
		return nil, err
	}
	manifest := map[string]string{}
	for _, p := range points {
		manifest[p.ID] = p.ManifestSHA256
	}
	var out []string
	for _, e := range entries {
		d := e.Event.Detail
		if d["vault"] != vaultID || d["point"] == "" || manifest[d["point"]] == d["manifest"] {
			continue
		}
		word := "is not in storage"
		if manifest[d["point"]] != "" {
			word = "is another in storage"
		}
		out = append(out, fmt.Sprintf("point %s, made %s by the audit log (record %d), %s", d["point"], e.Event.Time.Format(time.RFC3339), e.Index, word))
	}
	return out, nil
}

// adoptLog takes up the log of a vault where there is none here, and says which
// of the records known here that copy lacks.
func (s *Server) adoptLog(ctx context.Context, url blob.URL, keyFile string) ([]string, error) {
	adopted, err := s.Custody.AdoptLog(ctx, url, keyFile, s.LogDir, s.LogKey)
	if err != nil || !adopted {
		return []string{}, err
	}
	log, err := s.Log(ctx)
	if err != nil {
		return nil, err
	}
	lost, err := s.Catalog.ForgetEvents(ctx, log.Size())
	if err != nil || lost == 0 {
		return []string{}, err
	}
	return []string{fmt.Sprintf("of the %d records of the audit log that was here the vault's copy lacks the last %d", log.Size()+lost, lost)}, nil
}
