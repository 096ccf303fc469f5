package hostile

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestClock_SetBack(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	file := filepath.Join(r.data, "clock.json")
	floor := time.Now().UTC().Add(72 * time.Hour).Truncate(time.Second)
	data, err := json.Marshal(map[string]time.Time{"floor": floor})
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, file, data)
	var said sentences
	x := r.must("backup", "run", "docs")
	said.add(r, "backup with the clock set back", x)
	if !strings.Contains(x.err, "clock") {
		t.Errorf("there is no warning:\n%s", x)
	}
	var newest pointDetail
	r.query(&newest, "point", "show", "latest")
	received, err := time.Parse(time.RFC3339, newest.ReceivedAt)
	if err != nil || received.Before(floor) || received.After(floor.Add(time.Minute)) {
		t.Errorf("received %s, want just after %s (%v)", newest.ReceivedAt, floor, err)
	}
	if newest.Number != 2 {
		t.Errorf("number %d, want 2", newest.Number)
	}
	r.must("backup", "run", "docs")
	var points []pointDetail
	r.query(&points, "point", "list")
	for i, p := range points {
		if p.Number != len(points)-i || i > 0 && p.ReceivedAt > points[i-1].ReceivedAt {
			t.Errorf("the points are out of order: %+v", points)
		}
	}
	said.addAll(r, "doctor with the clock set back", r.must("doctor"))
	r.wantWhole()
	r.wantRestored("latest", list(t, r.src))
	said.golden(t, "clock_back")
}

func TestClock_StateDamaged(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	file := filepath.Join(r.data, "clock.json")
	ahead := time.Now().UTC().Add(72 * time.Hour).Truncate(time.Second)
	rewrite(t, file, fmt.Appendf(nil, `{"floor":%q}`, ahead.Format(time.RFC3339)))
	r.must("backup", "run", "docs")
	var said sentences
	for _, bad := range []string{"", "{", `{"floor":"yesterday"}`, `{"flor":"2026-11-24T07:52:05Z"}`, "\x00\x00\x00"} {
		rewrite(t, file, []byte(bad))
		x := r.run("backup", "run", "docs")
		if x.code != 1 {
			t.Errorf("clock.json %q: want exit 1\n%s", bad, x)
		}
		said.add(r, "backup with a damaged clock state", x)
	}
	remove(t, file)
	said.add(r, "backup without a clock state", r.must("backup", "run", "docs"))
	var newest pointDetail
	r.query(&newest, "point", "show", "latest")
	if received, err := time.Parse(time.RFC3339, newest.ReceivedAt); err != nil || received.Before(ahead) || newest.Number != 3 {
		t.Errorf("point %d is dated %s, before the one before it (%v)", newest.Number, newest.ReceivedAt, err)
	}
	r.wantWhole()
	said.golden(t, "clock_damaged")
}
