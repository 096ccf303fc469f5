package access

import "slices"

// RoleName is the stable name of a role.
type RoleName string

// The built-in roles.
const (
	BackupReader      RoleName = "backup_reader"
	BackupOperator    RoleName = "backup_operator"
	BackupContributor RoleName = "backup_contributor"
	SecurityOfficer   RoleName = "security_officer"
	ComplianceOfficer RoleName = "compliance_officer"
	InternalAuditor   RoleName = "internal_auditor"
	ExternalAuditor   RoleName = "external_auditor"
	Executive         RoleName = "executive"
)

// Role is a list of action patterns. What Not names is refused even where Allow
// has it.
type Role struct {
	Name  RoleName  `json:"name"`
	Title string    `json:"title"`
	Allow []Pattern `json:"allow"`
	Not   []Pattern `json:"not,omitempty"`
}

// FindRole gives the built-in role of that name.
func FindRole(name RoleName) (Role, bool) {
	roles := Roles()
	i := slices.IndexFunc(roles, func(r Role) bool { return r.Name == name })
	if i < 0 {
		return Role{}, false
	}
	return roles[i], true
}

// Roles gives the built-in roles. Seeing is "*/list" and "*/show"; neither opens
// the contents of a point.
func Roles() []Role {
	see := []Pattern{"*/list", "*/show"}
	operate := append(slices.Clone(see), "source/create", "source/protect", "backup/run", "restore/run",
		"point/read", "drill/run", "agent/enrol", "vault/verify", "lock/raise", "canary/run", "commit/finish", "index/rebuild")
	audit := append(slices.Clone(see), "audit/read", "evidence/read", "sample/select",
		"request/create", "test/record", "note/create", "conclusion/record")
	noData := []Pattern{"point/read", "restore/*", "backup/*"}
	return []Role{
		{BackupReader, "Backup Reader", see, nil},
		{
			BackupOperator, "Backup Operator", operate,
			[]Pattern{"policy/create", "policy/update", "policy/delete", "*/delete", "*/remove", "source/stop"},
		},
		{
			BackupContributor, "Backup Contributor",
			append(slices.Clone(operate), "policy/*", "vault/*", "source/*", "point/delete", "point/undelete", "point/expire", "point/freeze", "object/delete", "pack/delete", "canary/run",
				"restore/include_erased", "owner/take", "operation/request"),
			[]Pattern{"operation/approve", "security/*", "role/*", "binding/*", "key/*", "guard/*"},
		},
		{
			SecurityOfficer, "Security Officer",
			append(slices.Clone(see), "operation/approve", "security/*", "key/*", "role/*", "binding/*", "guard/*", "clock/*", "audit/read"),
			append(slices.Clone(noData), "operation/request"),
		},
		{
			ComplianceOfficer, "Compliance Officer",
			append(slices.Clone(see), "hold/*", "erasure/*", "point/unfreeze", "class/*", "event/*", "control/*", "review/*", "certification/*",
				"disposal/sign", "operation/approve", "audit/read"),
			noData,
		},
		{
			InternalAuditor, "Internal Auditor",
			append(slices.Clone(audit), "finding/create", "finding/update"), noData,
		},
		{ExternalAuditor, "External Auditor", append(slices.Clone(audit), "test/reperform", "conclusion/sign"), noData},
		{Executive, "Executive", []Pattern{"dashboard/show", "certification/sign"}, nil},
	}
}
