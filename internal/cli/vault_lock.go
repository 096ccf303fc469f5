package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func newVaultLock(s *session) *cobra.Command {
	var in api.LockVault
	cmd := s.command(page{
		use:   "lock NAME",
		short: "make a vault immutable for ever",
		long: "Shows what locking a vault makes irrevocable. With --yes it is asked for: for 72\n" +
			"hours counterfoil vault unlock-request calls it back; after that, the same\n" +
			"command with --yes finishes it, and nobody, ever, can undo it: every object\n" +
			"stays until its date.",
		example: "counterfoil vault lock books",
		exits:   []string{"4  refused: still cooling off, or the time is not proven"},
	}, func(ctx context.Context, args []string) error {
		s.missing = missingVault
		l, err := ask(ctx, s, existing, func(c *api.Client) (api.Locking, error) { return c.LockVault(ctx, args[0], in) })
		if err != nil {
			return err
		}
		if err := s.printLocking(l); err != nil {
			return err
		}
		if !l.Asked && l.State != "locked" {
			s.note("%s", "nothing was changed; to ask for it: counterfoil vault lock "+args[0]+" --yes")
		}
		return nil
	})
	cmd.Flags().BoolVar(&in.Yes, "yes", false, "ask for it, or after the cooling-off finish it")
	return s.completes(cmd, vaultNames)
}

func newVaultUnlockRequest(s *session) *cobra.Command {
	cmd := s.command(page{
		use:     "unlock-request NAME",
		short:   "call back a request to lock a vault",
		long:    "Calls back a request to lock a vault that was not finished yet. What is locked\nalready cannot be unlocked.",
		example: "counterfoil vault unlock-request books",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingVault
		l, err := ask(ctx, s, existing, func(c *api.Client) (api.Locking, error) { return c.CallBackLock(ctx, args[0]) })
		if err != nil {
			return err
		}
		return s.printLocking(l)
	})
	return s.completes(cmd, vaultNames)
}

func (s *session) printLocking(l api.Locking) error {
	return s.print(l, func() {
		p := s.newSheet()
		p.exact("Vault", l.Vault)
		p.fact("State", "%s", l.State)
		if l.Effective != nil {
			p.fact("Cools off", "until %s", s.whenOf(l.Effective))
		}
		p.fact("Holds", "%s in %s, %s", count(int64(l.Points), "point", "points"), count(int64(l.Objects), "locked object", "locked objects"), size(l.Bytes))
		p.fact("Last lock", "%s", s.whenOf(l.Last))
		p.fact("Commits to", "%.1f GB-years of storage in the next ten years", l.GBYears)
		p.fact("Compliance", "%s of %s", count(int64(l.Converted), "object", "objects"), count(int64(l.Objects), "object", "objects"))
		s.printSheet(p)
	})
}

func newVaultLocks(s *session) *cobra.Command {
	var in api.RaiseLocks
	cmd := s.command(page{
		use:   "locks NAME",
		short: "compare the locks that storage holds with those needed",
		long: "Reads the store's own listing and compares every lock with what points and the\n" +
			"vault itself need. With --apply, locks that are short or have run down are\n" +
			"raised; a lock is never lowered.",
		example: "counterfoil vault locks books --apply",
		exits:   []string{"3  a lock is short, or an object that a point needs is missing"},
	}, func(ctx context.Context, args []string) error {
		s.missing = missingVault
		l, err := ask(ctx, s, existing, func(c *api.Client) (api.Locks, error) { return c.Locks(ctx, args[0], in) })
		if err != nil {
			return err
		}
		if err := s.print(l, func() { s.locksSheet(l) }); err != nil {
			return err
		}
		if !in.Apply && l.ToRaise > 0 {
			s.note("%s", "nothing was changed; to raise them: counterfoil vault locks "+args[0]+" --apply")
		}
		if len(l.Missing) > 0 || l.Short && l.Raised < l.ToRaise {
			return errkind.New(errkind.Incomplete, "locks of vault %s are short: %s to raise, %s missing", l.Vault, count(int64(l.ToRaise-l.Raised), "lock", "locks"), count(int64(len(l.Missing)), "object", "objects"))
		}
		return nil
	})
	cmd.Flags().BoolVar(&in.Apply, "apply", false, "raise what is short or has run down")
	return s.completes(cmd, vaultNames)
}

