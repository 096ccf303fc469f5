package records

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Readable gives the governance records that can be read, whatever became of
// the others and of the chain: each is what somebody signed, but some may be
// missing. It is for what must go on with damaged records, never for what
// destroys; ask [Log.All] first.
func (l *Log) Readable(ctx context.Context) ([]Record, error) {
	names, err := l.namesAfter(ctx, 0)
	if err != nil {
		return nil, err
	}
	var out []Record
	for _, name := range names {
		r, _, err := l.Read(ctx, name)
		switch {
		case err == nil:
			out = append(out, r)
		case !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NotFound):
			return nil, err
		}
	}
	return out, nil
}
