// Package server is the HTTP door: routes and thin handlers over the packages
// that do the work. It has no business rules: a handler reads the request, passes
// the gate, calls one thing and writes the answer.
package server

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/audit"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/clock"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/doctor"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/gate"
	"github.com/counterfoil/counterfoil/internal/jobs"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/trial"
)

// Config is what the handlers call.
type Config struct {
	DataDir string
	Version api.Version
	Gate    *gate.Gate
	// Actor is who every request comes from: in the embedded shape the local
	// owner, who alone can reach the socket.
	Actor   audit.Actor
	Catalog *catalog.Catalog
	Custody *custody.Custody
	Jobs    *jobs.Runner
	// Lifecycle carries out what the rules decide about points that exist.
	Lifecycle *lifecycle.Lifecycle
	Trial     *trial.Trial
	Doctor    doctor.Installation
	Receipt   func() time.Time
	// Clock is the trusted clock.
	Clock *clock.Clock
	// Behind tells how far the system clock lies behind trusted time.
	Behind func() time.Duration
	// Log opens the audit log, made at its first use.
	Log func(ctx context.Context) (*audit.Log, error)
	// LogDir and LogKey are where the audit log and its key lie, for a recovery
	// that takes up the log of a vault.
	LogDir, LogKey string
	// Purge removes a trial and, when nothing else is there, the data
	// directory; nothing works afterwards.
	Purge func(ctx context.Context, grant access.Grant, paths []string) error
}

// Server answers the API.
type Server struct{ Config }

// New makes the server.
func New(cfg Config) *Server { return &Server{cfg} }

// Handler gives the routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	routes := map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /api/v1/version":                              s.version,
		"GET /api/v1/vaults":                               s.vaults,
		"GET /api/v1/vaults/{name}":                        s.vault,
		"POST /api/v1/vaults":                              s.createVault,
		"POST /api/v1/vaults/{name}/verify":                s.verifyVault,
		"POST /api/v1/vaults/{name}/gc":                    s.collectGarbage,
		"POST /api/v1/vaults/{name}/settings":              s.settings,
		"POST /api/v1/vaults/{name}/delete":                s.deleteVault,
		"POST /api/v1/vaults/{name}/undelete":              s.undeleteVault,
		"POST /api/v1/recover":                             s.recoverVault,
		"GET /api/v1/sources":                              s.sources,
		"GET /api/v1/sources/{name}":                       s.source,
		"POST /api/v1/sources":                             s.createSource,
		"POST /api/v1/sources/{name}/stop":                 s.stopSource,
		"POST /api/v1/sources/{name}/resume":               s.resumeSource,
		"POST /api/v1/sources/{name}/delete":               s.deleteSource,
		"POST /api/v1/sources/{name}/undelete":             s.undeleteSource,
		"POST /api/v1/backups":                             s.backup,
		"GET /api/v1/points":                               s.points,
		"GET /api/v1/points/{id}":                          s.point,
		"GET /api/v1/points/{id}/explain":                  s.explain,
		"GET /api/v1/points/{id}/entries":                  s.entries,
		"GET /api/v1/points/{id}/content":                  s.content,
		"GET /api/v1/diff":                                 s.diff,
		"POST /api/v1/restores":                            s.restore,
		"POST /api/v1/points/{id}/delete":                  s.deletePoint,
		"POST /api/v1/points/{id}/undelete":                s.undeletePoint,
		"POST /api/v1/points/{id}/proof":                   s.proof,
		"GET /api/v1/vaults/{name}/holds":                  s.holds,
		"POST /api/v1/vaults/{name}/holds":                 s.placeHold,
		"POST /api/v1/vaults/{name}/holds/apply":           s.applyHolds,
		"POST /api/v1/vaults/{name}/holds/{id}/release":    s.releaseHold,
		"GET /api/v1/vaults/{name}/events":                 s.events,
		"POST /api/v1/vaults/{name}/events":                s.recordEvent,
		"POST /api/v1/vaults/{name}/expiry":                s.expiry,
		"POST /api/v1/vaults/{name}/batches":               s.signBatch,
		"GET /api/v1/vaults/{name}/certificates":           s.certificates,
		"POST /api/v1/vaults/{name}/locks":                 s.locks,
		"POST /api/v1/vaults/{name}/lock":                  s.lockVault,
		"POST /api/v1/vaults/{name}/lock/call-back":        s.callBackLock,
		"POST /api/v1/vaults/{name}/canary":                s.canary,
		"GET /api/v1/audit":                                s.auditList,
		"POST /api/v1/audit/verify":                        s.auditVerify,
		"GET /api/v1/policies":                             s.policies,
		"GET /api/v1/policies/{name}":                      s.policy,
		"POST /api/v1/policies":                            s.setPolicy,
		"POST /api/v1/policies/check":                      s.checkPolicy,
		"POST /api/v1/sources/{name}/policy":               s.setSourcePolicy,
		"GET /api/v1/policies/{name}/runs":                 s.policyRuns,
		"GET /api/v1/classes":                              s.classes,
		"GET /api/v1/classes/{id}":                         s.class,
		"POST /api/v1/sources/{name}/freeze":               s.freeze,
		"POST /api/v1/sources/{name}/freezes/{id}/release": s.unfreeze,
		"GET /api/v1/clock":                                s.clock,
		"POST /api/v1/clock/attest":                        s.attestClock,
		"GET /api/v1/doctor":                               s.doctor,
		"POST /api/v1/quickstart":                          s.quickstart,
		"POST /api/v1/quickstart/remove":                   s.quickstartRemove,

		"GET /api/v1/vaults/{name}/erasures":                s.erasures,
		"POST /api/v1/vaults/{name}/erasures":               s.recordErasure,
		"GET /api/v1/vaults/{name}/erasures/{id}":           s.erasure,
		"POST /api/v1/vaults/{name}/erasures/{id}/withdraw": s.withdrawErasure,
		"POST /api/v1/vaults/{name}/subjects/{id}/forget":   s.forgetSubject,
	}
	for pattern, h := range routes {
		mux.HandleFunc(pattern, answer(h))
	}
	return mux
}

// answer turns an error into a problem, once, for every handler. A handler
// that has begun to answer writes its own.
func answer(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			writeProblem(w, err)
		}
	}
}

func writeProblem(w http.ResponseWriter, err error) {
	p := api.NewProblem(err)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the caller has gone if this fails
}

func writeJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the caller has gone if this fails
	return nil
}

func readJSON(r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 4<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errkind.Wrap(errkind.Invalid, err, "read the request")
	}
	return nil
}

// request makes a gate request for an operation of the caller.
func (s *Server) request(action access.Action, target access.Target, name string, payload any) gate.Request {
	return gate.Request{Actor: s.Actor, Action: action, Target: target, Name: name, Payload: payload}
}

// do passes the gate for an operation whose closing record has no detail.
func (s *Server) do(ctx context.Context, r gate.Request, fn func(context.Context, access.Grant) error) error {
	return s.Gate.Do(ctx, r, func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		return gate.Outcome{}, fn(ctx, g)
	})
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, s.Version)
}

func (s *Server) doctor(w http.ResponseWriter, r *http.Request) error {
	found, err := doctor.Examine(r.Context(), s.Doctor)
	if err != nil {
		return err
	}
	out := []api.Finding{}
	for i, f := range found {
		out = append(out, api.Finding{ID: findingID(i), Name: f.Name, Status: string(f.Status), Message: f.Message, Fix: f.Fix})
	}
	return writeJSON(w, out)
}
