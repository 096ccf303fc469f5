package jobs

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/restore"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/source/files"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// OpenPoint reads a point of the catalog from its vault.
func (r *Runner) OpenPoint(ctx context.Context, ref string) (catalog.Point, *vault.Vault, vault.Point, error) {
	row, err := r.cfg.Catalog.Point(ctx, ref)
	if err != nil {
		return row, nil, vault.Point{}, err
	}
	detail, err := custody.Detail(row)
	if err != nil {
		return row, nil, vault.Point{}, err
	}
	_, v, err := r.cfg.Custody.Vault(ctx, row.VaultID)
	if err != nil {
		return row, nil, vault.Point{}, err
	}
	p, err := v.ReadPoint(ctx, detail.Object)
	if errkind.Is(err, errkind.NotFound) {
		err = errkind.Wrap(errkind.Damaged, err, "point %s is in the catalog and not in the vault's store: it was deleted there, or the store was rolled back", row.ID)
	}
	if err == nil && !isPoint(row, p) {
		err = errkind.New(errkind.Damaged, "the vault's point %d of this source is not the point %s that was made: storage was rolled back or replaced; 'vault verify' tells more", row.Number, row.ID)
	}
	return row, v, p, err
}

// isPoint reports whether a point read from storage is the one the catalog
// means, by id and by the digest of its manifest.
func isPoint(row catalog.Point, p vault.Point) bool {
	return strings.EqualFold(p.Envelope.ID.String(), row.ID) && hex.EncodeToString(p.Digest[:]) == row.ManifestSHA256
}

// Restore brings a point, or parts of it, back into a folder. What was erased is
// left out, unless the grant is for restoring that too.
func (r *Runner) Restore(ctx context.Context, g access.Grant, ref string, opts restore.Options, progress func(restore.Progress)) (catalog.Point, restore.Report, error) {
	row, v, p, err := r.OpenPoint(ctx, ref)
	if err != nil {
		return row, restore.Report{}, err
	}
	if err := r.checkTarget(ctx, &opts); err != nil {
		return row, restore.Report{}, err
	}
	if err := r.leaveOut(ctx, g, row.VaultID, p, &opts); err != nil {
		return row, restore.Report{}, err
	}
	var report restore.Report
	run := catalog.Run{Kind: catalog.RunRestore, SourceID: row.SourceID, VaultID: row.VaultID, PointID: row.ID}
	err = r.runNoting(ctx, g, &run, func() (catalog.RunResult, error) {
		reader, err := v.NewReader(ctx)
		if err != nil {
			return "", err
		}
		report, err = restore.Run(ctx, g, reader, p, opts, progress)
		if run.Detail = leftOutDetail(report); err != nil {
			return "", err
		}
		if report.Err() != nil {
			return catalog.ResultIncomplete, nil
		}
		return catalog.ResultDone, nil
	})
	return row, report, err
}

// checkTarget refuses to restore into the installation or a vault's store.
func (r *Runner) checkTarget(ctx context.Context, opts *restore.Options) error {
	if opts.To == "" {
		return errkind.New(errkind.Invalid, "a restore needs a folder to go to: give --to")
	}
	to, err := filepath.Abs(opts.To)
	if err != nil {
		return errkind.Wrap(errkind.Invalid, err, "folder %q", opts.To)
	}
	opts.To = to
	protected, err := r.cfg.Custody.Protect(ctx)
	if err != nil {
		return err
	}
	if p, ok := custody.Inside(to, protected); ok {
		return errkind.New(errkind.Invalid, "folder %q lies in %q, which belongs to counterfoil itself: restore to another place", to, p)
	}
	if info, err := os.Stat(to); err == nil && !info.IsDir() {
		return errkind.New(errkind.Invalid, "%q is not a folder: restore to one, or to a name that is not taken", to)
	}
	return nil
}

// sampleAbove is the size of a point, in bytes, above which a restore test
// takes a sample; 299 files without a failure bound the defect rate to 1 % at 95 %.
const (
	sampleAbove = 2 << 30
	sampleSize  = 299
	sampleBytes = 2 << 30
)

// Tested is what a restore test found.
type Tested struct {
	restore.Report
	Sampled  bool
	Findings []string
}

