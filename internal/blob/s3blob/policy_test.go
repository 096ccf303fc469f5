package s3blob_test

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/blob/s3blob"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestPolicies_Golden(t *testing.T) {
	policies := s3blob.Policies("books", "acme/")
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(policies)) {
		text.WriteString("# " + name + "\n" + policies[name] + "\n")
	}
	const golden = "testdata/policies.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("(-want +got; go test -update after thought)\n%s", diff)
	}
}

// Only the canary may do what destroys, and only among canaries.
func TestPolicies_NobodyMayBypassElsewhere(t *testing.T) {
	for name, text := range s3blob.Policies("books", "acme/") {
		var p struct {
			Statement []struct {
				Effect   string
				Action   []string
				Resource []string
			}
		}
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, s := range p.Statement {
			bypass := slices.Contains(s.Action, "s3:BypassGovernanceRetention")
			if s.Effect == "Allow" && bypass && !slices.Equal(s.Resource, []string{"arn:aws:s3:::books/acme/canary/*"}) {
				t.Errorf("%s may bypass governance on %v", name, s.Resource)
			}
			for _, action := range s.Action {
				if s.Effect == "Allow" && (strings.Contains(action, "*") || strings.HasPrefix(action, "s3:PutBucket") || action == "s3:DeleteBucket") {
					t.Errorf("%s may %s", name, action)
				}
			}
		}
	}
}
