// Package api is the contract between doors: wire types, problems and the Go
// client. Everything the CLI and the console do goes through it, over a socket when a
// server runs for the data directory, else within the process.
//
// JSON names are snake_case and stable; times are RFC 3339 in UTC; sizes are
// bytes; bytes that need not be UTF-8 (paths) come twice: as readable text and,
// only where the text is not exact, in base64 under the name with _raw.
package api

import "time"

// VaultFormat is the vault format that this version writes.
const VaultFormat = 1

// Version is what GET /api/v1/version gives.
type Version struct {
	Version string `json:"version"`
	Format  int    `json:"vault_format"`
	Go      string `json:"go"`
	FIPS    bool   `json:"fips"`
}

// Vault is a vault as listed and shown.
type Vault struct {
	ID             string    `json:"id"`
	Name           string    `json:"name"`
	URL            string    `json:"url"`
	Kind           string    `json:"kind"` // trial, off, unlocked, locked
	CreatedAt      time.Time `json:"created_at"`
	MinRetention   string    `json:"min_retention"`
	MaxRetention   string    `json:"max_retention"`
	SoftDeleteDays int       `json:"soft_delete_days"`
	SoftDeleteOn   bool      `json:"soft_delete_always_on"`
	// LockAt is when the locking that was asked for can be finished.
	LockAt *time.Time `json:"lock_at,omitempty"`
	// PurgeAfter is until when the deletion of the vault can be undone.
	PurgeAfter     *time.Time `json:"purge_after,omitempty"`
	AssuranceLevel string     `json:"assurance_level"` // L0 to L3
	Enforcer       string     `json:"enforcer"`        // who stops deletion, in words
	SigningKey     string     `json:"signing_key"`
	Points         int64      `json:"points"`
	Size           *int64     `json:"size,omitempty"`      // bytes in the store; only in show
	Objects        *int64     `json:"objects,omitempty"`   // only in show
	AuditKey       string     `json:"audit_key,omitempty"` // public key of the audit log; only in show and create
	KeyFile        string     `json:"key_file,omitempty"`
	RecoveryKit    string     `json:"recovery_kit,omitempty"`
	Warnings       []string   `json:"warnings,omitempty"`
}

// NewVault asks for a vault.
type NewVault struct {
	Name         string `json:"name"`
	URL          string `json:"url"`
	MinRetention string `json:"min_retention,omitempty"`
	MaxRetention string `json:"max_retention,omitempty"`
	// RecoveryKit is where the kit is written, by default in the data directory.
	RecoveryKit string `json:"recovery_kit,omitempty"`
}

// Recover asks to rebuild what is known from a store and a key alone.
type Recover struct {
	URL     string `json:"url"`
	KeyFile string `json:"key_file"`
}

// Recovered is what was found.
type Recovered struct {
	Vault    Vault    `json:"vault"`
	Sources  int      `json:"sources"`
	Points   int      `json:"points"`
	Policies int      `json:"policies"`
	Packs    int      `json:"packs"`
	Events   int64    `json:"audit_events"`
	Missing  []string `json:"missing"`
	Warnings []string `json:"warnings"`
}

// Verify asks for a verification.
type Verify struct {
	Mode string `json:"mode"` // quick, full
}

// Verification is what a verification found.
type Verification struct {
	Vault     string          `json:"vault"`
	Mode      string          `json:"mode"`
	OK        bool            `json:"ok"`
	StartedAt time.Time       `json:"started_at"`
	EndedAt   time.Time       `json:"ended_at"`
	Objects   int64           `json:"objects"`
	Bytes     int64           `json:"bytes"`
	Packs     int64           `json:"packs"`
	Frames    int64           `json:"frames"`
	Chunks    int64           `json:"chunks"`
	Points    int64           `json:"points"`
	AuditTree int64           `json:"audit_size"`
	Problems  []DamagedObject `json:"problems"`
	Notes     []string        `json:"notes"`
	Unneeded  int64           `json:"unreferenced_packs"`
}

// Collect asks for a plan of garbage collection, or, with a plan's digest, to
// do what it says.
type Collect struct {
	Digest string `json:"digest,omitempty"`
}

// Garbage is a plan of garbage collection, and what was done of it.
type Garbage struct {
	Vault         string       `json:"vault"`
	Digest        string       `json:"digest"`
	Nothing       bool         `json:"nothing"` // to do
	Points        int          `json:"points"`  // whose needs were looked at
	MissingChunks int64        `json:"missing_chunks"`
	Packs         []PackStep   `json:"packs"` // all but those that points need
	KeptPacks     int          `json:"kept_packs"`
	KeptBytes     int64        `json:"kept_bytes"`
	Stale         []string     `json:"stale"` // objects that are only left over
	Done          *GarbageDone `json:"done,omitempty"`
	Warnings      []string     `json:"warnings,omitempty"`
}

