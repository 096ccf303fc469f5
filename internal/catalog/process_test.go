package catalog

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// child is another process that has the catalog open. Its role comes with the
// path and a prefix for ids in its environment; it prints an id once the event
// of that id is durable.
func child(role string) error {
	ctx := context.Background()
	c, err := Open(ctx, os.Getenv("COUNTERFOIL_CATALOG_PATH"), Options{})
	if err != nil {
		return err
	}
	prefix := os.Getenv("COUNTERFOIL_CATALOG_PREFIX")
	switch role {
	case "add":
		for n := range 30 {
			if err := childAdd(ctx, c, prefix+strconv.Itoa(n)); err != nil {
				return err
			}
		}
	case "add until killed":
		for n := 0; ; n++ {
			if err := childAdd(ctx, c, prefix+strconv.Itoa(n)); err != nil {
				return err
			}
		}
	case "hold":
		return c.Change(ctx, grant(access.VaultCreate), nil, func(tx *Tx) error {
			if err := tx.CreateVault(ctx, grant(access.VaultCreate), aVault(9)); err != nil {
				return err
			}
			fmt.Println("held")
			_, err := io.ReadAll(os.Stdin)
			return err
		})
	}
	return c.Close()
}

func childAdd(ctx context.Context, c *Catalog, id string) error {
	if err := c.AddEvent(ctx, id, at(1), []byte("event "+id)); err != nil {
		return err
	}
	_, err := fmt.Println(id)
	return err
}

// another starts this test binary as another process.
func another(t *testing.T, role, path, prefix string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Scanner) {
	t.Helper()
	cmd = exec.Command(get[string](t)(os.Executable()))
	cmd.Env = append(os.Environ(), "COUNTERFOIL_CATALOG_CHILD="+role, "COUNTERFOIL_CATALOG_PATH="+path, "COUNTERFOIL_CATALOG_PREFIX="+prefix)
	cmd.Stderr = os.Stderr
	in = get[io.WriteCloser](t)(cmd.StdinPipe())
	out = bufio.NewScanner(get[io.ReadCloser](t)(cmd.StdoutPipe()))
	must(t, cmd.Start())
	return cmd, in, out
}

func TestProcesses_ShareACatalog(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := openAt(t, path)
	seed(t, c)
	a, _, outA := another(t, "add", path, "a")
	b, _, outB := another(t, "add", path, "b")
	for n := 1; n <= 30; n++ {
		must(t, c.Change(ctx, grant(access.BackupRun), &PendingEvent{ID: fmt.Sprint("c", n), At: at(1), Body: []byte("x")}, func(tx *Tx) error {
			return tx.RecordPoint(ctx, grant(access.BackupRun), aPoint(n))
		}))
		wantEqual(t, len(get[[]Point](t)(c.Points(ctx, PointFilter{}))), n)
	}
	for _, out := range []*bufio.Scanner{outA, outB} {
		for out.Scan() {
		}
	}
	must(t, a.Wait())
	must(t, b.Wait())

	events := get[[]PendingEvent](t)(c.PendingEvents(ctx, 1000))
	wantEqual(t, len(events), 90)
	last := map[byte]int{'a': -1, 'b': -1, 'c': 0}
	for i, e := range events {
		n := get[int](t)(strconv.Atoi(e.ID[1:]))
		if i > 0 && e.Seq <= events[i-1].Seq || n != last[e.ID[0]]+1 {
			t.Fatalf("event %s (%d) comes after %s%d", e.ID, e.Seq, e.ID[:1], last[e.ID[0]])
		}
		last[e.ID[0]] = n
	}
	must(t, c.Check(ctx))
}

func TestProcesses_KilledWriterLosesNothingDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	for round := range 5 {
		prefix := fmt.Sprint("r", round, "-")
		cmd, _, out := another(t, "add until killed", path, prefix)
		var printed []string
		for len(printed) < 3+7*round && out.Scan() {
			printed = append(printed, out.Text())
		}
		must(t, cmd.Process.Kill())
		for out.Scan() {
			printed = append(printed, out.Text())
		}
		_ = cmd.Wait() // killed

		c := get[*Catalog](t)(Open(t.Context(), path, Options{MustExist: true}))
		must(t, c.Check(t.Context()))
		there := map[string]bool{}
		for _, e := range get[[]PendingEvent](t)(c.PendingEvents(t.Context(), 100000)) {
			there[e.ID] = string(e.Body) == "event "+e.ID
		}
		for _, id := range printed {
			if !there[id] && strings.HasPrefix(id, prefix) {
				t.Errorf("event %s was durable and is gone", id)
			}
		}
		must(t, c.Close())
	}
}

func TestProcesses_WriterKilledInATransactionLeavesNothing(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := openAt(t, path)
	cmd, in, out := another(t, "hold", path, "")
	defer in.Close()
	if !out.Scan() {
		t.Fatal("the other process did not begin")
	}
	// Readers do not wait for it.
	wantEqual(t, get[[]Vault](t)(c.Vaults(ctx)), []Vault{})
	_, err := c.writer.ExecContext(ctx, "PRAGMA busy_timeout = 1")
	must(t, err)
	wantKind(t, c.CreateVault(ctx, grant(access.VaultCreate), aVault(1)), errkind.Busy)

	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
	must(t, c.CreateVault(ctx, grant(access.VaultCreate), aVault(1)))
	wantEqual(t, get[[]Vault](t)(c.Vaults(ctx)), []Vault{aVault(1)})
}

func TestProcesses_WriterWaitsForAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := openAt(t, path)
	cmd, in, out := another(t, "hold", path, "")
	if !out.Scan() {
		t.Fatal("the other process did not begin")
	}
	done := make(chan error)
	go func() { done <- c.CreateVault(t.Context(), grant(access.VaultCreate), aVault(1)) }()
	must(t, in.Close())
	must(t, <-done)
	must(t, cmd.Wait())
	wantEqual(t, get[[]Vault](t)(c.Vaults(t.Context())), []Vault{aVault(1), aVault(9)})
}
