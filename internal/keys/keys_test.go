package keys

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

func providers() []string { return []string{FileProvider, RecoveryProvider} }

func newKey(t testing.TB, provider string) *Held {
	t.Helper()
	return NewHeld(provider, newVault())
}

func newVault() (id [idSize]byte) {
	s := newSecret()
	copy(id[:], s[:])
	return id
}

func TestLine_RoundTrip(t *testing.T) {
	for _, provider := range providers() {
		for range 20 {
			h := newKey(t, provider)
			line := h.Line()
			spaced := line[:strings.LastIndex(line, " ")+1] + strings.ReplaceAll(strings.ReplaceAll(line[strings.LastIndex(line, " ")+1:], "-", " - "), "-", " ")
			texts := map[string]string{
				"alone":            line,
				"in a file":        "# platform key\n\n" + line + "\n",
				"Windows lines":    "kit\r\n" + line + "\r\n",
				"indented":         "   " + line + "  \n",
				"spaces":           spaced,
				"lower case":       strings.ToLower(line),
				"two keys":         line + "\n" + newKey(t, provider).Line(),
				"after other text": strings.Repeat("words of the kit\n", 100) + line,
			}
			for name, text := range texts {
				got, err := Parse(text)
				if err != nil || *got != *h {
					t.Errorf("%s: %v", name, err)
				}
			}
			if strings.ContainsAny(line, "\r\n") {
				t.Error("more than a line")
			}
		}
	}
}

// TestLine_EveryMistypedCharacterIsRefused changes, drops, doubles and swaps
// every character. What is not refused must still be the very same key: for
// the vault's id that means a key that says another vault.
func TestLine_EveryMistypedCharacterIsRefused(t *testing.T) {
	for _, provider := range providers() {
		h := newKey(t, provider)
		line := h.Line()
		keyAt := strings.LastIndex(line, " ") + 1
		idAt := keyAt - 1 - 2*idSize
		for i := range line {
			for _, r := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567018-_ .abcdefg9" {
				checkTypo(t, h, line, line[:i]+string(r)+line[i+1:], i, idAt, keyAt)
			}
			checkTypo(t, h, line, line[:i]+line[i+1:], i, idAt, keyAt)
			checkTypo(t, h, line, line[:i]+line[i:i+1]+line[i:], i, idAt, keyAt)
			if i > 0 {
				checkTypo(t, h, line, line[:i-1]+line[i:i+1]+line[i-1:i]+line[i+1:], i, idAt, keyAt)
			}
		}
	}
}

func checkTypo(t *testing.T, h *Held, line, typo string, at, idAt, keyAt int) {
	t.Helper()
	bare := func(s string) string { // dashes and spaces in the key part do not count
		return s[:min(keyAt, len(s))] + strings.NewReplacer("-", "", " ", "").Replace(s[min(keyAt, len(s)):])
	}
	if strings.EqualFold(bare(typo), bare(line)) {
		return
	}
	got, err := Parse(typo)
	if err != nil {
		if !errkind.Is(err, errkind.Invalid) {
			t.Errorf("character %d: kind %v", at, errkind.Of(err))
		}
		if strings.Contains(err.Error(), line[keyAt:keyAt+8]) {
			t.Errorf("character %d: the error shows the key: %v", at, err)
		}
		return
	}
	switch {
	case got.secret != h.secret:
		t.Errorf("%q is taken for another key", typo)
	case at < idAt-1 || at >= keyAt:
		if *got != *h || at >= keyAt {
			t.Errorf("%q is accepted", typo)
		}
	case got.vault == h.vault && !strings.EqualFold(strings.Join(strings.Fields(typo), ""), strings.Join(strings.Fields(line), "")):
		t.Errorf("%q is accepted for the same vault", typo)
	}
}