// PackStep is what becomes of a pack, and why.
type PackStep struct {
	Object string `json:"object"`
	Action string `json:"action"`
	Reason string `json:"reason"`
	Size   int64  `json:"size"`
	Needed int64  `json:"needed"` // bytes of its chunks that points reach
}

// GarbageDone counts the packs, the leftovers and the bytes.
type GarbageDone struct {
	Condemned int   `json:"condemned"`
	Deleted   int   `json:"deleted"`
	Repacked  int   `json:"repacked"`
	Released  int   `json:"released"`
	Stale     int   `json:"stale"`
	Freed     int64 `json:"freed"`
	Copied    int64 `json:"copied"`
}

// DamagedObject is an object found wrong and what depends on it.
type DamagedObject struct {
	Object    string         `json:"object"`
	Reason    string         `json:"reason"`
	Spared    string         `json:"spared,omitempty"` // why nothing is lost by it
	Points    []string       `json:"points"`
	Files     []AffectedFile `json:"files"`
	FileCount int64          `json:"file_count"`
}

// AffectedFile is a file of a point that cannot be had whole.
type AffectedFile struct {
	Point   string `json:"point,omitempty"`  // its ID, where that can be read
	Object  string `json:"object,omitempty"` // else the point's object
	Path    string `json:"path"`
	PathRaw []byte `json:"path_raw,omitempty"`
}

// Source is something protected.
type Source struct {
	ID            string      `json:"id"`
	Name          string      `json:"name"`
	Kind          string      `json:"kind"`
	State         string      `json:"state"` // protected, stopped, stopped-for-ever, deleted, purged
	PurgeAfter    *time.Time  `json:"purge_after,omitempty"`
	Vault         string      `json:"vault"`
	Policy        string      `json:"policy"`
	PolicyVersion int         `json:"policy_version"`
	Paths         []string    `json:"paths"`
	PathsRaw      [][]byte    `json:"paths_raw,omitempty"`
	Excludes      []string    `json:"excludes"`
	ExcludeLarger int64       `json:"exclude_larger"`
	ExcludeCaches bool        `json:"exclude_caches"`
	OneFileSystem bool        `json:"one_file_system"`
	Classes       []ClassPath `json:"classes"`
	Owner         string      `json:"owner,omitempty"`
	CreatedAt     time.Time   `json:"created_at"`
	Points        int64       `json:"points"`
	LastPoint     string      `json:"last_point,omitempty"`
	LastReceived  *time.Time  `json:"last_received_at,omitempty"`
}

// ClassPath maps a path pattern of a source to a record class.
type ClassPath struct {
	Class string `json:"class"`
	Path  string `json:"path"`
}

// NewSource asks for a source. PathsRaw, where given, stands in for Paths.
type NewSource struct {
	Name          string      `json:"name"`
	Vault         string      `json:"vault"`
	Policy        string      `json:"policy,omitempty"`
	Paths         []string    `json:"paths"`
	PathsRaw      [][]byte    `json:"paths_raw,omitempty"`
	Excludes      []string    `json:"excludes,omitempty"`
	ExcludeLarger int64       `json:"exclude_larger,omitempty"`
	ExcludeCaches bool        `json:"exclude_caches,omitempty"`
	OneFileSystem bool        `json:"one_file_system,omitempty"`
	Classes       []ClassPath `json:"classes,omitempty"`
	Owner         string      `json:"owner,omitempty"`
}

// Backup asks for a backup.
type Backup struct {
	Source string `json:"source"`
	// Rehash distrusts what is known of unchanged files and reads all again.
	Rehash bool `json:"rehash,omitempty"`
	// BlockSize cuts all files into blocks of this many bytes; with 0 each file says how.
	BlockSize uint32 `json:"block_size,omitempty"`
	// Scheduled takes a point of the schedule, which has no retention of its own
	// beside its tags, as one on demand has.
	Scheduled bool `json:"scheduled,omitempty"`
}

