package vault

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/chunk"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

func TestHints_FindWhatWasAdded(t *testing.T) {
	h := &Hints{}
	type hint struct {
		at    Stamp
		inode uint64
	}
	want := map[string]hint{}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 1000 {
		path := fmt.Sprintf("dir/%d/\xff", i)
		want[path] = hint{Stamp{Sec: int64(r.Uint64()), Nsec: r.Uint32N(1e9)}, r.Uint64()}
		h.Add(path, want[path].at, want[path].inode)
	}
	h.sort()
	data := append(binary.BigEndian.AppendUint64(nil, uint64(h.Len())), h.data...)
	decoded, err := decodeHints(bytes.Clone(data))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []*Hints{h, decoded} {
		for path, w := range want {
			if at, inode, ok := x.Lookup(path); !ok || at != w.at || inode != w.inode {
				t.Fatalf("%q: %v %d %v", path, at, inode, ok)
			}
		}
		if _, _, ok := x.Lookup("other"); ok {
			t.Error("found what was not added")
		}
	}
	var none *Hints
	if _, _, ok := none.Lookup("x"); ok {
		t.Error("found in nothing")
	}
	if !bytes.Equal(decoded.data, h.data) {
		t.Error("not canonical")
	}
	h.Add("late", Stamp{Sec: 1}, 2)
	if _, inode, ok := h.Lookup("late"); !ok || inode != 2 {
		t.Error("added after a look")
	}
	for name, bad := range map[string][]byte{
		"nothing": nil, "short": data[:7], "cut": data[:len(data)-1], "one less": data[:len(data)-hintSize], "one more": append(bytes.Clone(data), make([]byte, hintSize)...),
		"huge": append(bytes.Repeat([]byte{0xff}, 8), data[8:]...),
	} {
		if _, err := decodeHints(bad); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPointObject_ParsesBackAndOnlyThat(t *testing.T) {
	source := NewSourceID(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	for _, n := range []uint64{1, 42, 9999999999} {
		for _, suffix := range []string{"", intentSuffix} {
			s, number, intent, ok := parsePointObject(pointObject(source, n) + suffix)
			if !ok || s != source || number != n || intent != (suffix != "") {
				t.Errorf("%d%s: %v %d %v %v", n, suffix, s, number, intent, ok)
			}
		}
	}
	good := pointObject(source, 7)
	for _, bad := range []string{"", "points/", good + "0", good[:len(good)-1], strings.ToUpper(good), good[len("points/"):], good + "/x", good + ".intent.intent", good + ".tmp",
		strings.Replace(good, "0000000007", "0000000000", 1), strings.Replace(good, "0000000007", "+000000007", 1), strings.Replace(good, "0000000007", "00000000_7", 1),
		"points/8zzzzzzzzzzzzzzzzzzzzzzzzz/0000000001", "points/" + strings.Replace(source.String(), "0", "o", 1) + "/0000000001"} {
		if _, _, _, ok := parsePointObject(bad); ok {
			t.Errorf("%q is taken for a point", bad)
		}
	}
}

func TestSourceID_RoundTrip(t *testing.T) {
	s := NewSourceID(time.UnixMilli(1_767_225_600_000))
	for _, text := range []string{s.String(), strings.ToUpper(s.String())} {
		if got, err := ParseSourceID(text); err != nil || got != s {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, bad := range []string{"", "x", s.String() + "0", strings.Repeat("u", 26), "é" + s.String()[2:]} {
		if _, err := ParseSourceID(bad); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	a, b := NewSourceID(time.UnixMilli(1000)), NewSourceID(time.UnixMilli(1001))
	if cmp.Compare(a.String(), b.String()) >= 0 {
		t.Error("ids do not sort by time")
	}
	_ = NewSourceID(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)) // before the first time it can hold
}

func FuzzParsePointObject(f *testing.F) {
	f.Add(pointObject(SourceID{1}, 7))
	f.Add(pointObject(SourceID{255}, 7) + intentSuffix)
	f.Fuzz(func(t *testing.T, name string) {
		source, number, intent, ok := parsePointObject(name)
		if !ok {
			return
		}
		back := pointObject(source, number)
		if intent {
			back += intentSuffix
		}
		if back != name {
			t.Fatalf("%q became %q", name, back)
		}
	})
}

func FuzzParseRecordObject(f *testing.F) {
	f.Add(recordObject(7))
	f.Add(ownerObject(7))
	f.Fuzz(func(t *testing.T, tail string) {
		if n, ok := parseRecordObject(governancePrefix + tail); ok && recordObject(n) != governancePrefix+tail {
			t.Fatalf("%q became %q", tail, recordObject(n))
		}
	})
}

func FuzzDecodeHints(f *testing.F) {
	h := &Hints{}
	for i := range 5 {
		h.Add(fmt.Sprint(i), Stamp{Sec: int64(i)}, uint64(i))
	}
	h.sort()
	f.Add(append(binary.BigEndian.AppendUint64(nil, 5), h.data...))
	f.Add(make([]byte, 8))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := decodeHints(bytes.Clone(data))
		if err != nil {
			return
		}
		again, err := decodeHints(append(binary.BigEndian.AppendUint64(nil, uint64(h.Len())), h.data...))
		if err != nil || !bytes.Equal(again.data, h.data) {
			t.Fatalf("%v", err)
		}
		h.Lookup("x")
	})
}

// wires are all structures that are decoded from CBOR here, each with an
// example in which as many fields as can be are set.
func wires() []any {
	stamp, digest, id := Stamp{Sec: -5, Nsec: 7}, Digest{1}, PointID{2}
	when := time.Date(2033, 3, 31, 0, 0, 0, 5, time.UTC)
	source := SourceRecord{ID: SourceID{3}, Name: "books", Kind: "files", Paths: [][]byte{[]byte("/srv\xff")}, Excludes: []string{"*.tmp"}, ExcludeLarger: 5, ExcludeCaches: true,
		Policy: "sox", PolicyVersion: 2, Classes: []ClassPath{{"ledger", "/gl"}}, Created: stamp, Extra: map[string]string{"a": "b", "c": "d"}}
	return []any{
		&Header{Format: 1, Vault: ID{1}, Created: stamp, Name: "n", Kind: Trial, Cutter: chunk.Default(), PackSize: packTarget},
		&signingKey{Vault: ID{1}, Algorithm: canon.Ed25519, Public: []byte{1}, From: stamp, To: &stamp},
		&Owner{Vault: ID{1}, Epoch: 3, Server: ID{2}, At: stamp, Host: "h"},
		&Envelope{Vault: ID{1}, ID: id, Number: 4, Previous: digest[:], Started: stamp, Received: stamp, RetainUntil: &stamp, Term: Fixed, Root: digest,
			Packs: PackList{Names: digest[:], Base: &id, Add: digest[:], Drop: digest[:]}, Complete: true, Trial: true, Size: 5, Entries: 6},
		&Body{Source: source, Host: "h", Retention: retention.PointFacts{Source: "s", Policy: "sox", PolicyVersion: 3, Complete: true, Classes: []string{"ledger"}, Computed: retention.Until{Time: when}},
			Statistics: map[string]int64{"files": 3}, Classes: []PointClass{{"c", "p", 1, 2}}, Problems: []PointProblem{{Path: []byte("x"), Op: "open", Message: "no"}},
			Fuzzy: [][]byte{{1}}, Close: &PointClose{"2026-03", true}, Events: []string{"e"}, Holds: []string{"h"}, Version: "v", Warnings: []string{"w"}},
		&intentClear{Vault: ID{1}, Point: id, At: stamp, Object: "points/x/1", Digest: digest, Lock: &intentLock{"governance", stamp}},
		&recordClear{Vault: ID{1}, Number: 5, Previous: digest[:], At: stamp, Count: 2},
		&recordBody{Actor: "a", Event: "e", Facts: []Fact{{FactSource, []byte{0xa0}}}},
		&source,
		&PolicyRecord{Name: "p", Version: 1, Document: []byte("{}")},
		&SettingsRecord{State: "locked", Minimum: "1y", Maximum: "10y", SoftDeleteDays: 14, SoftDeleteOn: true, Name: "n"},
		&retention.Fact{},
		&seal.SlotInfo{Vault: ID{1}, Slot: ID{2}, Version: 1, Created: stamp, Derivation: &seal.Derivation{Algorithm: "a", Salt: []byte{1}, Iterations: 5}},
		&Entry{Name: []byte("n"), Kind: Regular, Size: 5, Extents: []Extent{{Offset: 1, Length: 2}}, Content: &Content{}, Tree: &digest},
	}
}

func TestWires_RoundTrip(t *testing.T) {
	for _, w := range wires() {
		data, err := canon.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		got := reflect.New(reflect.TypeOf(w).Elem()).Interface()
		if err := canon.Unmarshal(data, got); err != nil {
			t.Errorf("%T: %v", w, err)
		}
		again, err := canon.Marshal(got)
		if err != nil || !bytes.Equal(data, again) {
			t.Errorf("%T: %x became %x, %v", w, data, again, err)
		}
	}
}

func FuzzWires(f *testing.F) {
	all := wires()
	for i, w := range all {
		data, err := canon.Marshal(w)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), data)
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		kind := reflect.TypeOf(all[int(which)%len(all)]).Elem()
		value := reflect.New(kind).Interface()
		if err := canon.Unmarshal(data, value); err != nil {
			if !errkind.Is(err, errkind.Damaged) {
				t.Fatal(err)
			}
			return
		}
		first, err := canon.Marshal(value)
		if err != nil {
			return // a year that has no text form
		}
		again := reflect.New(kind).Interface()
		if err := canon.Unmarshal(first, again); err != nil {
			t.Fatalf("%s: %x: %v", kind, first, err)
		}
		second, err := canon.Marshal(again)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%s: %x became %x: %v", kind, first, second, err)
		}
	})
}

