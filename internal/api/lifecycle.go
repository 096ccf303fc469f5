package api

import (
	"context"
	"time"
)

// Scope chooses points: those listed, and those that match every other field
// that is set. With nothing set, a hold covers its whole vault.
type Scope struct {
	Sources []string   `json:"sources,omitempty"` // names
	Classes []string   `json:"classes,omitempty"`
	Paths   []string   `json:"paths,omitempty"`
	Points  []string   `json:"points,omitempty"`
	From    *time.Time `json:"from,omitempty"` // of receipt
	To      *time.Time `json:"to,omitempty"`   // excluded
}

// NewHold asks for a legal hold.
type NewHold struct {
	Matter string `json:"matter"`
	Reason string `json:"reason"`
	Scope  Scope  `json:"scope"`
}

// Hold is a legal hold and what it covers.
type Hold struct {
	ID            string     `json:"id"`
	Vault         string     `json:"vault"`
	Matter        string     `json:"matter"`
	Reason        string     `json:"reason"`
	PlacedBy      string     `json:"placed_by"`
	PlacedAt      time.Time  `json:"placed_at"`
	ReleasedBy    string     `json:"released_by,omitempty"`
	ReleasedAt    *time.Time `json:"released_at,omitempty"`
	Scope         Scope      `json:"scope"`
	Points        []string   `json:"points"`
	Bytes         int64      `json:"bytes"`
	OtherwiseGone int        `json:"otherwise_gone"` // points that nothing else keeps by now
}

// HoldsApplied says how many objects the store has under its own legal hold now.
type HoldsApplied struct {
	Vault   string `json:"vault"`
	Objects int    `json:"objects"`
}

// Why gives the reason for an operation.
type Why struct {
	Reason string `json:"reason"`
}

// NewEvent asks for an event to be entered in a vault's register.
type NewEvent struct {
	Name     string    `json:"name"`
	Period   string    `json:"period,omitempty"`
	At       time.Time `json:"at"`
	Evidence string    `json:"evidence"`
	Covers   Scope     `json:"covers"`
}

// RetentionEvent is a recorded event.
type RetentionEvent struct {
	ID         string    `json:"id"`
	Vault      string    `json:"vault"`
	Name       string    `json:"name"`
	Period     string    `json:"period,omitempty"`
	At         time.Time `json:"at"`
	RecordedBy string    `json:"recorded_by"`
	Evidence   string    `json:"evidence"`
	// Settled are the points whose period began to run by it, when just recorded.
	Settled []SettledPoint `json:"settled,omitempty"`
	// Closes are what sources have of the close that it records.
	Closes []Close `json:"closes,omitempty"`
}

// Close is the close of a fiscal period as one source has it.
type Close struct {
	Source string     `json:"source"`
	Period string     `json:"period"` // FY2026-P12, FY2026-P12.2 when it was closed again
	State  CloseState `json:"state"`
	// Point is the whole point that stands for it; until there is one, an
	// incomplete one that stands in.
	Point string    `json:"point,omitempty"`
	DueBy time.Time `json:"due_by"` // until then a whole point must stand for it
}

// CloseState is how far a close has come.
type CloseState string

// The states: a whole point stands for the close, the next one will, or it
// should have before now.
const (
	CloseCaptured CloseState = "captured"
	CloseDue      CloseState = "due"
	CloseOverdue  CloseState = "overdue"
)

// SettledPoint is a point and until when it is kept now.
type SettledPoint struct {
	Point  string `json:"point"`
	Source string `json:"source"`
	Until  string `json:"until"`
}

// Deletion is a point that was deleted softly, or brought back.
type Deletion struct {
	Point      string     `json:"point"`
	Source     string     `json:"source"`
	Vault      string     `json:"vault"`
	PurgeAfter *time.Time `json:"purge_after,omitempty"` // until then it can be brought back
}

// Apply asks for a plan, or, with a plan's digest, to do what it says.
type Apply struct {
	Digest string `json:"digest,omitempty"`
}

// Expiry is a plan of expiry, and what was done of it.
type Expiry struct {
	Vault   string         `json:"vault"`
	Digest  string         `json:"digest"`
	Proven  *time.Time     `json:"proven,omitempty"` // the time by which it was decided
	Stopped string         `json:"stopped,omitempty"`
	Record  uint64         `json:"record"`
	Expire  []PastPoint    `json:"expire"`
	Waiting []PastPoint    `json:"waiting"`
	Kept    map[string]int `json:"kept"` // counts by ground
	// Certificates are those of the points that went.
	Certificates []Certificate `json:"certificates,omitempty"`
	Left         []string      `json:"left,omitempty"`
	Warnings     []string      `json:"warnings,omitempty"`
	Applied      bool          `json:"applied"`
}

