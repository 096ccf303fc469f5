package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/audit"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/scheduler"
	"github.com/counterfoil/counterfoil/internal/vault"
)

const schedulerName = "scheduler.json"

// backupMissed is the event that runs of a schedule were not started in time.
const backupMissed access.Action = "backup/missed"

// schedulerActor is who asks for what a schedule asks for. It may back up, renew
// locks, verify and attack canaries, and no more.
func schedulerActor() audit.Actor {
	host, _ := os.Hostname() // only a label
	return audit.Actor{Subject: "scheduler", Kind: audit.System, Host: host}
}

func schedulerBinding() access.Binding {
	return access.Binding{Subject: schedulerActor().Subject, Role: access.BackupOperator, Scope: access.Scope{Kind: access.Everything}}
}

// schedule makes the scheduler of a server. What is due goes the one road of the
// API, as the scheduler.
func (in *installation) schedule(now func() time.Time, log *auditLog) (*scheduler.Scheduler, error) {
	client := api.New(api.SocketBase, api.Handler(in.scheduled))
	messages := slog.New(slog.NewTextHandler(os.Stderr, nil))
	return scheduler.Open(scheduler.Config{
		Path: filepath.Join(in.dataDir, schedulerName), Now: now, Sources: in.scheduledSources, Vaults: in.scheduledVaults,
		Backup: func(ctx context.Context, source string) error {
			_, err := client.Backup(ctx, api.Backup{Source: source, Scheduled: true}, func(api.Event) {})
			return err
		},
		Chores: chores(client),
		Missed: func(ctx context.Context, source string, runs []policy.MissedRun) error {
			first, last := runs[0], runs[len(runs)-1]
			_, err := log.Record(ctx, audit.Event{Actor: schedulerActor(), Action: backupMissed, Target: "source " + source, Phase: audit.Only, Result: audit.Failed,
				Reason: fmt.Sprintf("%d runs of the schedule were not started in time, the last of %s (%s)", len(runs), last.Run.Format(time.RFC3339), last.Reason),
				Detail: map[string]string{"runs": fmt.Sprint(len(runs)), "first": first.Run.Format(time.RFC3339), "last": last.Run.Format(time.RFC3339)}})
			return err
		},
		Failed: func(what string, err error) { messages.Error("not done by the scheduler", "what", what, "error", err) },
	})
}

// chores are what a server does with every vault that has locks.
func chores(client *api.Client) []scheduler.Chore {
	const day = 24 * time.Hour
	return []scheduler.Chore{
		{Name: "renew the locks", Every: 20 * time.Hour, Do: func(ctx context.Context, name string) error {
			_, err := client.Locks(ctx, name, api.RaiseLocks{Apply: true})
			return err
		}},
		{Name: "attack a canary", Every: 7 * day, Do: func(ctx context.Context, name string) error {
			c, err := client.Canary(ctx, name)
			if err == nil && c.Verdict == "fail" {
				err = errkind.New(errkind.Damaged, "the store did not refuse: the vault falls to L0")
			}
			return err
		}},
		{Name: "verify without reading every byte", Every: 7 * day, Do: func(ctx context.Context, name string) error {
			v, err := client.VerifyVault(ctx, name, api.Verify{Mode: "quick"}, func(api.Event) {})
			if err == nil && !v.OK {
				err = errkind.New(errkind.Damaged, "it is not whole: run 'vault verify %s'", name)
			}
			return err
		}},
	}
}

// scheduledSources gives the sources that are protected, with their schedules.
func (in *installation) scheduledSources(ctx context.Context) ([]scheduler.Source, error) {
	rows, err := in.catalog.Sources(ctx)
	if err != nil {
		return nil, err
	}
	vaults, err := in.openVaults(ctx)
	if err != nil {
		return nil, err
	}
	var out []scheduler.Source
	for _, row := range rows {
		var d custody.SourceDetail
		if json.Unmarshal(row.Detail, &d) != nil || d.State != vault.SourceProtected || !vaults[row.VaultID] {
			continue
		}
		version, err := in.catalog.Policy(ctx, row.Policy, row.PolicyVersion)
		if err != nil {
			return nil, err
		}
		p, err := policy.Parse(version.Body)
		if err != nil {
			return nil, err
		}
		zone, err := custody.Zone(p)
		if err != nil {
			return nil, err
		}
		since := row.CreatedAt
		if version.CreatedAt.After(since) {
			since = version.CreatedAt
		}
		out = append(out, scheduler.Source{ID: row.ID, Name: row.Name, Schedule: p.Schedule, Zone: zone, Since: since})
	}
	return out, nil
}

// openVaults gives the ids of the vaults that are not deleted.
func (in *installation) openVaults(ctx context.Context) (map[string]bool, error) {
	rows, err := in.catalog.Vaults(ctx)
	out := map[string]bool{}
	for _, row := range rows {
		d, err := custody.DetailOfVault(row)
		if err != nil {
			return nil, err
		}
		out[row.ID] = d.PurgeAfter.IsZero()
	}
	return out, err
}

// scheduledVaults gives the vaults that have locks; those of a deleted one are
// renewed too, until its points have gone.
func (in *installation) scheduledVaults(ctx context.Context) ([]scheduler.Vault, error) {
	rows, err := in.catalog.Vaults(ctx)
	var out []scheduler.Vault
	for _, row := range rows {
		if row.Kind == catalog.VaultUnlocked || row.Kind == catalog.VaultLocked {
			out = append(out, scheduler.Vault{ID: row.ID, Name: row.Name})
		}
	}
	return out, err
}
