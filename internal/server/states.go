package server

import (
	"context"
	"net/http"
	"strings"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/gate"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// settings plans a change of a vault's settings, and does it when asked to. What
// it takes is known from the plan, and the lifecycle checks it again.
func (s *Server) settings(w http.ResponseWriter, r *http.Request) error {
	var in api.NewSettings
	if err := readJSON(r, &in); err != nil {
		return err
	}
	n, err := newSettings(in)
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	plan, err := s.Lifecycle.PlanSettings(r.Context(), name, n)
	if in.Yes && errkind.Is(err, errkind.Exists) {
		// What is recorded already may not have been carried out whole.
		plan, err = &lifecycle.SettingsPlan{Action: access.VaultUpdate}, nil
	}
	if err != nil {
		return err
	}
	if !in.Yes {
		return writeJSON(w, settingsOf(plan, false))
	}
	err = s.Gate.Do(r.Context(), s.strict(plan.Action, name, "vault "+name, "", in), func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		if plan, err = s.Lifecycle.ChangeSettings(ctx, g, name, n); plan == nil {
			return gate.Outcome{}, err
		}
		return gate.Outcome{Detail: map[string]string{"changes": strings.Join(plan.Changes, "; ")}}, err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, settingsOf(plan, true))
}

func newSettings(in api.NewSettings) (lifecycle.NewSettings, error) {
	n := lifecycle.NewSettings{SoftDeleteDays: in.SoftDeleteDays, SoftDeleteOn: in.SoftDeleteOn}
	if in.Immutability != "" {
		n.Immutability = &in.Immutability
	}
	for text, into := range map[string]**calendar.Period{in.MinRetention: &n.Minimum, in.MaxRetention: &n.Maximum} {
		if text == "" {
			continue
		}
		p, err := calendar.ParsePeriod(text)
		if err != nil {
			return n, err
		}
		*into = &p
	}
	return n, nil
}

func settingsOf(p *lifecycle.SettingsPlan, applied bool) api.SettingsChange {
	effect := map[access.Action]string{access.VaultUpdate: "strengthens", access.VaultWeaken: "weakens", access.VaultHarden: "irrevocable"}
	return api.SettingsChange{Vault: p.Vault, Changes: p.Changes, Effect: effect[p.Action], Applied: applied}
}

func (s *Server) deleteVault(w http.ResponseWriter, r *http.Request) error {
	var in api.Why
	if err := readJSON(r, &in); err != nil {
		return err
	}
	return s.vaultDeletion(w, r, access.VaultDelete, in.Reason, func(ctx context.Context, g access.Grant, name string) (lifecycle.VaultDeletion, error) {
		return s.Lifecycle.DeleteVault(ctx, g, name, in.Reason)
	})
}

func (s *Server) undeleteVault(w http.ResponseWriter, r *http.Request) error {
	return s.vaultDeletion(w, r, access.VaultUndelete, "", s.Lifecycle.UndeleteVault)
}

func (s *Server) vaultDeletion(w http.ResponseWriter, r *http.Request, action access.Action, why string, fn func(context.Context, access.Grant, string) (lifecycle.VaultDeletion, error)) error {
	name := r.PathValue("name")
	var done lifecycle.VaultDeletion
	err := s.do(r.Context(), s.strict(action, name, "vault "+name, why, nil), func(ctx context.Context, g access.Grant) error {
		var err error
		done, err = fn(ctx, g, name)
		return err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, api.VaultDeletion{Vault: done.Vault, Points: done.Points, PurgeAfter: moment(done.PurgeAfter)})
}

func (s *Server) stopSource(w http.ResponseWriter, r *http.Request) error {
	var in api.StopSource
	if err := readJSON(r, &in); err != nil {
		return err
	}
	return s.sourceChange(w, r, access.SourceStop, in.Reason, func(ctx context.Context, g access.Grant, name string) (lifecycle.SourceChange, error) {
		return s.Lifecycle.StopSource(ctx, g, name, lifecycle.Retain(in.Retain), in.Reason)
	})
}

func (s *Server) resumeSource(w http.ResponseWriter, r *http.Request) error {
	return s.sourceChange(w, r, access.SourceResume, "", s.Lifecycle.ResumeSource)
}

func (s *Server) deleteSource(w http.ResponseWriter, r *http.Request) error {
	var in api.Why
	if err := readJSON(r, &in); err != nil {
		return err
	}
	return s.sourceChange(w, r, access.SourceDelete, in.Reason, func(ctx context.Context, g access.Grant, name string) (lifecycle.SourceChange, error) {
		return s.Lifecycle.DeleteSource(ctx, g, name, in.Reason)
	})
}

func (s *Server) undeleteSource(w http.ResponseWriter, r *http.Request) error {
	return s.sourceChange(w, r, access.SourceUndelete, "", s.Lifecycle.UndeleteSource)
}

func (s *Server) sourceChange(w http.ResponseWriter, r *http.Request, action access.Action, why string, fn func(context.Context, access.Grant, string) (lifecycle.SourceChange, error)) error {
	row, err := s.Catalog.Source(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	request := s.strict(action, row.VaultID, "source "+row.Name, why, nil)
	request.Target.Source = row.Name
	var done lifecycle.SourceChange
	err = s.Gate.Do(r.Context(), request, func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		done, err = fn(ctx, g, row.Name)
		return gate.Outcome{Detail: map[string]string{"state": sourceState(done.State)}}, err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, api.SourceChange{Source: done.Source, Vault: done.Vault, State: sourceState(done.State), Points: done.Points, PurgeAfter: moment(done.PurgeAfter)})
}

// sourceState writes the state of a source as the API has it.
func sourceState(s vault.SourceState) string {
	if s == vault.SourceProtected {
		return "protected"
	}
	return strings.ReplaceAll(string(s), "_", "-")
}
