package catalog

import "github.com/counterfoil/counterfoil/internal/access"

// Actions that the mutating methods accept beside those that package access
// names so far. Each method names the ones that may lead to it; recover may
// rebuild every index table.
const (
	vaultRepair access.Action = "vault/repair"
	vaultCopy   access.Action = "vault/copy"
	drillRun    access.Action = "drill/run"
	pointUpdate access.Action = "point/update"
	pointPurge  access.Action = "point/purge"
	serverInit  access.Action = "server/init"
	serverSet   access.Action = "server/set"
)
