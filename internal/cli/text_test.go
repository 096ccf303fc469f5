package cli

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestShownName_EscapesWhatSteersATerminal(t *testing.T) {
	tests := map[string]string{
		"":                 "",
		"größe 日本 a":       "größe 日本 a",
		"a\\b":             `a\\b`,
		"a\nb\tc\r":        `a\nb\tc\015`,
		"\x1b[2J\x07\x7f":  `\033[2J\007\177`,
		"\u009b2J":         `\302\2332J`,
		"inv\xff\xc3":      `inv\377\303`,
		"\uFFFD":           "\uFFFD",
		"a\u202Eb\u2066":   `a\342\200\256b\342\201\246`,
		"line\u2028":       `line\342\200\250`,
		"\xed\xa0\x80":     `\355\240\200`,
		"e\u0301 👩\u200d🔬": "e\u0301 👩\u200d🔬",
	}
	for name, want := range tests {
		if got := shownName(name, nil); got != want {
			t.Errorf("%q is shown as %s, want %s", name, got, want)
		}
		if got := shownName("\uFFFD", []byte(name)); name != "" && got != want {
			t.Errorf("%q from bytes is shown as %s, want %s", name, got, want)
		}
		if want = strings.ReplaceAll(want, `\\`, `\`); safe(name) != want {
			t.Errorf("safe(%q) is %s, want %s", name, safe(name), want)
		}
	}
}

func FuzzShownName(f *testing.F) {
	f.Add("a\\\n\x1b\xff\u202E")
	f.Fuzz(func(t *testing.T, name string) {
		shown := shownName(name, nil)
		if !plain(shown) || !utf8.ValidString(shown) {
			t.Fatalf("%q is shown as %q", name, shown)
		}
	})
}

func TestPrintableJSON_IsTheSameValue(t *testing.T) {
	value := map[string]any{"\u202Ek": "a\x7f\u009b\u2028\uFFFE\n\\"}
	text, err := asJSON(value, "", "")
	if err != nil || !plain(string(text)) {
		t.Fatalf("%s, %v", text, err)
	}
	inYAML, err := asYAML(value)
	if err != nil {
		t.Fatal(err)
	}
	sameData(t, string(text), string(inYAML))
}

func TestWrap(t *testing.T) {
	got := wrap("one  two three 0123456789abcdef four", 9)
	if diff := cmp.Diff([]string{"one two", "three", "0123456789abcdef", "four"}, got); diff != "" {
		t.Error(diff)
	}
	if wrap(" ", 9) != nil {
		t.Error("a line of nothing")
	}
}

func TestLasting(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-1: "?", 0: "0.0 s", 3250 * time.Millisecond: "3.2 s", 83 * time.Second: "83 s", 5 * time.Minute: "5 min", 150 * time.Minute: "2 h 30 min",
	} {
		if got := lasting(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
