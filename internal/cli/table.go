package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// column is one column of a table of T.
type column[T any] struct {
	head  string
	right bool // numbers stand to the right
	cell  func(T) string
}

// printList writes a list; empty is what to tell a person when there is nothing.
func printList[T any](s *session, list []T, empty string, columns ...column[T]) error {
	return s.print(list, func() {
		if len(list) == 0 {
			s.note("%s", empty)
			return
		}
		fmt.Fprint(s.out, tableText(list, columns))
	})
}

func tableText[T any](list []T, columns []column[T]) string {
	rows := make([][]string, 0, len(list)+1)
	head := make([]string, len(columns))
	for i, c := range columns {
		head[i] = c.head
	}
	rows = append(rows, head)
	for _, v := range list {
		row := make([]string, len(columns))
		for i, c := range columns {
			row[i] = orDash(safe(c.cell(v)))
		}
		rows = append(rows, row)
	}
	widths := make([]int, len(columns))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if columns[i].right {
				line.WriteString(gap + cell)
			} else {
				line.WriteString(cell + gap)
			}
			line.WriteString("  ")
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// sheet is a result as a person reads it: facts with labels, then paragraphs.
type sheet struct {
	b     strings.Builder
	width int
}

// labelWidth is the column at which facts begin.
const labelWidth = 14

func (s *session) newSheet() *sheet {
	width := s.env.Width
	if width <= 0 || width > 100 {
		width = 80
	}
	return &sheet{width: max(width, 40)}
}

// fact writes a labelled fact, none if the text is empty.
func (p *sheet) fact(label, format string, args ...any) {
	text := safe(fmt.Sprintf(format, args...))
	if text == "" {
		return
	}
	for _, line := range wrap(text, p.width-labelWidth) {
		fmt.Fprintf(&p.b, "%-*s%s\n", labelWidth, label, line)
		label = ""
	}
}

// exact is fact for what must be copied as it is: paths, IDs, sums. It is not
// wrapped.
func (p *sheet) exact(label, text string) {
	if text != "" {
		fmt.Fprintf(&p.b, "%-*s%s\n", labelWidth, label, safe(text))
	}
}

// list writes a heading and its items, nothing if there are none.
func (p *sheet) list(heading string, items []string) {
	if len(items) == 0 {
		return
	}
	p.b.WriteString(heading + "\n")
	for _, item := range items {
		for _, line := range wrap(safe(item), p.width-2) {
			p.b.WriteString("  " + line + "\n")
		}
	}
}

// shownItems is how many of many a person is shown.
const shownItems = 20

// first is list for what can be long; each line stays whole.
func (p *sheet) first(heading string, items []string, total int64) {
	if len(items) == 0 {
		return
	}
	p.b.WriteString(heading + "\n")
	for _, item := range items[:min(len(items), shownItems)] {
		p.b.WriteString("  " + safe(item) + "\n")
	}
	if more := max(total, int64(len(items))) - int64(min(len(items), shownItems)); more > 0 {
		fmt.Fprintf(&p.b, "  and %s\n", count(more, "other", "others"))
	}
}

func (p *sheet) gap() { p.b.WriteString("\n") }

func (s *session) printSheet(p *sheet) { fmt.Fprint(s.out, p.b.String()) }
