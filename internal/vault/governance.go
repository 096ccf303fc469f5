package vault

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
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
)

// SourceRecord is a source as kept in the vault.
type SourceRecord struct {
	ID            SourceID          `cbor:"1,keyasint"`
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
	Created       Stamp             `cbor:"17,keyasint"`
	State         string            `cbor:"18,keyasint,omitempty"`
	Host          string            `cbor:"19,keyasint,omitempty"`
	Domain        string            `cbor:"20,keyasint,omitempty"`
	Extra         map[string]string `cbor:"21,keyasint,omitempty"`
}

// ClassPath maps paths of a source to a record class.
type ClassPath struct {
	Class string `cbor:"1,keyasint"`
	Path  string `cbor:"2,keyasint"`
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

// Decode decodes the fact's value into v.
func (f Fact) Decode(v any) error { return canon.Unmarshal(f.Value, v) }

// Record is a governance record: facts that somebody stated at a time.
type Record struct {
	Number uint64
	At     Stamp
	Actor  string
	Event  string
	Facts  []Fact
	Digest [32]byte
}

type recordClear struct {
	Vault    ID     `cbor:"1,keyasint"`
	Number   uint64 `cbor:"2,keyasint"`
	Previous []byte `cbor:"3,keyasint,omitempty"`
	At       Stamp  `cbor:"4,keyasint"`
	Body     Digest `cbor:"5,keyasint"`
	Count    uint32 `cbor:"6,keyasint"`
}

type recordBody struct {
	Actor string `cbor:"1,keyasint"`
	Event string `cbor:"2,keyasint"`
	Facts []Fact `cbor:"3,keyasint"`
}

const governancePrefix = "governance/"

func recordObject(number uint64) string { return fmt.Sprintf("%s%016d", governancePrefix, number) }

func parseRecordObject(name string) (uint64, bool) {
	digits := name[len(governancePrefix):]
	if len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}

// Records reads all governance records in order and checks their chain. A
// broken chain is errkind.Damaged; the records before the break are returned
// with it.
func (v *Vault) Records(ctx context.Context) ([]Record, error) {
	var names []string
	err := v.bucket.List(ctx, governancePrefix, func(i blob.Info) error {
		if _, ok := parseRecordObject(i.Name); ok {
			names = append(names, i.Name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v.chain(ctx, Record{}, names)
}

// chain reads records that are to follow one another, and the one given.
func (v *Vault) chain(ctx context.Context, last Record, names []string) ([]Record, error) {
	var out []Record
	var previous []byte
	if last.Number > 0 {
		previous = last.Digest[:]
	}
	for i, name := range names {
		r, prev, err := v.readRecord(ctx, name)
		if err != nil {
			return out, err
		}
		if r.Number != last.Number+uint64(i+1) || string(prev) != string(previous) {
			return out, errkind.New(errkind.Damaged, "governance record %q does not follow the one before it: records are missing or replaced", name)
		}
		previous = r.Digest[:]
		out = append(out, r)
	}
	return out, nil
}

func (v *Vault) readRecord(ctx context.Context, name string) (r Record, previous []byte, err error) {
	data, err := v.bucket.ReadAll(ctx, name, smallObjectLimit)
	if err != nil {
		return r, nil, err
	}
	var clear recordClear
	signed, err := v.parseSigned(canon.Governance, name, data, &clear)
	if err != nil {
		return r, nil, err
	}
	if number, ok := parseRecordObject(name); !ok || number != clear.Number || clear.Vault != v.header.Vault || sha256.Sum256(signed.Body) != clear.Body {
		return r, nil, errkind.New(errkind.Damaged, "governance record %q is not what its name or signature says", name)
	}
	z := v.zippers.Get()
	defer v.zippers.Put(z)
	plain, err := seal.Unbox(canon.Governance, v.header.Vault, signed.Body, v.ring, z)
	var body recordBody
	if err == nil {
		err = canon.Unmarshal(plain, &body)
	}
	if err != nil {
		return r, nil, errkind.Wrap(errkind.Of(err), err, "governance record %q", name)
	}
	return Record{Number: clear.Number, At: clear.At, Actor: body.Actor, Event: body.Event, Facts: body.Facts, Digest: sha256.Sum256(data)}, clear.Previous, nil
}

// mayRecord checks the grant against each kind of fact.
func mayRecord(g access.Grant, facts []Fact) error {
	allowed := map[string][]access.Action{
		FactSource: {access.SourceCreate},
		FactPolicy: {access.PolicyCreate, access.VaultCreate},
		FactClass:  {access.PolicyCreate},
		FactVault:  {access.VaultCreate},
		FactPoint:  {access.VaultVerify, access.RestoreRun},

		FactCondemned: {access.PackDelete},
		FactReleased:  {access.PackDelete},
		FactCollected: {access.PackDelete},
		FactPlacement: {access.PackDelete},
		FactRemoved:   {access.PointDelete},
	}
	if err := g.Require(g.Action()); err != nil { // an empty grant
		return err
	}
	if len(facts) == 0 {
		return errkind.New(errkind.Invalid, "a governance record without facts")
	}
	for _, f := range facts {
		if err := g.Require(allowed[f.Kind]...); err != nil {
			return err
		}
	}
	return nil
}

// RecordFacts appends a governance record, durable on return. Two writers
// cannot both take a number: the later gets errkind.Busy and nothing is lost.
func (v *Vault) RecordFacts(ctx context.Context, g access.Grant, facts ...Fact) (Record, error) {
	if err := mayRecord(g, facts); err != nil {
		return Record{}, err
	}
	if err := v.CheckOwner(ctx); err != nil {
		return Record{}, err
	}
	last, err := v.lastRecord(ctx)
	if err != nil {
		return Record{}, err
	}
	r := Record{Number: last.Number + 1, At: StampOf(v.opts.Now()), Actor: g.Subject(), Event: g.Event(), Facts: facts}
	object, err := v.encodeRecord(r, last)
	if err != nil {
		return Record{}, err
	}
	_, err = v.bucket.Put(ctx, recordObject(r.Number), object, blob.PutOptions{})
	if errkind.Is(err, errkind.Exists) {
		return Record{}, errkind.New(errkind.Busy, "governance record %d was just written by somebody else: try again", r.Number)
	}
	r.Digest = sha256.Sum256(object)
	return r, err
}

func (v *Vault) lastRecord(ctx context.Context) (Record, error) {
	var last string
	err := v.bucket.List(ctx, governancePrefix, func(i blob.Info) error {
		if _, ok := parseRecordObject(i.Name); ok {
			last = i.Name
		}
		return nil
	})
	if err != nil || last == "" {
		return Record{}, err
	}
	r, _, err := v.readRecord(ctx, last)
	return r, err
}

func (v *Vault) encodeRecord(r, last Record) ([]byte, error) {
	plain, err := canon.Marshal(recordBody{Actor: r.Actor, Event: r.Event, Facts: r.Facts})
	if err != nil {
		return nil, err
	}
	body, err := v.box(canon.Governance, plain)
	if err != nil {
		return nil, err
	}
	clear := recordClear{Vault: v.header.Vault, Number: r.Number, At: r.At, Body: sha256.Sum256(body), Count: uint32(len(r.Facts))}
	if last.Number > 0 {
		clear.Previous = last.Digest[:]
	}
	data, err := canon.Marshal(clear)
	if err != nil {
		return nil, err
	}
	return canon.Sign(canon.Governance, data, body, v.ring.SigningKey())
}

// box seals a small body under a session of its own.
func (v *Vault) box(m canon.Magic, plain []byte) ([]byte, error) {
	session := seal.NewID()
	key, err := v.ring.SessionKey(v.ring.Current, session)
	if err != nil {
		return nil, err
	}
	z := v.zippers.Get()
	defer v.zippers.Put(z)
	return seal.Box(seal.New(m, v.header.Vault, v.ring.Current, session, key), z, plain)
}
