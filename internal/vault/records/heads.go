package records

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// Heads keeps, outside of the vaults, what the newest governance record of each
// is. A vault whose last records were taken away looks whole by itself.
type Heads interface {
	// Newest gives number and digest of the last record that was kept, 0 for none.
	Newest(ctx context.Context, vault seal.ID) (uint64, [32]byte, error)
	// Keep enters a record that is in the vault. It may be repeated.
	Keep(ctx context.Context, vault seal.ID, r Record) error
}

// complete fails with errkind.Damaged if the newest record known elsewhere is not
// among those given, or is another one.
func (l *Log) complete(ctx context.Context, have []Record) error {
	n, digest, err := l.newest(ctx)
	if err != nil || n == 0 {
		return err
	}
	if n > uint64(len(have)) || have[n-1].Digest != digest {
		return missing(n)
	}
	return nil
}

// reaches is complete for one who knows the last record alone.
func (l *Log) reaches(ctx context.Context, last Record) error {
	n, digest, err := l.newest(ctx)
	if err != nil || n < last.Number || n == 0 {
		return err
	}
	if n > last.Number || last.Digest != digest {
		return missing(n)
	}
	return nil
}

func (l *Log) newest(ctx context.Context) (uint64, [32]byte, error) {
	if l.Heads == nil {
		return 0, [32]byte{}, nil
	}
	n, digest, err := l.Heads.Newest(ctx, l.store.Vault)
	return n, digest, errkind.Wrap(errkind.Damaged, err, "whether governance records are missing is not known")
}

func missing(n uint64) error {
	return errkind.New(errkind.Damaged, "governance record %d was written, as the audit log says, and is missing or was replaced: what it said, such as a hold, is not known", n)
}

// Accept takes the records that are there for all there are, whatever is known
// elsewhere. It fails if their chain is broken.
func (l *Log) Accept(ctx context.Context, g access.Grant) error {
	if err := g.Require(access.VaultRecover); err != nil || l.Heads == nil {
		return err
	}
	names, err := l.namesAfter(ctx, 0)
	if err != nil {
		return err
	}
	have, err := l.chain(ctx, Record{}, names)
	if err != nil {
		return err
	}
	last := Record{Actor: g.Subject(), Event: g.Event()}
	if n := len(have); n > 0 {
		last = have[n-1]
	}
	return l.Heads.Keep(ctx, l.store.Vault, last)
}
