package server

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/audit"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/tlog"
)

func (s *Server) auditList(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	f, err := auditFilter(r)
	if err != nil {
		return err
	}
	log, err := s.Log(ctx)
	if err != nil {
		return err
	}
	if _, err := s.Gate.Note(ctx, s.request(access.AuditRead, access.Target{}, "audit log", r.URL.RawQuery)); err != nil {
		return err
	}
	entries, err := log.List(ctx, f)
	if err != nil {
		return err
	}
	out := []api.AuditEntry{}
	for _, e := range entries {
		out = append(out, auditEntry(e))
	}
	return writeJSON(w, out)
}

func auditFilter(r *http.Request) (audit.Filter, error) {
	q := r.URL.Query()
	f := audit.Filter{Action: access.Action(q.Get("action")), Actor: q.Get("actor"), Result: audit.Result(q.Get("result")), Target: q.Get("target"), Text: q.Get("text")}
	for name, into := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if text := q.Get(name); text != "" {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return f, errkind.New(errkind.Invalid, "%s %q is not a time as 2006-01-02T15:04:05Z", name, text)
			}
			*into = t
		}
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return f, errkind.New(errkind.Invalid, "limit %q is not a number", text)
		}
		f.Limit = n
	}
	return f, nil
}

func auditEntry(e audit.Entry) api.AuditEntry {
	if e.Problem != "" {
		return api.AuditEntry{Index: e.Index, Name: "unreadable", Result: "unreadable", Reason: e.Problem}
	}
	v := e.Event
	return api.AuditEntry{Index: e.Index, ID: v.ID, Name: string(v.Action), Time: v.Time, Actor: v.Actor.Subject, Action: string(v.Action), Target: v.Target,
		Phase: string(v.Phase), Before: v.Before, Result: string(v.Result), ErrorKind: v.ErrorKind, Reason: v.Reason, Detail: v.Detail}
}

func (s *Server) auditVerify(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	log, err := s.Log(ctx)
	if err != nil {
		return err
	}
	if _, err := s.Gate.Note(ctx, s.request(access.AuditRead, access.Target{}, "audit log", "verify")); err != nil {
		return err
	}
	report, err := log.Verify(ctx)
	out := auditFound{api.AuditVerification{OK: err == nil, Copies: []string{}}}
	if err != nil {
		if !errkind.Is(err, errkind.Damaged) {
			return err
		}
		out.Finding = err.Error()
	}
	if err := s.auditCopies(ctx, log, &out); err != nil {
		return err
	}
	out.Size, out.Root, out.Origin = report.Checkpoint.Size, report.Checkpoint.Root.String(), report.Checkpoint.Origin
	out.Key = log.Public()
	lag, err := log.Lag(ctx)
	if err != nil {
		return err
	}
	out.Lag = lag.Pending
	if lag.Err != nil {
		out.fail(fmt.Sprintf("the log cannot be written: %v", lag.Err))
	}
	return writeJSON(w, out.AuditVerification)
}

// auditCopies compares the log with the copies in the vaults.
func (s *Server) auditCopies(ctx context.Context, log *audit.Log, out *auditFound) error {
	copies, err := s.Custody.LogCopies(ctx, log)
	if err != nil {
		return err
	}
	for _, l := range copies {
		out.Copies = append(out.Copies, l.Words())
	}
	if err := custody.RolledBack(copies); err != nil {
		out.fail(err.Error())
	}
	return nil
}

// auditFound gathers what is found; the first finding stands.
type auditFound struct{ api.AuditVerification }

func (f *auditFound) fail(finding string) {
	f.OK = false
	if f.Finding == "" {
		f.Finding = finding
	}
}

func rootOf(log *audit.Log) string {
	c, err := tlog.ParseCheckpoint(log.Checkpoint())
	if err != nil {
		return ""
	}
	return c.Root.String()
}
