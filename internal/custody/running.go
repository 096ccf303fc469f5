package custody

import (
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// MayCommit refuses to make the point of a backup that runs, where its source or
// the vault was deleted meanwhile: what goes as a whole gets nothing new. A source
// that was stopped lets the run end, since nothing of it is to go.
func MayCommit(row catalog.Vault, source catalog.Source, records []vault.Record) error {
	if s, ok := Settings(records); ok && s.Deleted != nil {
		return errkind.New(errkind.Refused, "vault %q was deleted while source %q was read, so no point was made", row.Name, source.Name)
	}
	id, err := vault.ParseSourceID(source.ID)
	if err != nil {
		return err
	}
	if s, ok := RecordedSource(records, id); ok && (s.State == vault.SourceDeleted || s.State == vault.SourcePurged) {
		return errkind.New(errkind.Refused, "source %q was deleted while it was read, so no point was made", source.Name)
	}
	return nil
}
