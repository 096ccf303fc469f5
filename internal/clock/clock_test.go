package clock_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/clock"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

var noon = time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, now *time.Time) *clock.Clock {
	t.Helper()
	c, err := clock.Open(dir, func() time.Time { return *now })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClock_FollowsTheSystemClock(t *testing.T) {
	now := noon
	c := open(t, t.TempDir(), &now)
	if got := c.Receipt(); !got.Equal(noon) {
		t.Errorf("receipt %v", got)
	}
	now = now.Add(time.Hour)
	if got := c.Receipt(); !got.Equal(noon.Add(time.Hour)) {
		t.Errorf("receipt an hour later %v", got)
	}
	if d := c.Behind(); d != 0 {
		t.Errorf("behind %v", d)
	}
}

func TestClock_NeverFallsBehindWhatWasKept(t *testing.T) {
	dir, now := t.TempDir(), noon
	c := open(t, dir, &now)
	if err := c.Keep(t.Context(), c.Receipt()); err != nil {
		t.Fatal(err)
	}
	now = noon.AddDate(-1, 0, 0)
	for _, c := range []*clock.Clock{c, open(t, dir, &now)} {
		if got := c.Receipt(); got.Before(noon) {
			t.Errorf("a clock set back by a year gives %v", got)
		}
		if d := c.Behind(); d < 364*24*time.Hour {
			t.Errorf("behind only %v", d)
		}
	}
}

func TestClock_GoesOnWhileTheSystemClockIsBehind(t *testing.T) {
	dir, now := t.TempDir(), noon
	if err := open(t, dir, &now).Keep(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	now = noon.AddDate(0, 0, -3)
	c := open(t, dir, &now)
	first := c.Receipt()
	now = now.Add(10 * time.Minute)
	if got := c.Receipt(); got.Sub(first) != 10*time.Minute {
		t.Errorf("ten minutes later it is %v later", got.Sub(first))
	}
}

func TestClock_KeepNeverLowersTheFloor(t *testing.T) {
	dir, now := t.TempDir(), noon
	a, b := open(t, dir, &now), open(t, dir, &now)
	if err := a.Keep(t.Context(), noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := b.Keep(t.Context(), noon); err != nil { // another process, which did not see that
		t.Fatal(err)
	}
	if got := open(t, dir, &now).Receipt(); got.Before(noon.Add(time.Hour)) {
		t.Errorf("the floor fell to %v", got)
	}
}

func TestOpen_DamagedStateIsNotTakenForNone(t *testing.T) {
	dir, now := t.TempDir(), noon
	if err := os.WriteFile(filepath.Join(dir, "clock.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := clock.Open(dir, func() time.Time { return now }); !errkind.Is(err, errkind.Damaged) {
		t.Errorf("damaged floor: %v", err)
	}
}
