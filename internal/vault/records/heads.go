package records

import (
	"context"
	"errors"
	"fmt"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// Heads keeps, outside of the vaults, what the newest governance record of each
// is. A vault whose last records were taken away looks whole by itself.
type Heads interface {
	// Newest gives number and digest of the newest record that was kept, 0 for none.
	Newest(ctx context.Context, vault seal.ID) (uint64, [32]byte, error)
	// Keep enters a record that is in the vault. It may be repeated, and changes
	// nothing where a later one was kept.
	Keep(ctx context.Context, vault seal.ID, r Record) error
	// Accept enters the last record that there is, whatever was kept before.
	Accept(ctx context.Context, vault seal.ID, r Record) error
}

// ErrHeadUnknown marks the damage of not knowing whether records are missing, while
// those that are there are whole: nothing that lets go may rely on them.
var ErrHeadUnknown = errors.New("whether governance records are missing is not known")

// head is the newest record as it is known elsewhere. It is read before the
// vault's records: what is written meanwhile is then no contradiction.
type head struct {
	number uint64
	digest [32]byte
	err    error
}

func (l *Log) head(ctx context.Context) head {
	if l.Heads == nil {
		return head{}
	}
	var h head
	var err error
	if h.number, h.digest, err = l.Heads.Newest(ctx, l.store.Vault); err != nil {
		h.err = errkind.Wrap(errkind.Damaged, fmt.Errorf("%w: %w", ErrHeadUnknown, err), "")
	}
	return h
}

// complete fails with errkind.Damaged if the head is not among the records given,
// or is another one.
func (l *Log) complete(ctx context.Context, h head, have []Record) error {
	switch n := h.number; {
	case h.err != nil:
		return h.err
	case n > uint64(len(have)) || n > 0 && have[n-1].Digest != h.digest:
		return missing(n)
	case n == 0 && l.Heads != nil && len(have) > 0:
		// From now on it is known. If it cannot be kept, the next reading tries again.
		_ = l.Heads.Keep(context.WithoutCancel(ctx), l.store.Vault, have[len(have)-1])
	}
	return nil
}

// reaches is complete for one who knows the last record alone.
func (h head) reaches(last Record) error {
	if h.err != nil {
		return h.err
	}
	if h.number > last.Number || h.number == last.Number && h.number > 0 && last.Digest != h.digest {
		return missing(h.number)
	}
	return nil
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
	return l.Heads.Accept(ctx, l.store.Vault, last)
}
