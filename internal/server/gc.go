package server

import (
	"context"
	"encoding/hex"
	"net/http"
	"strconv"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/gate"
	"github.com/counterfoil/counterfoil/internal/jobs"
	"github.com/counterfoil/counterfoil/internal/vault"
	"github.com/counterfoil/counterfoil/internal/vault/gc"
)

func (s *Server) collectGarbage(w http.ResponseWriter, r *http.Request) error {
	var in api.Collect
	if err := readJSON(r, &in); err != nil {
		return err
	}
	name := r.PathValue("name")
	if _, err := s.Catalog.Vault(r.Context(), name); err != nil {
		return err
	}
	st := s.stream(w)
	out, err := s.collect(r.Context(), name, in)
	return st.end(out, err)
}

// collect plans, or does what an earlier plan said.
func (s *Server) collect(ctx context.Context, name string, in api.Collect) (api.Garbage, error) {
	if in.Digest == "" {
		found, err := s.Jobs.PlanGC(ctx, name)
		if err != nil {
			return api.Garbage{}, err
		}
		return garbage(name, found), nil
	}
	digest, err := hex.DecodeString(in.Digest)
	if err != nil || len(digest) != len(vault.Digest{}) {
		return api.Garbage{}, errkind.New(errkind.Invalid, "digest %q is not that of a plan: 64 hexadecimal digits are", in.Digest)
	}
	var found jobs.Collected
	request := s.request(access.PackDelete, access.Target{Vault: name}, "vault "+name, in)
	err = s.Gate.Do(ctx, request, func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		var err error
		if found, err = s.Jobs.ApplyGC(ctx, g, name, vault.Digest(digest)); err != nil {
			return gate.Outcome{}, err
		}
		r := found.Result
		return gate.Outcome{Detail: map[string]string{
			"condemned": strconv.Itoa(r.Condemned), "deleted": strconv.Itoa(r.Deleted), "repacked": strconv.Itoa(r.Repacked),
			"released": strconv.Itoa(r.Released), "stale": strconv.Itoa(r.Stale), "freed": strconv.FormatInt(r.Freed, 10), "plan": in.Digest,
		}}, nil
	})
	if err != nil {
		return api.Garbage{}, err
	}
	out := garbage(name, found)
	if err := s.Jobs.PublishLog(ctx, name); err != nil {
		out.Warnings = append(out.Warnings, err.Error())
	}
	return out, nil
}

func garbage(name string, found jobs.Collected) api.Garbage {
	p := found.Plan
	out := api.Garbage{Vault: name, Digest: hex.EncodeToString(p.Digest[:]), Points: p.Points, MissingChunks: p.Missing, Packs: []api.PackStep{}, Stale: []string{}, Nothing: p.Nothing()}
	for _, step := range p.Steps {
		if step.Action == gc.Keep {
			out.KeptPacks++
			out.KeptBytes += step.Size
		}
		if step.Action != gc.Keep || step.Reason != gc.InUse {
			out.Packs = append(out.Packs, api.PackStep{Object: step.Object, Action: string(step.Action), Reason: string(step.Reason), Size: step.Size, Needed: step.Needed})
		}
	}
	for _, i := range p.Stale {
		out.Stale = append(out.Stale, i.Name)
	}
	if r := found.Result; r != nil {
		out.Done = &api.GarbageDone{Condemned: r.Condemned, Deleted: r.Deleted, Repacked: r.Repacked, Released: r.Released, Stale: r.Stale, Freed: r.Freed, Copied: r.Copied}
	}
	return out
}
