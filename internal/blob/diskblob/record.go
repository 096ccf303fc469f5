package diskblob

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// recordVersion is the version of lock records that this program writes.
const recordVersion = 1

// record is a lock record: one line of JSON, its members in this order and
// without spaces.
type record struct {
	Version int       `json:"version"`
	Name    string    `json:"name"`
	Mode    blob.Mode `json:"mode"`
	Until   time.Time `json:"until"`
	// SHA256 is over the line as it would be without this member, with its
	// line feed.
	SHA256 string `json:"sha256,omitempty"`
}

// encodeRecord gives the one encoding of name's lock.
func encodeRecord(name string, lock blob.Lock) []byte {
	r := record{Version: recordVersion, Name: name, Mode: lock.Mode, Until: lock.Normal().Until}
	sum := sha256.Sum256(r.line())
	r.SHA256 = hex.EncodeToString(sum[:])
	return r.line()
}

func (r record) line() []byte {
	line, err := json.Marshal(r)
	if err != nil {
		// Names and modes are plain text and dates were checked.
		panic("diskblob: a lock record cannot be encoded: " + err.Error())
	}
	return append(line, '\n')
}

// decodeRecord reads the lock of name. Anything but the very bytes that
// encodeRecord makes fails with errkind.Damaged, a later version included.
func decodeRecord(name string, data []byte) (blob.Lock, error) {
	var r record
	if len(data) > maxRecord || json.Unmarshal(data, &r) != nil {
		return blob.Lock{}, errkind.New(errkind.Damaged, "lock record of %s: not a record", name)
	}
	lock := blob.Lock{Mode: r.Mode, Until: r.Until}.Normal()
	if lock.Mode == blob.NoLock || lock.Check() != nil || lock.Until.Year() < 1 {
		return blob.Lock{}, errkind.New(errkind.Damaged, "lock record of %s: not a lock", name)
	}
	if !bytes.Equal(data, encodeRecord(name, lock)) {
		return blob.Lock{}, errkind.New(errkind.Damaged, "lock record of %s: not as it was written", name)
	}
	return lock, nil
}
