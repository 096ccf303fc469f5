package catalog

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// maxName bounds names, so that they fit on a line.
const maxName = 200

// checks collects the first complaint about a value.
type checks struct{ err error }

// want complains unless ok.
func (c *checks) want(ok bool, format string, args ...any) {
	if c.err == nil && !ok {
		c.err = errkind.New(errkind.Invalid, format, args...)
	}
}

// name complains about what cannot be a name. Names that look like an id or
// like a special word would make look-ups ambiguous.
func (c *checks) name(what, name string) {
	c.want(name != "", "a %s needs a name", what)
	c.want(len(name) <= maxName, "the name of a %s has at most %d bytes", what, maxName)
	c.want(utf8.ValidString(name), "the %s name %q is not UTF-8", what, name)
	c.want(!strings.ContainsFunc(name, unicode.IsControl), "the %s name %q has control characters", what, name)
	c.want(strings.TrimSpace(name) == name, "the %s name %q begins or ends with a space", what, name)
	c.want(!strings.HasPrefix(name, "-"), "the %s name %q begins with a dash, as options do", what, name)
	c.want(!isULID(name) && !isHex(name, 32), "the %s name %q looks like an id", what, name)
	c.want(name != latest, "the %s name %q has a meaning of its own", what, name)
}

func (c *checks) ulid(what, id string) {
	c.want(isULID(id), "%q cannot be the id of a %s: an id has 26 characters of 0-9 and A-Z without I, L, O and U", id, what)
}

func (c *checks) vaultID(id string) {
	c.want(isHex(id, 32), "%q cannot be the id of a vault: an id has 32 hexadecimal digits", id)
}

func (c *checks) instant(what string, t time.Time) {
	c.want(!t.IsZero(), "%s is not set", what)
}

// digest complains about text that is neither empty nor a SHA-256.
func (c *checks) digest(what, hex string) {
	c.want(hex == "" || isHex(hex, 64), "%s %q is not 64 hexadecimal digits", what, hex)
}

// period complains about text that is neither empty nor shaped like an ISO
// 8601 duration; package calendar says what it means.
func (c *checks) period(what, iso string) {
	ok := iso == "" || len(iso) > 1 && iso[0] == 'P' && strings.Trim(iso[1:], "0123456789YMWDTHS.") == ""
	c.want(ok, "%s %q is not an ISO 8601 duration such as P7D", what, iso)
}

func oneOf[T ~string](c *checks, what string, got T, allowed []T) {
	c.want(slices.Contains(allowed, got), "%q is not a %s: it is one of %q", got, what, allowed)
}

// isHex reports whether s is n lower-case hexadecimal digits.
func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

const ulidDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

func isULID(s string) bool {
	return len(s) == 26 && s[0] <= '7' && strings.Trim(s, ulidDigits) == ""
}

// CheckName fails with errkind.Invalid for what can be the name of no vault,
// source or policy, before anything is made under it.
func CheckName(what, name string) error {
	var c checks
	c.name(what, name)
	return c.err
}

// isClass reports whether s can be the id of a record class, as policies have
// them: lower case with digits and underscores.
func isClass(s string) bool {
	return s != "" && len(s) <= 64 && s[0] != '_' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// isWord reports whether s is a lower-case word with digits and dashes.
func isWord(s string) bool {
	return s != "" && len(s) <= 40 && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
