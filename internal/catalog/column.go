package catalog

import (
	"database/sql"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// How Go values stand in columns: times as microseconds since 1970 UTC, truths
// as 0 or 1, lists and details as JSON text.

func micros(t time.Time) int64 { return t.UnixMicro() }

// microsUp rounds up, so that no term gets shorter by being stored.
func microsUp(t time.Time) int64 {
	m := t.UnixMicro()
	if time.UnixMicro(m).Before(t) {
		m++
	}
	return m
}

func timeOf(m int64) time.Time { return time.UnixMicro(m).UTC() }

// optionalMicros gives NULL for nil.
func optionalMicros(t *time.Time) sql.NullInt64 {
	if t == nil {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: microsUp(*t), Valid: true}
}

func optionalTime(m sql.NullInt64) *time.Time {
	if !m.Valid {
		return nil
	}
	t := timeOf(m.Int64)
	return &t
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// rawText gives JSON as a column value, "" for none.
func rawText(what string, raw json.RawMessage) (string, error) {
	if len(raw) == 0 {
		return "", nil
	}
	if !json.Valid(raw) || !utf8.Valid(raw) {
		return "", errkind.New(errkind.Invalid, "%s is not valid JSON", what)
	}
	return string(raw), nil
}

func rawOf(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

// listText gives a list of words or patterns as a column value.
func listText(what string, list []string) (string, error) {
	for _, s := range list {
		if !utf8.ValidString(s) {
			return "", errkind.New(errkind.Invalid, "%s has %q, which is not UTF-8", what, s)
		}
	}
	if list == nil {
		list = []string{}
	}
	text, err := json.Marshal(list)
	return string(text), err
}

// listOf never gives nil, so that lists print as [].
func listOf(text string) ([]string, error) {
	list := []string{}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, errkind.Wrap(errkind.Damaged, err, "decode a list")
	}
	return list, nil
}

// pathValue is a path in a column: its bytes, which count, beside a twin that
// people can read.
type pathValue struct {
	Bytes []byte `json:"bytes"`
	Text  string `json:"text"`
}

// pathsText gives paths, which need not be UTF-8, as a column value.
func pathsText(paths [][]byte) (string, error) {
	values := make([]pathValue, 0, len(paths))
	for _, p := range paths {
		values = append(values, pathValue{Bytes: p, Text: strings.ToValidUTF8(string(p), "\uFFFD")})
	}
	text, err := json.Marshal(values)
	return string(text), err
}

func pathsOf(text string) ([][]byte, error) {
	var values []pathValue
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		return nil, errkind.Wrap(errkind.Damaged, err, "decode a list of paths")
	}
	paths := make([][]byte, 0, len(values))
	for _, v := range values {
		paths = append(paths, v.Bytes)
	}
	return paths, nil
}
