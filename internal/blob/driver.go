package blob

import (
	"context"
	"time"
)

// Mode is the strength of a lock. The words are ours; a driver that cannot
// honour a mode refuses it with errkind.Unsupported.
type Mode string

// The lock modes.
const (
	// NoLock means that nothing stops deletion.
	NoLock Mode = ""
	// Governance can be lifted by a specially privileged credential.
	Governance Mode = "governance"
	// Compliance cannot be lifted or shortened by anybody before its time.
	Compliance Mode = "compliance"
)

// Lock is what the store enforces on an object: no deletion and no
// replacement before Until. The zero Lock is none.
type Lock struct {
	Mode  Mode
	Until time.Time
}

// Info describes one stored object.
type Info struct {
	Name     string
	Size     int64
	Modified time.Time
	// Version names this very version where the store keeps versions, else "".
	Version string
	Lock    Lock
	// Loose tells, in a listing, that the lock lacks what this store has to enforce
	// it by; setting the same lock again puts that right.
	Loose bool
}

// PutOptions say how an object is stored.
type PutOptions struct {
	// Replace allows an unlocked object of that name to be replaced. Without
	// it Put is put-if-none-match and fails with errkind.Exists.
	Replace bool
	// Lock is set in the same act as the object becomes visible.
	Lock Lock
	// SHA256, when not zero, is compared with the bytes before they count
	// as stored; a difference fails with errkind.Damaged.
	SHA256 [32]byte
	// Hashed says that the caller has just computed SHA256 from these very
	// bytes: a driver that would only do the same again may leave it out. One whose store
	// checks it passes it on.
	Hashed bool
}

// Caps are a driver's optional abilities, as values.
type Caps struct {
	// Modes lists the lock modes the store enforces, weakest first; empty
	// means that it cannot lock.
	Modes []Mode
	// Enforcer says in a few words who enforces locks, for reports:
	// "this process", "the object store".
	Enforcer string
	// Assurance is the assurance level, 1 to 3, of compliance locks in this store:
	// 1 where only this process, or whoever administers this host, keeps them; 2
	// where the operating system does, and others are said to administer the host.
	Assurance int
	// Versions tells whether overwritten and deleted objects keep versions.
	Versions bool
	// Holds tells whether the store has legal holds; the driver is then a
	// [LegalHolder].
	Holds bool
	// Faults names files of the driver's own, beside the objects, that were
	// found wrong when the store was opened. No object depends on them.
	Faults []string
}

// Attempt is one attack on a locked object, sent to the store as it is.
type Attempt struct {
	Name string
	// Err is how the store answered, nil if it did what was asked. Refused is an
	// answer that names the lock as its reason; NotAllowed is one that may be for
	// lack of permission, from which nothing follows.
	Err error
}

// Prober is a driver that can attack an object by the store's own means, past
// every check of its own. An attempt that is not refused destroys the object or
// its lock. One whose store has no such means now is Unsupported.
type Prober interface {
	Provoke(ctx context.Context, name string) ([]Attempt, error)
}

// LegalHolder is a driver whose store has legal holds. A hold forbids deleting
// and replacing an object, beside any lock and without a date, until it is taken
// away. Setting what is set already succeeds; on return it is durable. Kinds:
// NotFound, NotAllowed, Unsupported, Unavailable.
type LegalHolder interface {
	SetLegalHold(ctx context.Context, name string, on bool) error
	LegalHold(ctx context.Context, name string) (bool, error)
}

// Version is one state that a name has had in a store that keeps versions,
// whoever has put it there.
type Version struct {
	ID string
	// Marker tells that this version only hides the name.
	Marker   bool
	Size     int64
	Modified time.Time
	// Current tells that this version is the object.
	Current bool
}

// Versioned is a driver that can tell what else the store has under a name.
type Versioned interface {
	// ListVersions gives all versions of name, newest first. Kinds: NotFound for a
	// name without any, Unavailable. None is current where only markers are there or
	// the driver cannot tell.
	ListVersions(ctx context.Context, name string) ([]Version, error)
	// ReadVersionAt is ReadAt for one version, by its ID.
	ReadVersionAt(ctx context.Context, name, version string, p []byte, off int64) (int, error)
}

// Driver is the small contract every store implements; [Bucket] adds the
// rest. Names are slash-separated relative paths of [a-z0-9._-] parts, none
// of them "." or "..", none beginning with a dot. Methods may be called from
// many goroutines. Errors carry the kinds NotFound, Exists, Refused (a lock),
// NoSpace, ReadOnly, Damaged, Unavailable or Unsupported where they apply.
type Driver interface {
	// Put stores data under name. When it returns nil the object is durable
	// and whole; when it fails, a reader sees the old state or the whole new
	// object, never a part. Data is not kept after return.
	Put(ctx context.Context, name string, data []byte, opts PutOptions) (Info, error)
	// ReadAt fills p from offset off and returns the count; a count short of
	// len(p) comes with io.EOF.
	ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error)
	// Stat describes one object.
	Stat(ctx context.Context, name string) (Info, error)
	// List calls fn for every object whose name begins with prefix, in
	// bytewise order of names. An error of fn ends the listing and is returned.
	List(ctx context.Context, prefix string, fn func(Info) error) error
	// Delete removes one object. A locked one is Refused; one that is not
	// there is NotFound.
	Delete(ctx context.Context, name string) error
	// SetLock raises an object's lock. Lowering mode or date is Refused; the lock
	// that is there is made whole where the store's means of enforcing it is missing.
	SetLock(ctx context.Context, name string, lock Lock) error
	// Caps tells what the store can do; it does no I/O.
	Caps() Caps
}
