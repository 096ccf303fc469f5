package files

import (
	"path"
	"strconv"
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// The rules' names that a visitor gets for exclusions that are not patterns.
const (
	ruleCache     = "cache directory"
	ruleMount     = "other file system"
	ruleProtected = "protected"
)

// cacheTag and cacheSignature are those of the Cache Directory Tagging
// Specification.
const (
	cacheTag       = "CACHEDIR.TAG"
	cacheSignature = "Signature: 8a477f597d28d172789f06886806bc55"
)

// anyDepth is the pattern part that stands for any number of directories.
const anyDepth = "**"

// rule is one exclude pattern in gitignore syntax.
type rule struct {
	text    string
	parts   []string // the pattern between slashes, each for [path.Match] or anyDepth
	include bool     // "!": takes back what an earlier rule left out
	dirOnly bool     // ends in a slash
}

// parseRules reads patterns in gitignore syntax, skipping blank lines and
// comments. Unlike git it refuses a pattern that could never match.
func parseRules(lines []string) ([]rule, error) {
	var rules []rule
	for _, line := range lines {
		text := trimPattern(line)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		r := parseRule(text)
		for _, part := range r.parts {
			if _, err := path.Match(part, ""); err != nil || part == "" {
				return nil, errkind.New(errkind.Invalid, "exclude pattern %q is malformed", line)
			}
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// parseRule takes a trimmed pattern apart. A pattern with a slash before its
// end is bound to the root; one without matches at any depth.
func parseRule(text string) rule {
	r := rule{text: text}
	rest, include := strings.CutPrefix(text, "!")
	rest, dirOnly := strings.CutSuffix(rest, "/")
	r.include, r.dirOnly = include, dirOnly
	if !strings.Contains(rest, "/") {
		rest = anyDepth + "/" + rest
	}
	rest = strings.TrimPrefix(rest, "/")
	r.parts = strings.Split(strings.ReplaceAll(rest, "[!", "[^"), "/")
	return r
}

// trimPattern drops the line end and trailing spaces that are not escaped.
func trimPattern(line string) string {
	s := strings.TrimRight(line, "\r\n")
	for strings.HasSuffix(s, " ") && !strings.HasSuffix(s, `\ `) {
		s = s[:len(s)-1]
	}
	return s
}

// excludedBy gives the text of the pattern that leaves out the object at the
// path's parts below a root; the last pattern that matches decides. Whoever
// asks does not descend into what is left out, so parents need no look.
func excludedBy(rules []rule, parts []string, dir bool) (string, bool) {
	for i := len(rules) - 1; i >= 0; i-- {
		r := &rules[i]
		if r.dirOnly && !dir || !matchParts(r.parts, parts) {
			continue
		}
		return r.text, !r.include
	}
	return "", false
}

// matchParts matches a pattern with a whole path, part by part.
func matchParts(pattern, parts []string) bool {
	for len(pattern) > 0 && pattern[0] != anyDepth {
		if len(parts) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], parts[0]); err != nil || !ok {
			return false
		}
		pattern, parts = pattern[1:], parts[1:]
	}
	if len(pattern) == 0 {
		return len(parts) == 0
	}
	if len(pattern) == 1 { // a trailing "**" takes what is inside, not the directory
		return len(parts) > 0
	}
	for skip := range len(parts) {
		if matchParts(pattern[1:], parts[skip:]) {
			return true
		}
	}
	return false
}

// ruleLarger names the rule of a size limit.
func ruleLarger(limit int64) string { return "larger than " + strconv.FormatInt(limit, 10) + " bytes" }
