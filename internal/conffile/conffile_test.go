package conffile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// level stands for a type that reads its own text.
type level int

func (l *level) UnmarshalText(text []byte) error {
	if string(text) != "high" {
		return errors.New("no such level")
	}
	*l = 3
	return nil
}

type route struct {
	To    string `yaml:"to"`
	After time.Duration
}

type serverStanza struct {
	Listen  string        `yaml:"listen"`
	Timeout time.Duration `yaml:"timeout"`
	Origins []string      `yaml:"origins"`
	TLS     *bool         `yaml:"tls"`
}

// stanza holds one of everything.
type stanza struct {
	Server  serverStanza     `yaml:"server"`
	Level   level            `yaml:"level"`
	Max     uint8            `yaml:"max-items"`
	Ratio   float64          `yaml:"ratio"`
	Strict  bool             `yaml:"strict"`
	Ports   []int            `yaml:"ports"`
	Routes  []route          `yaml:"routes"`
	Vaults  map[string]route `yaml:"vaults"`
	Secret  SecretFile       `yaml:"secret"`
	Ignored int              `yaml:"-"`
}

func defaults() stanza {
	return stanza{Server: serverStanza{Listen: "127.0.0.1:8080", Timeout: time.Minute}, Max: 9, Ports: []int{1}}
}

const fullFile = `
# comment
server:
  listen: 0.0.0.0:443
  timeout: 1h30m
  origins: [a, "b, c"]
  tls: false
level: high
max-items: 200
ratio: 0.5
strict: true
ports: []
routes:
- to: no
  after: 5s
vaults:
  main: {to: 0123}
secret: /run/secret
`

func TestDecode_FullFile(t *testing.T) {
	got := defaults()
	if err := Decode("c.yaml", []byte(fullFile), &got); err != nil {
		t.Fatal(err)
	}
	off := false
	want := stanza{
		Server: serverStanza{Listen: "0.0.0.0:443", Timeout: 90 * time.Minute, Origins: []string{"a", "b, c"}, TLS: &off},
		Level:  3, Max: 200, Ratio: 0.5, Strict: true, Ports: []int{},
		Routes: []route{{To: "no", After: 5 * time.Second}},
		Vaults: map[string]route{"main": {To: "0123"}},
		Secret: "/run/secret",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDecode_AbsentKeysKeepDefaults(t *testing.T) {
	for _, text := range []string{"", "# only this\n", "---\n", "server:\n", "{}"} {
		got := defaults()
		if err := Decode("c.yaml", []byte(text), &got); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if diff := cmp.Diff(defaults(), got); diff != "" {
			t.Errorf("%q changed defaults: %s", text, diff)
		}
	}
}

func TestDecode_Faults(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"unknown key":       {"server:\n  lisen: x\n", "c.yaml:2: server.lisen: unknown key; known here: listen, timeout, origins, tls"},
		"unknown section":   {"sever: {}\n", "c.yaml:1: sever: unknown key; known here: server, level"},
		"left-out field":    {"ignored: 1\n", "c.yaml:1: ignored: unknown key"},
		"unknown in list":   {"routes:\n- to: a\n- too: b\n", "c.yaml:3: routes[1].too: unknown key; known here: to, after"},
		"unknown in map":    {"vaults:\n  main:\n    x: 1\n", "c.yaml:3: vaults.main.x: unknown key"},
		"twice":             {"strict: true\nmax-items: 1\nstrict: true\n", "c.yaml:3: strict: given twice, first on line 1"},
		"twice in a map":    {"vaults:\n  a: {}\n  a: {}\n", "c.yaml:3: vaults.a: given twice"},
		"not a duration":    {"server:\n  timeout: soon\n", `c.yaml:2: server.timeout: "soon" is not a duration such as`},
		"too large":         {"max-items: 256\n", `c.yaml:1: max-items: "256" is not a whole number from 0 that fits`},
		"not a number":      {"ports: [80, x]\n", `c.yaml:1: ports[1]: "x" is not a whole number that fits`},
		"not a bool":        {"strict: yes\n", `c.yaml:1: strict: "yes" is neither true nor false`},
		"not a float":       {"ratio: half\n", `c.yaml:1: ratio: "half" is not a number that fits`},
		"own text refused":  {"level: low\n", "c.yaml:1: level: no such level"},
		"no value":          {"server:\n  listen:\n", "c.yaml:2: server.listen: no value; remove the key"},
		"value for section": {"server: on\n", `c.yaml:1: server: want a section of keys, have the value "on"`},
		"section for value": {"server:\n  listen: {a: b}\n", "c.yaml:2: server.listen: want one value, have a section of keys"},
		"list for value":    {"strict: [true]\n", "c.yaml:1: strict: want one value, have a list"},
		"value for list":    {"ports: 80\n", `c.yaml:1: ports: want a list, have the value "80"`},
		"value for map":     {"vaults: x\n", "c.yaml:1: vaults: want a section of keys"},
		"list as document":  {"- a\n", "c.yaml:1: want a section of keys, have a list"},
		"alias":             {"vaults:\n  a: &x {to: b}\n", "c.yaml:2: vaults.a: anchors and aliases are not supported"},
		"tag":               {"ratio: !!str 1\n", "c.yaml:1: ratio: tags are not supported"},
		"merge key":         {"server:\n  <<: {listen: x}\n", "c.yaml:2: server.<<: unknown key"},
		"two documents":     {"strict: true\n---\nstrict: false\n", "c.yaml: more than one YAML document"},
		"syntax":            {"strict: true\nserver: [\n", "c.yaml: line "},
		"tab":               {"server:\n\tlisten: x\n", "c.yaml: line 2: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := defaults()
			err := Decode("c.yaml", []byte(tt.text), &got)
			if !errkind.Is(err, errkind.Invalid) {
				t.Fatalf("error %v has kind %v, want invalid", err, errkind.Of(err))
			}
			if !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("error %q\nwant it to begin %q", err, tt.want)
			}
		})
	}
}

