package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

const (
	mbPerUnit      = 18 // of a data directory, for one unit of pgbench -s
	transactions   = 10_000
	pgbenchClients = 4
	serverPatience = 60 * time.Second
)

// database is a PostgreSQL data directory that pgbench filled.
func (b *bench) database(ctx context.Context) (corpus, error) {
	pg, err := findPostgres()
	if err != nil {
		b.say("%v: the corpus %s stands in for it", err, syntheticCorpus)
		return b.synthetic(ctx)
	}
	pg.launch = b.launch
	units := max(1, int(math.Round(float64(b.opts.sizeMB)*b.opts.scale/mbPerUnit)))
	kept, err := b.kept(fmt.Sprintf("db-%d", units), func(dir string) error {
		return pg.fill(ctx, dir, units)
	})
	if err != nil {
		return corpus{}, err
	}
	path, err := b.workingCopy(ctx, dbCorpus, kept)
	if err != nil {
		return corpus{}, err
	}
	n := int(b.scaled(transactions, pgbenchClients))
	return corpus{
		Name: dbCorpus, path: path,
		What:   fmt.Sprintf("PostgreSQL data directory after pgbench -i -s %d; changed: after %d transactions", units, n),
		change: func(ctx context.Context) error { return pg.transact(ctx, path, n) },
	}, nil
}

// postgres runs the database's own programs, as its own user where we are the
// superuser, whom it refuses.
type postgres struct {
	bin    string // folder of programs
	as     *account
	launch *launcher
}

func findPostgres() (postgres, error) {
	var pg postgres
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return pg, err
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		bins = append(bins, filepath.Dir(path))
	}
	slices.Reverse(bins)
	for _, bin := range bins {
		if hasAll(bin, "initdb", "postgres", "pgbench", "pg_isready") {
			pg.bin = bin
			break
		}
	}
	if pg.bin == "" {
		return pg, errors.New("PostgreSQL with pgbench is not here")
	}
	if os.Geteuid() == 0 {
		if pg.as = accountOf("postgres"); pg.as == nil {
			return pg, errors.New("PostgreSQL is here, but no user postgres to run it as")
		}
	}
	return pg, nil
}

func hasAll(dir string, names ...string) bool {
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

func (pg postgres) command(name string, args ...string) command {
	return command{
		args: append([]string{filepath.Join(pg.bin, name)}, args...), dir: "/", as: pg.as,
		env: []string{"PATH=" + pg.bin + ":/usr/bin:/bin", "LC_ALL=C", "PGUSER=postgres", "PGDATABASE=postgres"},
	}
}

func (pg postgres) fill(ctx context.Context, dir string, units int) error {
	if pg.as != nil {
		if err := os.Chown(dir, int(pg.as.uid), int(pg.as.gid)); err != nil {
			return err
		}
	}
	_, _, err := pg.launch.run(ctx, pg.command("initdb", "-D", dir, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"))
	if err != nil {
		return err
	}
	return pg.serving(ctx, dir, func(socket string) error {
		return pg.pgbench(ctx, socket, "-i", "-q", "-s", strconv.Itoa(units))
	})
}

func (pg postgres) transact(ctx context.Context, dir string, n int) error {
	return pg.serving(ctx, dir, func(socket string) error {
		return pg.pgbench(ctx, socket, "-n", "-c", strconv.Itoa(pgbenchClients), "-t", strconv.Itoa(n/pgbenchClients), "--random-seed=1")
	})
}

// pgbench starts the program beside the server, so not by the launcher, which
// would wait for the server to end too.
func (pg postgres) pgbench(ctx context.Context, socket string, args ...string) error {
	ctx, stop := context.WithTimeout(ctx, pg.launch.timeout)
	defer stop()
	c := pg.command("pgbench", append(args, "-h", socket)...)
	out, err := pg.start(ctx, c).CombinedOutput()
	if err != nil {
		return fmt.Errorf("pgbench: %w: %s", err, lastWords(string(out)))
	}
	return nil
}

func (pg postgres) start(ctx context.Context, c command) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = c.dir, c.env, childAttr(c.as)
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	return cmd
}

// serving runs a server on a socket of its own for as long as work takes, and
// shuts it down with everything written.
func (pg postgres) serving(ctx context.Context, dir string, work func(socket string) error) (err error) {
	socket, err := os.MkdirTemp("", "cfb") // short: the path of a socket is
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(socket)) }()
	if pg.as != nil {
		if err := os.Chown(socket, int(pg.as.uid), int(pg.as.gid)); err != nil {
			return err
		}
	}
	log, err := os.Create(filepath.Join(pg.launch.work.logs(), "postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	server := pg.start(context.WithoutCancel(ctx), pg.command("postgres", "-D", dir, "-k", socket, "-c", "listen_addresses=", "-c", "fsync=off"))
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopServer(server)) }()
	if err := pg.await(ctx, socket); err != nil {
		return err
	}
	return work(socket)
}

func (pg postgres) await(ctx context.Context, socket string) error {
	ctx, stop := context.WithTimeout(ctx, serverPatience)
	defer stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := pg.start(ctx, pg.command("pg_isready", "-q", "-h", socket)).Run(); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("the database server does not answer; see logs/postgres in the work folder")
		case <-tick.C:
		}
	}
}

// stopServer asks for a fast shutdown, which writes a checkpoint.
func stopServer(server *exec.Cmd) error {
	if err := server.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	late := time.AfterFunc(serverPatience, func() { _ = killGroup(server.Process.Pid) })
	defer late.Stop()
	if err := server.Wait(); err != nil {
		return fmt.Errorf("database server: %w", err)
	}
	return nil
}