// RestoreTest restores a point into a scratch folder, reads everything back
// and removes it again. A large point is sampled.
func (r *Runner) RestoreTest(ctx context.Context, g access.Grant, ref string, progress func(restore.Progress)) (Tested, error) {
	row, v, p, err := r.OpenPoint(ctx, ref)
	if err != nil {
		return Tested{}, err
	}
	scratch := filepath.Join(r.cfg.DataDir, "scratch")
	if err := durable.MkdirAll(scratch, 0o700); err != nil {
		return Tested{}, err
	}
	dir, err := os.MkdirTemp(scratch, "restore-test-")
	if err != nil {
		return Tested{}, errkind.Wrap(errkind.Unavailable, err, "make a scratch folder")
	}
	var out Tested
	run := catalog.Run{Kind: catalog.RunDrill, SourceID: row.SourceID, VaultID: row.VaultID, PointID: row.ID}
	err = r.runNoting(ctx, g, &run, func() (catalog.RunResult, error) {
		reader, err := v.NewReader(ctx)
		if err != nil {
			return "", err
		}
		opts := restore.Options{To: dir, Verify: true, Removable: true, Overwrite: files.OverwriteAlways, Now: r.cfg.Receipt}
		if err := r.leaveOut(ctx, g, row.VaultID, p, &opts); err != nil {
			return "", err
		}
		if p.Envelope.Size > sampleAbove {
			out.Sampled = true
			if opts.Paths, err = sample(ctx, reader, p, row.ReceivedAt.UnixNano()); err != nil {
				return "", err
			}
		}
		out.Report, err = restore.Run(ctx, g, reader, p, opts, progress)
		if run.Detail = leftOutDetail(out.Report); err != nil {
			return "", err
		}
		return r.judge(ctx, g, v, row, &out)
	})
	return out, errors.Join(err, removeScratch(dir))
}

// judge notes the level of evidence when everything came back.
func (r *Runner) judge(ctx context.Context, g access.Grant, v *vault.Vault, row catalog.Point, out *Tested) (catalog.RunResult, error) {
	for _, p := range out.Problems {
		out.Findings = append(out.Findings, fmt.Sprintf("%q: %s: %v", p.Path, p.Op, p.Err))
	}
	if out.Damaged > 0 || !out.Verified {
		return catalog.ResultFailed, nil
	}
	why := "restore test: all bytes compared by digest"
	if n := out.LeftOut.Files; n > 0 {
		why += fmt.Sprintf(", but %d files that were erased", n)
	}
	return catalog.ResultDone, r.raiseLevel(ctx, g, v, []catalog.Point{row}, retention.Restored, why)
}

func removeScratch(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return errkind.Wrap(errkind.Unavailable, err, "remove the scratch folder of a restore test; remove it by hand")
	}
	return nil
}

// sample chooses files of a point at random, by a seed that makes the choice
// repeatable, and no more than sampleBytes of them.
func sample(ctx context.Context, reader *vault.Reader, p vault.Point, seed int64) ([][]byte, error) {
	random := rand.New(rand.NewPCG(uint64(seed), 0)) //nolint:gosec // a fair sample, not a secret
	type candidate struct {
		path string
		size int64
	}
	var chosen []candidate
	seen := 0
	var walk func(dir vault.Digest, at string) error
	walk = func(dir vault.Digest, at string) error {
		return reader.ReadDir(ctx, dir, nil, func(e vault.Entry) error {
			path := string(e.Name)
			if at != "" {
				path = at + "/" + path
			}
			switch {
			case e.Kind == vault.Dir:
				return walk(*e.Tree, path)
			case e.Kind != vault.Regular || e.Size > sampleBytes/8:
				return nil
			}
			if seen++; len(chosen) < sampleSize {
				chosen = append(chosen, candidate{path, e.Size})
			} else if n := random.IntN(seen); n < sampleSize {
				chosen[n] = candidate{path, e.Size}
			}
			return nil
		})
	}
	root, err := reader.Root(ctx, p.Envelope.Root)
	if err == nil {
		err = walk(*root.Tree, "")
	}
	var paths [][]byte
	total := int64(0)
	for _, c := range chosen {
		if total += c.size; total > sampleBytes && len(paths) > 0 {
			break
		}
		paths = append(paths, []byte(c.path))
	}
	return paths, err
}
