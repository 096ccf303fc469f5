package backup_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/backup"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/diskblob"
	"github.com/counterfoil/counterfoil/internal/keys"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/source/files"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// BenchmarkRun backs up a real tree into a vault on disk: COUNTERFOIL_TREE, or
// the system's headers.
func BenchmarkRun(b *testing.B) {
	tree := os.Getenv("COUNTERFOIL_TREE")
	if tree == "" {
		tree = "/usr/include"
	}
	if _, err := os.Stat(tree); err != nil {
		b.Skipf("there is no tree to back up: %v", err)
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			r := newDiskRig(b, tree)
			b.StartTimer()
			b.SetBytes(r.run(b).Point.Envelope.Size)
		}
	})
	b.Run("unchanged", func(b *testing.B) {
		r := newDiskRig(b, tree)
		first := r.run(b)
		for b.Loop() {
			if again := r.run(b); again.Point.Envelope.Root != first.Point.Envelope.Root {
				b.Fatal("the tree changed meanwhile")
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(first.Point.Envelope.Entries), "ns/entry")
	})
}

type diskRig struct {
	v      *vault.Vault
	reader *files.Reader
	record vault.SourceRecord
	now    time.Time
}

func newDiskRig(b *testing.B, tree string) *diskRig {
	b.Helper()
	dir := b.TempDir()
	r := &diskRig{now: time.Now()}
	driver, err := diskblob.Create(filepath.Join(dir, "vault"), diskblob.Options{})
	if err != nil {
		b.Fatal(err)
	}
	kek := keys.NewHeld(keys.FileProvider, vault.NewID())
	r.record = vault.SourceRecord{ID: vault.NewSourceID(r.now), Name: "tree", Kind: "files", Created: vault.StampOf(r.now)}
	r.v, err = vault.Create(b.Context(), grant(access.VaultCreate), blob.New(driver, blob.Options{}), map[string]vault.KEK{"key": kek},
		vault.CreateOptions{Options: vault.Options{Server: vault.NewID()}, ID: vault.NewID(), Name: "v", Kind: vault.Trial})
	if err != nil {
		b.Fatal(err)
	}
	if r.reader, err = files.New(files.Config{Paths: []string{tree}}); err != nil {
		b.Fatal(err)
	}
	return r
}

func (r *diskRig) run(b *testing.B) backup.Result {
	b.Helper()
	r.now = r.now.Add(time.Hour)
	at := r.now
	res, err := backup.Run(b.Context(), grant(access.BackupRun), backup.Request{Vault: r.v, Reader: r.reader, Terms: backup.Terms{Source: r.record, Policy: policy.SOX(), Zone: time.UTC, Trial: true},
		Trigger: retention.Scheduled, Receipt: func() time.Time { return at }, HostNow: func() time.Time { return at }})
	if err != nil {
		b.Fatal(err)
	}
	return res
}