// Point is a recovery point.
type Point struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"` // source@received
	Source      string     `json:"source"`
	SourceID    string     `json:"source_id"`
	Vault       string     `json:"vault"`
	Number      int64      `json:"number"`
	ReceivedAt  time.Time  `json:"received_at"`
	StartedAt   time.Time  `json:"started_at"`
	RetainUntil *time.Time `json:"retain_until"` // null: unlimited
	Unlimited   bool       `json:"unlimited"`
	// OpenEnded waits for an event; retain_until is then the least it is kept.
	OpenEnded   bool           `json:"open_ended"`
	Size        int64          `json:"size"`
	Stored      int64          `json:"stored"` // bytes the run added to the vault
	Files       int64          `json:"files"`
	Entries     int64          `json:"entries"`
	Complete    bool           `json:"complete"`
	Fuzzy       int64          `json:"fuzzy"`
	Problems    int64          `json:"problems"`
	Excluded    *int64         `json:"excluded,omitempty"` // left out on purpose; not in lists
	LeftOut     []string       `json:"left_out,omitempty"` // our own folders within the source; not in lists
	Tags        []string       `json:"tags"`
	Level       string         `json:"level"`
	Trial       bool           `json:"trial"`
	Root        string         `json:"root"`
	Reasons     []Reason       `json:"reasons,omitempty"`      // show and explain
	ProblemList []InputProblem `json:"problem_list,omitempty"` // show
	FuzzyList   []string       `json:"fuzzy_list,omitempty"`   // show
	Warnings    []string       `json:"warnings,omitempty"`
	PolicyName  string         `json:"policy,omitempty"`
	PolicyVer   int            `json:"policy_version,omitempty"`
	Previous    string         `json:"previous_sha256,omitempty"`
	Packs       int            `json:"packs,omitempty"`
	LockUntil   *time.Time     `json:"lock_until,omitempty"` // what would be, or is, locked
	Locked      bool           `json:"locked"`
}

// InputProblem is an input that could not be taken.
type InputProblem struct {
	Path    string `json:"path"`
	PathRaw []byte `json:"path_raw,omitempty"`
	Op      string `json:"op"`
	Message string `json:"message"`
}

// Reason is one reason a point is kept, and until when.
type Reason struct {
	Kind     string     `json:"kind"`
	Name     string     `json:"name,omitempty"`
	Period   string     `json:"period,omitempty"`
	Basis    string     `json:"basis,omitempty"`
	Until    *time.Time `json:"until,omitempty"`
	Sentence string     `json:"sentence"`
	Decides  bool       `json:"decides"` // the reason that makes retain-until what it is
}

// Explanation says why a point is kept.
type Explanation struct {
	Point    Point    `json:"point"`
	Decision string   `json:"decision"` // keep or may_expire
	Lines    []string `json:"lines"`
}

// Entry is one file system object of a point.
type Entry struct {
	Path      string    `json:"path"`
	PathRaw   []byte    `json:"path_raw,omitempty"`
	Kind      string    `json:"kind"` // file, dir, symlink, fifo, char_device, block_device, socket
	Mode      string    `json:"mode"` // octal
	UID       uint32    `json:"uid"`
	GID       uint32    `json:"gid"`
	User      string    `json:"user,omitempty"`
	Group     string    `json:"group,omitempty"`
	Size      int64     `json:"size"`
	ModTime   time.Time `json:"modified_at"`
	Target    string    `json:"target,omitempty"`
	TargetRaw []byte    `json:"target_raw,omitempty"`
	Fuzzy     bool      `json:"fuzzy,omitempty"`
	HardLink  string    `json:"link_group,omitempty"`
	Xattrs    int       `json:"xattrs,omitempty"`
	Erased    string    `json:"erased,omitempty"` // the erasure that covers it
}

// Difference is one path that differs between two points.
type Difference struct {
	Path    string   `json:"path"`
	PathRaw []byte   `json:"path_raw,omitempty"`
	Change  string   `json:"change"` // added, removed, modified, metadata, kind
	Before  *Entry   `json:"before,omitempty"`
	After   *Entry   `json:"after,omitempty"`
	Fields  []string `json:"fields,omitempty"` // what differs
}

// Restore asks for a restore.
type Restore struct {
	Point string `json:"point"`
	To    string `json:"to"`
	ToRaw []byte `json:"to_raw,omitempty"`
	// Paths limits what is restored, relative to the source's root or as absolute
	// paths of the source; empty means everything.
	Paths     []string `json:"paths,omitempty"`
	PathsRaw  [][]byte `json:"paths_raw,omitempty"`
	Overwrite string   `json:"overwrite,omitempty"` // never (default), if-newer, always
	Verify    bool     `json:"verify,omitempty"`    // read back what was written
	// IncludeErased brings back what was erased too, for a Reason.
	IncludeErased bool   `json:"include_erased,omitempty"`
	Reason        string `json:"reason,omitempty"`
}

