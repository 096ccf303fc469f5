package vault_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func TestReadMany_CancelledIsNotSuccess(t *testing.T) {
	f, points, _ := two(t)
	r, err := f.open().NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wants := f.wants(r, points...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var got atomic.Int64
	err = r.ReadMany(ctx, wants, func(all []vault.Got) error { got.Add(int64(len(all))); return nil })
	if err == nil && int(got.Load()) < len(wants) {
		t.Errorf("nil with %d of %d served", got.Load(), len(wants))
	}
	got.Store(0)
	err = r.ReadMany(t.Context(), append(wants, wants...), func(all []vault.Got) error {
		for _, g := range all {
			if g.Err != nil || vault.Digest(sum(g.Data)) != g.Digest {
				t.Errorf("%v", g.Err)
			}
		}
		got.Add(int64(len(all)))
		return nil
	})
	if err != nil || int(got.Load()) != 2*len(wants) {
		t.Errorf("%d served, %v", got.Load(), err)
	}
	boom := errors.New("enough")
	if err := r.ReadMany(t.Context(), wants, func([]vault.Got) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
}

// TestVerify_StoreOutOfReachIsNotDamage lets reads of tree packs fail for a
// while: verification gives up, it does not report losses.
func TestVerify_StoreOutOfReachIsNotDamage(t *testing.T) {
	f, points, packs := two(t)
	f.bucket = once(f.driver)
	f.driver.Corrupt(packs[0], 5000) // so that reading is needed to know
	v := f.open()
	reads := 0
	f.driver.SetFault(func(op memblob.Op, name string) memblob.Fault {
		if op == memblob.OpRead && strings.HasPrefix(name, "packs/tree/") {
			reads++
		}
		return memblob.Fault{When: pick(op == memblob.OpRead && reads > 4 && strings.HasPrefix(name, "packs/tree/"), memblob.NotApplied)}
	})
	report, err := v.Verify(t.Context(), vault.Full, nil)
	if !errkind.Is(err, errkind.Unavailable) {
		t.Errorf("%+v, %v", report, err)
	}
	f.driver.SetFault(nil)
	f.whole(f.open(), points[1].Object, onlyNoise(1))
}

func TestVault_NothingSecretPrints(t *testing.T) {
	f := newFixture(t)
	s := f.session(t.Context())
	defer s.Abort()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{f.open(), s} {
			if text := fmt.Sprintf(verb, v); len(text) > 60 {
				t.Errorf("%T by %s prints %.80q", v, verb, text)
			}
		}
	}
}

func sum(data []byte) [32]byte { return sha256.Sum256(data) }

func TestDamage_ReadManyNeverGivesWrongBytes(t *testing.T) {
	f, points, packs := two(t)
	a, b := f.data(packs[0]), f.data(packs[1])
	f.replace(packs[0], b)
	f.replace(packs[1], a)
	r, err := f.open().NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wants := f.wants(r, points...)
	var calls atomic.Int64
	err = r.ReadMany(t.Context(), wants, func(all []vault.Got) error {
		for _, g := range all {
			if calls.Add(1); g.Data != nil || !errkind.Is(g.Err, errkind.Damaged) {
				t.Errorf("%d bytes, %v", len(g.Data), g.Err)
			}
		}
		return nil
	})
	if err != nil || int(calls.Load()) != len(wants) {
		t.Errorf("%d calls for %d wants, %v", calls.Load(), len(wants), err)
	}
}

func (f *fixture) wants(r *vault.Reader, points ...vault.Point) (wants []vault.Want) {
	f.t.Helper()
	for _, p := range points {
		root, err := r.Root(f.t.Context(), p.Envelope.Root)
		if err != nil {
			f.t.Fatal(err)
		}
		err = r.ReadDir(f.t.Context(), *root.Tree, nil, func(e vault.Entry) error {
			return r.Chunks(f.t.Context(), e.Content, func(d vault.Digest, _ int64) error {
				wants = append(wants, vault.Want{Digest: d, Tag: len(wants)})
				return nil
			})
		})
		if err != nil {
			f.t.Fatal(err)
		}
	}
	return wants
}