// PastPoint is a point past its time.
type PastPoint struct {
	Point       string     `json:"point"`
	Source      string     `json:"source"`
	ReceivedAt  time.Time  `json:"received_at"`
	Size        int64      `json:"size"`
	Why         []string   `json:"why"`
	LockedUntil *time.Time `json:"locked_until,omitempty"`
}

// Certificate is a disposition certificate.
type Certificate struct {
	ID            string    `json:"id"`
	Point         string    `json:"point"`
	Source        string    `json:"source"`
	Number        uint64    `json:"number"`
	Manifest      string    `json:"manifest_sha256"`
	ReceivedAt    time.Time `json:"received_at"`
	Size          int64     `json:"size"`
	Entries       int64     `json:"entries"`
	Policy        string    `json:"policy"`
	PolicyVersion int       `json:"policy_version"`
	RetainedUntil time.Time `json:"retained_until"`
	Grounds       []string  `json:"grounds"`
	Batch         string    `json:"batch,omitempty"`
	ProvenAt      time.Time `json:"proven_at"`
	DisposedAt    time.Time `json:"disposed_at"`
	By            string    `json:"by"`
	AuditEvent    string    `json:"audit_event"`
	Packs         int64     `json:"packs"`
	SharedPacks   int64     `json:"shared_packs"` // of those, also needed by other points
	// ErasedAt is when what only it had was erased; left out while LeftPacks are there.
	ErasedAt  *time.Time `json:"erased_at,omitempty"`
	LeftPacks int        `json:"left_packs"`
}

// SignBatch asks for the disposal batch that waits for a signature in an office,
// or, with its digest, to sign it.
type SignBatch struct {
	As      string   `json:"as"` // owner, compliance-officer
	Sources []string `json:"sources,omitempty"`
	Digest  string   `json:"digest,omitempty"`
	Reason  string   `json:"reason,omitempty"`
}

// Batch is a disposal batch, with id, time and signer once it is signed.
type Batch struct {
	ID     string      `json:"id,omitempty"`
	Vault  string      `json:"vault"`
	As     string      `json:"as"`
	Digest string      `json:"digest"`
	At     *time.Time  `json:"at,omitempty"`
	By     string      `json:"by,omitempty"`
	Reason string      `json:"reason,omitempty"`
	Points []PastPoint `json:"points"`
}

// RaiseLocks asks for the locks to be compared, and with Apply to be raised.
type RaiseLocks struct {
	Apply bool `json:"apply,omitempty"`
}

// Locks compares the locks in a vault's store with those needed.
type Locks struct {
	Vault        string   `json:"vault"`
	Mode         string   `json:"mode"`
	Objects      int      `json:"objects"`
	Locked       int      `json:"locked"`
	ToRaise      int      `json:"to_raise"`
	Raised       int      `json:"raised"`
	Missing      []string `json:"missing"`
	Margin       string   `json:"margin,omitempty"` // a Go duration; negative when a lock is short
	MarginObject string   `json:"margin_object,omitempty"`
	Short        bool     `json:"short"`
	Raises       []Raise  `json:"raises"`
}

// Raise is a lock to be raised.
type Raise struct {
	Object string     `json:"object"`
	From   *time.Time `json:"from,omitempty"`
	To     time.Time  `json:"to"`
	Mode   string     `json:"mode"`
	Points []string   `json:"points,omitempty"`
}

// LockVault asks what locking a vault would mean, and with Yes for it.
type LockVault struct {
	Yes bool `json:"yes,omitempty"`
}

// Locking is what locking a vault makes irrevocable.
type Locking struct {
	Vault     string     `json:"vault"`
	State     string     `json:"state"`
	Effective *time.Time `json:"effective,omitempty"` // when it can be finished
	Points    int        `json:"points"`
	Objects   int        `json:"objects"`
	Bytes     int64      `json:"bytes"`
	Last      *time.Time `json:"last,omitempty"` // the latest lock
	Converted int        `json:"converted"`
	// GBYears is what cannot be given up in the ten years to come.
	GBYears float64 `json:"gb_years"`
	Asked   bool    `json:"asked"` // something was changed
}

// Proof is a retention proof.
type Proof struct {
	Vault    string        `json:"vault"`
	Point    string        `json:"point"`
	At       time.Time     `json:"at"`
	Until    *time.Time    `json:"until,omitempty"`
	Mode     string        `json:"mode"`
	Enforcer string        `json:"enforcer"`
	Level    string        `json:"level"`
	Root     string        `json:"root"`
	Record   uint64        `json:"record"`
	Objects  []ProofObject `json:"objects"`
}

