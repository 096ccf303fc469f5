package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// usageError is a mistake on the command line.
type usageError struct {
	msg  string
	hint string
}

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) *usageError {
	return &usageError{msg: fmt.Sprintf(format, args...)}
}

func (e *usageError) see(cmd *cobra.Command) *usageError {
	if e.hint == "" {
		e.hint = "see " + cmd.CommandPath() + " --help"
	}
	return e
}

// asUsage makes a usage error of one that came before any command ran.
func asUsage(root *cobra.Command, err error) error {
	var usage *usageError
	if errors.As(err, &usage) {
		return usage.see(root)
	}
	return usagef("%s", firstLine(err.Error())).see(root)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// exitCode gives the exit code of an error.
func exitCode(err error) int {
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	switch errkind.Of(err) {
	case errkind.Invalid:
		return exitUsage
	case errkind.Incomplete:
		return exitIncomplete
	case errkind.Refused:
		return exitRefused
	case errkind.NeedsApproval:
		return exitNeedsApproval
	case errkind.NotAllowed:
		return exitNotAllowed
	default:
		return exitFailed
	}
}

// fail tells the error and returns the exit code. After ctx has ended, the
// error is that the command was stopped.
func (s *session) fail(ctx context.Context, err error) int {
	if ctx.Err() != nil {
		text := "stopped"
		if s.kept != "" {
			text += ": " + s.kept
		}
		if !isCancel(ctx, err) {
			s.tell(err, s.hint(err))
		}
		s.tell(errors.New(text), "")
		return exitFailed
	}
	if errkind.Is(err, errkind.Cancelled) {
		// Nobody stopped this command, so it was the server's end.
		text := "the work was stopped before its end, because the server was"
		if s.kept != "" {
			text += ": " + s.kept
		}
		err = errkind.New(errkind.Cancelled, "%s", text)
	}
	s.tell(err, s.hint(err))
	return exitCode(err)
}

func isCancel(ctx context.Context, err error) bool {
	return errkind.Is(err, errkind.Cancelled) || errors.Is(err, context.Canceled) || errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))
}

// tell writes one error for a person or, where the output is JSON, a program.
func (s *session) tell(err error, hint string) {
	if s.flags.output == formatJSON || s.flags.json {
		p := *api.NewProblem(err)
		var usage *usageError
		if errors.As(err, &usage) {
			p = *api.NewProblem(errkind.New(errkind.Invalid, "%s", usage.msg))
		}
		p.Hint = hint
		if text, err := json.Marshal(p); err == nil {
			fmt.Fprintf(s.env.Err, "%s\n", printableJSON(text))
			return
		}
	}
	fmt.Fprintf(s.env.Err, "counterfoil: %s\n", sentence(err))
	if hint != "" {
		fmt.Fprintf(s.env.Err, "hint: %s\n", safe(hint))
	}
}

// sentence puts an error, which can be several joined, on one line.
func sentence(err error) string {
	return safe(strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
}

// hint says what to do next about an error, "" if that is not known.
func (s *session) hint(err error) string {
	var usage *usageError
	if errors.As(err, &usage) {
		return usage.hint
	}
	var p *api.ProblemDetails
	if errors.As(err, &p) && p.Hint != "" {
		return p.Hint
	}
	switch errkind.Of(err) {
	case errkind.NotFound:
		if strings.Contains(err.Error(), "`"+program+" ") {
			return "" // the sentence says it
		}
		return s.missing
	case errkind.ReadOnly:
		return "make it writable and run this again; points made before are whole and can be restored"
	case errkind.Busy:
		return "wait until the other one has finished, then run this again"
	case errkind.NeedsApproval:
		return "another person must approve it first"
	case errkind.NewerFormat:
		return "use the version of counterfoil that wrote it, or a later one"
	case errkind.WrongKey:
		if strings.Contains(err.Error(), "'vault recover ") {
			return "" // the sentence says it
		}
		return "give the key file or the recovery kit that was written when this vault was made"
	case errkind.NoSpace:
		return "free some space and run this again; what was stored is found again"
	case errkind.Cancelled:
		return "run this again"
	case errkind.Unavailable:
		return "try again; counterfoil doctor says what is out of reach"
	default:
		return ""
	}
}
