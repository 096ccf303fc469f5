package s3blob

import (
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
)

const (
	// mostKnown bounds the memory that the knowledge of objects takes, to some
	// hundred megabytes with the longest names.
	mostKnown = 1 << 19
	// complianceAge and lockAge are how long a lock that was read is reported in
	// listings without asking again. A compliance lock can only grow; others can
	// be lifted by somebody with the privilege.
	complianceAge = 24 * time.Hour
	lockAge       = 10 * time.Minute
)

// fact is what is known of an object's version.
type fact struct {
	version string
	// once tells that the version is the object for as long as it exists,
	// replaced that it may be replaced, so that the version must be looked for.
	once, replaced bool
	// lock was read at read; a zero time means that it is not known.
	lock blob.Lock
	read time.Time
}

// knowledge keeps what was learned of objects, which saves requests. Forgetting
// any of it costs a request and nothing else.
type knowledge struct {
	// mu guards facts.
	mu    sync.Mutex
	facts map[string]fact
}

func newKnowledge() *knowledge { return &knowledge{facts: map[string]fact{}} }

// of gives what is known of the object called name.
func (k *knowledge) of(name string) (fact, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, ok := k.facts[name]
	return f, ok
}

// learn changes what is known of a version of name. What was known of another
// version of that name is dropped first.
func (k *knowledge) learn(name, version string, change func(*fact)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.facts[name]
	if f.version != version {
		f = fact{version: version}
	}
	change(&f)
	if _, there := k.facts[name]; !there && len(k.facts) >= mostKnown {
		for some := range k.facts {
			delete(k.facts, some)
			break
		}
	}
	k.facts[name] = f
}

// forget drops what is known of name.
func (k *knowledge) forget(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.facts, name)
}

// lockOf gives the lock of a version, if it was read not long before now.
func (k *knowledge) lockOf(name, version string, now time.Time) (blob.Lock, bool) {
	f, ok := k.of(name)
	if !ok || f.version != version || f.read.IsZero() {
		return blob.Lock{}, false
	}
	most := lockAge
	if f.lock.Mode == blob.Compliance && f.lock.Holds(now) {
		most = complianceAge
	}
	age := now.Sub(f.read)
	return f.lock, age >= 0 && age < most
}
