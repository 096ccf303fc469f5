package vault

import (
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/points"
	"github.com/counterfoil/counterfoil/internal/vault/reader"
	"github.com/counterfoil/counterfoil/internal/vault/records"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
	"github.com/counterfoil/counterfoil/internal/vault/verify"
)

// The words that callers of the vault use of its parts.
type (
	// ID names a vault, a server, a slot or a session.
	ID = seal.ID
	// KEK is a key-encryption key at its provider; package keys has them.
	KEK = seal.KEK
	// PointID names a recovery point.
	PointID = objects.PointID
	// SourceID names a source.
	SourceID = objects.SourceID
	// Header is the clear first object of a vault.
	Header = objects.Header

	// Entry is one file system object of a point.
	Entry = tree.Entry
	// Stamp is an instant with nanoseconds.
	Stamp = tree.Stamp
	// Extent is a range of data in a sparse file.
	Extent = tree.Extent
	// Xattr is an extended attribute.
	Xattr = tree.Xattr
	// Digest is the SHA-256 of a chunk's plaintext.
	Digest = tree.Digest
	// Content is a file's content stream.
	Content = tree.Content
	// Kind is what an entry is.
	Kind = tree.Kind

	// Record is a governance record: facts that somebody stated at a time.
	Record = records.Record
	// Fact is one statement in a governance record.
	Fact = records.Fact
	// Heads keeps, outside of the vaults, what the newest record of each is.
	Heads = records.Heads
	// SourceRecord is a source as kept in the vault.
	SourceRecord = records.SourceRecord
	// SourceState is what becomes of a source.
	SourceState = records.SourceState
	// SoftDeletion is a soft deletion of a source or a vault.
	SoftDeletion = records.Deletion
	// ClassPath maps paths of a source to a record class.
	ClassPath = records.ClassPath
	// PolicyRecord is a version of a policy as kept in the vault.
	PolicyRecord = records.PolicyRecord
	// SettingsRecord is a vault's settings as of the record.
	SettingsRecord = records.SettingsRecord
	// PacksRecord is the value of the facts that name packs.
	PacksRecord = records.PacksRecord
	// PlacementRecord says which packs hold what points need of another one.
	PlacementRecord = records.PlacementRecord
	// RemovedRecord says that a point is taken out of the vault on purpose.
	RemovedRecord = records.RemovedRecord
	// BatchRecord is a signed disposal batch.
	BatchRecord = records.BatchRecord
	// CertificateRecord is a disposition certificate.
	CertificateRecord = records.CertificateRecord
	// ProofRecord is the root of a retention proof.
	ProofRecord = records.ProofRecord
	// CanaryRecord is the result of attacking an object made for it.
	CanaryRecord = records.CanaryRecord
	// ErasureRecord says which files were erased for a data subject.
	ErasureRecord = records.ErasureRecord
	// WithdrawalRecord says that an erasure was recorded by mistake.
	WithdrawalRecord = records.WithdrawalRecord
	// Owner is an epoch of ownership.
	Owner = records.Owner

	// Point is a committed recovery point as read from the store.
	Point = points.Point
	// PointRef is a point's object as listed, unread.
	PointRef = points.Ref
	// Envelope is the clear, signed part of a point.
	Envelope = points.Envelope
	// Body is the sealed part of a point.
	Body = points.Body
	// PackList names the packs a point needs, as of its commit.
	PackList = points.PackList
	// PointProblem is an input that could not be taken.
	PointProblem = points.PointProblem
	// PointClass is a record class found in a point, by path.
	PointClass = points.PointClass
	// PointClose marks a close point.
	PointClose = points.PointClose
	// Term says how the time a point is kept is bounded.
	Term = points.Term
	// Hints hold what a file system says of files beyond what trees keep.
	Hints = points.Hints
	// HintKey names a file in hints.
	HintKey = points.HintKey

	// Reader reads points.
	Reader = reader.Reader
	// Want is one chunk to be read by [Reader.ReadMany], Got what came of it.
	Want = reader.Want
	// Got is what came of one [Want].
	Got = reader.Got
	// Change is one difference between two points.
	Change = reader.Change
	// Scope bounds a comparison of two points.
	Scope = reader.Scope

	// VerifyMode says how much a verification reads.
	VerifyMode = verify.Mode
	// VerifyReport is what a verification found.
	VerifyReport = verify.Report
	// VerifyProblem is one object found wrong, and what depends on it.
	VerifyProblem = verify.Problem
	// VerifyProgress is told how much of a verification is done, in bytes.
	VerifyProgress = verify.Progress
	// AffectedFile is a file of a point that cannot be had whole.
	AffectedFile = verify.AffectedFile
)

