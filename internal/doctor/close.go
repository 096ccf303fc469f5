package doctor

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/catalog"
)

// closes says which fiscal closes should have a whole point by now.
func (e *examination) closes(ctx context.Context, name string, row catalog.Vault) {
	list, err := e.in.Closes(ctx, row.ID)
	if err != nil {
		e.add(name, Warn, "run 'vault verify "+row.Name+"'", "whether its fiscal closes have their points cannot be found out: %v", err)
		return
	}
	for _, c := range list {
		if !c.Overdue {
			continue
		}
		since := "recorded"
		if c.Event == "" {
			since = "not recorded by"
		}
		e.add(name, Warn, "run 'backup run "+c.Source+"'; the next complete point takes it", "the close of %s, %s %s, has no whole point of %s, which was due by %s",
			c.Tag.Period, since, c.Since.Local().Format("2006-01-02"), c.Source, c.DueBy.Local().Format("2006-01-02"))
	}
}
