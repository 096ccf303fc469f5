package access

// The actions of this version that pass the gate.
const (
	VaultCreate  Action = "vault/create"
	VaultVerify  Action = "vault/verify"
	VaultRecover Action = "vault/recover"
	VaultRemove  Action = "vault/remove"
	SourceCreate Action = "source/create"
	PolicyCreate Action = "policy/create"
	// PolicyUpdate makes a new version of a policy, for every source under it.
	// PolicyShorten is for one that keeps points to come shorter, and for moving a
	// source to such a policy: it weakens, as critical.go lists it.
	PolicyUpdate  Action = "policy/update"
	PolicyShorten Action = "policy/shorten"
	// SourceUpdate changes a source, such as the policy that it is under.
	SourceUpdate Action = "source/update"
	BackupRun    Action = "backup/run"
	// PointRead opens the contents of a point: list, print, compare.
	PointRead   Action = "point/read"
	PointDelete Action = "point/delete"
	RestoreRun  Action = "restore/run"
	LockRaise   Action = "lock/raise"
	// CommitFinish completes a commit that a crash interrupted.
	CommitFinish Action = "commit/finish"
	KeyCreate    Action = "key/create"
	AuditRead    Action = "audit/read"
	// ObjectDelete removes an object from a store.
	ObjectDelete Action = "object/delete"
	// OwnerTake makes this server the one that writes to a vault.
	OwnerTake    Action = "owner/take"
	IndexRebuild Action = "index/rebuild"
	// PackDelete collects garbage: it deletes packs that no point needs.
	PackDelete Action = "pack/delete"

	HoldPlace   Action = "hold/place"
	HoldRelease Action = "hold/release"
	// EventRecord enters an event from which periods of retention count.
	EventRecord   Action = "event/record"
	PointUndelete Action = "point/undelete"
	// PointExpire disposes of points whose time has passed.
	PointExpire Action = "point/expire"
	// PointFreeze stops the expiry of a source's points, PointUnfreeze lets it go on.
	PointFreeze   Action = "point/freeze"
	PointUnfreeze Action = "point/unfreeze"
	// DisposalSign signs that points kept by class, close or event may go.
	DisposalSign Action = "disposal/sign"
	// VaultLock makes a vault immutable for ever, VaultCallBack undoes the request
	// while it cools off.
	VaultLock     Action = "vault/lock"
	VaultCallBack Action = "vault/call_back"
	// VaultUpdate changes settings without taking protection away, VaultWeaken
	// takes some away, VaultHarden cannot be undone.
	VaultUpdate Action = "vault/update"
	VaultWeaken Action = "vault/weaken"
	VaultHarden Action = "vault/harden"
	// VaultDelete deletes a vault softly with all its points.
	VaultDelete   Action = "vault/delete"
	VaultUndelete Action = "vault/undelete"
	// SourceStop ends the backups of a source, SourceResume takes them up again.
	SourceStop   Action = "source/stop"
	SourceResume Action = "source/resume"
	// SourceDelete deletes a source softly with all its points.
	SourceDelete   Action = "source/delete"
	SourceUndelete Action = "source/undelete"
	// VaultProve makes a retention proof.
	VaultProve Action = "vault/prove"
	// CanaryRun attacks an object made for it, to see whether locks hold.
	CanaryRun Action = "canary/run"
	// ErasureRecord enters what was erased for a data subject, ErasureWithdraw ends
	// an entry made by mistake, ErasureForget removes the subject's name and
	// ErasureRead opens it.
	ErasureRecord   Action = "erasure/record"
	ErasureWithdraw Action = "erasure/withdraw"
	ErasureForget   Action = "erasure/forget"
	ErasureRead     Action = "erasure/read"
	// RestoreErased brings back what was erased too, for a legal need.
	RestoreErased Action = "restore/include_erased"
	// ClockAttest says that the time is right, after a gap or with one source.
	ClockAttest Action = "clock/attest"
)

// Actions gives every action of this version.
func Actions() []Action {
	return []Action{
		VaultCreate, VaultVerify, VaultRecover, VaultRemove, SourceCreate, SourceUpdate, PolicyCreate, PolicyUpdate, PolicyShorten, BackupRun,
		PointRead, PointDelete, RestoreRun, LockRaise, CommitFinish, KeyCreate, AuditRead, ObjectDelete,
		OwnerTake, IndexRebuild, PackDelete, HoldPlace, HoldRelease, EventRecord, PointUndelete, PointExpire, PointFreeze, PointUnfreeze, DisposalSign,
		VaultLock, VaultCallBack, VaultUpdate, VaultWeaken, VaultHarden, VaultDelete, VaultUndelete, SourceStop, SourceResume, SourceDelete, SourceUndelete, VaultProve, CanaryRun, ClockAttest,
		ErasureRecord, ErasureWithdraw, ErasureForget, ErasureRead, RestoreErased,
	}
}