// ProofObject is one object of a proof.
type ProofObject struct {
	Object  string     `json:"object"`
	Version string     `json:"version,omitempty"`
	Size    int64      `json:"size"`
	SHA256  string     `json:"sha256"`
	Mode    string     `json:"mode"`
	Until   *time.Time `json:"until,omitempty"`
}

// Canary is what attacking an object made for it came to.
type Canary struct {
	Vault    string          `json:"vault"`
	At       time.Time       `json:"at"`
	Object   string          `json:"object"`
	Mode     string          `json:"mode"`
	Verdict  string          `json:"verdict"` // pass, inconclusive, fail
	Attempts []CanaryAttempt `json:"attempts"`
}

// CanaryAttempt is one attack and the store's answer.
type CanaryAttempt struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Answer  string `json:"answer"`
}

// Holds lists the holds of a vault.
func (c *Client) Holds(ctx context.Context, vault string) ([]Hold, error) {
	return fetch[[]Hold](ctx, c, get("vaults", vault, "holds"))
}

// PlaceHold places a legal hold.
func (c *Client) PlaceHold(ctx context.Context, vault string, in NewHold) (Hold, error) {
	return fetch[Hold](ctx, c, post(in, "vaults", vault, "holds"))
}

// ReleaseHold releases a legal hold.
func (c *Client) ReleaseHold(ctx context.Context, vault, id string, in Why) (Hold, error) {
	return fetch[Hold](ctx, c, post(in, "vaults", vault, "holds", id, "release"))
}

// ApplyHolds sets the store's own legal hold on all that holds cover.
func (c *Client) ApplyHolds(ctx context.Context, vault string) (HoldsApplied, error) {
	return fetch[HoldsApplied](ctx, c, post(struct{}{}, "vaults", vault, "holds", "apply"))
}

// RetentionEvents lists the events recorded in a vault.
func (c *Client) RetentionEvents(ctx context.Context, vault string) ([]RetentionEvent, error) {
	return fetch[[]RetentionEvent](ctx, c, get("vaults", vault, "events"))
}

// RecordEvent enters an event in a vault's register.
func (c *Client) RecordEvent(ctx context.Context, vault string, in NewEvent) (RetentionEvent, error) {
	return fetch[RetentionEvent](ctx, c, post(in, "vaults", vault, "events"))
}

// DeletePoint deletes a point softly.
func (c *Client) DeletePoint(ctx context.Context, point string, in Why) (Deletion, error) {
	return fetch[Deletion](ctx, c, post(in, "points", point, "delete"))
}

// UndeletePoint brings back a point that was deleted softly.
func (c *Client) UndeletePoint(ctx context.Context, point string) (Deletion, error) {
	return fetch[Deletion](ctx, c, post(struct{}{}, "points", point, "undelete"))
}

// Expire plans an expiry, or does what an earlier plan said.
func (c *Client) Expire(ctx context.Context, vault string, in Apply) (Expiry, error) {
	return fetch[Expiry](ctx, c, post(in, "vaults", vault, "expiry"))
}

// SignBatch shows a disposal batch, or signs it.
func (c *Client) SignBatch(ctx context.Context, vault string, in SignBatch) (Batch, error) {
	return fetch[Batch](ctx, c, post(in, "vaults", vault, "batches"))
}

// Certificates lists the disposition certificates of a vault.
func (c *Client) Certificates(ctx context.Context, vault string) ([]Certificate, error) {
	return fetch[[]Certificate](ctx, c, get("vaults", vault, "certificates"))
}

// Locks compares the locks in a vault's store with those needed, and raises
// them when asked to.
func (c *Client) Locks(ctx context.Context, vault string, in RaiseLocks) (Locks, error) {
	return fetch[Locks](ctx, c, post(in, "vaults", vault, "locks"))
}

// LockVault shows what locking a vault means, asks for it, or finishes it.
func (c *Client) LockVault(ctx context.Context, vault string, in LockVault) (Locking, error) {
	return fetch[Locking](ctx, c, post(in, "vaults", vault, "lock"))
}

// CallBackLock calls back a request to lock a vault.
func (c *Client) CallBackLock(ctx context.Context, vault string) (Locking, error) {
	return fetch[Locking](ctx, c, post(struct{}{}, "vaults", vault, "lock", "call-back"))
}

// Prove makes the retention proof of a point.
func (c *Client) Prove(ctx context.Context, point string) (Proof, error) {
	return fetch[Proof](ctx, c, post(struct{}{}, "points", point, "proof"))
}

// Canary attacks an object made for it, to see whether locks hold.
func (c *Client) Canary(ctx context.Context, vault string) (Canary, error) {
	return fetch[Canary](ctx, c, post(struct{}{}, "vaults", vault, "canary"))
}
