package clock_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/clock"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestOpen_TheRealClocks(t *testing.T) {
	c, err := clock.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Observe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.Status(); s.Latch != nil || s.Gap != nil || s.Groups != 1 || s.Receipt.Sub(s.System).Abs() > time.Minute {
		t.Errorf("%+v", s)
	}
}

func TestOpen_NothingKnownAndAClockThatJumpsBeforeTheFirstLook(t *testing.T) {
	now, passed := noon, time.Duration(0)
	c, err := clock.Open(t.TempDir(), func() time.Time { return now }, clock.WithMonotonic(func() time.Duration { return passed }))
	if err != nil {
		t.Fatal(err)
	}
	now, passed = noon.AddDate(0, 0, 5), time.Minute
	if got := c.Receipt(); !got.Equal(noon.Add(time.Minute)) {
		t.Errorf("receipt %v", got)
	}
}

func TestOpen_RefusesAFileOfALaterVersion(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "clock.json"), []byte(`{"format":9,"floor":"2026-03-31T12:00:00Z"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := clock.Open(dir, nil); !errkind.Is(err, errkind.NewerFormat) {
		t.Errorf("got %v", err)
	}
}

func TestObserve_WhatCannotBeKeptCountsAllTheSame(t *testing.T) {
	w := newWorld(t, two)
	path := filepath.Join(w.dir, "clock.json")
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, hinder := range map[string]func(){
		"damaged": func() {
			if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"no lock": func() {
			if err := os.Remove(path + ".lock"); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(path+".lock", 0o700); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, kept, 0o600); err != nil {
				t.Fatal(err)
			}
			w.set(0, "store")
			w.c = w.open()
			hinder()
			w.set(25*time.Hour, "store")
			if _, err := w.c.Observe(t.Context()); err == nil {
				t.Fatal("no error")
			}
			if w.c.Status().Latch == nil {
				t.Error("the latch did not close")
			}
			if _, err := w.c.MayDelete(false); err == nil {
				t.Error("deletion is allowed")
			}
			w.set(0, "store")
			if err := w.attest(w.c, w.now); err == nil {
				t.Error("an attestation that is not kept succeeded")
			}
			if w.c.Status().Latch == nil {
				t.Error("an attestation that was not kept opened the latch")
			}
		})
	}
}

func TestObserve_LooksAgainWhenTheMachineSleptMeanwhile(t *testing.T) {
	var mu sync.Mutex
	now := noon
	system := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	asked := 0
	store := clock.NewFuncSource("store", "offsite", func(context.Context) (time.Time, error) {
		at := system()
		if asked++; asked == 2 { // the lid closes after the store has answered
			mu.Lock()
			now = now.Add(21 * 24 * time.Hour)
			mu.Unlock()
		}
		return at, nil
	})
	c, err := clock.Open(t.TempDir(), system, clock.WithSources(store), clock.WithMonotonic(func() time.Duration { return system().Sub(noon) }))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Observe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.Status(); s.Latch != nil || !s.Proven.Equal(now) || asked != 3 {
		t.Errorf("asked %d times: %+v", asked, s)
	}
}

func TestObserve_DoesNotWaitForASourceThatHangs(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		hangs := clock.NewFuncSource("witness", "witness", func(context.Context) (time.Time, error) { <-end; return time.Time{}, nil })
		fails := clock.NewFuncSource("store", "offsite", func(context.Context) (time.Time, error) { return time.Time{}, errors.New("no route") })
		wrong := clock.NewFuncSource("nas", "", func(context.Context) (time.Time, error) { return time.Time{}, nil })
		c, err := clock.Open(dir, time.Now, clock.WithSources(hangs, fails, wrong))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		events, err := c.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("waited %v", took)
		}
		unreachable := map[string]bool{}
		for _, e := range events {
			if e.Kind == clock.EventUnreachable {
				unreachable[e.Source] = true
			}
		}
		if len(unreachable) != 3 {
			t.Errorf("events %+v", events)
		}
		for _, r := range c.Status().Sources {
			if r.Error == "" || !r.At.IsZero() {
				t.Errorf("source %+v", r)
			}
		}
		close(end)
	})
}

func TestClock_IsSafeForConcurrentUse(t *testing.T) {
	w := newWorld(t, two)
	grant := access.Issue(access.ClockAttest, "", "ann", "17", w.now)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { _, _ = w.c.Observe(t.Context()) })
		all.Go(func() { _ = w.c.Keep(t.Context(), w.c.Receipt()) })
		all.Go(func() { _, _ = w.c.MayDelete(true) })
		all.Go(func() { _, _ = w.c.Attest(t.Context(), grant, noon, "ann", "checked") })
		all.Go(func() { _ = w.c.Status() })
	}
	all.Wait()
	w.checkDeletion(true, true)
}

func TestHTTPDate(t *testing.T) {
	header := map[string]string{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			t.Errorf("method %s", r.Method)
		}
		w.Header()["Date"] = nil
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	defer server.Close()
	source, err := clock.NewHTTPDate("store", "offsite", server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	if source.Name() != "store" || source.Group() != "offsite" {
		t.Errorf("%s of %s", source.Name(), source.Group())
	}
	date := noon.Format(http.TimeFormat)
	for name, tt := range map[string]struct {
		header map[string]string
		want   bool
	}{
		"a date":        {map[string]string{"Date": date}, true},
		"fresh":         {map[string]string{"Date": date, "Age": "0"}, true},
		"moved":         {map[string]string{"Date": date, "Location": "http://elsewhere.example/"}, true},
		"no date":       {nil, false},
		"not a date":    {map[string]string{"Date": "noon"}, false},
		"from a cache":  {map[string]string{"Date": date, "Age": "86400"}, false},
		"a strange age": {map[string]string{"Date": date, "Age": "x"}, false},
	} {
		header = tt.header
		got, err := source.Now(t.Context())
		if (err == nil) != tt.want || err == nil && (got.Before(noon) || got.Sub(noon) > time.Minute) || err != nil && !errkind.Is(err, errkind.Unavailable) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	server.Close()
	if _, err := source.Now(t.Context()); !errkind.Is(err, errkind.Unavailable) {
		t.Errorf("server gone: %v", err)
	}
}

func TestHTTPDate_DoesNotFollowToAnotherHost(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", noon.Format(http.TimeFormat))
		http.Redirect(w, r, "https://elsewhere.invalid/", http.StatusMovedPermanently)
	}))
	defer server.Close()
	source, err := clock.NewHTTPDate("store", "offsite", server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := source.Now(t.Context()); err != nil || got.Before(noon) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestHTTPDate_WantsTLS(t *testing.T) {
	for _, address := range []string{"", "http://time.example/", "time.example", "https://", ":"} {
		if _, err := clock.NewHTTPDate("store", "offsite", address, nil); !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), "store") {
			t.Errorf("%q: %v", address, err)
		}
	}
	// A server that the system's roots do not vouch for gives no time.
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	source, err := clock.NewHTTPDate("store", "offsite", server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Now(t.Context()); !errkind.Is(err, errkind.Unavailable) {
		t.Errorf("unknown authority: %v", err)
	}
}