func (s *session) locksSheet(l api.Locks) {
	p := s.newSheet()
	p.exact("Vault", l.Vault)
	p.fact("Mode", "%s", l.Mode)
	p.fact("Locked", "%d of %s long enough", l.Locked, count(int64(l.Objects), "object", "objects"))
	if l.Margin != "" {
		p.fact("Margin", "%s at %s, the least", marginText(l.Margin), l.MarginObject)
	}
	var lines []string
	for _, r := range l.Raises {
		lines = append(lines, fmt.Sprintf("%s  %s -> %s", r.Object, s.whenOf(r.From), s.when(r.To)))
	}
	heading := "To raise"
	if l.Raised > 0 {
		heading = "Raised"
	}
	p.first(heading, lines, int64(l.ToRaise))
	p.first("Missing", l.Missing, int64(len(l.Missing)))
	s.printSheet(p)
}

// marginText says by how much a lock outlasts what it must cover.
func marginText(margin string) string {
	d, err := time.ParseDuration(margin)
	switch {
	case err != nil:
		return margin
	case d < 0:
		return "short by " + span(-d)
	default:
		return span(d)
	}
}

// span shows a long duration in days.
func span(d time.Duration) string {
	if d < 48*time.Hour {
		return lasting(d)
	}
	return count(int64(d/(24*time.Hour)), "day", "days")
}

func newVaultProof(s *session) *cobra.Command {
	cmd := s.command(page{
		use:   "proof POINT",
		short: "prove until when a point cannot be deleted",
		long: "Lists every object that a point needs, with its length, SHA-256 and until when\n" +
			"storage locks it, and records the root of the list in the vault. With --output\n" +
			"json, an outsider can check it against the store's own inventory.",
		example: "counterfoil vault proof latest --output json",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingPoint
		v, err := ask(ctx, s, existing, func(c *api.Client) (api.Proof, error) { return c.Prove(ctx, args[0]) })
		if err != nil {
			return err
		}
		return s.print(v, func() {
			p := s.newSheet()
			p.exact("Point", v.Point)
			p.exact("Vault", v.Vault)
			if v.Until == nil {
				p.fact("Locked", "no: storage stops nobody from deleting it")
			} else {
				p.fact("Locked", "until %s at least, in %s mode, by %s (%s)", s.whenOf(v.Until), v.Mode, v.Enforcer, v.Level)
			}
			p.exact("Root", v.Root)
			p.fact("Record", "governance record %d", v.Record)
			var lines []string
			for _, o := range v.Objects {
				lines = append(lines, fmt.Sprintf("%s  %s  %s", o.SHA256[:16], s.whenOf(o.Until), o.Object))
			}
			p.first(fmt.Sprintf("Objects (%d)", len(lines)), lines, int64(len(lines)))
			s.printSheet(p)
		})
	})
	return s.completes(cmd, pointNames)
}

func newVaultCanary(s *session) *cobra.Command {
	cmd := s.command(page{
		use:   "canary NAME",
		short: "attack an object made for it, to see whether locks hold",
		long: "Makes an object with a lock of a day and tries to delete, replace, shorten and\n" +
			"weaken it. Refused by retention is a pass; refused for lack of permission tells\n" +
			"nothing; not refused drops the vault to L0.",
		example: "counterfoil vault canary books",
		exits:   []string{"3  the store did not keep its promise, or that is not known"},
	}, func(ctx context.Context, args []string) error {
		s.missing = missingVault
		v, err := ask(ctx, s, existing, func(c *api.Client) (api.Canary, error) { return c.Canary(ctx, args[0]) })
		if err != nil {
			return err
		}
		err = s.print(v, func() {
			p := s.newSheet()
			p.exact("Vault", v.Vault)
			p.exact("Object", v.Object)
			p.fact("Mode", "%s", v.Mode)
			p.fact("Verdict", "%s", v.Verdict)
			var lines []string
			for _, a := range v.Attempts {
				lines = append(lines, a.Name+": "+a.Verdict+": "+a.Answer)
			}
			p.list("Attempts", lines)
			s.printSheet(p)
		})
		if err == nil && v.Verdict != "pass" {
			return errkind.New(errkind.Incomplete, "the canary of vault %s came to %q: see the attempts", v.Vault, v.Verdict)
		}
		return err
	})
	return s.completes(cmd, vaultNames)
}
