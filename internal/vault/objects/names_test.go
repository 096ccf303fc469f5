package objects_test

import (
	"cmp"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
)

func TestPointName_ParsesBackAndOnlyThat(t *testing.T) {
	source := objects.NewSourceID(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	for _, n := range []uint64{1, 42, 9999999999} {
		for _, suffix := range []string{"", objects.IntentSuffix} {
			s, number, intent, ok := objects.ParsePoint(objects.PointName(source, n) + suffix)
			if !ok || s != source || number != n || intent != (suffix != "") {
				t.Errorf("%d%s: %v %d %v %v", n, suffix, s, number, intent, ok)
			}
		}
	}
	good := objects.PointName(source, 7)
	for _, bad := range []string{"", "points/", good + "0", good[:len(good)-1], strings.ToUpper(good), good[len("points/"):], good + "/x", good + ".intent.intent", good + ".tmp",
		strings.Replace(good, "0000000007", "0000000000", 1), strings.Replace(good, "0000000007", "+000000007", 1), strings.Replace(good, "0000000007", "00000000_7", 1),
		"points/8zzzzzzzzzzzzzzzzzzzzzzzzz/0000000001", "points/" + strings.Replace(source.String(), "0", "o", 1) + "/0000000001"} {
		if _, _, _, ok := objects.ParsePoint(bad); ok {
			t.Errorf("%q is taken for a point", bad)
		}
	}
}

func TestSourceID_RoundTrip(t *testing.T) {
	s := objects.NewSourceID(time.UnixMilli(1_767_225_600_000))
	for _, text := range []string{s.String(), strings.ToUpper(s.String())} {
		if got, err := objects.ParseSourceID(text); err != nil || got != s {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, bad := range []string{"", "x", s.String() + "0", strings.Repeat("u", 26), "é" + s.String()[2:]} {
		if _, err := objects.ParseSourceID(bad); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	a, b := objects.NewSourceID(time.UnixMilli(1000)), objects.NewSourceID(time.UnixMilli(1001))
	if cmp.Compare(a.String(), b.String()) >= 0 {
		t.Error("ids do not sort by time")
	}
	_ = objects.NewSourceID(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)) // before the first time it can hold
}

func FuzzParsePointObject(f *testing.F) {
	f.Add(objects.PointName(objects.SourceID{1}, 7))
	f.Add(objects.PointName(objects.SourceID{255}, 7) + objects.IntentSuffix)
	f.Fuzz(func(t *testing.T, name string) {
		source, number, intent, ok := objects.ParsePoint(name)
		if !ok {
			return
		}
		back := objects.PointName(source, number)
		if intent {
			back += objects.IntentSuffix
		}
		if back != name {
			t.Fatalf("%q became %q", name, back)
		}
	})
}

func FuzzParseRecordObject(f *testing.F) {
	f.Add(objects.RecordName(7))
	f.Add(objects.OwnerName(7))
	f.Fuzz(func(t *testing.T, tail string) {
		if n, ok := objects.ParseRecord(objects.GovernancePrefix + tail); ok && objects.RecordName(n) != objects.GovernancePrefix+tail {
			t.Fatalf("%q became %q", tail, objects.RecordName(n))
		}
	})
}
