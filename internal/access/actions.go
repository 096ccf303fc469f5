package access

// The actions of this version that pass the gate.
const (
	VaultCreate  Action = "vault/create"
	VaultVerify  Action = "vault/verify"
	VaultRecover Action = "vault/recover"
	VaultRemove  Action = "vault/remove"
	SourceCreate Action = "source/create"
	PolicyCreate Action = "policy/create"
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
)

// Actions gives every action of this version.
func Actions() []Action {
	return []Action{
		VaultCreate, VaultVerify, VaultRecover, VaultRemove, SourceCreate, PolicyCreate, BackupRun,
		PointRead, PointDelete, RestoreRun, LockRaise, CommitFinish, KeyCreate, AuditRead, ObjectDelete,
		OwnerTake, IndexRebuild, PackDelete,
	}
}
