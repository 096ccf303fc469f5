package canon

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

type wire struct {
	Number uint64            `cbor:"1,keyasint"`
	Text   string            `cbor:"2,keyasint,omitempty"`
	Bytes  []byte            `cbor:"3,keyasint,omitempty"`
	Map    map[string]int64  `cbor:"4,keyasint,omitempty"`
	When   time.Time         `cbor:"5,keyasint,omitempty"`
	Names  map[string][]byte `cbor:"10,keyasint,omitempty"`
}

func TestMarshal_SameValueSameBytes(t *testing.T) {
	when := time.Date(2026, 3, 31, 18, 0, 0, 120_000_000, time.FixedZone("x", 7200))
	build := func(order []string) wire {
		w := wire{Number: math.MaxUint64, Text: "\xff not UTF-8", Bytes: []byte{0}, Map: map[string]int64{}, When: when}
		for _, k := range order {
			w.Map[k] = 7
		}
		return w
	}
	first, err := Marshal(build([]string{"a", "bb", "c", "dd", "e"}))
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		again, err := Marshal(build([]string{"e", "dd", "c", "bb", "a"}))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, again) {
			t.Fatalf("%x and %x", first, again)
		}
	}
	utc := when.UTC()
	inUTC := build([]string{"a", "bb", "c", "dd", "e"})
	inUTC.When = utc
	if again, err := Marshal(inUTC); err != nil || !bytes.Equal(first, again) {
		t.Errorf("a time in another zone encodes differently: %v", err)
	}
}

func TestMarshal_KnownBytes(t *testing.T) {
	tests := map[string]struct {
		value any
		want  string
	}{
		"shortest integers": {[]uint64{0, 23, 24, 255, 256, 65535, 65536, math.MaxUint32, 1 << 32}, "890017181818ff19010019ffff1a000100001affffffff1b0000000100000000"},
		"negative":          {[]int64{-1, -24, -25, math.MinInt64}, "8420373818" + "3b7fffffffffffffff"},
		"text map order":    {map[string]int{"aa": 2, "b": 1}, "a2616201626161" + "02"},
		"empty":             {wire{}, "a2010005f6"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Marshal(tt.value)
			if err != nil {
				t.Fatal(err)
			}
			if hex.EncodeToString(got) != tt.want {
				t.Errorf("got %x, want %s", got, tt.want)
			}
		})
	}
}

func TestUnmarshal_RefusesSecondSpellings(t *testing.T) {
	tests := map[string]string{
		"duplicate key":         "a201000101",
		"duplicate key in map":  "a2010004a2616101616102",
		"duplicate unknown key": "a3010018630018630a",
		"indefinite map":        "bf0100ff",
		"indefinite bytes":      "a20100035f4100ff",
		"indefinite array":      "a2010018639fff",
		"tag":                   "c1a10100",
		"cut short":             "a201",
		"bytes after the end":   "a1010000",
		"nothing":               "",
		"too deep":              "a20100186381818181818181818181818181818181818181818100",
		"array larger than all": "a2010018639affffffff",
		"array of too many":     "a2010018639b7fffffffffffffff",
		"number too large":      "a101c249010000000000000000",
		"negative for unsigned": "a10120",
		"text for number":       "a1016161",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			data, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			var w wire
			if err := Unmarshal(data, &w); !errkind.Is(err, errkind.Damaged) {
				t.Errorf("%x: %v, want damaged; got %+v", data, err, w)
			}
		})
	}
}

func TestUnmarshal_IgnoresUnknownKeys(t *testing.T) {
	data, err := Marshal(map[int]any{1: 5, 99: []string{"later", "format"}})
	if err != nil {
		t.Fatal(err)
	}
	var w wire
	if err := Unmarshal(data, &w); err != nil || w.Number != 5 {
		t.Errorf("%+v %v", w, err)
	}
}

func testKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func knows(keys ...ed25519.PrivateKey) func(KeyID) ed25519.PublicKey {
	byID := map[KeyID]ed25519.PublicKey{}
	for _, k := range keys {
		pub := k.Public().(ed25519.PublicKey)
		byID[KeyIDOf(pub)] = pub
	}
	return func(id KeyID) ed25519.PublicKey { return byID[id] }
}

