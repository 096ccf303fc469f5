// Package diskblob keeps the objects of a store as plain files below one
// folder, under the names that they have in the store.
//
// Beside the objects lies the folder locks: a record for each object that was
// ever locked, locks/<name>.lock, and the file locks/store, which marks the
// folder as a store and by which processes exclude each other. Files called
// .tmp-* are unfinished; they are never listed, and [Driver.Sweep] removes
// them.
//
// What must always be true: a file has its object's name only once its bytes
// are durable; a lock record is durable before its object has its name; an
// unreadable lock record counts as a lock for ever; a file loses the immutable
// flag only when its lock was found ended, or raised in its record; a store
// without locks/store is not changed; symbolic links are not followed.
//
// Locks are enforced by this process. With [Options.ImmutableFlag], and where the
// file system and the process's rights allow it, objects and lock records also
// bear the immutable flag while their lock holds, so that the operating system
// refuses to remove, replace, change or link them until somebody with root's
// rights clears it. The flag stays after the lock's end, until this package
// removes or replaces the object. Against who can clear it, or moves whole
// folders away, nothing here helps. Retention decides the dates.
package diskblob

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

var _ blob.Driver = (*Driver)(nil)

const (
	locksFolder = "locks"
	lockSuffix  = ".lock"
	markerName  = "locks/store"
	markerText  = "counterfoil disk store 1\n"
	tempPrefix  = ".tmp-"
	// rescueFolder is the file system's own, at the top of a mounted one.
	rescueFolder = "lost+found"

	folderMode = 0o750
	objectMode = 0o440
	markerMode = 0o640
)

// stripes is the number of groups into which names fall for exclusion: two
// changes wait for each other only if their names are of one group.
const stripes = 256

// Options are what a driver needs from outside.
type Options struct {
	// Now is the clock by which locks end; nil stands for the system clock.
	Now func() time.Time
	// ImmutableFlag has what is locked bear the file system's immutable flag, where
	// this process may set it.
	ImmutableFlag bool
	// AdministeredByOthers declares that nobody who administers the vault has root's
	// rights on this host. The store is opened only if the flag can be set, and its
	// assurance level is then 2.
	AdministeredByOthers bool
}

// Driver is a store in a folder. Make one with [Open] or [Create]; it may be
// used from many goroutines, and several processes may use one store.
type Driver struct {
	root *os.Root
	now  func() time.Time
	// step is called before each durable step of a change; tests make steps
	// fail with it.
	step func(name string) error

	// faults names the driver's own files that were found wrong.
	faults []string

	// flags tells that what is locked is to bear the immutable flag.
	flags bool
	// enforcer and assurance are what Caps tells.
	enforcer  string
	assurance int

	// stripe excludes the goroutines of this process from each other while
	// they change objects of one group of names. It guards no field.
	stripe [stripes]sync.Mutex

	// mu guards durable.
	mu sync.Mutex
	// durable has the folders known to exist under a durable name.
	durable map[string]bool
}

