package jobs

import (
	"context"
	"encoding/json"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/restore"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// leaveOut makes a restore leave out what was erased, unless its grant is for
// bringing that back. It is then not even asked what was, so that a vault with
// damaged records can be restored from.
func leaveOut(ctx context.Context, g access.Grant, v *vault.Vault, p vault.Point, opts *restore.Options) error {
	if g.Require(access.RestoreErased) == nil {
		return nil
	}
	var err error
	opts.Erased, err = custody.Erased(ctx, v, p)
	if errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NewerFormat) {
		return errkind.Wrap(errkind.Of(err), err, "nothing was restored: erased files could come back with the others; 'restore run --include-erased --reason WHY' restores all the same, on the record")
	}
	return err
}

// leftOutDetail is what a restore's row says of erased files, counts of nothing
// too: it shows that the erasures were looked at.
func leftOutDetail(r restore.Report) json.RawMessage {
	text, err := json.Marshal(map[string]restore.LeftOut{"left_out": r.LeftOut})
	if err != nil {
		return nil // numbers and ids always encode
	}
	return text
}
