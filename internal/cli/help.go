package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// exitsKey is the annotation that holds a command's own exit codes.
const exitsKey = "exits"

// helpWidth is what help is wrapped to, whatever the terminal: it is also a
// page of the documentation.
const helpWidth = 80

func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]...",
		Short: "help about a command",
		Long:  "Shows what a command does, its flags, an example and its exit codes.",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("there is no command %q", strings.Join(args, " ")).see(root)
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
			if cmd, _, err := root.Find(args); err == nil {
				for _, c := range cmd.Commands() {
					names = append(names, c.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// helpText is a command's help.
func helpText(cmd *cobra.Command) string {
	var b strings.Builder
	about := cmd.Long
	if about == "" {
		about = strings.ToUpper(cmd.Short[:1]) + cmd.Short[1:] + "."
	}
	fmt.Fprintf(&b, "%s\n\nUsage:\n  %s\n", strings.TrimSpace(about), usageLine(cmd))
	if cmd.Example != "" {
		fmt.Fprintf(&b, "\nExample:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() || c.Name() == "help" {
				fmt.Fprintf(&b, "  %-11s %s\n", c.Name(), c.Short)
			}
		}
	}
	writeFlags(&b, "Flags", cmd.LocalNonPersistentFlags().FlagUsagesWrapped(helpWidth))
	writeFlags(&b, "Global flags", cmd.InheritedFlags().FlagUsagesWrapped(helpWidth)+globalsOf(cmd))
	if exits, ok := cmd.Annotations[exitsKey]; ok {
		b.WriteString("\nExit codes:\n  0  done\n  1  failed\n  2  the command line, or what it names, cannot be used\n")
		for line := range strings.Lines(exits) {
			b.WriteString("  " + strings.TrimSuffix(line, "\n") + "\n")
		}
		b.WriteString("  6  not allowed: the data directory is another user's, or the vault is another\n     server's by now\n")
	}
	return b.String()
}

// globalsOf lists the global flags in the help of the program itself.
func globalsOf(cmd *cobra.Command) string {
	if cmd.HasParent() {
		return ""
	}
	return cmd.PersistentFlags().FlagUsagesWrapped(helpWidth)
}

func usageLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND"
	}
	return cmd.UseLine()
}

func writeFlags(b *strings.Builder, title, usages string) {
	if usages != "" {
		fmt.Fprintf(b, "\n%s:\n%s", title, usages)
	}
}