// Open opens the store in an existing folder. Kinds: NotFound, Invalid for
// what is no folder, Unsupported for a declaration that nothing bears out.
func Open(folder string, opts Options) (*Driver, error) {
	info, err := os.Stat(folder)
	if err != nil {
		return nil, readFailure("open store "+folder, err)
	}
	if !info.IsDir() {
		return nil, errkind.New(errkind.Invalid, "open store %s: not a folder", folder)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, readFailure("open store "+folder, err)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	d := &Driver{
		root:    root,
		now:     opts.Now,
		step:    func(string) error { return nil },
		durable: map[string]bool{".": true},

		enforcer: "this process", assurance: 1,
	}
	if err := d.chooseFlag(folder, opts); err != nil {
		return nil, closing(d, err)
	}
	// Only that the mark is there counts; what is wrong in it is for verification.
	if text, err := root.ReadFile(markerName); err == nil && string(text) != markerText {
		d.faults = append(d.faults, markerName)
	}
	return d, nil
}

// Create makes the folder and the store in it, and opens it; a store that is
// there already is opened. A folder with anything else in it fails with
// errkind.Exists.
func Create(folder string, opts Options) (*Driver, error) {
	if err := makeRoot(folder); err != nil {
		return nil, writeFailure("create store "+folder, err)
	}
	d, err := Open(folder, opts)
	if err != nil {
		return nil, err
	}
	if err := d.initialise(folder); err != nil {
		return nil, closing(d, err)
	}
	return d, nil
}

// Close ends the use of the store; nothing is pending.
func (d *Driver) Close() error { return d.root.Close() }

// Caps tells what the store can do.
func (d *Driver) Caps() blob.Caps {
	return blob.Caps{Modes: []blob.Mode{blob.Governance, blob.Compliance}, Enforcer: d.enforcer, Assurance: d.assurance, Faults: d.faults}
}

// initialise marks an empty folder as a store.
func (d *Driver) initialise(folder string) error {
	switch marked, err := d.marked(); {
	case err != nil:
		return err
	case marked:
		return nil
	}
	empty, err := d.empty()
	if err != nil {
		return err
	}
	if !empty {
		return errkind.New(errkind.Exists, "create store %s: the folder is not empty and holds no store; give an empty folder or one that is not there yet", folder)
	}
	if err := d.makeFolders(locksFolder); err != nil {
		return err
	}
	temp, err := d.stage(locksFolder, []byte(markerText), markerMode)
	if err != nil {
		return err
	}
	if err := d.root.Rename(temp, markerName); err != nil {
		return d.discard(temp, writeFailure("mark store", err))
	}
	return d.syncFolder(locksFolder)
}

// marked reports whether the folder is marked as a store.
func (d *Driver) marked() (bool, error) {
	switch info, err := d.lstat(markerName); {
	case errkind.Is(err, errkind.NotFound):
		return false, nil
	case err != nil:
		return false, err
	default:
		return info.Mode().IsRegular(), nil
	}
}

// empty reports whether the folder may become a store: it has nothing in it
// but what a fresh file system or an interrupted Create leaves.
func (d *Driver) empty() (bool, error) {
	for _, folder := range []string{".", locksFolder} {
		entries, err := d.entries(folder)
		if err != nil {
			return false, err
		}
		for _, e := range entries {
			if !e.IsDir() && strings.HasPrefix(e.Name(), tempPrefix) {
				continue
			}
			fresh := folder == "." && e.IsDir() && (e.Name() == locksFolder || e.Name() == rescueFolder)
			if !fresh {
				return false, nil
			}
		}
	}
	return true, nil
}

// makeRoot makes the store's folder and those above it that are missing, each
// durable in the one above.
func makeRoot(folder string) error {
	err := os.Mkdir(folder, folderMode)
	if os.IsNotExist(err) {
		if err := makeRoot(filepath.Dir(folder)); err != nil {
			return err
		}
		err = os.Mkdir(folder, folderMode)
	}
	if os.IsExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	above, err := os.Open(filepath.Dir(folder))
	if err != nil {
		return err
	}
	return closing(above, above.Sync())
}

// closing closes c and returns err, or what closing said if err is nil.
func closing(c interface{ Close() error }, err error) error {
	if failed := c.Close(); err == nil {
		return failed
	}
	return err
}

// lstat describes the file called name, whose folders must not be symbolic
// links; name itself may be one.
func (d *Driver) lstat(name string) (fs.FileInfo, error) {
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		info, err := d.root.Lstat(name[:i])
		if err != nil {
			return nil, readFailure("look up", err)
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return nil, errkind.New(errkind.Damaged, "the folder %s is a symbolic link", name[:i])
		}
	}
	info, err := d.root.Lstat(name)
	if err != nil {
		return nil, readFailure("look up", err)
	}
	return info, nil
}

// object describes the object called name: NotFound if there is none, Damaged
// if something else than a file has its name.
func (d *Driver) object(name string) (fs.FileInfo, error) {
	info, err := d.lstat(name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errkind.New(errkind.NotFound, "a folder, not an object")
	case !info.Mode().IsRegular():
		return nil, errkind.New(errkind.Damaged, "not a plain file but %s", info.Mode().Type())
	}
	return info, nil
}
