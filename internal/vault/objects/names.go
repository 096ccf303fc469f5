package objects

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/oklog/ulid/v2"
)

// PointID names a recovery point. It is a ULID, written in lower case.
type PointID [16]byte

// SourceID names a source. It is a ULID, written in lower case.
type SourceID [16]byte

// String gives the id as 26 lower-case characters.
func (p PointID) String() string { return strings.ToLower(ulid.ULID(p).String()) }

// String gives the id as 26 lower-case characters.
func (s SourceID) String() string { return strings.ToLower(ulid.ULID(s).String()) }

// NewSourceID makes an id that sorts by the time given.
func NewSourceID(at time.Time) SourceID { return SourceID(newULID(at)) }

// NewPointID makes an id that sorts by the time given.
func NewPointID(at time.Time) PointID { return PointID(newULID(at)) }

func newULID(at time.Time) ulid.ULID {
	random := seal.NewID()
	var u ulid.ULID
	_ = u.SetTime(uint64(max(at.UnixMilli(), 0))) // fails only after the year 10889
	_ = u.SetEntropy(random[:10])                 // ten bytes always fit
	return u
}

// ParseSourceID reads an id of 26 characters.
func ParseSourceID(s string) (SourceID, error) {
	u, err := ulid.ParseStrict(strings.ToUpper(s))
	if err != nil {
		return SourceID{}, errkind.New(errkind.Invalid, "%q is not an id of 26 characters", s)
	}
	return SourceID(u), nil
}

// ParsePointID reads an id of 26 characters.
func ParsePointID(s string) (PointID, error) {
	id, err := ParseSourceID(s)
	return PointID(id), err
}

// The names of which there is one: the header and its copy.
const (
	HeaderName = "header"
	KeysPrefix = "keys/"
	HeaderTwin = KeysPrefix + "header"
	// SlotPrefix begins the names of key slots, SigningPrefix those of signing keys.
	SlotPrefix    = KeysPrefix + "slot-"
	SigningPrefix = KeysPrefix + "sign-"
)

// SmallLimit bounds what is read whole into memory, in bytes.
const SmallLimit = 64 << 20

// What the names of objects begin with.
const (
	SegmentPrefix    = "index/seg-"
	PacksPrefix      = "packs/"
	GovernancePrefix = "governance/"
	OwnerPrefix      = "governance/owner/"
	PointPrefix      = "points/"
	HintPrefix       = "index/hint-"
	// CanaryPrefix begins the names of objects that are made to be attacked.
	CanaryPrefix = "canary/"
)

// IntentSuffix ends the name of a point's intent.
const IntentSuffix = ".intent"

// RecordName names a governance record.
func RecordName(number uint64) string { return fmt.Sprintf("%s%016d", GovernancePrefix, number) }

// ParseRecord gives the number of a governance record from its name.
func ParseRecord(name string) (uint64, bool) {
	digits := name[len(GovernancePrefix):]
	if len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}

// OwnerName names an owner epoch.
func OwnerName(epoch uint64) string { return fmt.Sprintf("%s%010d", OwnerPrefix, epoch) }

// PointName names a point.
func PointName(source SourceID, number uint64) string {
	return fmt.Sprintf("%s%s/%010d", PointPrefix, source, number)
}

// OfPoint names the objects that are a point's alone: itself and its intent. Its
// packs may be shared.
func OfPoint(point string) []string { return []string{point, point + IntentSuffix} }

// IsIntent reports whether an object is the intent of a point.
func IsIntent(name string) bool {
	_, _, intent, ok := ParsePoint(name)
	return ok && intent
}

// IsOwn reports whether an object is the vault's own: without it no point can be
// read, or what is true of points be known.
func IsOwn(name string) bool {
	return name == HeaderName || strings.HasPrefix(name, KeysPrefix) || strings.HasPrefix(name, GovernancePrefix)
}

// ParsePoint tells whether name is a point's or an intent's.
func ParsePoint(name string) (source SourceID, number uint64, intent, ok bool) {
	point, intent := strings.CutSuffix(name, IntentSuffix)
	id, digits, _ := strings.Cut(strings.TrimPrefix(point, PointPrefix), "/")
	source, err := ParseSourceID(id)
	if err != nil {
		return source, 0, false, false
	}
	number, err = strconv.ParseUint(digits, 10, 64)
	ok = err == nil && number > 0 && PointName(source, number) == point // no second spelling
	return source, number, intent, ok
}

// HintName names the hints beside a point.
func HintName(source SourceID, number uint64) string {
	return fmt.Sprintf("%s%s-%010d", HintPrefix, source, number)
}

// HintNumber gives the number of the point in a hint object's name without
// its prefix, if it is of that source.
func HintNumber(rest string, source SourceID) (uint64, bool) {
	digits, ok := strings.CutPrefix(rest, source.String()+"-")
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, ok && err == nil && HintName(source, n) == HintPrefix+rest
}

// ParseSegment gives the SHA-256 in a segment's object name.
func ParseSegment(object string) (name [32]byte, ok bool) {
	raw, err := hex.DecodeString(strings.TrimPrefix(object, SegmentPrefix))
	if err != nil || len(raw) != len(name) {
		return name, false
	}
	return [32]byte(raw), true
}
