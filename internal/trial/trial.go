// Package trial is the quickstart: from nothing to a folder that is protected,
// verified and restored, in a vault that locks nothing and can be removed whole.
//
// What must always be true: a trial never lies inside what it protects, never
// locks, and says at every turn that it is one.
package trial

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// VaultName is the name of the quickstart's vault.
const VaultName = "trial"

// Trial sets up and removes the quickstart.
type Trial struct {
	dataDir string
	catalog *catalog.Catalog
	custody *custody.Custody
}

// New makes the quickstart of a data directory.
func New(dataDir string, c *catalog.Catalog, cu *custody.Custody) *Trial {
	return &Trial{dataDir: dataDir, catalog: c, custody: cu}
}

// Vault gives the trial vault, made if it is not there yet. create runs the
// making under a grant.
func (t *Trial) Vault(ctx context.Context, create func(func(context.Context, access.Grant) error) error) (catalog.Vault, bool, error) {
	row, err := t.catalog.Vault(ctx, VaultName)
	if err == nil {
		if row.Kind != catalog.VaultTrial {
			return row, false, errkind.New(errkind.Exists, "the vault %q of this data directory is no trial vault: use 'backup run' and 'vault verify' with it", VaultName)
		}
		return row, false, nil
	}
	if !errkind.Is(err, errkind.NotFound) {
		return row, false, err
	}
	err = create(func(ctx context.Context, g access.Grant) error {
		row, err = t.custody.CreateVault(ctx, g, custody.NewVault{Name: VaultName, Kind: vault.Trial, URL: t.url()})
		return err
	})
	return row, true, err
}

func (t *Trial) url() blob.URL {
	return blob.URL{Scheme: blob.SchemeFile, Path: filepath.Join(t.dataDir, "vaults", VaultName)}
}

// Source gives the source that protects a folder in the trial vault, made if
// there is none yet.
func (t *Trial) Source(ctx context.Context, row catalog.Vault, path string, create func(func(context.Context, access.Grant) error) error) (catalog.Source, bool, error) {
	sources, err := t.catalog.Sources(ctx)
	if err != nil {
		return catalog.Source{}, false, err
	}
	taken := map[string]bool{}
	for _, s := range sources {
		if s.VaultID == row.ID && len(s.Paths) == 1 && string(s.Paths[0]) == path {
			return s, false, nil
		}
		taken[s.Name] = true
	}
	name := custody.Slug(path)
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s-%d", custody.Slug(path), n)
	}
	var made catalog.Source
	err = create(func(ctx context.Context, g access.Grant) error {
		made, err = t.custody.CreateSource(ctx, g, custody.NewSource{Name: name, Vault: row.Name, Paths: [][]byte{[]byte(path)}})
		return err
	})
	return made, true, err
}

// CheckPath refuses what cannot be protected, before anything is made for it.
func (t *Trial) CheckPath(path string) error {
	if _, err := os.Stat(path); err != nil {
		return errkind.Wrap(errkind.Invalid, err, "%q cannot be protected; give a folder or file that exists", path)
	}
	if _, own := custody.Inside(path, []string{t.dataDir}); own {
		return errkind.New(errkind.Invalid, "%q lies in the data directory %q, which cannot protect itself", path, t.dataDir)
	}
	return nil
}

// WouldLock says what a vault that is no trial would lock, and until when.
func WouldLock(packs int, lock retention.Lock, bounds retention.Bounds) []string {
	return []string{
		fmt.Sprintf("%d packs and the point itself, until %s", packs, lock.Target.Local().Format("2006-01-02 15:04 -07:00")),
		fmt.Sprintf("no lock longer than the vault's maximum of %s from now", bounds.Max.Words()),
		"this is a trial vault: nothing is locked, it is not evidence, and it can be removed with 'quickstart --remove --yes'",
	}
}

// Sample writes a small set of made-up ledgers and gives its folder, for a
// quickstart that was given none. It is left alone when it is there.
func (t *Trial) Sample(now time.Time) (string, error) {
	dir := t.sample()
	year := now.Year()
	for month := 1; month <= 12; month++ {
		var b strings.Builder
		b.WriteString("date,account,debit,credit,text\n")
		for day := 1; day <= 28; day++ {
			amount := 1000 + month*37 + day*11
			fmt.Fprintf(&b, "%04d-%02d-%02d,1200 bank,%d.00,,invoice %d%02d%02d paid\n", year-1, month, day, amount, year-1, month, day)
			fmt.Fprintf(&b, "%04d-%02d-%02d,4000 sales,,%d.00,invoice %d%02d%02d paid\n", year-1, month, day, amount, year-1, month, day)
		}
		path := filepath.Join(dir, fmt.Sprintf("%04d", year-1), fmt.Sprintf("journal-%04d-%02d.csv", year-1, month))
		if _, err := os.Lstat(path); err == nil {
			continue // not even the folder's time may change, or a run without changes would show one
		}
		if err := durable.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		if err := durable.WriteFileExclusive(path, []byte(b.String()), 0o644); err != nil && !errkind.Is(err, errkind.Exists) {
			return "", err
		}
	}
	return dir, nil
}

func (t *Trial) sample() string {
	return filepath.Join(filepath.Dir(t.dataDir), filepath.Base(t.dataDir)+"-sample-ledgers")
}

// Kept lists what the quickstart made outside of the data directory. It may
// hold somebody's own files by now, so removing the trial leaves it.
func (t *Trial) Kept() []string {
	if _, err := os.Lstat(t.sample()); err != nil {
		return nil
	}
	return []string{t.sample()}
}

// Removal lists what removing the trial takes away.
func (t *Trial) Removal(ctx context.Context) ([]string, error) {
	row, err := t.catalog.Vault(ctx, VaultName)
	if errkind.Is(err, errkind.NotFound) {
		return nil, errkind.New(errkind.NotFound, "there is no trial in the data directory %s: nothing to remove", t.dataDir)
	}
	if err != nil {
		return nil, err
	}
	if row.Kind != catalog.VaultTrial {
		return nil, errkind.New(errkind.Refused, "the vault %q is no trial vault: it cannot be removed this way", VaultName)
	}
	vaults, err := t.catalog.Vaults(ctx)
	if err != nil {
		return nil, err
	}
	for _, v := range vaults {
		if v.Kind != catalog.VaultTrial {
			return []string{t.url().Path}, nil
		}
	}
	return []string{t.url().Path, t.dataDir}, nil
}
