// Package blob keeps named objects in a store: a portable [Bucket] over a
// small [Driver] for each kind of store.
//
// An object is a run of bytes under a name, stored whole or not at all. A lock
// is what the store enforces: no deletion and no replacement of an object
// before a time. A store is named by a [URL].
//
// What must always be true: when Put returns nil the object is durable and
// whole; a lock is in force no later than its object can be seen; no method
// shortens a lock; deleting, locking and holding need a grant of the gate.
//
// The package knows nothing of packs, points or keys, of what is inside an
// object, or of why a lock has its date: that is left to vault and lifecycle.
// Names, locks and retries are handled here once; drivers only store.
package blob
