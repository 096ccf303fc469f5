package files

import (
	"bytes"
	"slices"

	"github.com/counterfoil/counterfoil/internal/vault"
)

// Same tells whether two entries agree in all metadata that [Diff] looks at.
func Same(a, b vault.Entry) bool { return len(Diff(a, b)) == 0 }

// Diff names what differs in the metadata of two entries, in a fixed order:
// kind, mode, owner, mtime, size, target, device, xattrs, flags, links,
// extents. Names and contents are not compared.
func Diff(a, b vault.Entry) []string {
	var out []string
	note := func(same bool, field string) {
		if !same {
			out = append(out, field)
		}
	}
	note(a.Kind == b.Kind, "kind")
	note(a.Mode == b.Mode, "mode")
	note(a.UID == b.UID && a.GID == b.GID && a.User == b.User && a.Group == b.Group, "owner")
	note(a.MTime == b.MTime, "mtime")
	note(a.Size == b.Size, "size")
	note(bytes.Equal(a.Target, b.Target), "target")
	note(a.Major == b.Major && a.Minor == b.Minor, "device")
	note(slices.EqualFunc(a.Xattrs, b.Xattrs, sameXattr), "xattrs")
	note(a.Flags == b.Flags, "flags")
	note(bytes.Equal(a.LinkGroup, b.LinkGroup), "links")
	note(a.Sparse == b.Sparse && slices.Equal(a.Extents, b.Extents), "extents")
	return out
}

func sameXattr(a, b vault.Xattr) bool {
	return bytes.Equal(a.Name, b.Name) && bytes.Equal(a.Value, b.Value)
}
