package access

// Critical is an operation that weakens protection, so that others must agree.
type Critical struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	// Optional operations may be left out by the guard of a vault that holds no
	// classes of internal control over financial reporting.
	Optional bool `json:"optional,omitempty"`
	// Irrevocable operations cannot be undone by anybody.
	Irrevocable bool `json:"irrevocable,omitempty"`
}

// CriticalOperations gives the default list.
func CriticalOperations() []Critical {
	required := func(id, title string) Critical { return Critical{ID: id, Title: title} }
	optional := func(id, title string) Critical { return Critical{ID: id, Title: title, Optional: true} }
	final := func(id, title string) Critical { return Critical{ID: id, Title: title, Irrevocable: true} }
	return []Critical{
		required("soft_delete/weaken", "disable or shorten soft delete"),
		required("immutability/disable", "switch immutability off"),
		optional("policy/shorten", "shorten a policy or move a source to a shorter one"),
		optional("source/delete", "delete or stop-with-delete a source"),
		required("point/delete", "delete a point before time"),
		required("vault/delete", "delete a vault before time"),
		required("hold/release", "release a hold"),
		required("clock/clear", "clear a clock latch"),
		required("clock/attest", "attest the time after a gap or with a single source"),
		required("key/export", "export keys"),
		required("key/change", "change keys"),
		required("guard/change", "disable or change the guard"),
		required("approver/change", "change roles or bindings that grant approval"),
		required("audit/shorten", "shorten audit-log retention"),
		optional("restore/elsewhere", "restore to an alternate target"),
		required("restore/in_place", "restore in place over a classified source"),
		optional("restore/mass", "mass restore or export"),
		required("restore/include_erased", "restore what was erased for a data subject"),
		required("erasure/withdraw", "withdraw the erasure of a data subject"),
		required("source/shrink", "shrink a source's scope"),
		optional("source/stop", "stop protection"),
		optional("rpo/raise", "raise RPO"),
		required("class/lower", "lower a class minimum"),
		required("event/record", "record or edit a retention event"),
		required("control/disable", "disable a control"),
		required("time_source/change", "change time sources"),
		required("log_store/change", "change the log store"),
		required("anchor/change", "change anchors"),
		required("alert_route/change", "change a severity-0 route"),
		required("recovery_key/reveal", "reveal a recovery key"),
		final("vault/lock", "lock a vault"),
		final("soft_delete/always_on", "make soft delete always-on"),
		final("vault/raise_maximum", "raise a vault's maximum"),
		final("vault/lengthen", "lengthen inside a locked vault beyond its yearly byte-years budget"),
		final("key/adopt", "adopt a customer key"),
	}
}
