package lifecycle

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Verdict is what a canary, or one of its attempts, came to.
type Verdict string

// The verdicts. Anything but Pass is told.
const (
	// Refused by retention: the lock held.
	Pass Verdict = "pass"
	// Refused, but for lack of permission: nothing is known of the lock.
	Inconclusive Verdict = "inconclusive"
	// Not refused: what the store promises is not kept.
	Fail Verdict = "fail"
)

// Canary is the result of attacking an object made for it.
type Canary struct {
	Vault    string
	At       time.Time
	Object   string
	Mode     blob.Mode
	Verdict  Verdict
	Attempts []Attempt
}

// Attempt is one attack and how the store answered.
type Attempt struct {
	Name    string
	Verdict Verdict
	Answer  string
}

// canaryTerm is how long an object made for attacks is locked.
const canaryTerm = 24 * time.Hour

// RunCanary makes an object with a lock and tries to delete, replace, shorten
// and weaken it by the store's own means. The result is recorded in the vault; a
// store that does not refuse drops the vault to L0.
func (l *Lifecycle) RunCanary(ctx context.Context, g access.Grant, name string) (*Canary, error) {
	if err := g.Require(access.CanaryRun); err != nil {
		return nil, err
	}
	row, v, err := l.cfg.Custody.Vault(ctx, name)
	if err != nil {
		return nil, err
	}
	c := &Canary{Vault: row.Name, At: l.cfg.Clock.Receipt(), Mode: custody.LockMode(row, v.Bucket().Caps())}
	if c.Mode == blob.NoLock {
		return nil, errkind.New(errkind.Unsupported, "vault %q has no locks to try: it is a trial, or its store cannot lock", row.Name)
	}
	if err := v.CheckOwner(ctx); err != nil {
		return nil, err
	}
	if err := clearCanaries(ctx, g, v.Bucket(), c.At); err != nil {
		return nil, err
	}
	if err := c.attack(ctx, g, v.Bucket()); err != nil {
		return nil, err
	}
	if err := l.recordCanary(ctx, g, v, c); err != nil {
		return c, err
	}
	if c.Verdict == Fail {
		return c, l.cfg.Custody.DropLevel(ctx, g, row.ID)
	}
	return c, nil
}

// clearCanaries removes the objects of earlier runs whose lock has ended.
func clearCanaries(ctx context.Context, g access.Grant, b *blob.Bucket, now time.Time) error {
	var old []string
	err := b.List(ctx, vault.CanaryPrefix, func(i blob.Info) error {
		if !i.Lock.Holds(now) {
			old = append(old, i.Name)
		}
		return nil
	})
	for _, name := range old {
		if err := b.Delete(ctx, g, name); err != nil && !errkind.Is(err, errkind.NotFound) && !errkind.Is(err, errkind.Refused) {
			return err
		}
	}
	return err
}

func (c *Canary) attack(ctx context.Context, g access.Grant, b *blob.Bucket) error {
	id := vault.NewSourceID(c.At).String()
	c.Object = vault.CanaryPrefix + strings.ToLower(id)
	data := []byte("canary " + id + "\n")
	lock := blob.Lock{Mode: c.Mode, Until: c.At.Add(canaryTerm).Truncate(time.Second)}
	if _, err := b.Put(ctx, c.Object, data, blob.PutOptions{Lock: lock}); err != nil {
		return err
	}
	attempts, err := b.Provoke(ctx, g, c.Object, lock)
	if err != nil {
		return err
	}
	for _, a := range attempts {
		c.try(a.Name, a.Err)
	}
	c.try("remains", c.remains(ctx, b, data, lock))
	for _, a := range c.Attempts {
		c.Verdict = worse(c.Verdict, a.Verdict)
	}
	return nil
}

// remains gives errkind.Refused, as a lock that held does, when the object is
// as it was.
func (c *Canary) remains(ctx context.Context, b *blob.Bucket, data []byte, lock blob.Lock) error {
	got, err := b.ReadAll(ctx, c.Object, 1<<10)
	if err != nil {
		return err
	}
	info, err := b.Stat(ctx, c.Object)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, data) || info.Lock.Until.Before(lock.Until) || info.Lock.Mode != lock.Mode {
		return nil
	}
	return errkind.New(errkind.Refused, "the object and its lock are as they were")
}

func (c *Canary) try(name string, err error) {
	a := Attempt{Name: name, Verdict: Fail, Answer: "the store did not refuse"}
	if err != nil {
		a.Answer = err.Error()
	}
	switch {
	case errkind.Is(err, errkind.Refused):
		a.Verdict = Pass
	case err != nil && (name != "remains" || !errkind.Is(err, errkind.NotFound)):
		a.Verdict = Inconclusive
	}
	c.Attempts = append(c.Attempts, a)
}

// worse gives the worse of two verdicts; "" is none yet.
func worse(a, b Verdict) Verdict {
	rank := map[Verdict]int{"": 0, Pass: 1, Inconclusive: 2, Fail: 3}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

func (l *Lifecycle) recordCanary(ctx context.Context, g access.Grant, v *vault.Vault, c *Canary) error {
	r := vault.CanaryRecord{At: vault.StampOf(c.At), Object: c.Object, Mode: string(c.Mode), Verdict: string(c.Verdict)}
	for _, a := range c.Attempts {
		r.Attempts = append(r.Attempts, fmt.Sprintf("%s: %s: %s", a.Name, a.Verdict, a.Answer))
	}
	f, err := vault.NewFact(vault.FactCanary, r)
	if err != nil {
		return err
	}
	_, err = v.RecordFacts(ctx, g, f)
	return err
}
