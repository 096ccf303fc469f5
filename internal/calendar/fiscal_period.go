package calendar

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// FiscalPeriod is a period of a fiscal year, counted from 1; with the number 0
// it is the whole year.
type FiscalPeriod struct {
	Year, Number int
}

// String names the period: FY2026-P12, or FY2026.
func (p FiscalPeriod) String() string {
	if p.Number == 0 {
		return fmt.Sprintf("FY%04d", p.Year)
	}
	return fmt.Sprintf("FY%04d-P%02d", p.Year, p.Number)
}

var fiscalPeriodForm = regexp.MustCompile(`^FY([0-9]{2}|[0-9]{4})(?:-P(0?[1-9]|1[0-3]))?$`)

// ParseFiscalPeriod reads FY2026-P12 or FY2026. A year of two digits is one of
// this century: FY26-P12 is FY2026-P12.
func ParseFiscalPeriod(s string) (FiscalPeriod, error) {
	m := fiscalPeriodForm.FindStringSubmatch(s)
	if m == nil {
		return FiscalPeriod{}, errkind.New(errkind.Invalid, "read fiscal period %q: want a form like FY2026-P12, FY26-P12 or FY2026", s)
	}
	// The form leaves digits only, so that these cannot fail.
	year, _ := strconv.Atoi(m[1])
	number, _ := strconv.Atoi(m[2])
	if len(m[1]) == 2 {
		year += 2000
	}
	return FiscalPeriod{Year: year, Number: number}, nil
}
