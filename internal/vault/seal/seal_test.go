package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

var now = time.Date(2026, 3, 31, 18, 0, 0, 0, time.UTC)

// fixture is a keyring and a session of it.
type fixture struct {
	vault   ID
	ring    *Keyring
	session ID
	key     Secret
	z       *Zipper
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{vault: NewID(), session: NewID(), z: NewZipper()}
	f.ring = NewKeyring(f.vault, now)
	var err error
	if f.key, err = f.ring.SessionKey(f.ring.Current, f.session); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) sealer(m canon.Magic) *Sealer {
	return New(m, f.vault, f.ring.Current, f.session, f.key)
}

// mixed gives n bytes of which the even megabytes compress and the odd do not.
func mixed(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		if b[i] = byte(i / 5000); i>>20&1 == 1 {
			b[i] = byte(r.Uint32())
		}
	}
	return b
}

func TestFrame_OpensOnlyWhereItWasSealed(t *testing.T) {
	f := newFixture(t)
	s := f.sealer(canon.DataPack)
	plain := []byte("ledger")
	sealed := s.Seal(nil, 3, plain)
	if len(sealed) != len(plain)+Overhead {
		t.Fatalf("%d bytes sealed for %d", len(sealed), len(plain))
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)/2] ^= 1
	otherSession, err := f.ring.SessionKey(f.ring.Current, NewID())
	if err != nil {
		t.Fatal(err)
	}
	otherSalt := s.Header
	otherSalt.Salt[0] ^= 1
	tests := map[string]struct {
		by     *Sealer
		number uint32
		sealed []byte
		ok     bool
	}{
		"as sealed":         {s, 3, sealed, true},
		"opened anew":       {Open(canon.DataPack, f.vault, s.Header, f.key), 3, sealed, true},
		"another number":    {s, 4, sealed, false},
		"last frame":        {s, 3 | lastFrame, sealed, false},
		"another object":    {f.sealer(canon.DataPack), 3, sealed, false},
		"another salt":      {Open(canon.DataPack, f.vault, otherSalt, f.key), 3, sealed, false},
		"another kind":      {Open(canon.TreePack, f.vault, s.Header, f.key), 3, sealed, false},
		"another vault":     {Open(canon.DataPack, NewID(), s.Header, f.key), 3, sealed, false},
		"another session":   {Open(canon.DataPack, f.vault, s.Header, otherSession), 3, sealed, false},
		"a flipped bit":     {s, 3, flipped, false},
		"cut short":         {s, 3, sealed[:len(sealed)-1], false},
		"shorter than tag":  {s, 3, sealed[:Overhead-1], false},
		"nothing":           {s, 3, nil, false},
		"one byte too long": {s, 3, append(bytes.Clone(sealed), 0), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tt.by.Unseal(nil, tt.number, tt.sealed)
			if tt.ok != (err == nil) || tt.ok && !bytes.Equal(got, plain) {
				t.Fatalf("%q %v", got, err)
			}
			if err != nil && (!errkind.Is(err, errkind.Damaged) || got != nil) {
				t.Errorf("kind %v, %d bytes", errkind.Of(err), len(got))
			}
		})
	}
}

func TestFrame_NoTwoSealsAreEqual(t *testing.T) {
	f := newFixture(t)
	s := f.sealer(canon.DataPack)
	seen := map[string]bool{}
	for range 100 {
		seen[string(s.Seal(nil, 0, []byte("same")))] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d different of 100", len(seen))
	}
	if f.sealer(canon.DataPack).Header.Salt == s.Header.Salt {
		t.Error("two objects with one salt")
	}
}

func TestFrame_SealAppendsAndKeepsWhatIsThere(t *testing.T) {
	f := newFixture(t)
	s := f.sealer(canon.DataPack)
	sealed := s.Seal([]byte("head"), 0, []byte("plain"))
	got, err := s.Unseal([]byte("front"), 0, sealed[4:])
	if err != nil || string(sealed[:4]) != "head" || string(got) != "frontplain" {
		t.Errorf("%q %q %v", sealed[:4], got, err)
	}
}

var sizes = []int{0, 1, 63, 64, 65, 64<<10 - 1, 64 << 10, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3 << 20}

