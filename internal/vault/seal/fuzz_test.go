package seal

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
)

func FuzzUnbox(f *testing.F) {
	x := newFixture(f)
	for _, n := range []int{0, 10, 5000} {
		f.Add(x.z.wrapPiece(nil, mixed(n)))
	}
	f.Add([]byte{1, 0, 0x7f, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, piece []byte) {
		// Behind the seal, as a holder of the session key could make it.
		s := x.sealer(canon.Point)
		plain, err := Unbox(canon.Point, x.vault, s.Seal(s.Header.Append(nil), 0, piece), x.ring, x.z)
		checkPlain(t, plain, err)
		if _, err := Unbox(canon.Point, x.vault, piece, x.ring, x.z); err == nil {
			t.Fatal("arbitrary bytes opened")
		}
		if err != nil {
			return
		}
		box, err := Box(s, x.z, plain)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Unbox(canon.Point, x.vault, box, x.ring, x.z); err != nil || !bytes.Equal(again, plain) {
			t.Fatalf("boxed again: %v", err)
		}
	})
}

func checkPlain(t *testing.T, plain []byte, err error) {
	t.Helper()
	if err != nil && !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.WrongKey) && !errkind.Is(err, errkind.NewerFormat) {
		t.Fatalf("kind %v: %v", errkind.Of(err), err)
	}
	if len(plain) > MaxBox {
		t.Fatalf("%d bytes", len(plain))
	}
}

func FuzzUnstream(f *testing.F) {
	x := newFixture(f)
	for _, n := range []int{0, 10, 5000} {
		_, frames := func() ([]byte, []byte) {
			o := Stream(canon.Hint, x.vault, x.sealer(canon.Hint), x.z, mixed(n))
			return nil, o[88 : len(o)-sha256.Size]
		}()
		f.Add(frames, x.z.wrapPiece(nil, mixed(n)))
	}
	f.Fuzz(func(t *testing.T, frames, piece []byte) {
		s := x.sealer(canon.Hint)
		head := s.Header.Append(append([]byte(canon.Hint), x.vault[:]...))
		plain, err := Unstream(canon.Hint, x.vault, canon.AppendDigest(append(bytes.Clone(head), frames...)), x.ring, x.z)
		checkPlain(t, plain, err)
		one := append([]byte{0, 0, 0, 0}, s.Seal(nil, lastFrame, piece)...)
		one[2], one[3] = byte((len(one)-4)>>8), byte(len(one)-4)
		one[1] = byte((len(one) - 4) >> 16)
		plain, err = Unstream(canon.Hint, x.vault, canon.AppendDigest(append(head, one...)), x.ring, x.z)
		checkPlain(t, plain, err)
		if err != nil {
			return
		}
		again, err := Unstream(canon.Hint, x.vault, Stream(canon.Hint, x.vault, s, x.z, plain), x.ring, x.z)
		if err != nil || !bytes.Equal(again, plain) {
			t.Fatalf("sealed again: %v", err)
		}
	})
}
