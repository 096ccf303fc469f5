// Package canontest checks the structures that are decoded from canonical CBOR.
package canontest

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
)

// RoundTrip checks that each structure, given by a pointer to an example in
// which as many fields as can be are set, comes back as it was.
func RoundTrip(t *testing.T, wires ...any) {
	t.Helper()
	for _, w := range wires {
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

// Fuzz decodes arbitrary bytes as each structure: what is accepted has one
// encoding, what is not is damaged.
func Fuzz(f *testing.F, wires ...any) {
	f.Helper()
	for i, w := range wires {
		data, err := canon.Marshal(w)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), data)
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		kind := reflect.TypeOf(wires[int(which)%len(wires)]).Elem()
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
