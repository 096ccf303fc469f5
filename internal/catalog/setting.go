package catalog

import (
	"context"
	"fmt"

	"github.com/counterfoil/counterfoil/internal/access"
)

// Setting gives the value of a setting; one never set is errkind.NotFound.
func (r reads) Setting(ctx context.Context, name string) (string, error) {
	return one(ctx, r, fmt.Sprintf("the setting %q is not set", name), scanText, "SELECT value FROM settings WHERE name = ?", name)
}

// SetSetting sets a setting, replacing its value if it has one.
func (t *Tx) SetSetting(ctx context.Context, g access.Grant, name, value string) error {
	if err := checkSetting(g, name); err != nil {
		return err
	}
	_, err := t.exec(ctx, "set "+name, upsert("settings", "name, value", "name"), name, value)
	return err
}

// EnsureSetting sets a setting that has no value and gives the value that then
// stands, so that of several processes that start at once all get the same.
func (t *Tx) EnsureSetting(ctx context.Context, g access.Grant, name, value string) (string, error) {
	if err := checkSetting(g, name); err != nil {
		return "", err
	}
	if _, err := t.exec(ctx, "set "+name, insert("settings", "name, value")+" ON CONFLICT (name) DO NOTHING", name, value); err != nil {
		return "", err
	}
	return t.Setting(ctx, name)
}

func checkSetting(g access.Grant, name string) error {
	if err := g.Require(serverInit, serverSet, access.KeyCreate, access.VaultCreate, access.VaultRecover); err != nil {
		return err
	}
	var c checks
	c.want(name != "", "a setting needs a name")
	return c.err
}

// SetSetting is [Tx.SetSetting] in a transaction of its own.
func (c *Catalog) SetSetting(ctx context.Context, g access.Grant, name, value string) error {
	return c.change(ctx, func(tx *Tx) error { return tx.SetSetting(ctx, g, name, value) })
}

// EnsureSetting is [Tx.EnsureSetting] in a transaction of its own.
func (c *Catalog) EnsureSetting(ctx context.Context, g access.Grant, name, value string) (string, error) {
	var stands string
	err := c.change(ctx, func(tx *Tx) (err error) {
		stands, err = tx.EnsureSetting(ctx, g, name, value)
		return err
	})
	return stands, err
}