func TestBox_RoundTrip(t *testing.T) {
	f := newFixture(t)
	for _, n := range append(sizes, MaxBox) {
		plain := mixed(n)
		box, err := Box(f.sealer(canon.Point), f.z, plain)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Unbox(canon.Point, f.vault, box, f.ring, f.z)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %d came back, %v", n, len(got), err)
		}
		if _, err := Unbox(canon.Governance, f.vault, box, f.ring, f.z); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("as another object: %v", err)
		}
		if _, err := Unbox(canon.Point, NewID(), box, f.ring, f.z); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("in another vault: %v", err)
		}
	}
	if _, err := Box(f.sealer(canon.Point), f.z, make([]byte, MaxBox+1)); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("a box too large: %v", err)
	}
}

func TestBox_StrangersGenerationIsWrongKey(t *testing.T) {
	f, other := newFixture(t), newFixture(t)
	box, err := Box(f.sealer(canon.Point), f.z, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Unbox(canon.Point, f.vault, box, other.ring, f.z); !errkind.Is(err, errkind.WrongKey) {
		t.Errorf("%v", err)
	}
	for n := range box {
		if _, err := Unbox(canon.Point, f.vault, box[:n], f.ring, f.z); err == nil {
			t.Errorf("cut to %d bytes it opens", n)
		}
	}
}

func TestStream_RoundTrip(t *testing.T) {
	f := newFixture(t)
	for _, n := range append(sizes, 4<<20, 20<<20) { // the last is larger than any one frame may be
		plain := mixed(n)
		object := Stream(canon.Segment, f.vault, f.sealer(canon.Segment), f.z, plain)
		got, err := Unstream(canon.Segment, f.vault, object, f.ring, f.z)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %d came back, %v", n, len(got), err)
		}
	}
}

// pieces takes a stream apart: its head, and each frame with its length.
func pieces(t *testing.T, object []byte) (head []byte, frames [][]byte) {
	t.Helper()
	const headSize = canon.MagicSize + 16 + HeaderSize
	rest := object[headSize : len(object)-sha256.Size]
	for len(rest) > 0 {
		part, after, err := canon.Cut32(rest)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, rest[:4+len(part)])
		rest = after
	}
	return object[:headSize], frames
}

