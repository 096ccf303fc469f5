// Package keys provides key-encryption keys (KEKs): the keys that open a
// vault's key slots. A provider is where such a key lives. This version has
// the platform key in a protected file and the recovery key on a printed kit;
// both hold the 32 bytes themselves (docs/format/vault-1.md, sections 5 and 13).
//
// A KEK never leaves this package other than as a wrapped slot key, and never
// appears in an error, a log or an audit record.
package keys

import (
	"bufio"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Provider names of this version.
const (
	FileProvider     = "file"
	RecoveryProvider = "recovery"
)

const (
	idSize     = 16
	secretSize = 32
)

func newSecret() [secretSize]byte {
	var s [secretSize]byte
	_, _ = rand.Read(s[:]) // ends the program rather than fail
	return s
}

const (
	fileWord     = "counterfoil-key-1"
	recoveryWord = "counterfoil-recovery-1"
	slotInfo     = "counterfoil/1 slot"
)

// Held is a KEK whose bytes this program holds.
type Held struct {
	provider string
	vault    [idSize]byte
	secret   [secretSize]byte
}

// NewHeld makes a fresh KEK for a vault; provider is [FileProvider] or [RecoveryProvider].
func NewHeld(provider string, vault [idSize]byte) *Held {
	return &Held{provider: provider, vault: vault, secret: newSecret()}
}

// Format keeps the key out of logs, whatever the verb.
func (h Held) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%s key of vault %s", h.provider, hex.EncodeToString(h.vault[:]))
}

// Vault is the vault the key is for.
func (h *Held) Vault() [idSize]byte { return h.vault }

// Describe names provider and vault.
func (h *Held) Describe() (provider, reference string) { return h.provider, "" }

// Check gives the slot's key check.
func (h *Held) Check(vault [idSize]byte) ([]byte, error) {
	m := hmac.New(sha256.New, h.secret[:])
	m.Write([]byte("counterfoil/1 key check"))
	m.Write(vault[:])
	return m.Sum(nil)[:8], nil
}

// Wrap seals a slot key under the KEK.
func (h *Held) Wrap(_ context.Context, vault, slot [idSize]byte, key [secretSize]byte) ([]byte, error) {
	aead, err := h.aead(slot)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, key[:], wrapAD(vault, slot)), nil
}

// Unwrap opens a slot key.
func (h *Held) Unwrap(_ context.Context, vault, slot [idSize]byte, wrapped []byte) ([secretSize]byte, error) {
	aead, err := h.aead(slot)
	if err != nil {
		return [secretSize]byte{}, err
	}
	key, err := aead.Open(nil, nil, wrapped, wrapAD(vault, slot))
	if err != nil || len(key) != secretSize {
		return [secretSize]byte{}, errkind.New(errkind.WrongKey, "the key does not open slot %x", slot)
	}
	return [secretSize]byte(key), nil
}

func (h *Held) aead(slot [idSize]byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, h.secret[:], slot[:], slotInfo, 32)
	if err != nil {
		return nil, fmt.Errorf("derive wrapping key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("prepare wrapping key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func wrapAD(vault, slot [idSize]byte) []byte {
	ad := append([]byte(slotInfo), vault[:]...)
	return append(ad, slot[:]...)
}

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// Line gives the key's one-line text form. It is the key itself: it goes into
// a protected file or on a printed kit, nowhere else.
func (h *Held) Line() string {
	sum := checksum(h.secret[:], h.vault[:])
	text := encoding.EncodeToString(append(h.secret[:], sum[:]...))
	if h.provider == FileProvider {
		return fmt.Sprintf("%s %x %s", fileWord, h.vault, text)
	}
	return fmt.Sprintf("recovery-key: %s %x %s", recoveryWord, h.vault, grouped(text))
}

// checksum finds mistyped characters, of the vault id too.
func checksum(secret, vault []byte) [4]byte {
	sum := sha256.Sum256(slices.Concat(secret, vault))
	return [4]byte(sum[:4])
}

func grouped(s string) string {
	var parts []string
	for len(s) > 6 {
		parts = append(parts, s[:6])
		s = s[6:]
	}
	return strings.Join(append(parts, s), "-")
}

// ReadFile finds the key in a platform key file or a recovery kit.
func ReadFile(path string) (*Held, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errkind.New(errkind.NotFound, "there is no key file %s; give the platform key file or the recovery kit of the vault", path)
	}
	if err != nil {
		return nil, errkind.Wrap(errkind.Unavailable, err, "read key file")
	}
	held, err := Parse(string(data))
	if err != nil {
		return nil, errkind.Wrap(errkind.Of(err), err, "read key file %s", path)
	}
	return held, nil
}

// Parse finds the key in the text of a key file or recovery kit.
func Parse(text string) (*Held, error) {
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(lines.Text()), "recovery-key:"))
		if len(words) < 3 {
			continue
		}
		switch words[0] {
		case fileWord:
			return parseWords(FileProvider, words)
		case recoveryWord:
			return parseWords(RecoveryProvider, words)
		}
	}
	return nil, errkind.New(errkind.Invalid, "no key in it: a line beginning with %q or %q was expected", fileWord, "recovery-key: "+recoveryWord)
}

func parseWords(provider string, words []string) (*Held, error) {
	vault, err := hex.DecodeString(words[1])
	if err != nil || len(vault) != idSize {
		return nil, errkind.New(errkind.Invalid, "the vault id in the key line is not 32 hexadecimal digits")
	}
	text := strings.ToUpper(strings.ReplaceAll(strings.Join(words[2:], ""), "-", ""))
	raw, err := encoding.DecodeString(text)
	if err != nil || len(raw) != 36 || encoding.EncodeToString(raw) != text {
		return nil, errkind.New(errkind.Invalid, "the key is not complete or holds a character that does not belong: check it against the kit")
	}
	if sum := checksum(raw[:32], vault); string(sum[:]) != string(raw[32:]) {
		return nil, errkind.New(errkind.Invalid, "the key's checksum does not match: a character was mistyped")
	}
	return &Held{provider: provider, vault: [idSize]byte(vault), secret: [secretSize]byte(raw[:32])}, nil
}
