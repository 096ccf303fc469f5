package jobs

import (
	"context"
	"encoding/json"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/restore"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// leaveOut makes a restore leave out what was erased, unless its grant is for
// bringing that back: then it is not even asked what was.
func (r *Runner) leaveOut(ctx context.Context, g access.Grant, vaultID string, p vault.Point, opts *restore.Options) error {
	if g.Require(access.RestoreErased) == nil {
		return nil
	}
	var err error
	opts.Erased, opts.Doubt, err = r.cfg.Custody.Erased(ctx, vaultID, p)
	if errkind.Is(err, errkind.NewerFormat) {
		return errkind.Wrap(errkind.NewerFormat, err, "nothing was restored, as erased files would come back with the others: use a newer version, or 'restore run --include-erased --reason WHY', which is recorded")
	}
	return err
}

// leftOutDetail is what a restore's row says of erased files, counts of nothing
// too: it shows that the erasures were looked at.
func leftOutDetail(r restore.Report) json.RawMessage {
	text, err := json.Marshal(map[string]any{"left_out": r.LeftOut, "doubt": r.Doubt})
	if err != nil {
		return nil // numbers and ids always encode
	}
	return text
}
