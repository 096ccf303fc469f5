package jobs

import (
	"context"
	"path/filepath"
	"sync"

	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// work is what is going on in this process. While anything is, no other process
// works with the data directory.
type work struct {
	claims claims
	path   string

	mu   sync.Mutex // guards all below
	lock *durable.FileLock
	jobs int
}

// enter takes the data directory for this process, if it has it not already.
func (w *work) enter(purpose string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.jobs == 0 {
		lock, err := durable.Lock(w.path, purpose)
		if errkind.Is(err, errkind.Busy) {
			return errkind.Wrap(errkind.Busy, err, "only one process at a time works with this data directory; nothing was changed")
		}
		if err != nil {
			return err
		}
		w.lock = lock
	}
	w.jobs++
	return nil
}

func (w *work) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.jobs--; w.jobs == 0 {
		_ = w.lock.Unlock() // ends with the process at the latest
		w.lock = nil
	}
}

// begin waits until the claim is granted; what it gives back ends it.
func (w *work) begin(ctx context.Context, want claim, note func(string)) (func(), error) {
	if err := w.enter(want.purpose); err != nil {
		return nil, err
	}
	release, err := w.claims.take(ctx, want, note)
	if err != nil {
		w.leave()
		return nil, err
	}
	return func() { release(); w.leave() }, nil
}

// now begins at once or not at all.
func (w *work) now(want claim) (func(), error) {
	if err := w.enter(want.purpose); err != nil {
		return nil, err
	}
	release, err := w.claims.try(want)
	if err != nil {
		w.leave()
		return nil, err
	}
	return func() { release(); w.leave() }, nil
}

// ofSource is the claim of a job on one source, beside others on the same vault.
func ofSource(purpose string, s catalog.Source) claim {
	return claim{purpose, map[resource]int{installation: 1, {"vault", s.VaultID}: 1, {"source", s.ID}: 1}}
}

// ofVault is the claim of a job that must be alone with a vault.
func ofVault(purpose, vaultID string) claim {
	vault := resource{"vault", vaultID}
	return claim{purpose, map[resource]int{installation: 1, vault: vault.capacity()}}
}

// ofAll is the claim of a change that no job may overlap.
func ofAll(purpose string) claim {
	return claim{purpose, map[resource]int{installation: installation.capacity()}}
}

func newWork(dataDir string) *work { return &work{path: filepath.Join(dataDir, "work.lock")} }