// Restored is what a restore did.
type Restored struct {
	Point    string         `json:"point"`
	To       string         `json:"to"`
	Files    int64          `json:"files"`
	Entries  int64          `json:"entries"`
	Bytes    int64          `json:"bytes"`
	Skipped  int64          `json:"skipped"` // already there and the same
	Verified bool           `json:"verified"`
	Problems []InputProblem `json:"problems"` // what could not be restored as it was
	Damaged  int64          `json:"damaged"`  // files lost to damage in the vault
	LeftOut  *LeftOut       `json:"left_out,omitempty"`
	Warnings []string       `json:"warnings,omitempty"`
	Seconds  float64        `json:"seconds"`
}

// Quickstart asks for the quickstart; an empty path makes a small sample.
type Quickstart struct {
	Path    string `json:"path,omitempty"`
	PathRaw []byte `json:"path_raw,omitempty"`
}

// QuickstartResult is the one-screen result.
type QuickstartResult struct {
	DataDir      string       `json:"data_dir"`
	Vault        Vault        `json:"vault"`
	Source       Source       `json:"source"`
	Point        Point        `json:"point"`
	First        bool         `json:"first"`
	Verification Verification `json:"verification"`
	Restore      RestoreTest  `json:"restore_test"`
	Explanation  []string     `json:"explanation"`
	WouldLock    []string     `json:"would_lock"`
	AuditSize    int64        `json:"audit_size"`
	AuditRoot    string       `json:"audit_root"`
	Next         []string     `json:"next"`
	Sample       string       `json:"sample,omitempty"`
}

// Removal is what removing the quickstart's data takes away, or would.
type Removal struct {
	Removed bool     `json:"removed"` // false: only a preview
	Paths   []string `json:"paths"`
	// Kept is what the quickstart made and removal leaves.
	Kept []string `json:"kept,omitempty"`
}

// RestoreTest is what the quickstart restored into a scratch folder and compared.
type RestoreTest struct {
	OK       bool     `json:"ok"`
	Files    int64    `json:"files"`
	Bytes    int64    `json:"bytes"`
	Sampled  bool     `json:"sampled"` // not everything: too large
	Seconds  float64  `json:"seconds"`
	Findings []string `json:"findings"`
}

// AuditEntry is one record of the audit log.
type AuditEntry struct {
	Index     int64             `json:"index"`
	ID        string            `json:"id"`
	Name      string            `json:"name"` // the action
	Time      time.Time         `json:"time"`
	Actor     string            `json:"actor"`
	Action    string            `json:"action"`
	Target    string            `json:"target"`
	Phase     string            `json:"phase"`
	Before    string            `json:"before,omitempty"`
	Result    string            `json:"result"`
	ErrorKind string            `json:"error_kind,omitempty"`
	Reason    string            `json:"reason,omitempty"`
	Detail    map[string]string `json:"detail,omitempty"`
}

// AuditVerification is what checking the audit log found.
type AuditVerification struct {
	OK      bool     `json:"ok"`
	Size    int64    `json:"size"`
	Root    string   `json:"root"`
	Origin  string   `json:"origin"`
	Key     string   `json:"key"`
	Lag     int      `json:"not_yet_in_the_log"`
	Copies  []string `json:"copies"` // stores that hold it, and how far
	Finding string   `json:"finding,omitempty"`
}

// Finding is one thing doctor looked at.
type Finding struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Status  string `json:"status"` // ok, warn, fail, untested
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

// EventType is what kind of line of a stream an event is.
type EventType string

// The types of events.
const (
	EventProgress EventType = "progress"
	EventNote     EventType = "note"
	EventResult   EventType = "result"
	EventProblem  EventType = "problem"
)

// StreamType is the media type of a stream of events and of a list with one
// element a line.
const StreamType = "application/x-ndjson"

// Event is one line of the stream that long work answers with: progress and
// notes, then exactly one result or problem.
type Event struct {
	Type     EventType       `json:"type"`
	Progress *Progress       `json:"progress,omitempty"`
	Message  string          `json:"message,omitempty"`
	Result   RawResult       `json:"result,omitempty"`
	Problem  *ProblemDetails `json:"problem,omitempty"`
}

// Progress is how far work has come. Total 0 means not yet known.
type Progress struct {
	Step  string `json:"step"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
	Unit  string `json:"unit"` // bytes, entries
	Files int64  `json:"files,omitempty"`
}
