package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/audit"
)

// TestSchedule_BacksUpAndRenewsAsItself runs the wiring of a server, with a clock of
// its own for what is due.
func TestSchedule_BacksUpAndRenewsAsItself(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	in, err := open(ctx, filepath.Join(dir, "data"), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	c := api.New(api.SocketBase, api.Handler(in.handler))
	folder := filepath.Join(dir, "src")
	must(t, os.Mkdir(folder, 0o700))
	must(t, os.WriteFile(filepath.Join(folder, "ledger"), []byte("1"), 0o600))
	_, err = c.CreateVault(ctx, api.NewVault{Name: "books", URL: "file://" + filepath.Join(dir, "store") + "?immutable-flag=off"})
	must(t, err)
	for _, name := range []string{"ledgers", "sold"} {
		_, err = c.CreateSource(ctx, api.NewSource{Name: name, Vault: "books", Paths: []string{folder}})
		must(t, err)
	}
	_, err = c.StopSource(ctx, "sold", api.StopSource{Retain: "policy", Reason: "sold"})
	must(t, err)
	now := time.Now().UTC()
	s, err := in.schedule(func() time.Time { return now }, in.log)
	must(t, err)
	for range 26 { // a day in hours: the default policy runs once in it
		s.Step(ctx)
		now = now.Add(time.Hour)
	}
	points, err := c.Points(ctx, api.PointFilter{})
	must(t, err)
	if len(points) != 1 || points[0].Source != "ledgers" || slices.Contains(points[0].Tags, "on-demand") || !slices.Contains(points[0].Tags, "daily") {
		t.Fatalf("%+v", points)
	}
	var did []string
	log, err := in.log.open(ctx)
	must(t, err)
	entries, err := log.List(ctx, audit.Filter{Actor: "scheduler"})
	must(t, err)
	for _, e := range entries {
		if e.Event.Phase == audit.After && e.Event.Result == audit.Done {
			did = append(did, string(e.Event.Action))
		}
	}
	if text := strings.Join(did, " "); !strings.Contains(text, "backup/run") || !strings.Contains(text, "lock/raise") || !strings.Contains(text, "canary/run") || !strings.Contains(text, "vault/verify") {
		t.Errorf("on the log: %s", text)
	}
	// It may do what a schedule asks for, and nothing that lets go.
	asked := api.New(api.SocketBase, api.Handler(in.scheduled))
	if _, err := asked.DeletePoint(ctx, points[0].ID, api.Why{Reason: "x"}); err == nil || !strings.Contains(err.Error(), "scheduler may not do") {
		t.Errorf("delete: %v", err)
	}
	if _, err := asked.ReleaseHold(ctx, "books", "none", api.Why{Reason: "x"}); err == nil || !strings.Contains(err.Error(), "scheduler may not do") {
		t.Errorf("release: %v", err)
	}
}

// TestSchedule_MissedRunsStandInTheLog has a server that was away for a week.
func TestSchedule_MissedRunsStandInTheLog(t *testing.T) {
	ctx, dir := context.WithoutCancel(t.Context()), t.TempDir()
	in, err := open(ctx, filepath.Join(dir, "data"), false)
	must(t, err)
	t.Cleanup(func() { must(t, in.Close()) })
	c := api.New(api.SocketBase, api.Handler(in.handler))
	folder := filepath.Join(dir, "src")
	must(t, os.Mkdir(folder, 0o700))
	_, err = c.CreateVault(ctx, api.NewVault{Name: "books", URL: "file://" + filepath.Join(dir, "store") + "?immutable-flag=off"})
	must(t, err)
	_, err = c.CreateSource(ctx, api.NewSource{Name: "ledgers", Vault: "books", Paths: []string{folder}})
	must(t, err)
	now := time.Now().UTC().AddDate(0, 0, 7)
	s, err := in.schedule(func() time.Time { return now }, in.log)
	must(t, err)
	s.Step(ctx)
	log, err := in.log.open(ctx)
	must(t, err)
	entries, err := log.List(ctx, audit.Filter{Action: backupMissed})
	must(t, err)
	if len(entries) != 1 || entries[0].Event.Target != "source ledgers" || !strings.Contains(entries[0].Event.Reason, "were not started in time") {
		t.Errorf("%+v", entries)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
