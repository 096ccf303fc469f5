package main

import (
	"context"
	"crypto/fips140"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/audit"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/clock"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/doctor"
	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/gate"
	"github.com/counterfoil/counterfoil/internal/jobs"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/server"
	"github.com/counterfoil/counterfoil/internal/trial"
	"github.com/counterfoil/counterfoil/internal/vault"
)

const (
	socketName  = "server.sock"
	catalogName = "catalog.db"
	serverName  = "server.id"
)

// connect gives a client: of the server that runs for the data directory, else
// of the same wiring within this process.
func connect(ctx context.Context, dataDir string, existing bool) (*api.Client, io.Closer, error) {
	socket := filepath.Join(dataDir, socketName)
	if probe, err := net.Dial("unix", socket); err == nil {
		transport := api.Socket(socket)
		return api.New(api.SocketBase, transport), closer(func() error {
			transport.CloseIdleConnections()
			return nil
		}), probe.Close()
	}
	in, err := open(ctx, dataDir, existing)
	if err != nil {
		return nil, nil, err
	}
	transport := api.Handler(in.handler)
	return api.New(api.SocketBase, transport), closer(func() error {
		return errors.Join(transport.Close(), in.Close()) // handlers end before what they use
	}), nil
}

type closer func() error

func (c closer) Close() error { return c() }

