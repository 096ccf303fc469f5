package cli

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"github.com/counterfoil/counterfoil/internal/api"
)

// safe writes what would steer a terminal, or mislead about the order of what
// is shown, as escapes: \n, \t, or each byte in octal as ls -b does.
func safe(s string) string { return escape(s, false) }

// shownName is safe for names: a backslash is doubled, so that two names never
// look the same.
func shownName(text string, raw []byte) string { return escape(api.DecodePath(text, raw), true) }

func escape(s string, backslash bool) string {
	if plain(s) && (!backslash || !strings.Contains(s, `\`)) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\\' && backslash:
			b.WriteString(`\\`)
		case unprintable(r, n):
			for _, c := range []byte(s[:n]) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

func plain(s string) bool {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if unprintable(r, n) {
			return false
		}
		i += n
	}
	return true
}

// unprintable reports whether a rune of n bytes is not to be shown as it is.
func unprintable(r rune, n int) bool {
	return r == utf8.RuneError && n <= 1 || unicode.IsControl(r) || misleading(r)
}

// misleading are the marks that turn the direction of text and the separators
// that some terminals take for a new line.
func misleading(r rune) bool {
	switch {
	case r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069:
		return true
	case r == 0x200E, r == 0x200F, r == 0x061C, r == 0x2028, r == 0x2029, r == 0xFEFF:
		return true
	}
	return false
}

func size(n int64) string {
	if n < 0 {
		return "?"
	}
	return humanize.IBytes(uint64(n))
}

// count says how many, as "1 file" or "2,345 files".
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(n) + " " + many
}

// when shows a time in the user's zone.
func (s *session) when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(s.env.Zone).Format("2006-01-02 15:04:05 -07:00")
}

func (s *session) whenOf(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return s.when(*t)
}

// until shows how long a point is kept.
func (s *session) until(p api.Point) string {
	switch {
	case p.Unlimited:
		return "unlimited"
	case p.OpenEnded:
		return "open-ended"
	case p.RetainUntil == nil:
		return "unlimited"
	}
	return s.when(*p.RetainUntil)
}

// lasting shows a duration for people.
func lasting(d time.Duration) string {
	switch {
	case d < 0:
		return "?"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int64(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int64(d.Minutes()))
	default:
		return fmt.Sprintf("%d h %d min", int64(d.Hours()), int64(d.Minutes())%60)
	}
}

func seconds(s float64) string { return lasting(time.Duration(s * float64(time.Second))) }

// wrap breaks text into lines of at most width columns. A longer word stands
// alone.
func wrap(text string, width int) []string {
	var lines []string
	line, columns := "", 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		if line != "" && columns+1+n > width {
			lines = append(lines, line)
			line, columns = "", 0
		}
		if line != "" {
			line, columns = line+" ", columns+1
		}
		line, columns = line+word, columns+n
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// orDash stands in for an empty cell.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
