package lifecycle

import (
	"context"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Certificate is a disposition certificate with what became of the data since.
type Certificate struct {
	vault.CertificateRecord
	// Erased is when the last of its packs was collected. It is zero while one of them
	// is there, because nothing collected it yet or because points that stay need
	// something of it: such a pack may hold what this point alone had.
	Erased time.Time
	// Left counts the packs that no point needs and that are not collected.
	Left int
}

// Certificates lists the disposals recorded in a vault, in their order.
func (l *Lifecycle) Certificates(ctx context.Context, name string) ([]Certificate, error) {
	w, err := l.view(ctx, name)
	if err != nil {
		return nil, err
	}
	list, err := w.allCertificates()
	if err != nil {
		return nil, err
	}
	collected, err := w.collected()
	if err != nil {
		return nil, err
	}
	out := make([]Certificate, 0, len(list))
	for _, c := range list {
		out = append(out, erased(c, collected))
	}
	return out, nil
}

// erased says when what a disposed point alone had was erased.
func erased(c vault.CertificateRecord, collected map[[32]byte]time.Time) Certificate {
	out := Certificate{CertificateRecord: c, Erased: c.Disposed.Time()}
	for name := range slices.Chunk(c.Last, 32) {
		at, gone := collected[[32]byte(name)]
		if !gone {
			out.Left++
		} else if at.After(out.Erased) {
			out.Erased = at
		}
	}
	if out.Left > 0 || c.SharedPacks > 0 || int64(len(c.Last)) != 32*c.Packs {
		out.Erased = time.Time{}
	}
	return out
}

// collected gives when each pack was deleted by a collection of garbage.
func (w *view) collected() (map[[32]byte]time.Time, error) {
	out := map[[32]byte]time.Time{}
	for _, r := range w.records {
		for _, f := range r.Facts {
			if f.Kind != vault.FactCollected {
				continue
			}
			var p vault.PacksRecord
			if err := f.Decode(&p); err != nil || len(p.Names)%32 != 0 {
				return nil, errkind.New(errkind.Damaged, "the packs collected by governance record %d cannot be read", r.Number)
			}
			for name := range slices.Chunk(p.Names, 32) {
				out[[32]byte(name)] = r.At.Time()
			}
		}
	}
	return out, nil
}