// serve runs the server of a data directory until the context ends. Only the
// account that runs it can reach its socket.
func serve(ctx context.Context, dataDir string) error {
	in, err := open(ctx, dataDir, false)
	if err != nil {
		return err
	}
	in.serving = true
	due, err := in.schedule(in.now, in.log)
	if err != nil {
		return errors.Join(err, in.Close())
	}
	lock, err := durable.Lock(filepath.Join(dataDir, "server.lock"), "server")
	if err != nil {
		return errors.Join(err, in.Close())
	}
	defer func() { _ = lock.Unlock() }() // ends with the process at the latest
	go in.observe(ctx)
	listener, err := listenLocal(filepath.Join(dataDir, socketName))
	if err != nil {
		return errors.Join(err, in.Close())
	}
	var scheduling sync.WaitGroup
	scheduled, stop := context.WithCancel(ctx)
	defer stop()
	scheduling.Go(func() {
		if err := due.Run(scheduled); err != nil {
			slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("what the scheduler started could not be kept", "error", err)
		}
	})
	srv := &http.Server{Handler: in.handler, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(listener) }()
	if err := notify("READY=1"); err != nil {
		stop()
		scheduling.Wait()
		return errors.Join(err, srv.Close(), in.Close())
	}
	select {
	case err = <-ended:
	case <-ctx.Done():
		_ = notify("STOPPING=1") // it is told by the end of the process at the latest
		err = srv.Shutdown(context.WithoutCancel(ctx))
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	stop()
	scheduling.Wait() // a backup under way ends with the context, and leaves nothing half done
	return errors.Join(err, in.Close())
}

// installation is everything behind one data directory.
type installation struct {
	dataDir string
	handler http.Handler
	// scheduled is the same, asked by the scheduler.
	scheduled http.Handler
	now       func() time.Time
	log       *auditLog
	catalog   *catalog.Catalog
	custody   *custody.Custody
	// look reads the sources of time.
	look    func(context.Context) error
	serving bool
	closed  bool
}

// open builds the installation, from the ground floor up.
func open(ctx context.Context, dataDir string, existing bool) (*installation, error) {
	dataDir, err := filepath.Abs(dataDir)
	if err != nil {
		return nil, errkind.Wrap(errkind.Invalid, err, "data directory")
	}
	if err := checkAccess(dataDir); err != nil {
		return nil, err
	}
	if existing {
		if _, err := os.Stat(filepath.Join(dataDir, catalogName)); errors.Is(err, os.ErrNotExist) {
			return nil, errkind.New(errkind.NotFound, "there is nothing in the data directory %s yet: 'quickstart PATH' or 'vault create' begin, 'vault recover' takes up a vault that exists, --data names another directory", dataDir)
		}
	}
	if err := durable.MkdirAll(dataDir, 0o700); err != nil {
		return nil, errkind.Wrap(errkind.Of(err), err, "make the data directory")
	}
	id, err := serverID(dataDir)
	if err != nil {
		return nil, err
	}
	if _, err := clock.Open(dataDir, nil); err != nil {
		return nil, err // before anything else is made or opened
	}
	index, err := catalog.Open(ctx, filepath.Join(dataDir, catalogName), catalog.Options{})
	if err != nil {
		return nil, err
	}
	in := &installation{dataDir: dataDir, catalog: index}
	sources, err := timeSources(ctx, index)
	if err != nil {
		return nil, errors.Join(err, index.Close())
	}
	trusted, err := clock.Open(dataDir, nil, clock.WithSources(sources...))
	if err != nil {
		return nil, errors.Join(err, index.Close())
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	log := newAuditLog(dataDir, id, index, trusted.Receipt)
	in.custody = custody.New(custody.Config{DataDir: dataDir, Catalog: index, Stores: stores{now: trusted.Receipt}, Server: id, Host: host, Now: trusted.Receipt, AuditKey: log.secret, Heads: &heads{log: log, catalog: index}})
	actor := gate.LocalOwner()
	log.copies = in.custody.LogCopies
	turnstile := gate.New(append(access.Owner(actor.Subject), schedulerBinding()), log, trusted.Receipt)
	runner := jobs.New(jobs.Config{DataDir: dataDir, Catalog: index, Custody: in.custody, Receipt: trusted.Receipt, Keep: trusted.Keep, LockBase: trusted.LockBase, Latched: func() error { _, err := trusted.MayDelete(false); return err }, HostNow: time.Now,
		Publish: log.publish, Host: host, Version: programVersion()})
	in.look = func(ctx context.Context) error { return watchClock(ctx, trusted, log) }
	if err := in.look(ctx); err != nil {
		return nil, errors.Join(err, index.Close())
	}
	life := lifecycle.New(lifecycle.Config{Catalog: index, Custody: in.custody, Clock: trusted})
	door := server.Config{
		DataDir: dataDir, Version: api.Version{Version: programVersion(), Format: 1, Go: runtime.Version(), FIPS: fips140.Enabled()},
		Gate: turnstile, Actor: actor, Catalog: index, Custody: in.custody, Jobs: runner, Lifecycle: life, Clock: trusted, Trial: trial.New(dataDir, index, in.custody),
		Doctor:  doctor.Installation{DataDir: dataDir, Catalog: index, Custody: in.custody, Log: log.open, Behind: trusted.Behind, Now: trusted.Receipt, Clock: trusted.Status, Locks: life.PlanLocks, Closes: life.Closes},
		Receipt: trusted.Receipt, Log: log.open, LogDir: log.dir, LogKey: log.keyFile, Behind: trusted.Behind, Purge: in.purge,
	}
	in.handler, in.now, in.log = server.New(door).Handler(), trusted.Receipt, log
	door.Actor = schedulerActor()
	in.scheduled = server.New(door).Handler()
	return in, nil
}

// watchClock reads the sources of time and records what somebody should know:
// that the latch closed, above all.
func watchClock(ctx context.Context, trusted *clock.Clock, log *auditLog) error {
	// What cannot be kept, as on a full disk, counts in this process all the
	// same; what deletes looks at the file itself.
	events, _ := trusted.Observe(ctx)
	for _, e := range events {
		if e.Kind != clock.EventLatched && e.Kind != clock.EventGap && e.Kind != clock.EventSetBack {
			continue
		}
		_, err := log.Record(ctx, audit.Event{Actor: audit.Actor{Subject: "clock", Kind: audit.System}, Action: access.Action("clock/" + strings.ReplaceAll(string(e.Kind), "_", "-")),
			Target: "clock", Reason: e.Text, Phase: audit.Only, Result: audit.Done})
		if err != nil {
			return err
		}
	}
	return nil
}

// observing is how often a server looks at the clock.
const observing = time.Hour

// observe looks at the clock until the context ends.
func (in *installation) observe(ctx context.Context) {
	tick := time.NewTicker(observing)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			// What cannot be recorded now is still latched, and told by clock status.
			_ = in.look(ctx)
		}
	}
}

