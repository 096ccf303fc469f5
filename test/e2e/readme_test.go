//go:build unix

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadme_CommandsInACleanClone does what the README begins with, in a new
// clone with a home of its own.
func TestReadme_CommandsInACleanClone(t *testing.T) {
	t.Parallel()
	long(t)
	clone := filepath.Join(t.TempDir(), "clone")
	if out, err := exec.Command("git", "clone", "--quiet", "../..", clone).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v: %s", err, out)
	}
	readme, err := os.ReadFile(clone + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	const command = "go run ./cmd/counterfoil quickstart"
	if !strings.Contains(string(readme), command) || !strings.Contains(string(readme), "go test ./...") {
		t.Errorf("the README does not have %q and %q", command, "go test ./...")
	}
	home := t.TempDir()
	src := smallTree(t)
	for _, args := range [][]string{{"quickstart", src}, {"quickstart", src}, {"point", "list"}, {"quickstart", "--remove", "--yes"}} {
		cmd := exec.Command("go", append([]string{"run", "./cmd/counterfoil"}, args...)...)
		cmd.Dir = clone
		cmd.Env = append(goEnvironment(t), "HOME="+home, "COUNTERFOIL_DATA="+home+"/data")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go run ./cmd/counterfoil %q: %v\n%s", args, err, out)
		}
	}
	if left := entriesOf(t, home+"/data"); len(left) > 0 {
		t.Errorf("of the data directory %q are left", left)
	}
	if out, err := exec.Command("git", "-C", clone, "status", "--porcelain").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("the clone was changed: %v\n%s", err, out)
	}
}

// goEnvironment is what Go needs to build from what is already on this machine.
func goEnvironment(t *testing.T) []string {
	t.Helper()
	env := []string{"PATH=" + os.Getenv("PATH")}
	for _, name := range []string{"GOMODCACHE", "GOCACHE", "GOPROXY", "GOFLAGS", "GOTOOLCHAIN", "GONOSUMDB", "GOSUMDB"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	return env
}
