package catalog

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/access"
)

// ErasureFact is a fact of a vault's governance records about erasures, as it
// is encoded there: a second copy, for a vault whose records are damaged.
type ErasureFact struct {
	// Record is the number of the governance record, Place that of the fact in it.
	Record uint64
	Place  int
	Kind   string
	Value  []byte
}

const erasureFactColumns = "vault_id, record, place, kind, value"

// ErasureFacts gives the facts of a vault in the order of their records.
func (r reads) ErasureFacts(ctx context.Context, vaultID string) ([]ErasureFact, error) {
	scan := func(r row) (f ErasureFact, err error) { return f, r.Scan(&f.Record, &f.Place, &f.Kind, &f.Value) }
	return list(ctx, r, "list erasures", scan, "SELECT record, place, kind, value FROM erasure_facts WHERE vault_id = ? ORDER BY record, place", vaultID)
}

// PutErasureFacts adds facts of a vault; those that are there already stay.
func (t *Tx) PutErasureFacts(ctx context.Context, g access.Grant, vaultID string, facts []ErasureFact) error {
	if err := g.Require(access.ErasureRecord, access.ErasureWithdraw, access.VaultRecover); err != nil {
		return err
	}
	for _, f := range facts {
		_, err := t.exec(ctx, "note an erasure", insert("erasure_facts", erasureFactColumns)+" ON CONFLICT (vault_id, record, place) DO NOTHING",
			vaultID, int64(f.Record), f.Place, f.Kind, f.Value)
		if err != nil {
			return err
		}
	}
	return nil
}

// PutErasureFacts is [Tx.PutErasureFacts] in a transaction of its own.
func (c *Catalog) PutErasureFacts(ctx context.Context, g access.Grant, vaultID string, facts []ErasureFact) error {
	return c.change(ctx, func(tx *Tx) error { return tx.PutErasureFacts(ctx, g, vaultID, facts) })
}
