package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/records"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// slotLimit bounds a key slot; keyrings are small.
const slotLimit = 1 << 20

// smallObjects checks header, keys and hints, and names what does not belong.
func (w *verifier) smallObjects(ctx context.Context) error {
	for _, name := range []string{objects.HeaderName, objects.HeaderTwin} {
		_, h, err := w.store.ReadHeader(ctx, name)
		if err == nil && h.Vault != w.store.Vault {
			err = errkind.New(errkind.Damaged, "header of another vault")
		}
		if err == nil {
			var again objects.Header
			_, err = w.store.Signed(ctx, canon.Header, name, &again)
		}
		if err := w.finding(name, err); err != nil {
			return err
		}
		if p := w.byObject[name]; p != nil {
			p.Spared = "header and keys/header are copies of each other"
		}
	}
	for _, name := range w.store.Bucket.Caps().Faults {
		w.problem(name, errkind.New(errkind.Damaged, "it is not what the store's driver wrote")).Spared = "it only marks the folder as a store"
	}
	for _, i := range w.infos {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i.Lock.Mode == blob.Compliance && i.Lock.Until.Equal(blob.Forever()) {
			w.problem("locks/"+i.Name+".lock", errkind.New(errkind.Damaged, "the store cannot read this object's lock")).Spared = "the object itself is kept, as if locked for ever"
		}
		if err := w.finding(i.Name, w.smallObject(ctx, i)); err != nil {
			return err
		}
	}
	return nil
}

func (w *verifier) smallObject(ctx context.Context, i blob.Info) error {
	switch {
	case i.Name == objects.HeaderName, i.Name == objects.HeaderTwin:
		return nil
	case strings.HasPrefix(i.Name, objects.SlotPrefix):
		data, err := w.read(ctx, i, slotLimit)
		if err == nil {
			_, err = seal.ParseSlot(data)
		}
		if err != nil {
			w.problem(i.Name, err).Spared = "each key slot has two copies, and there are several slots"
		}
		return err
	case strings.HasPrefix(i.Name, objects.SigningPrefix):
		var k objects.SigningKey
		_, err := w.store.Signed(ctx, canon.SigningKey, i.Name, &k)
		w.step(i.Size)
		if err != nil {
			w.problem(i.Name, err).Spared = "the key is in the keyring too; auditors without it need this object or the kit"
		}
		return err
	case strings.HasPrefix(i.Name, objects.HintPrefix):
		if w.report.Mode != Full {
			return nil
		}
		if i.Size > objects.SmallLimit {
			return w.largeHints(ctx, i)
		}
		data, err := w.read(ctx, i, objects.SmallLimit)
		if err == nil {
			_, err = w.v.Points.ParseHints(i.Name, data)
		}
		return err
	case strings.HasPrefix(i.Name, objects.PacksPrefix), strings.HasPrefix(i.Name, objects.SegmentPrefix), strings.HasPrefix(i.Name, objects.PointPrefix),
		strings.HasPrefix(i.Name, objects.GovernancePrefix), strings.HasPrefix(i.Name, objects.CanaryPrefix), strings.HasPrefix(i.Name, "log/"):
		return nil
	default:
		w.report.Notes = append(w.report.Notes, fmt.Sprintf("object %q is not part of the format", i.Name))
		return nil
	}
}

func (w *verifier) governance(ctx context.Context) error {
	for _, i := range w.infos {
		if strings.HasPrefix(i.Name, objects.OwnerPrefix) {
			_, err := w.v.Records.ReadOwner(ctx, i.Name)
			if err := w.finding(i.Name, err); err != nil {
				return err
			}
		} else if _, ok := strings.CutPrefix(i.Name, objects.GovernancePrefix); ok {
			if _, ok := objects.ParseRecord(i.Name); !ok {
				w.report.Notes = append(w.report.Notes, fmt.Sprintf("object %q is not part of the format", i.Name))
				continue
			}
			_, _, err := w.v.Records.Read(ctx, i.Name)
			if err := w.finding(i.Name, err); err != nil {
				return err
			}
		}
	}
	list, err := w.v.Records.Fresh(ctx)
	w.records = list
	if errors.Is(err, records.ErrHeadUnknown) {
		w.report.Notes = append(w.report.Notes, err.Error())
		return nil
	}
	if errkind.Is(err, errkind.Damaged) {
		if w.noneBelow(objects.GovernancePrefix) {
			w.problem(objects.GovernancePrefix, err)
		}
	} else if err != nil {
		return err
	}
	return nil
}

// largeHints checks the digest at the end of hints that are too large to hold
// in memory.
func (w *verifier) largeHints(ctx context.Context, i blob.Info) error {
	sum := sha256.New()
	end := i.Size - sha256.Size
	for at := int64(0); at < end; {
		part, err := w.store.ReadRange(ctx, i.Name, at, min(at+seal.StreamPiece, end))
		if err != nil {
			return err
		}
		sum.Write(part)
		at += int64(len(part))
	}
	w.step(i.Size)
	want, err := w.store.ReadRange(ctx, i.Name, end, i.Size)
	if err == nil && !bytes.Equal(want, sum.Sum(nil)) {
		err = errkind.New(errkind.Damaged, "digest at the end does not match its bytes")
	}
	return err
}

func (w *verifier) noneBelow(prefix string) bool {
	for _, p := range w.report.Problems {
		if strings.HasPrefix(p.Object, prefix) {
			return false
		}
	}
	return true
}
