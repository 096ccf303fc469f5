package server

import (
	"context"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/gate"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func (s *Server) expiry(w http.ResponseWriter, r *http.Request) error {
	var in api.Apply
	if err := readJSON(r, &in); err != nil {
		return err
	}
	name := r.PathValue("name")
	plan, err := s.Lifecycle.PlanExpiry(r.Context(), name)
	if err != nil {
		return err
	}
	out := expiryOf(plan)
	if in.Digest == "" {
		return writeJSON(w, out)
	}
	digest, err := hex.DecodeString(in.Digest)
	if err != nil || len(digest) != len(plan.Digest) {
		return errkind.New(errkind.Invalid, "digest %q is not that of a plan: 64 hexadecimal digits are", in.Digest)
	}
	var done lifecycle.Disposed
	err = s.Gate.Do(r.Context(), s.strict(access.PointExpire, name, "vault "+name, "", in), func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		done, err = s.Lifecycle.ApplyExpiry(ctx, g, name, [32]byte(digest))
		return gate.Outcome{Incomplete: len(done.Left) > 0, Detail: map[string]string{
			"plan": in.Digest, "disposed": strconv.Itoa(len(done.Certificates)), "proven": plan.Proven.Format(time.RFC3339), "record": strconv.FormatUint(plan.Record, 10),
		}}, err
	})
	if err != nil {
		return err
	}
	out.Applied, out.Left = true, done.Left
	for _, c := range done.Certificates {
		out.Certificates = append(out.Certificates, certificateOf(c))
	}
	if err := s.Jobs.PublishLog(r.Context(), name); err != nil {
		out.Warnings = append(out.Warnings, err.Error())
	}
	return writeJSON(w, out)
}

func expiryOf(p *lifecycle.Expiry) api.Expiry {
	out := api.Expiry{Vault: p.Vault, Digest: p.DigestText(), Proven: moment(p.Proven), Stopped: p.Stopped, Record: p.Record,
		Expire: pastOf(p.Expire), Waiting: pastOf(p.Waiting), Kept: map[string]int{}}
	for ground, n := range p.Kept {
		out.Kept[string(ground)] = n
	}
	return out
}

func pastOf(list []lifecycle.Candidate) []api.PastPoint {
	out := []api.PastPoint{}
	for _, c := range list {
		x := api.PastPoint{Point: c.Point, Source: c.Source, ReceivedAt: c.ReceivedAt, Size: c.Size, LockedUntil: moment(c.LockedUntil)}
		for _, f := range c.Findings {
			x.Why = append(x.Why, f.Sentence(time.Local))
		}
		out = append(out, x)
	}
	return out
}

func certificateOf(c vault.CertificateRecord) api.Certificate {
	return api.Certificate{
		ID: c.ID, Point: c.Point.String(), Source: c.SourceName, Number: c.Number, Manifest: hex.EncodeToString(c.Manifest[:]), ReceivedAt: c.Received.Time(),
		Size: c.Size, Entries: c.Entries, Policy: c.Policy, PolicyVersion: c.PolicyVersion, RetainedUntil: c.Until.Time(), Grounds: c.Grounds, Batch: c.Batch,
		ProvenAt: c.Proven.Time(), DisposedAt: c.Disposed.Time(), By: c.By, AuditEvent: c.Event, Packs: c.Packs, SharedPacks: c.SharedPacks,
	}
}

func (s *Server) certificates(w http.ResponseWriter, r *http.Request) error {
	list, err := s.Lifecycle.Certificates(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	out := []api.Certificate{}
	for _, c := range list {
		x := certificateOf(c.CertificateRecord)
		x.ErasedAt, x.LeftPacks = moment(c.Erased), c.Left
		out = append(out, x)
	}
	return writeJSON(w, out)
}

// signBatch shows the batch that waits for a signature in an office, or signs
// the one with the digest given.
func (s *Server) signBatch(w http.ResponseWriter, r *http.Request) error {
	var in api.SignBatch
	if err := readJSON(r, &in); err != nil {
		return err
	}
	name, as := r.PathValue("name"), strings.ReplaceAll(in.As, "-", "_")
	batch, err := s.Lifecycle.PlanBatch(r.Context(), name, as, in.Sources)
	if err != nil {
		return err
	}
	out := api.Batch{Vault: batch.Vault, As: in.As, Digest: batch.Digest, Points: pastOf(batch.Points)}
	if in.Digest == "" {
		return writeJSON(w, out)
	}
	err = s.Gate.Do(r.Context(), s.strict(access.DisposalSign, name, "vault "+name, in.Reason, in), func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		b, err := s.Lifecycle.SignBatch(ctx, g, name, as, in.Sources, in.Digest, in.Reason)
		at := b.At.Time()
		out.ID, out.At, out.By, out.Reason = b.ID, &at, b.By, b.Why
		return gate.Outcome{Detail: map[string]string{"batch": b.ID, "as": in.As, "points": strconv.Itoa(len(b.Points))}}, err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, out)
}
