package api

import (
	"context"
	"time"
)

// NewSettings asks for a vault's settings to be changed, those that are set; with
// Yes it is done.
type NewSettings struct {
	Immutability string `json:"immutability,omitempty"` // off, unlocked
	MinRetention string `json:"min_retention,omitempty"`
	MaxRetention string `json:"max_retention,omitempty"`
	// SoftDeleteDays is 14 to 180, or 0 to switch soft delete off.
	SoftDeleteDays *int `json:"soft_delete_days,omitempty"`
	// SoftDeleteOn makes it always-on, which cannot be undone.
	SoftDeleteOn bool `json:"soft_delete_always_on,omitempty"`
	Yes          bool `json:"yes,omitempty"`
}

// SettingsChange is what a change of a vault's settings does.
type SettingsChange struct {
	Vault   string   `json:"vault"`
	Changes []string `json:"changes"`
	// Effect is strengthens, weakens or irrevocable.
	Effect  string `json:"effect"`
	Applied bool   `json:"applied"`
}

// VaultDeletion is a vault that was deleted softly, or brought back.
type VaultDeletion struct {
	Vault      string     `json:"vault"`
	Points     int        `json:"points"`
	PurgeAfter *time.Time `json:"purge_after,omitempty"` // until then it can be brought back
}

// StopSource asks for the backups of a source to end.
type StopSource struct {
	Retain string `json:"retain"` // policy, for-ever
	Reason string `json:"reason,omitempty"`
}

// SourceChange is a source whose state changed.
type SourceChange struct {
	Source     string     `json:"source"`
	Vault      string     `json:"vault"`
	State      string     `json:"state"`
	Points     int        `json:"points"`
	PurgeAfter *time.Time `json:"purge_after,omitempty"`
}

// ChangeSettings shows what a change of a vault's settings does, or does it.
func (c *Client) ChangeSettings(ctx context.Context, vault string, in NewSettings) (SettingsChange, error) {
	return fetch[SettingsChange](ctx, c, post(in, "vaults", vault, "settings"))
}

// DeleteVault deletes a vault softly with all its points.
func (c *Client) DeleteVault(ctx context.Context, vault string, in Why) (VaultDeletion, error) {
	return fetch[VaultDeletion](ctx, c, post(in, "vaults", vault, "delete"))
}

// UndeleteVault brings back a vault that was deleted softly.
func (c *Client) UndeleteVault(ctx context.Context, vault string) (VaultDeletion, error) {
	return fetch[VaultDeletion](ctx, c, post(struct{}{}, "vaults", vault, "undelete"))
}

// StopSource ends the backups of a source.
func (c *Client) StopSource(ctx context.Context, source string, in StopSource) (SourceChange, error) {
	return fetch[SourceChange](ctx, c, post(in, "sources", source, "stop"))
}

// ResumeSource takes the backups of a stopped source up again.
func (c *Client) ResumeSource(ctx context.Context, source string) (SourceChange, error) {
	return fetch[SourceChange](ctx, c, post(struct{}{}, "sources", source, "resume"))
}

// DeleteSource deletes a source softly with all its points.
func (c *Client) DeleteSource(ctx context.Context, source string, in Why) (SourceChange, error) {
	return fetch[SourceChange](ctx, c, post(in, "sources", source, "delete"))
}

// UndeleteSource brings back a source that was deleted softly, stopped.
func (c *Client) UndeleteSource(ctx context.Context, source string) (SourceChange, error) {
	return fetch[SourceChange](ctx, c, post(struct{}{}, "sources", source, "undelete"))
}
