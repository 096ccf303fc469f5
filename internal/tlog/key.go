package tlog

import (
	"crypto/ed25519"
	"encoding/base64"
	"io"
	"strings"
	"unicode"

	"golang.org/x/mod/sumdb/note"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Key is a log's signing key: what it signs with and what others check with.
type Key struct {
	Signer   note.Signer
	Verifier note.Verifier
	// Public is the verifier key as text, name+hash+key. It is the trust anchor
	// an auditor should be given beforehand.
	Public string
}

// NewKey makes an Ed25519 key for the log called origin and gives its secret
// text, to be kept where only the server reads it, and its public text.
func NewKey(origin string, rand io.Reader) (secret, public string, err error) {
	if err := checkOrigin(origin); err != nil {
		return "", "", err
	}
	secret, public, err = note.GenerateKey(rand, origin)
	if err != nil {
		return "", "", errkind.Wrap(errkind.Internal, err, "make log key")
	}
	return secret, public, nil
}

// ParseSigner reads the secret text of NewKey. Its errors never quote it.
func ParseSigner(secret string) (Key, error) {
	secret = strings.TrimSpace(secret)
	signer, err := note.NewSigner(secret)
	if err != nil {
		return Key{}, errkind.New(errkind.Invalid, "log key: not the secret key of a log")
	}
	raw, err := decodeSeed(secret)
	if err != nil {
		return Key{}, err
	}
	pub := ed25519.NewKeyFromSeed(raw).Public().(ed25519.PublicKey)
	public, err := note.NewEd25519VerifierKey(signer.Name(), pub)
	if err != nil {
		return Key{}, errkind.Wrap(errkind.Internal, err, "log key")
	}
	verifier, err := ParseVerifier(public)
	if err != nil {
		return Key{}, err
	}
	return Key{Signer: signer, Verifier: verifier, Public: public}, nil
}

// decodeSeed takes the seed from PRIVATE+KEY+name+hash+base64, where only the
// base64 may contain a plus.
func decodeSeed(secret string) ([]byte, error) {
	parts := strings.SplitN(secret, "+", 5)
	raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if len(parts) != 5 || err != nil || len(raw) != 1+ed25519.SeedSize {
		return nil, errkind.New(errkind.Invalid, "log key: not the secret key of a log")
	}
	return raw[1:], nil
}

// ParseVerifier reads the public text of a key.
func ParseVerifier(public string) (note.Verifier, error) {
	public = strings.TrimSpace(public)
	if strings.HasPrefix(public, "PRIVATE+KEY+") {
		return nil, errkind.New(errkind.Invalid, "this is the secret signing key; the public key is needed")
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		return nil, errkind.Wrap(errkind.Invalid, err, "public key of the log")
	}
	return v, nil
}

// checkOrigin requires a name that can be both the first line of a checkpoint
// and the name of a key.
func checkOrigin(origin string) error {
	bad := func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == '+' || r == unicode.ReplacementChar
	}
	if origin == "" || strings.ContainsFunc(origin, bad) {
		return errkind.New(errkind.Invalid, "log origin %q: needs a name without spaces, control characters and plus", origin)
	}
	return nil
}