// The kinds of entries.
const (
	Regular     = tree.Regular
	Dir         = tree.Dir
	Symlink     = tree.Symlink
	Fifo        = tree.Fifo
	CharDevice  = tree.CharDevice
	BlockDevice = tree.BlockDevice
	Socket      = tree.Socket
)

// The kinds of facts.
const (
	FactSource    = records.FactSource
	FactPolicy    = records.FactPolicy
	FactClass     = records.FactClass
	FactVault     = records.FactVault
	FactPoint     = records.FactPoint
	FactCondemned = records.FactCondemned
	FactReleased  = records.FactReleased
	FactCollected = records.FactCollected
	FactPlacement = records.FactPlacement
	FactRemoved   = records.FactRemoved

	FactBatch       = records.FactBatch
	FactCertificate = records.FactCertificate
	FactProof       = records.FactProof
	FactCanary      = records.FactCanary

	FactErasure          = records.FactErasure
	FactErasureWithdrawn = records.FactErasureWithdrawn
)

// The states of a vault in its settings.
const (
	StateTrial    = records.StateTrial
	StateOff      = records.StateOff
	StateUnlocked = records.StateUnlocked
	StateLocking  = records.StateLocking
	StateLocked   = records.StateLocked
)

// The offices in which a disposal batch is signed.
const (
	SignedByOwner   = records.SignedByOwner
	SignedByOfficer = records.SignedByOfficer
)

// The states of a source.
const (
	SourceProtected      = records.SourceProtected
	SourceStopped        = records.SourceStopped
	SourceStoppedForEver = records.SourceStoppedForEver
	SourceDeleted        = records.SourceDeleted
	SourcePurged         = records.SourcePurged
)

// The terms of points.
const (
	Fixed         = points.Fixed
	OpenEnded     = points.OpenEnded
	UnlimitedTerm = points.UnlimitedTerm
)

// The modes of verification.
const (
	Quick = verify.Quick
	Full  = verify.Full
)

// What the names of objects begin with; [CanaryPrefix] those of objects that are
// made to be attacked.
const (
	CanaryPrefix = objects.CanaryPrefix
	KeysPrefix   = objects.KeysPrefix
	HeaderName   = objects.HeaderName
)

// MaxAffected bounds the files listed for one object.
const MaxAffected = verify.MaxAffected

// What is made or read of those words.
var (
	NewID          = seal.NewID
	NewSourceID    = objects.NewSourceID
	ParseSourceID  = objects.ParseSourceID
	ParsePointID   = objects.ParsePointID
	PointObjects   = objects.OfPoint
	ErrHeadUnknown = records.ErrHeadUnknown
	IsOwnObject    = objects.IsOwn
	IsIntent       = objects.IsIntent
	StampOf        = tree.StampOf
	HintKeyOf      = points.HintKeyOf
	ContentKey     = reader.ContentKey
	NewFact        = records.NewFact
)

// PackName gives the name of a pack from that of its object; ok is false for any
// other object.
func PackName(object string) (name [32]byte, ok bool) {
	_, n, ok := pack.ParseObject(object)
	return n, ok
}
