package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/calendar"
)

type auditListOptions struct {
	since, until string
	filter       api.AuditFilter
}

func newAuditList(s *session) *cobra.Command {
	var o auditListOptions
	f := &o.filter
	cmd := s.command(page{
		use:   "list",
		short: "list what was done and refused",
		long: "Lists records of the audit log, the newest last. A time is a day (2026-07-17),\n" +
			"an instant (2026-07-17T13:00:00+02:00) or how long ago (P7D, 7d, 15m).",
		example: "counterfoil audit list --since 7d --action 'vault/*'",
	}, func(ctx context.Context, _ []string) error { return o.run(ctx, s) })
	flags := cmd.Flags()
	flags.StringVar(&o.since, "since", "", "only from this `TIME` on")
	flags.StringVar(&o.until, "until", "", "only before this `TIME`")
	flags.StringVar(&f.Action, "action", "", "only this `ACTION`, such as backup/run or 'vault/*'")
	flags.StringVar(&f.Actor, "actor", "", "only what this `ACTOR` did")
	flags.StringVar(&f.Result, "result", "", "only this `RESULT`: allowed, done, refused, failed or incomplete")
	flags.StringVar(&f.Target, "target", "", "only what was done to this `TARGET`")
	flags.StringVar(&f.Text, "text", "", "only records that contain this `TEXT`")
	flags.IntVar(&f.Limit, "limit", 0, "only the newest `N`")
	offer(cmd, "result", "allowed", "done", "refused", "failed", "incomplete")
	return cmd
}

func (o auditListOptions) run(ctx context.Context, s *session) (err error) {
	f := o.filter
	if f.Limit < 0 {
		return usagef("--limit %d: want 1 or more, or 0 for all", f.Limit)
	}
	if f.Since, err = s.moment("--since", o.since); err != nil {
		return err
	}
	if f.Until, err = s.moment("--until", o.until); err != nil {
		return err
	}
	list, err := ask(ctx, s, existing, func(c *api.Client) ([]api.AuditEntry, error) { return c.Audit(ctx, f) })
	if err != nil {
		return err
	}
	return printList(s, list, "no record matches",
		column[api.AuditEntry]{head: "INDEX", right: true, cell: func(v api.AuditEntry) string { return strconv.FormatInt(v.Index, 10) }},
		column[api.AuditEntry]{head: "TIME", cell: func(v api.AuditEntry) string { return s.when(v.Time) }},
		column[api.AuditEntry]{head: "ACTOR", cell: func(v api.AuditEntry) string { return v.Actor }},
		column[api.AuditEntry]{head: "ACTION", cell: func(v api.AuditEntry) string { return v.Action }},
		column[api.AuditEntry]{head: "TARGET", cell: func(v api.AuditEntry) string { return v.Target }},
		column[api.AuditEntry]{head: "RESULT", cell: auditResult},
		column[api.AuditEntry]{head: "REASON", cell: func(v api.AuditEntry) string { return v.Reason }},
	)
}

func auditResult(v api.AuditEntry) string {
	if v.ErrorKind != "" {
		return v.Result + " (" + v.ErrorKind + ")"
	}
	return v.Result
}

// moment reads a time: an instant, a day in the user's zone, or how long ago.
func (s *session) moment(flag, arg string) (time.Time, error) {
	if arg == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, arg); err == nil {
		return t, nil
	}
	if t, err := time.ParseInLocation("2006-01-02", arg, s.env.Zone); err == nil {
		return t, nil
	}
	ago, err := calendar.ParsePeriod(arg)
	if err != nil || ago.Unlimited {
		return time.Time{}, usagef("%s %s: want a day such as 2026-07-17, an instant such as 2026-07-17T13:00:00Z, or how long ago, such as 7d", flag, safe(arg))
	}
	back := s.env.Now().In(s.env.Zone).AddDate(-ago.Years, -ago.Months, -7*ago.Weeks-ago.Days)
	return back.Add(-ago.Clock), nil
}
