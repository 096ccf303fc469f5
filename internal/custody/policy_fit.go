package custody

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Fits refuses a policy for a source with these record classes of its own where
// the bounds of its vault or the maximum of a class do not allow it.
func Fits(p policy.Policy, source string, rules []policy.ClassRule, row catalog.Vault) error {
	classes, err := Classes(append(slices.Clone(p.Classes), rules...))
	if err != nil {
		return err
	}
	bounds, err := Bounds(row)
	if err != nil {
		return err
	}
	if row.Kind == catalog.VaultTrial {
		bounds.Max = p.Longest() // a trial shows what would be, it locks nothing
	}
	list := slices.SortedFunc(maps.Values(classes), func(a, b policy.Class) int { return strings.Compare(a.ID, b.ID) })
	err = errors.Join(bounds.Check(p, list), p.CheckClasses(policy.ClassSet{ID: "uk-us or article", Classes: list}), beyond(p, rules, classes))
	if err != nil {
		return errkind.Wrap(errkind.Refused, err, "source %q does not fit vault %q", source, row.Name)
	}
	return nil
}

// beyond refuses a policy that outlives the maximum of a class that the source
// itself names; the policy's rule for the class can give the reason.
func beyond(p policy.Policy, rules []policy.ClassRule, classes map[string]policy.Class) error {
	var bad []error
	for _, r := range rules {
		limit := classes[r.Class].Maximum
		reasoned := slices.ContainsFunc(p.Classes, func(x policy.ClassRule) bool { return x.Class == r.Class && x.BeyondMaximum != "" })
		if !limit.IsZero() && p.Longest().Compare(limit) > 0 && !reasoned {
			bad = append(bad, fmt.Errorf("class %s of the source may be kept %s at most and policy %q keeps points %s: take a shorter policy, or one with a rule for the class that gives its reason in beyond_maximum",
				r.Class, limit.Words(), p.Name, p.Longest().Words()))
		}
	}
	return errors.Join(bad...)
}

// ReadPolicy reads a policy as a person wrote it and gives every mistake: those
// of [policy.Read], a time zone that this host does not know, a class that there
// is not, and the name of a preset.
func ReadPolicy(document []byte) (policy.Policy, []error) {
	p, mistakes := policy.Read(document)
	// Local would be another zone on another host.
	if _, err := time.LoadLocation(p.Zone); err != nil || p.Zone == "Local" {
		mistakes = append(mistakes, fmt.Errorf("zone must be a time zone that this host knows, %q is not", p.Zone))
	}
	if _, err := Classes(p.Classes); err != nil {
		mistakes = append(mistakes, err)
	}
	if slices.ContainsFunc(policy.Presets(), func(x policy.Policy) bool { return x.Name == p.Name }) {
		mistakes = append(mistakes, fmt.Errorf("name must not be %q: presets do not change; give the policy a name of its own", p.Name))
	}
	return p, mistakes
}

// PolicyRow gives the catalog's row of a version of a policy.
func PolicyRow(p policy.Policy, at time.Time) (catalog.Policy, error) {
	body, err := json.Marshal(p)
	return catalog.Policy{Name: p.Name, Version: p.Version, Body: body, CreatedAt: at}, err
}

// SamePolicy reports whether two policies say the same, as they are recorded.
func SamePolicy(a, b policy.Policy) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

// PolicyFact states a version of a policy.
func PolicyFact(p policy.Policy) (vault.Fact, error) {
	document, err := json.Marshal(p)
	if err != nil {
		return vault.Fact{}, err
	}
	return vault.NewFact(vault.FactPolicy, vault.PolicyRecord{Name: p.Name, Version: p.Version, Document: document})
}

// RecordedPolicy gives the versions of a policy that a vault's records have, by
// number; of a version that was recorded twice the last.
func RecordedPolicy(records []vault.Record, name string) (map[int]policy.Policy, error) {
	out := map[int]policy.Policy{}
	for _, r := range readRecords(records).policies {
		if r.Name != name {
			continue
		}
		p, err := policy.Parse(r.Document)
		if err != nil {
			return nil, errkind.Wrap(errkind.Damaged, err, "recorded version %d of policy %q", r.Version, name)
		}
		out[r.Version] = p
	}
	return out, nil
}

// RecordedSource gives a source as a vault's records last have it; false where
// they do not.
func RecordedSource(records []vault.Record, id vault.SourceID) (vault.SourceRecord, bool) {
	list := readRecords(records).sources
	i := slices.IndexFunc(list, func(s vault.SourceRecord) bool { return s.ID == id })
	if i < 0 {
		return vault.SourceRecord{}, false
	}
	return list[i], true
}

// lacks gives the fact that states a policy in a vault whose records do not have
// it, none if they do. New vaults have the presets.
func lacks(ctx context.Context, v *vault.Vault, p policy.Policy) ([]vault.Fact, error) {
	records, err := v.Records(ctx)
	if err != nil && !errkind.Is(err, errkind.Damaged) {
		return nil, err // of damaged ones those before the damage count
	}
	had, err := RecordedPolicy(records, p.Name)
	if err != nil {
		return nil, err
	}
	if _, ok := had[p.Version]; ok {
		return nil, nil
	}
	fact, err := PolicyFact(p)
	return []vault.Fact{fact}, err
}
