package tlog

import (
	"bytes"
	"testing"
)

func FuzzParseCheckpoint(f *testing.F) {
	f.Add([]byte(specExample))
	f.Add([]byte("a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— a AAAAAAAA\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		c, err := ParseCheckpoint(msg)
		if err != nil {
			return
		}
		if c.Size < 0 || c.Origin == "" || len(c.Keys) == 0 {
			t.Errorf("accepted %+v", c)
		}
	})
}

func FuzzParseBundle(f *testing.F) {
	f.Add([]byte("\x00\x01a\x00\x00"), 2)
	f.Add([]byte("\xff\xffa"), 1)
	f.Fuzz(func(t *testing.T, data []byte, count int) {
		if count < 0 || count > tileWidth {
			return
		}
		records, err := parseBundle(data, count)
		if err != nil {
			return
		}
		var again []byte
		for _, r := range records {
			again = appendRecord(again, r)
		}
		if len(records) != count || !bytes.Equal(again, data) {
			t.Errorf("%d records of %d, %x from %x", len(records), count, again, data)
		}
	})
}

func FuzzParseName(f *testing.F) {
	f.Add("tile/0/x001/x234/067")
	f.Add("tile/entries/000.p/9")
	f.Fuzz(func(t *testing.T, name string) {
		if x, ok := parseName(name); ok && (x.name() != name || x.index < 0) {
			t.Errorf("%q read as %v, which is %q", name, x, x.name())
		}
	})
}