func TestSign_RoundTrip(t *testing.T) {
	for name, body := range map[string][]byte{"with body": []byte("body"), "without": nil} {
		t.Run(name, func(t *testing.T) {
			object, err := Sign(Point, []byte("clear"), body, testKey(1))
			if err != nil {
				t.Fatal(err)
			}
			o, err := ParseSigned(Point, object)
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Verify(Point, knows(testKey(1), testKey(2))); err != nil {
				t.Error(err)
			}
			if string(o.Clear) != "clear" || !bytes.Equal(o.Body, body) {
				t.Errorf("%q %q", o.Clear, o.Body)
			}
		})
	}
}

// reseal puts the right digest behind changed bytes, as an attacker would.
func reseal(object []byte) []byte { return AppendDigest(object[:len(object)-sha256.Size]) }

func TestParseSigned_Tampering(t *testing.T) {
	object, err := Sign(Point, []byte("clear part"), []byte("the body"), testKey(1))
	if err != nil {
		t.Fatal(err)
	}
	other, err := Sign(Point, []byte("clear part"), []byte("the body"), testKey(2))
	if err != nil {
		t.Fatal(err)
	}
	const clearAt = MagicSize + 4
	sigsAt := clearAt + len("clear part") + 4
	tests := map[string]struct {
		change func([]byte) []byte
		parse  errkind.Kind // Internal: parses
		verify errkind.Kind // Internal: holds
	}{
		"nothing":               {func(b []byte) []byte { return b }, 0, 0},
		"clear, no digest":      {func(b []byte) []byte { b[clearAt] ^= 1; return b }, errkind.Damaged, 0},
		"clear, new digest":     {func(b []byte) []byte { b[clearAt] ^= 1; return reseal(b) }, 0, errkind.Damaged},
		"signature, new digest": {func(b []byte) []byte { b[len(b)-sha256.Size-8-8-1] ^= 1; return reseal(b) }, 0, errkind.Damaged},
		"key id, new digest":    {func(b []byte) []byte { b[sigsAt+11] ^= 1; return reseal(b) }, 0, errkind.Damaged},
		"another's signature":   {func([]byte) []byte { return bytes.Clone(other) }, 0, errkind.Damaged},
		"another kind":          {func(b []byte) []byte { copy(b, Governance); return reseal(b) }, errkind.Damaged, 0},
		"cut in clear":          {func(b []byte) []byte { return AppendDigest(b[:clearAt+3]) }, errkind.Damaged, 0},
		"cut in body":           {func(b []byte) []byte { return AppendDigest(b[:len(b)-sha256.Size-1]) }, errkind.Damaged, 0},
		"more behind body":      {func(b []byte) []byte { return AppendDigest(append(b[:len(b)-sha256.Size], 0)) }, errkind.Damaged, 0},
		"clear length huge":     {func(b []byte) []byte { binary.BigEndian.PutUint32(b[MagicSize:], math.MaxUint32); return reseal(b) }, errkind.Damaged, 0},
		"magic alone":           {func(b []byte) []byte { return b[:MagicSize] }, errkind.Damaged, 0},
		"magic and digest":      {func(b []byte) []byte { return AppendDigest(b[:MagicSize]) }, errkind.Damaged, 0},
		"empty":                 {func([]byte) []byte { return nil }, errkind.Damaged, 0},
		"version flipped":       {func(b []byte) []byte { b[3] = '2'; return b }, errkind.Damaged, 0},
		"a later format":        {func(b []byte) []byte { b[3] = '2'; return reseal(b) }, errkind.NewerFormat, 0},
		"format 0":              {func(b []byte) []byte { b[3] = '0'; return reseal(b) }, errkind.Damaged, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := ParseSigned(Point, tt.change(bytes.Clone(object)))
			if errkind.Of(err) != tt.parse || (err != nil) != (tt.parse != errkind.Internal) {
				t.Fatalf("parse: %v", err)
			}
			if err != nil {
				return
			}
			err = o.Verify(Point, knows(testKey(1)))
			if errkind.Of(err) != tt.verify || (err != nil) != (tt.verify != errkind.Internal) {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

func TestParseSigned_EveryFlippedByteIsFound(t *testing.T) {
	object, err := Sign(Intent, []byte("clear"), []byte("body"), testKey(1))
	if err != nil {
		t.Fatal(err)
	}
	for i := range object {
		for bit := range 8 {
			bad := bytes.Clone(object)
			bad[i] ^= 1 << bit
			if _, err := ParseSigned(Intent, bad); !errkind.Is(err, errkind.Damaged) {
				t.Fatalf("byte %d bit %d: %v", i, bit, err)
			}
		}
	}
}

// rebuild makes a signed object with signatures of our choice.
func rebuild(t *testing.T, clear []byte, sigs any) []byte {
	t.Helper()
	list, err := Marshal(sigs)
	if err != nil {
		t.Fatal(err)
	}
	out := binary.BigEndian.AppendUint32([]byte(Point), uint32(len(clear)))
	out = append(out, clear...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(list)))
	out = append(out, list...)
	return AppendDigest(binary.BigEndian.AppendUint64(out, 0))
}

func TestVerify_ListOfSignatures(t *testing.T) {
	sign := func(k ed25519.PrivateKey, m Magic) Signature {
		return Signature{Algorithm: Ed25519, Key: KeyIDOf(k.Public().(ed25519.PublicKey)), Bytes: ed25519.Sign(k, signedBytes(m, []byte("c")))}
	}
	good, stranger := sign(testKey(1), Point), sign(testKey(9), Point)
	wrong := good
	wrong.Bytes = bytes.Clone(good.Bytes)
	wrong.Bytes[0] ^= 1
	later := good
	later.Algorithm = "ml-dsa-65"
	short := good
	short.Bytes = good.Bytes[:10]
	tests := map[string]struct {
		sigs []Signature
		ok   bool
	}{
		"one":                       {[]Signature{good}, true},
		"beside a stranger's":       {[]Signature{stranger, good}, true},
		"beside a later algorithm":  {[]Signature{later, good}, true},
		"none":                      {nil, false},
		"only a stranger's":         {[]Signature{stranger}, false},
		"only a later algorithm":    {[]Signature{later}, false},
		"one wrong beside one good": {[]Signature{good, wrong}, false},
		"for another kind":          {[]Signature{sign(testKey(1), Governance)}, false},
		"cut short":                 {[]Signature{short}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := ParseSigned(Point, rebuild(t, []byte("c"), tt.sigs))
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Verify(Point, knows(testKey(1))); (err == nil) != tt.ok {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestParseSigned_ManySignaturesAreNotDecoded(t *testing.T) {
	object := rebuild(t, nil, make([]int, 200_000))
	got := testing.AllocsPerRun(1, func() {
		if _, err := ParseSigned(Point, object); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("%v", err)
		}
	})
	if got > 100 {
		t.Errorf("%v allocations", got)
	}
}

func TestKeyID_IsTheFrontOfTheHash(t *testing.T) {
	pub := testKey(1).Public().(ed25519.PublicKey)
	sum := sha256.Sum256(pub)
	if id := KeyIDOf(pub); !bytes.Equal(id[:], sum[:16]) {
		t.Errorf("%x", id)
	}
}

func FuzzParseSigned(f *testing.F) {
	for _, m := range []Magic{Point, Header} {
		object, err := Sign(m, []byte("clear"), []byte("body"), testKey(1))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(object[:len(object)-sha256.Size])
	}
	f.Add([]byte("CFV1poin\x00\x00\x00\x00\x00\x00\x00\x01\x80\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("CFV2poin"))
	f.Fuzz(func(t *testing.T, front []byte) {
		object := AppendDigest(bytes.Clone(front)) // past the digest, where the parsing is
		o, err := ParseSigned(Point, object)
		if err != nil {
			if k := errkind.Of(err); k != errkind.Damaged && k != errkind.NewerFormat {
				t.Fatalf("kind %v: %v", k, err)
			}
			return
		}
		_ = o.Verify(Point, knows(testKey(1)))
		again, err := Sign(Point, o.Clear, o.Body, testKey(1))
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParseSigned(Point, again)
		if err != nil || !bytes.Equal(p.Clear, o.Clear) || !bytes.Equal(p.Body, o.Body) {
			t.Fatalf("signed again: %v", err)
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	when := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	seed, err := Marshal(wire{Number: 7, Text: "x", Bytes: []byte{1}, Map: map[string]int64{"a": 1}, When: when, Names: map[string][]byte{"n": {1}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte{0xa1, 0x01, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		var w wire
		if Unmarshal(data, &w) != nil {
			return
		}
		first, err := Marshal(w)
		if err != nil {
			t.Skip("a time that has no text form")
		}
		var again wire
		if err := Unmarshal(first, &again); err != nil {
			t.Fatalf("%x does not decode again: %v", first, err)
		}
		second, err := Marshal(again)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%x became %x: %v", first, second, err)
		}
		if !maps.Equal(w.Map, again.Map) || !cmp.Equal(w.Text, again.Text) {
			t.Fatal("another value")
		}
	})
}
