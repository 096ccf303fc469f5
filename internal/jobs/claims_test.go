package jobs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

func backupClaim(source, vault string) claim {
	return claim{"backup of " + source, map[resource]int{installation: 1, {"vault", vault}: 1, {"source", source}: 1}}
}

func verifyClaim(vault string) claim {
	return claim{"verification of " + vault, map[resource]int{installation: 1, {"vault", vault}: resource{kind: "vault"}.capacity()}}
}

func must(t *testing.T, c *claims, want claim) func() {
	t.Helper()
	done, err := c.try(want)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func wantBusy(t *testing.T, c *claims, want claim, words string) {
	t.Helper()
	_, err := c.try(want)
	if !errkind.Is(err, errkind.Busy) || !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %v, want busy with %q", want.purpose, err, words)
	}
}

func TestClaims_TwoSourcesOfAVaultAtOnceButNotOneTwice(t *testing.T) {
	c := &claims{}
	first := must(t, c, backupClaim("ledgers", "books"))
	second := must(t, c, backupClaim("invoices", "books"))
	wantBusy(t, c, backupClaim("ledgers", "books"), "has to wait for backup of ledgers; nothing")
	wantBusy(t, c, verifyClaim("books"), "backup of ledgers and backup of invoices")
	must(t, c, verifyClaim("others"))()
	first()
	must(t, c, backupClaim("ledgers", "books"))()
	second()
	must(t, c, verifyClaim("books"))()
	if len(c.held)+len(c.holders)+len(c.waiting) > 0 {
		t.Errorf("something is held still: %+v", c)
	}
}

func TestClaims_WhoNeedsAllIsNotOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &claims{}
		first := must(t, c, backupClaim("ledgers", "books"))
		var order []string
		var mu sync.Mutex
		wait := func(want claim) {
			go func() {
				done, err := c.take(t.Context(), want, nil)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, want.purpose)
				mu.Unlock()
				done()
			}()
			synctest.Wait()
		}
		wait(verifyClaim("books"))
		wait(backupClaim("invoices", "books"))
		wait(backupClaim("mails", "others")) // has nothing to do with them
		first()
		synctest.Wait()
		if want := []string{"backup of mails", "verification of books", "backup of invoices"}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
	})
}

func TestClaims_WhoGivesUpWaitingLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &claims{}
		first := must(t, c, verifyClaim("books"))
		ctx, cancel := context.WithCancel(t.Context())
		var noted string
		go func() {
			_, err := c.take(ctx, claim{"collection", verifyClaim("books").needs}, func(s string) { noted = s })
			if !errkind.Is(err, errkind.Cancelled) {
				t.Errorf("gave up: %v", err)
			}
		}()
		synctest.Wait()
		if noted != "waits for verification of books" {
			t.Errorf("noted %q", noted)
		}
		cancel()
		synctest.Wait()
		first()
		must(t, c, backupClaim("ledgers", "books"))()
	})
}

// TestClaims_NeverMoreThanThereIs has many jobs at once over few resources; all
// come to their turn.
func TestClaims_NeverMoreThanThereIs(t *testing.T) {
	c := &claims{}
	var vault, source [3]atomic.Int64
	var work sync.WaitGroup
	for i := range 400 {
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		work.Go(func() {
			v, s := rng.IntN(3), rng.IntN(3)
			want, weight := backupClaim(fmt.Sprint(s), fmt.Sprint(v)), int64(1)
			if rng.IntN(4) == 0 {
				want, weight = verifyClaim(fmt.Sprint(v)), 8
			}
			done, err := c.take(t.Context(), want, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if vault[v].Add(weight) > 8 {
				t.Error("a vault has more work than it may")
			}
			if weight == 1 && source[s].Add(1) > 1 {
				t.Error("a source is backed up twice at once")
			}
			if weight == 1 {
				source[s].Add(-1)
			}
			vault[v].Add(-weight)
			done()
		})
	}
	work.Wait()
	if len(c.held)+len(c.holders)+len(c.waiting) > 0 {
		t.Errorf("something is held still: %+v", c)
	}
}
