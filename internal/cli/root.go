package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
)

// program is the name of the program.
const program = "counterfoil"

// newRoot makes the tree of commands.
func newRoot(s *session) *cobra.Command {
	root := s.group(program, "backups that can be proved",
		"Counterfoil keeps backups and proves that they are whole, complete and kept\nas long as the policy says. Begin with: counterfoil quickstart",
		newQuickstart(s),
		s.group("vault", "named stores of recovery points", "",
			newVaultCreate(s), newVaultList(s), newVaultShow(s), newVaultVerify(s), newVaultGC(s), newVaultRecover(s),
			newVaultSet(s), newVaultProtect(s), newVaultDelete(s), newVaultUndelete(s),
			newVaultLocks(s), newVaultProof(s), newVaultCanary(s), newVaultLock(s), newVaultUnlockRequest(s)),
		s.group("source", "what is protected", "",
			newSourceCreate(s), newSourceList(s), newSourceShow(s), newSourcePolicy(s),
			newSourceStop(s), newSourceResume(s), newSourceDelete(s), newSourceUndelete(s)),
		s.group("backup", "make recovery points", "", newBackupRun(s)),
		s.group("point", "look into recovery points", "A POINT is named by its ID, the beginning of one, latest (the newest of all)\nor latest:SOURCE (the newest of a source).",
			newPointList(s), newPointShow(s), newPointExplain(s), newPointLs(s), newPointCat(s), newPointDiff(s), newPointDelete(s), newPointUndelete(s)),
		s.group("restore", "bring files back", "", newRestoreRun(s)),
		s.group("lifecycle", "dispose of what its retention has ended", "",
			newLifecyclePlan(s), newLifecycleApply(s), newLifecycleSign(s), newLifecycleCertificates(s), newLifecycleFreeze(s), newLifecycleUnfreeze(s)),
		s.group("policy", "how long points are kept", "",
			newPolicyList(s), newPolicyShow(s), newPolicyRuns(s), newPolicyCheck(s), newPolicySet(s)),
		s.group("class", "kinds of records and their periods", "", newClassList(s), newClassShow(s)),
		s.group("hold", "legal holds: what must not be deleted meanwhile", "",
			newHoldPlace(s), newHoldList(s), newHoldApply(s), newHoldRelease(s)),
		s.group("event", "events from which retention counts", "",
			newEventRecord(s), newEventList(s)),
		s.group("erasure", "what was erased for data subjects, and is not brought back", "",
			newErasureRecord(s), newErasureList(s), newErasureShow(s), newErasureWithdraw(s), newErasureForget(s)),
		s.group("clock", "trusted time, by which alone anything is deleted", "",
			newClockStatus(s), newClockAttest(s)),
		s.group("audit", "the tamper-evident log of everything done and refused", "",
			newAuditList(s), newAuditVerify(s)),
		newDoctor(s), newServer(s), newVersion(s),
	)
	root.Version = s.env.Version
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return s.begin() }
	root.SetIn(s.env.In)
	root.SetOut(s.out)
	root.SetErr(s.env.Err)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { cmd.Print(helpText(cmd)) })
	root.SetUsageFunc(func(cmd *cobra.Command) error { cmd.Print(helpText(cmd)); return nil })
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		// What a Go function says about a number helps nobody.
		text, _, _ := strings.Cut(firstLine(err.Error()), ": strconv.")
		return usagef("%s", text).see(cmd)
	})
	root.SetHelpCommand(newHelp(root))
	addGlobals(root, &s.flags)
	return root
}

func addGlobals(root *cobra.Command, f *globals) {
	flags := root.PersistentFlags()
	flags.StringVar(&f.data, "data", "", "`DIR` with the data (default: $COUNTERFOIL_DATA; /var/lib/counterfoil for root, else below ~/.local/share)")
	flags.StringVarP(&f.output, "output", "o", "", "`FORMAT` of the result: table (default), json or yaml")
	flags.BoolVar(&f.json, "json", false, "the same as --output json")
	flags.StringVar(&f.progress, "progress", progressAuto, "`FORM` of progress: auto, bar, plain, json or none")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress and no notes, only the result and errors")
	offer(root, "output", formatTable, formatJSON, formatYAML)
	offer(root, "progress", progressAuto, progressBar, progressPlain, progressJSON, progressNone)
}

// offer completes a flag's value.
func offer(cmd *cobra.Command, flag string, values ...string) {
	must(cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
}

// must panics over a mistake of this package's own.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// page is what a command's help says. Usage names the arguments, "[X]" one
// that can be left out, "X..." one or more. Exits lists the exit codes beyond
// those that every command has.
type page struct {
	use, short, long, example string
	exits                     []string
}

// command makes a command that runs.
func (s *session) command(p page, run func(ctx context.Context, args []string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:         p.use,
		Short:       p.short,
		Long:        p.long,
		Example:     "  " + strings.ReplaceAll(p.example, "\n", "\n  "),
		Args:        takes(strings.Fields(p.use)[1:]),
		Annotations: map[string]string{exitsKey: strings.Join(p.exits, "\n")},
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := run(cmd.Context(), args)
		if usage, ok := err.(*usageError); ok { //nolint:errorlint // only what run itself made
			return usage.see(cmd)
		}
		return err
	}
	return cmd
}

// group makes a command that only holds others.
func (s *session) group(use, short, long string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, SuggestionsMinimumDistance: 2}
	cmd.AddCommand(commands...)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		err := usagef("unknown command %q for %q", args[0], cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			err.hint = "did you mean " + cmd.CommandPath() + " " + near[0] + "?"
		}
		return err.see(cmd)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !cmd.HasParent() {
			return cmd.Help()
		}
		var names []string
		for _, c := range cmd.Commands() {
			names = append(names, c.Name())
		}
		return usagef("%s needs a command: %s", commandName(cmd), strings.Join(names, ", ")).see(cmd)
	}
	return cmd
}

// commandName is the command without the program.
func commandName(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), program+" ")
}

// takes checks the number of arguments against their names.
func takes(names []string) cobra.PositionalArgs {
	least, most := 0, len(names)
	for _, name := range names {
		if !strings.HasPrefix(name, "[") {
			least++
		}
		if strings.HasSuffix(name, "...") {
			most = -1
		}
	}
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least && len(args) > 0:
			return usagef("%s needs %s; only %q was given", commandName(cmd), strings.Join(names[:least], " "), strings.Join(args, " ")).see(cmd)
		case len(args) < least:
			return usagef("%s needs %s", commandName(cmd), strings.Join(names[len(args):least], " ")).see(cmd)
		case most >= 0 && len(args) > most:
			return usagef("%s cannot use the argument %q", commandName(cmd), args[most]).see(cmd)
		}
		for i, arg := range args {
			if arg == "" {
				return usagef("%s: %s is empty", commandName(cmd), names[min(i, len(names)-1)]).see(cmd)
			}
		}
		return nil
	}
}