// checkAccess refuses the data directory of another user before anything in it
// fails with less to say. One that is not there yet is no concern here.
func checkAccess(dataDir string) error {
	dir, err := os.Open(dataDir)
	if errors.Is(err, os.ErrPermission) {
		return errkind.New(errkind.NotAllowed, "the data directory %s belongs to another user: run this as that user, or name a directory of your own with --data or COUNTERFOIL_DATA", dataDir)
	}
	if err != nil {
		return nil //nolint:nilerr // what follows says what it cannot use
	}
	return dir.Close()
}

// Close ends the use of the data directory.
func (in *installation) Close() error {
	if in.closed {
		return nil
	}
	in.closed = true
	return errors.Join(in.custody.Close(), in.catalog.Close())
}

// serverID reads the id by which vaults know this installation, made once.
func serverID(dataDir string) (vault.ID, error) {
	path := filepath.Join(dataDir, serverName)
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		fresh := vault.NewID()
		err = durable.WriteFileExclusive(path, []byte(hex.EncodeToString(fresh[:])+"\n"), 0o600)
		if err == nil {
			return fresh, nil
		}
		if !errkind.Is(err, errkind.Exists) {
			return vault.ID{}, errkind.Wrap(errkind.Of(err), err, "make the server's id")
		}
		data, err = os.ReadFile(path) // another process was first
	}
	if err != nil {
		return vault.ID{}, errkind.Wrap(errkind.Unavailable, err, "read the server's id")
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(data)))
	if err != nil || len(raw) != len(vault.ID{}) {
		return vault.ID{}, errkind.New(errkind.Damaged, "the server's id in %s is damaged: move the file away and run 'vault recover' for each vault", path)
	}
	return vault.ID(raw), nil
}

// purge removes a trial: the whole data directory when nothing else lies in it.
// Only what this program made there is removed.
func (in *installation) purge(ctx context.Context, g access.Grant, paths []string) error {
	if err := g.Require(access.VaultRemove); err != nil {
		return err
	}
	if in.serving {
		return errkind.New(errkind.Busy, "a server runs for %s: stop it, then remove the trial", in.dataDir)
	}
	lock, err := durable.Lock(filepath.Join(in.dataDir, "work.lock"), "removal of the trial")
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }() // ends with the process at the latest
	if err := in.custody.RemoveTrial(ctx, g); err != nil {
		return err
	}
	if err := removeFolder(paths[0]); err != nil || len(paths) == 1 {
		return err
	}
	if err := in.Close(); err != nil {
		return err
	}
	for _, name := range []string{"vaults", "keys", "recovery-kits", "scratch", "cache", "audit", catalogName, catalogName + "-wal", catalogName + "-shm",
		catalogName + ".lock", "clock.json", "clock.json.lock", "work.lock", "server.lock", socketName, serverName, schedulerName} {
		if err := removeFolder(filepath.Join(in.dataDir, name)); err != nil {
			return err
		}
	}
	if err := os.Remove(in.dataDir); err != nil {
		return errkind.Wrap(errkind.Unavailable, err, "the trial is removed; the data directory holds something else and stays")
	}
	return nil
}

func removeFolder(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return errkind.Wrap(errkind.Unavailable, err, "remove %s", path)
	}
	return nil
}

var _ gate.Recorder = (*auditLog)(nil)

// newAuditLog prepares the audit log; it is made or opened at its first use,
// so that a recovery can first take up the one in the vault.
func newAuditLog(dataDir string, id vault.ID, index *catalog.Catalog, now func() time.Time) *auditLog {
	return &auditLog{dir: filepath.Join(dataDir, "audit"), keyFile: filepath.Join(dataDir, "keys", "audit.key"),
		origin: custody.LogOrigin(id), outbox: outbox{index}, now: now}
}