// FuzzParsePoint gives arbitrary envelopes and bodies, signed and sealed by the
// vault itself, to the parser of points, and what it accepts to the pack list.
func FuzzParsePoint(f *testing.F) {
	ring := seal.NewKeyring(NewID(), time.Unix(0, 0))
	v := &Vault{ring: ring, header: Header{Vault: ring.Vault}}
	if err := v.finishOpen(f.Context()); err != nil {
		f.Fatal(err)
	}
	for _, w := range wires() {
		if e, ok := w.(*Envelope); ok {
			e.Vault = ring.Vault
			clear, err := canon.Marshal(e)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(clear, []byte{0xa0})
		}
	}
	f.Fuzz(func(t *testing.T, clear, plain []byte) {
		var e Envelope
		if canon.Unmarshal(clear, &e) != nil {
			return
		}
		body, err := v.box(canon.Point, plain)
		if err != nil {
			return
		}
		e.BodyDigest, e.Vault = sha(body), ring.Vault
		if clear, err = canon.Marshal(e); err != nil {
			t.Fatal(err)
		}
		object, err := canon.Sign(canon.Point, clear, body, ring.SigningKey())
		if err != nil {
			t.Fatal(err)
		}
		p, err := v.parsePoint(t.Context(), pointObject(e.Source, e.Number), object)
		if err != nil {
			if k := errkind.Of(err); k != errkind.Damaged && k != errkind.NewerFormat {
				t.Fatalf("kind %v: %v", k, err)
			}
			return
		}
		if names, err := (&packSet{ledger: newLedger()}).objects(p.Envelope); err == nil && len(names)*32 != len(p.Envelope.Packs.Names) {
			t.Fatal("pack list")
		}
		if !slices.Equal(p.Digest[:], sum32(object)) {
			t.Fatal("digest")
		}
	})
}

func sha(data []byte) Digest { return sha256.Sum256(data) }

func sum32(data []byte) []byte { d := sha(data); return d[:] }