func TestOverride(t *testing.T) {
	got := defaults()
	err := Override([]string{
		"COUNTERFOIL_SERVER_LISTEN=:1", "COUNTERFOIL_SERVER_LISTEN=:2", "COUNTERFOIL_SERVER_ORIGINS=x, y",
		"COUNTERFOIL_MAX_ITEMS=7", "COUNTERFOIL_LEVEL=high", "COUNTERFOIL_PORTS=", "COUNTERFOIL_STRICT=true",
		"COUNTERFOIL_RATIO=2.5", "COUNTERFOIL_SECRET=/s", "COUNTERFOIL_DATA=/d", "PATH=/bin", "odd",
	}, &got)
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Server.Listen, want.Server.Origins = ":2", []string{"x", "y"}
	want.Max, want.Level, want.Ports, want.Strict, want.Ratio, want.Secret = 7, 3, []int{}, true, 2.5, "/s"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestOverride_FaultNamesVariableAndKey(t *testing.T) {
	got := defaults()
	err := Override([]string{"COUNTERFOIL_MAX_ITEMS=-1"}, &got)
	if !errkind.Is(err, errkind.Invalid) || !strings.HasPrefix(err.Error(), "COUNTERFOIL_MAX_ITEMS: max-items: ") {
		t.Errorf("error %v has kind %v", err, errkind.Of(err))
	}
}

func TestKeys_EachValueHasItsVariable(t *testing.T) {
	var s stanza
	var got []string
	for _, k := range Keys(&s) {
		got = append(got, fmt.Sprintf("%s=%s", k.Path, k.Env))
	}
	want := []string{
		"server.listen=COUNTERFOIL_SERVER_LISTEN", "server.timeout=COUNTERFOIL_SERVER_TIMEOUT",
		"server.origins=COUNTERFOIL_SERVER_ORIGINS", "server.tls=COUNTERFOIL_SERVER_TLS",
		"level=COUNTERFOIL_LEVEL", "max-items=COUNTERFOIL_MAX_ITEMS",
		"ratio=COUNTERFOIL_RATIO", "strict=COUNTERFOIL_STRICT", "ports=COUNTERFOIL_PORTS", "secret=COUNTERFOIL_SECRET",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestOverride_PointerValue(t *testing.T) {
	var s stanza
	if err := Override([]string{"COUNTERFOIL_SERVER_TLS=true"}, &s); err != nil {
		t.Fatal(err)
	}
	if s.Server.TLS == nil || !*s.Server.TLS {
		t.Error("the pointer was not set")
	}
}

func TestUnknown(t *testing.T) {
	var s stanza
	got := Unknown([]string{
		"COUNTERFOIL_SERVER_LISEN=x", "COUNTERFOIL_LEVEL=high", "COUNTERFOIL_DATA=/d", "HOME=/", "COUNTERFOIL_A=",
	}, &s, "COUNTERFOIL_DATA")
	if diff := cmp.Diff([]string{"COUNTERFOIL_A", "COUNTERFOIL_SERVER_LISEN"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLoad_EnvironmentWinsOverTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("ratio: 1\nstrict: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := defaults()
	if err := Load(path, []string{"COUNTERFOIL_RATIO=3"}, &got); err != nil {
		t.Fatal(err)
	}
	if got.Ratio != 3 || !got.Strict || got.Max != 9 {
		t.Errorf("got %+v", got)
	}
	if err := Load(path+".none", nil, &got); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("missing file: %v, want kind not_found", err)
	}
}

func TestSecretFile_Read(t *testing.T) {
	tests := map[string]struct {
		bytes string
		mode  os.FileMode
		want  string
		fault string
	}{
		"one line":           {"hush\n", 0o600, "hush", ""},
		"no line end":        {"hush", 0o400, "hush", ""},
		"windows":            {"hush\r\n", 0o600, "hush", ""},
		"only one removed":   {"hush\n\n", 0o600, "hush\n", ""},
		"mounted read-only":  {"hush", 0o444, "hush", ""},
		"empty":              {"\n", 0o600, "", "empty"},
		"others may replace": {"hush", 0o666, "", "mode 0666"},
		"too long":           {strings.Repeat("x", maxSecret+1), 0o600, "", "longer than 64 KiB"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(tt.bytes), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			got, err := SecretFile(path).Read()
			if tt.fault == "" {
				if err != nil || string(got) != tt.want {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			if !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("error %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("error %q tells the secret", err)
			}
		})
	}
	if _, err := SecretFile(t.TempDir()).Read(); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("a directory: %v, want kind invalid", err)
	}
	if _, err := SecretFile("/nonexistent/secret").Read(); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("missing: %v, want kind not_found", err)
	}
}

// FuzzDecode looks for input that brings the decoder down, or that passes
// once and not again.
func FuzzDecode(f *testing.F) {
	f.Add(fullFile)
	f.Add("server: [")
	f.Add("vaults: {a: &x {to: *x}}")
	f.Add("? [a]\n: b\n")
	f.Fuzz(func(t *testing.T, text string) {
		first, second := defaults(), defaults()
		err := Decode("c.yaml", []byte(text), &first)
		if err != nil && !errkind.Is(err, errkind.Invalid) {
			t.Fatalf("error %v has kind %v, want invalid", err, errkind.Of(err))
		}
		again := Decode("c.yaml", []byte(text), &second)
		if (err == nil) != (again == nil) {
			t.Fatalf("first %v, then %v", err, again)
		}
	})
}