func TestParse_NothingToFind(t *testing.T) {
	h := newKey(t, FileProvider)
	for name, text := range map[string]string{
		"nothing": "", "text": "no key here\n", "word alone": fileWord, "no key": fmt.Sprintf("%s %x", fileWord, h.vault),
		"a later version": strings.Replace(h.Line(), "key-1", "key-2", 1), "a very long line": strings.Repeat("x", 1<<20) + "\n" + "y",
		"short id": strings.Replace(h.Line(), hex.EncodeToString(h.vault[:]), "abcd", 1), "padding": h.Line() + "======",
	} {
		if _, err := Parse(text); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadFile(t *testing.T) {
	h := newKey(t, RecoveryProvider)
	dir := t.TempDir()
	path := filepath.Join(dir, "kit.txt")
	if err := os.WriteFile(path, []byte("KIT\n"+h.Line()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path)
	if err != nil || *got != *h {
		t.Error(err)
	}
	if _, err := ReadFile(filepath.Join(dir, "none")); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("missing: %v", err)
	}
	if _, err := ReadFile(dir); !errkind.Is(err, errkind.Unavailable) {
		t.Errorf("a folder: %v", err)
	}
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(bad); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("no key: %v", err)
	}
}

func TestWrap_OpensOnlyWithKeyVaultAndSlot(t *testing.T) {
	h := newKey(t, FileProvider)
	slot, key := newVault(), newSecret()
	wrapped, err := h.Wrap(t.Context(), h.vault, slot, key)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := h.Unwrap(t.Context(), h.vault, slot, wrapped); err != nil || got != key {
		t.Fatalf("%v", err)
	}
	flipped := bytes.Clone(wrapped)
	flipped[20] ^= 1
	other := newKey(t, FileProvider)
	tests := map[string]struct {
		by          *Held
		vault, slot [idSize]byte
		wrapped     []byte
	}{
		"another key":   {other, h.vault, slot, wrapped},
		"another vault": {h, other.vault, slot, wrapped},
		"another slot":  {h, h.vault, newVault(), wrapped},
		"flipped":       {h, h.vault, slot, flipped},
		"cut":           {h, h.vault, slot, wrapped[:40]},
		"nothing":       {h, h.vault, slot, nil},
	}
	for name, tt := range tests {
		if got, err := tt.by.Unwrap(t.Context(), tt.vault, tt.slot, tt.wrapped); !errkind.Is(err, errkind.WrongKey) || got != [32]byte{} {
			t.Errorf("%s: %v", name, err)
		}
	}
	short, err := h.aead(slot)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Unwrap(t.Context(), h.vault, slot, short.Seal(nil, nil, key[:31], wrapAD(h.vault, slot))); !errkind.Is(err, errkind.WrongKey) {
		t.Errorf("a slot key of 31 bytes: %v", err)
	}
}

func TestCheck_TellsKeysAndVaultsApart(t *testing.T) {
	h := newKey(t, FileProvider)
	seen := map[string]bool{}
	for _, k := range []*Held{h, newKey(t, FileProvider)} {
		for _, v := range [][idSize]byte{h.vault, newVault()} {
			c, err := k.Check(v)
			if err != nil || len(c) != 8 {
				t.Fatalf("%x %v", c, err)
			}
			seen[string(c)] = true
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d different of 4", len(seen))
	}
}

func TestHeld_DoesNotPrint(t *testing.T) {
	h := newKey(t, FileProvider)
	part := h.secret[:6]
	line := h.Line()
	forms := []string{hex.EncodeToString(part), strings.Trim(fmt.Sprintf("%d", part), "[]"), line[strings.LastIndex(line, " ")+1:][:10],
		strings.Trim(fmt.Sprintf("%b", part), "[]"), strings.Trim(fmt.Sprintf("%o", part), "[]")}
	for _, v := range []any{h, *h, []*Held{h}, map[string]Held{"x": *h}, struct{ K Held }{*h}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%X", "%s", "%q", "%d", "%b", "%o"} {
			text := fmt.Sprintf(verb, v)
			data, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(text+string(data), string(part)) {
				t.Errorf("%T by %s shows the key as it is", v, verb)
			}
			for _, form := range forms {
				if strings.Contains(strings.ToLower(text+string(data)), strings.ToLower(form)) {
					t.Errorf("%T by %s shows the key as %q", v, verb, form)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range providers() {
		f.Add(newKey(f, p).Line())
	}
	f.Add("recovery-key: counterfoil-recovery-1 00 AA-BB")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := Parse(text)
		if err != nil {
			if !errkind.Is(err, errkind.Invalid) {
				t.Fatal(err)
			}
			return
		}
		again, err := Parse(h.Line())
		if err != nil || *again != *h {
			t.Fatalf("line of a parsed key: %v", err)
		}
	})
}
