package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

type vaultVerifyOptions struct {
	quick bool
}

func newVaultVerify(s *session) *cobra.Command {
	var o vaultVerifyOptions
	cmd := s.command(page{
		use:   "verify NAME",
		short: "check that a vault is whole",
		long: "Reads every object of a vault and checks every byte of it: frames, chunks,\n" +
			"signatures, indexes and that each point has all it needs. Damage is named, with\n" +
			"the points and files concerned. Nothing is changed.",
		example: "counterfoil vault verify books",
		exits:   nil,
	}, func(ctx context.Context, args []string) error { return o.run(ctx, s, args[0]) })
	cmd.Flags().BoolVar(&o.quick, "quick", false, "check structure and sizes only, without reading all data")
	return s.completes(cmd, vaultNames)
}

func (o vaultVerifyOptions) run(ctx context.Context, s *session, name string) error {
	s.missing, s.kept = missingVault, "nothing was changed; what was verified so far counts for nothing"
	in := api.Verify{Mode: "full"}
	if o.quick {
		in.Mode = "quick"
	}
	v, err := follow(ctx, s, existing, func(c *api.Client, fn func(api.Event)) (api.Verification, error) {
		return c.VerifyVault(ctx, name, in, fn)
	})
	if err != nil {
		return err
	}
	err = s.print(v, func() {
		p := s.newSheet()
		s.verificationFacts(p, v)
		s.printSheet(p)
	})
	if err == nil && !v.OK {
		err = damaged(v)
	}
	return err
}

// damaged is the error of a vault that is not whole.
func damaged(v api.Verification) error {
	if len(v.Problems) == 0 {
		return errkind.New(errkind.Damaged, "vault %s did not pass verification", v.Vault)
	}
	return errkind.New(errkind.Damaged, "vault %s is damaged: %s wrong", v.Vault, count(int64(len(v.Problems)), "object is", "objects are"))
}

func (s *session) verificationFacts(p *sheet, v api.Verification) {
	p.exact("Vault", v.Vault)
	verdict := "whole"
	if !v.OK {
		verdict = "NOT WHOLE"
	}
	p.fact("Result", "%s, by %s verification", verdict, v.Mode)
	p.fact("Checked", "%s in %s: %s, %s, %s, %s", size(v.Bytes), count(v.Objects, "object", "objects"), count(v.Packs, "pack", "packs"),
		count(v.Frames, "frame", "frames"), count(v.Chunks, "chunk", "chunks"), count(v.Points, "point", "points"))
	p.fact("Audit log", "%s", count(v.AuditTree, "record", "records"))
	p.fact("Time", "%s, in %s", s.when(v.StartedAt), lasting(v.EndedAt.Sub(v.StartedAt)))
	if v.Unneeded > 0 {
		p.fact("Unneeded", "%s not referenced by any point", count(v.Unneeded, "pack", "packs"))
	}
	for _, note := range v.Notes {
		p.fact("Note", "%s", note)
	}
	for _, d := range v.Problems {
		p.gap()
		damageFacts(p, d)
	}
}

func damageFacts(p *sheet, d api.DamagedObject) {
	p.exact("Damaged", d.Object)
	p.fact("Reason", "%s", d.Reason)
	p.fact("Spared", "%s", d.Spared)
	if len(d.Points) > 0 {
		p.fact("Points", "%s", strings.Join(d.Points, ", "))
	}
	files := make([]string, 0, len(d.Files))
	for _, f := range d.Files {
		files = append(files, fmt.Sprintf("%s  %s", cmp.Or(f.Point, f.Object), shownName(f.Path, f.PathRaw)))
	}
	total := max(d.FileCount, int64(len(files)))
	p.first(fmt.Sprintf("Files that cannot be had whole (%d)", total), files, total)
}