func TestStream_Tampering(t *testing.T) {
	f := newFixture(t)
	build := func() ([]byte, [][]byte) {
		return pieces(t, Stream(canon.Hint, f.vault, f.sealer(canon.Hint), f.z, mixed(5<<19)))
	}
	head, a := build()
	otherHead, b := build()
	if len(a) != 3 {
		t.Fatalf("%d frames", len(a))
	}
	join := func(head []byte, frames ...[]byte) []byte {
		return canon.AppendDigest(append(bytes.Clone(head), bytes.Join(frames, nil)...))
	}
	if _, err := Unstream(canon.Hint, f.vault, join(head, a...), f.ring, f.z); err != nil {
		t.Fatal(err)
	}
	retyped := bytes.Clone(head)
	copy(retyped, canon.Segment)
	tests := map[string]struct {
		magic  canon.Magic
		object []byte
	}{
		"frames swapped":          {canon.Hint, join(head, a[1], a[0], a[2])},
		"last frame missing":      {canon.Hint, join(head, a[0], a[1])},
		"first frame missing":     {canon.Hint, join(head, a[1], a[2])},
		"a frame twice":           {canon.Hint, join(head, a[0], a[0], a[1], a[2])},
		"last frame twice":        {canon.Hint, join(head, a[0], a[1], a[2], a[2])},
		"a frame of another":      {canon.Hint, join(head, a[0], b[1], a[2])},
		"head of another":         {canon.Hint, join(otherHead, a...)},
		"no frame":                {canon.Hint, join(head)},
		"as another kind":         {canon.Segment, join(retyped, a...)},
		"a byte after the frames": {canon.Hint, join(head, a[0], a[1], a[2], []byte{0})},
		"head cut":                {canon.Hint, join(head[:40])},
		"digest wrong":            {canon.Hint, append(join(head, a...)[:100], make([]byte, 100)...)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := Unstream(tt.magic, f.vault, tt.object, f.ring, f.z); !errkind.Is(err, errkind.Damaged) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

func TestZipper_ExpandRefusesLies(t *testing.T) {
	z := NewZipper()
	plain := bytes.Repeat([]byte("abcd"), 1<<18)
	zipped, c := z.Compress(nil, plain)
	if c != Zstd {
		t.Fatal("text was not compressed")
	}
	bomb, err := z.codec.compress(nil, make([]byte, 64<<20), normal)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		c     Compression
		data  []byte
		plain int
	}{
		"one too few":         {Zstd, zipped, len(plain) - 1},
		"one too many":        {Zstd, zipped, len(plain) + 1},
		"negative":            {Stored, zipped, -1},
		"over the bound":      {Stored, zipped, MaxPlain + 1},
		"unknown compression": {7, zipped, len(plain)},
		"cut short":           {Zstd, zipped[:len(zipped)/2], len(plain)},
		"not zstd":            {Zstd, plain, len(plain)},
		"bomb":                {Zstd, bomb, 1 << 20},
		"stored too long":     {Stored, plain, 5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := z.Expand(nil, tt.c, tt.data, tt.plain); !errkind.Is(err, errkind.Damaged) {
				t.Errorf("%v", err)
			}
		})
	}
	if got, err := z.Expand([]byte("front"), Zstd, zipped, len(plain)); err != nil || !bytes.Equal(got[5:], plain) || string(got[:5]) != "front" {
		t.Errorf("after the refusals: %v", err)
	}
}

// TestZipper_PagesAreNotTakenForNoise has pages whose first half does not
// compress and whose second half is free space.
func TestZipper_PagesAreNotTakenForNoise(t *testing.T) {
	for _, size := range []int{4 << 10, 8 << 10, 16 << 10} {
		r := rand.New(rand.NewPCG(2, uint64(size)))
		plain := make([]byte, 1<<20)
		for i := range plain {
			if i%size < size/2 {
				plain[i] = byte(r.Uint32())
			}
		}
		if out, c := NewZipper().Compress(nil, plain); c != Zstd || len(out) > 600<<10 {
			t.Errorf("pages of %d bytes: compression %d, %d bytes", size, c, len(out))
		}
	}
}

func TestSecrets_DoNotPrint(t *testing.T) {
	f := newFixture(t)
	f.ring.Attachments["audit-log"] = bytes.Repeat([]byte{0xa7}, 32)
	d := domain(t, f.ring)
	values := map[string]any{
		"secret": f.key, "pointer": &f.key, "keyring": *f.ring, "keyring pointer": f.ring, "domain": d, "generations": f.ring.Generations,
		"signing": f.ring.Signing, "in a struct": struct{ K Secret }{f.key},
	}
	secrets := [][]byte{f.key[:], d.IDKey[:], d.CutterKey[:], f.ring.Generations[0].Secret[:], f.ring.Signing[0].Seed[:], f.ring.Attachments["audit-log"]}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%X", "%s", "%q", "%d", "%b", "%o", "%c", "%U"} {
			text := fmt.Sprintf(verb, v)
			for _, s := range secrets {
				leak(t, name+" by "+verb, text, s)
			}
		}
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", v)
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range secrets {
			leak(t, name+" in a log", log.String()+string(data), s)
		}
	}
}

// leak looks for a secret's bytes in the ways Go prints bytes.
func leak(t *testing.T, what, text string, secret []byte) {
	t.Helper()
	part := secret[:6]
	list := strings.Trim(fmt.Sprintf("%d", part), "[]")
	if strings.Contains(text, string(part)) {
		t.Errorf("%s shows a secret as it is", what)
	}
	forms := []string{hex.EncodeToString(part), list, strings.ReplaceAll(list, " ", ","),
		strings.Trim(fmt.Sprintf("%b", part), "[]"), strings.Trim(fmt.Sprintf("%o", part), "[]"),
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", part), "[]byte{"), "}")}
	for _, form := range forms {
		if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
			t.Errorf("%s shows a secret as %q", what, form)
		}
	}
}

func TestDomain_IdsDifferByKindDigestAndDomain(t *testing.T) {
	a, b := domain(t, newFixture(t).ring), domain(t, newFixture(t).ring)
	digest := tree.DigestOf([]byte("x"))
	seen := map[[32]byte]bool{
		a.ChunkID(DataChunk, digest): true, a.ChunkID(TreeChunk, digest): true, b.ChunkID(DataChunk, digest): true,
		a.ChunkID(DataChunk, tree.DigestOf([]byte("y"))): true, digest: true,
	}
	if len(seen) != 5 || !seen[a.ChunkID(DataChunk, digest)] {
		t.Errorf("%d different of 5", len(seen))
	}
	if len(a.GearTable()) != 2048 || bytes.Equal(a.GearTable(), b.GearTable()) {
		t.Error("cutting table")
	}
}

func domain(t testing.TB, k *Keyring) Domain {
	t.Helper()
	d, err := k.Domain(VaultDomain)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
