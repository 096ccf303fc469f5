package conffile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// maxSecret bounds a secret file: a larger one is surely the wrong file.
const maxSecret = 64 << 10

// SecretFile is the path of a file that holds a secret. A stanza holds the
// path, never the secret, so a configuration can be shown and stored.
type SecretFile string

// Read gives the file's bytes without one final line end. It refuses an empty
// file, one over 64 KiB and one that others than its owner may write:
// whoever can write a secret can replace it by one he knows.
func (s SecretFile) Read() ([]byte, error) {
	f, err := os.Open(string(s))
	if errors.Is(err, fs.ErrPermission) {
		return nil, errkind.Wrap(errkind.NotAllowed, err, "read secret")
	}
	if err != nil {
		return nil, durable.Classify(err)
	}
	defer f.Close() //nolint:errcheck // read-only handle, nothing can be lost
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, durable.Classify(err)
	case !info.Mode().IsRegular():
		return nil, errkind.New(errkind.Invalid, "secret %s: not a regular file", s)
	case info.Mode().Perm()&0o022 != 0:
		return nil, errkind.New(errkind.Invalid,
			"secret %s: others may write it (mode %04o); make it mode 0600", s, info.Mode().Perm())
	}
	return readSecret(f, s)
}

func readSecret(r io.Reader, s SecretFile) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxSecret+1))
	if err != nil {
		return nil, durable.Classify(err)
	}
	if len(b) > maxSecret {
		return nil, errkind.New(errkind.Invalid, "secret %s: longer than 64 KiB", s)
	}
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	if len(b) == 0 {
		return nil, errkind.New(errkind.Invalid, "secret %s: empty", s)
	}
	return b, nil
}
