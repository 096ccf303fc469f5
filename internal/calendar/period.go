package calendar

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Period is a length of time in calendar terms. Months and years are not a
// number of days until they are added to a date. Unlimited stands alone.
type Period struct {
	Years     int           `cbor:"1,keyasint,omitempty"`
	Months    int           `cbor:"2,keyasint,omitempty"`
	Weeks     int           `cbor:"3,keyasint,omitempty"`
	Days      int           `cbor:"4,keyasint,omitempty"`
	Clock     time.Duration `cbor:"5,keyasint,omitempty"`
	Unlimited bool          `cbor:"6,keyasint,omitempty"`
}

// End is the last instant that RFC 3339 can write. Adding an unlimited period
// gives it, so that forgetting to ask errs on the side of keeping.
var End = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// Years gives a period of n years.
func Years(n int) Period { return Period{Years: n} }

// Months gives a period of n months.
func Months(n int) Period { return Period{Months: n} }

// Weeks gives a period of n weeks.
func Weeks(n int) Period { return Period{Weeks: n} }

// Days gives a period of n days.
func Days(n int) Period { return Period{Days: n} }

// Forever gives the unlimited period.
func Forever() Period { return Period{Unlimited: true} }

// IsZero reports whether the period has no length.
func (p Period) IsZero() bool { return p == Period{} }

// AddTo gives the instant the period after t, by the calendar of loc: years and
// months first (clamped to the end of a shorter month), then weeks and days,
// then the clock part. The result is in UTC and never after [End].
func (p Period) AddTo(t time.Time, loc *time.Location) time.Time {
	if p.Unlimited {
		return End
	}
	out := t
	if p.Years != 0 || p.Months != 0 || p.Weeks != 0 || p.Days != 0 {
		l := t.In(loc)
		d := DateOf(l, loc).AddMonths(12*p.Years + p.Months).AddDays(7*p.Weeks + p.Days)
		out = At(d, l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), loc)
	}
	out = out.Add(p.Clock).UTC()
	if out.After(End) {
		return End
	}
	return out
}

// Compare orders two periods by their mean length, a year being 365.2425 days,
// so that P12M equals P1Y and P52W is shorter. Unlimited is the longest.
func (p Period) Compare(q Period) int {
	if p.Unlimited || q.Unlimited {
		return cmp.Compare(rank(p.Unlimited), rank(q.Unlimited))
	}
	return cmp.Compare(p.seconds(), q.seconds())
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// seconds is the mean length; a mean month is a whole number of seconds.
func (p Period) seconds() int64 {
	const month, day = 2629746, 86400
	return int64(12*p.Years+p.Months)*month + int64(7*p.Weeks+p.Days)*day + int64(p.Clock/time.Second)
}

// MaxDays gives the greatest number of days the period can span, for range
// checks; it has no meaning for an unlimited one.
func (p Period) MaxDays() int {
	clock := int((p.Clock + 24*time.Hour - 1) / (24 * time.Hour))
	return 366*p.Years + 31*p.Months + 7*p.Weeks + p.Days + clock
}

// Validate refuses what cannot be a length: negative or excessive parts, a
// fraction of a second, an unlimited period with parts.
func (p Period) Validate() error {
	if p.Unlimited {
		if p != Forever() {
			return errkind.New(errkind.Invalid, "an unlimited period has no parts")
		}
		return nil
	}
	if p.Years < 0 || p.Months < 0 || p.Weeks < 0 || p.Days < 0 || p.Clock < 0 {
		return errkind.New(errkind.Invalid, "period %s is negative", p)
	}
	if p.Clock%time.Second != 0 {
		return errkind.New(errkind.Invalid, "period %s has a fraction of a second", p)
	}
	const limit = 1000
	if p.Years > limit || p.Months > 12*limit || p.Weeks > 53*limit || p.Days > 366*limit ||
		p.Clock > 24*366*100*time.Hour {
		return errkind.New(errkind.Invalid, "period %s is longer than %d years", p, limit)
	}
	return nil
}

// String writes the period in ISO 8601 form, or "unlimited".
func (p Period) String() string {
	if p.Unlimited {
		return "unlimited"
	}
	var b strings.Builder
	b.WriteByte('P')
	part(&b, p.Years, "Y")
	part(&b, p.Months, "M")
	part(&b, p.Weeks, "W")
	part(&b, p.Days, "D")
	if p.Clock != 0 {
		b.WriteByte('T')
		part(&b, int(p.Clock/time.Hour), "H")
		part(&b, int(p.Clock%time.Hour/time.Minute), "M")
		part(&b, int(p.Clock%time.Minute/time.Second), "S")
	}
	if b.Len() == 1 {
		return "P0D"
	}
	return b.String()
}

func part(b *strings.Builder, n int, unit string) {
	if n != 0 {
		fmt.Fprintf(b, "%d%s", n, unit)
	}
}

// Words writes the period as people say it: "1 year and 6 months".
func (p Period) Words() string {
	if p.Unlimited {
		return "without limit"
	}
	var words []string
	for _, x := range []struct {
		n    int
		unit string
	}{
		{p.Years, "year"}, {p.Months, "month"}, {p.Weeks, "week"}, {p.Days, "day"},
		{int(p.Clock / time.Hour), "hour"}, {int(p.Clock % time.Hour / time.Minute), "minute"},
		{int(p.Clock % time.Minute / time.Second), "second"},
	} {
		switch x.n {
		case 0:
		case 1:
			words = append(words, "1 "+x.unit)
		default:
			words = append(words, fmt.Sprintf("%d %ss", x.n, x.unit))
		}
	}
	switch len(words) {
	case 0:
		return "0 days"
	case 1:
		return words[0]
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// MarshalText writes the form of [Period.String].
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what [ParsePeriod] reads.
func (p *Period) UnmarshalText(text []byte) error {
	q, err := ParsePeriod(string(text))
	if err != nil {
		return err
	}
	*p = q
	return nil
}
