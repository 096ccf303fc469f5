package records

import (
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// The kinds of facts in governance records; governance.md has their values.
const (
	FactSource = "source" // SourceRecord
	FactPolicy = "policy" // PolicyRecord
	FactClass  = "class"  // PolicyRecord of a set of record classes
	FactVault  = "vault"  // SettingsRecord
	FactPoint  = "point"  // retention.Fact

	FactCondemned = "condemned" // PacksRecord: not to be counted on, to be deleted
	FactReleased  = "released"  // PacksRecord: no longer condemned
	FactCollected = "collected" // PacksRecord: deleted
	FactPlacement = "placement" // PlacementRecord
	FactRemoved   = "removed"   // RemovedRecord

	FactBatch       = "batch"       // BatchRecord
	FactCertificate = "certificate" // CertificateRecord
	FactProof       = "proof"       // ProofRecord
	FactCanary      = "canary"      // CanaryRecord

	FactErasure          = "erasure"           // ErasureRecord
	FactErasureWithdrawn = "erasure_withdrawn" // WithdrawalRecord
)

// The states of a vault in its settings.
const (
	StateTrial    = "trial"
	StateOff      = "off"
	StateUnlocked = "unlocked"
	// StateLocking is unlocked, and asked to be locked.
	StateLocking = "locking"
	StateLocked  = "locked"
)

// SourceRecord is a source as kept in the vault.
type SourceRecord struct {
	ID            objects.SourceID  `cbor:"1,keyasint"`
	Name          string            `cbor:"2,keyasint"`
	Kind          string            `cbor:"3,keyasint"`
	Paths         [][]byte          `cbor:"4,keyasint"`
	Excludes      []string          `cbor:"5,keyasint,omitempty"`
	ExcludeLarger int64             `cbor:"6,keyasint,omitempty"`
	ExcludeCaches bool              `cbor:"7,keyasint,omitempty"`
	OneFileSystem bool              `cbor:"8,keyasint,omitempty"`
	Policy        string            `cbor:"9,keyasint"`
	PolicyVersion int               `cbor:"10,keyasint"`
	Classes       []ClassPath       `cbor:"11,keyasint,omitempty"`
	Owner         string            `cbor:"12,keyasint,omitempty"`
	Criticality   string            `cbor:"13,keyasint,omitempty"`
	Sensitivity   string            `cbor:"14,keyasint,omitempty"`
	RPO           string            `cbor:"15,keyasint,omitempty"`
	RTO           string            `cbor:"16,keyasint,omitempty"`
	Created       tree.Stamp        `cbor:"17,keyasint"`
	State         SourceState       `cbor:"18,keyasint,omitempty"`
	Host          string            `cbor:"19,keyasint,omitempty"`
	Domain        string            `cbor:"20,keyasint,omitempty"`
	Extra         map[string]string `cbor:"21,keyasint,omitempty"`
	// Deleted is set while the source is deleted softly or purged.
	Deleted *Deletion `cbor:"22,keyasint,omitempty"`
}

// SourceState is what becomes of a source. Points of a stopped source stay as
// their retention says, or for ever.
type SourceState string

// The states of a source.
const (
	SourceProtected      SourceState = ""
	SourceStopped        SourceState = "stopped"
	SourceStoppedForEver SourceState = "stopped_for_ever"
	SourceDeleted        SourceState = "deleted"
	SourcePurged         SourceState = "purged"
)

// Deletion is a soft deletion of a source or a vault.
type Deletion struct {
	At tree.Stamp `cbor:"1,keyasint"`
	By string     `cbor:"2,keyasint"`
	// PurgeAfter is until when it can be undone.
	PurgeAfter tree.Stamp `cbor:"3,keyasint"`
}

// ClassPath maps paths of a source to a record class.
type ClassPath struct {
	Class string `cbor:"1,keyasint"`
	Path  string `cbor:"2,keyasint"`
	// CarriedBy says which points carry the period; empty are close and yearly ones.
	CarriedBy string `cbor:"3,keyasint,omitempty"`
}

// PolicyRecord is a version of a policy as kept in the vault; Document is its JSON.
type PolicyRecord struct {
	Name     string `cbor:"1,keyasint"`
	Version  int    `cbor:"2,keyasint"`
	Document []byte `cbor:"3,keyasint"`
}

// SettingsRecord is a vault's settings as of the record.
type SettingsRecord struct {
	State          string `cbor:"1,keyasint"` // trial, off, unlocked, locking, locked
	Minimum        string `cbor:"2,keyasint"`
	Maximum        string `cbor:"3,keyasint"`
	SoftDeleteDays int    `cbor:"4,keyasint,omitempty"`
	SoftDeleteOn   bool   `cbor:"5,keyasint,omitempty"` // always-on
	Name           string `cbor:"6,keyasint,omitempty"`
	// LockAt is from when on a locking may be finished.
	LockAt *tree.Stamp `cbor:"7,keyasint,omitempty"`
	// Deleted is set while the vault is deleted softly.
	Deleted *Deletion `cbor:"8,keyasint,omitempty"`
}

// Fact is one statement in a governance record: its kind and its encoded value.
type Fact struct {
	Kind  string `cbor:"1,keyasint"`
	Value []byte `cbor:"2,keyasint"`
}

// NewFact encodes a value as a fact.
func NewFact(kind string, value any) (Fact, error) {
	data, err := canon.Marshal(value)
	return Fact{Kind: kind, Value: data}, err
}

// Decode decodes the fact's value into l.
func (f Fact) Decode(v any) error { return canon.Unmarshal(f.Value, v) }
