package tlog

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	merkle "golang.org/x/mod/sumdb/tlog"

	"golang.org/x/mod/sumdb/note"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Checkpoint states which records a log began with at some moment.
type Checkpoint struct {
	// Origin is the log's name, the same in all its checkpoints.
	Origin string
	// Size is the number of records, Root the hash of the tree over them.
	Size int64
	Root Hash
	// Keys are the keys that claim to have signed, in the order found.
	Keys []KeyID
}

// KeyID is what a signature says of its key: a name and four bytes of a hash.
// It points at a key; it does not prove one.
type KeyID struct {
	Name string
	Hash uint32
}

// String gives the form in which verifier keys begin: name+0123abcd.
func (k KeyID) String() string { return fmt.Sprintf("%s+%08x", k.Name, k.Hash) }

// ParseCheckpoint reads a checkpoint without checking its signatures.
func ParseCheckpoint(msg []byte) (Checkpoint, error) {
	_, err := note.Open(msg, nil)
	var unverified *note.UnverifiedNoteError
	if !errors.As(err, &unverified) {
		return Checkpoint{}, errkind.Wrap(errkind.Damaged, err, "checkpoint")
	}
	return parseNote(unverified.Note)
}

// OpenCheckpoint reads a checkpoint and requires the signature of v. It fails
// with errkind.WrongKey when v is not among the signers.
func OpenCheckpoint(msg []byte, v note.Verifier) (Checkpoint, error) {
	n, err := note.Open(msg, note.VerifierList(v))
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		return Checkpoint{}, errkind.New(errkind.WrongKey, "checkpoint: not signed by %s but by %s",
			KeyID{v.Name(), v.KeyHash()}, joinKeys(keysOf(unverified.Note)))
	}
	if err != nil {
		return Checkpoint{}, errkind.Wrap(errkind.Damaged, err, "checkpoint")
	}
	return parseNote(n)
}

func parseNote(n *note.Note) (Checkpoint, error) {
	for _, sig := range signatures(n) {
		// Base64 has bits to spare at its end; insist that they are zero, so
		// that a checkpoint has one spelling only.
		raw, err := base64.StdEncoding.Strict().DecodeString(sig.Base64)
		if err != nil || base64.StdEncoding.EncodeToString(raw) != sig.Base64 {
			return Checkpoint{}, errkind.New(errkind.Damaged, "checkpoint: signature of %s is not canonical base64", sig.Name)
		}
	}
	c, err := parseText(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	c.Keys = keysOf(n)
	return c, nil
}

// parseText reads origin, size, root and skips extension lines, none of which
// may be empty (C2SP tlog-checkpoint, "Note text").
func parseText(text string) (Checkpoint, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 3 {
		return Checkpoint{}, errkind.New(errkind.Damaged, "checkpoint: %d lines, at least 3 are needed", len(lines))
	}
	for i, line := range lines {
		if line == "" {
			return Checkpoint{}, errkind.New(errkind.Damaged, "checkpoint: line %d is empty", i+1)
		}
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Checkpoint{}, errkind.New(errkind.Damaged, "checkpoint: bad size %q", lines[1])
	}
	root, err := merkle.ParseHash(lines[2])
	if err != nil || root.String() != lines[2] {
		return Checkpoint{}, errkind.New(errkind.Damaged, "checkpoint: bad root hash %q", lines[2])
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: root}, nil
}

// signCheckpoint gives the bytes to store.
func signCheckpoint(c Checkpoint, s note.Signer) ([]byte, error) {
	text := fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
	msg, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		return nil, errkind.Wrap(errkind.Internal, err, "sign checkpoint")
	}
	return msg, nil
}

func signatures(n *note.Note) []note.Signature {
	return append(append([]note.Signature{}, n.Sigs...), n.UnverifiedSigs...)
}

func keysOf(n *note.Note) []KeyID {
	var keys []KeyID
	for _, s := range signatures(n) {
		keys = append(keys, KeyID{s.Name, s.Hash})
	}
	return keys
}

func joinKeys(keys []KeyID) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.String()
	}
	return strings.Join(names, ", ")
}
