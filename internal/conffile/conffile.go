// Package conffile decodes a configuration file strictly and lets the
// environment override every key.
//
// Its words: a key is the path of a setting, "server.listen"; each key has
// one variable, COUNTERFOIL_SERVER_LISTEN.
//
// What must always be true: nothing in the file is ignored. An unknown key, a
// key given twice or a value that does not fit stops with a sentence that
// names file, line and key. A key that is absent keeps the value that the
// caller put there before, its default.
//
// The package does not know what settings there are: each package exports
// the stanza it needs, a struct with yaml tags, and judges its own values.
// Secrets stand in no configuration file; a stanza holds a [SecretFile].
package conffile

import (
	"errors"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// EnvPrefix begins the name of every variable that overrides a key.
const EnvPrefix = "COUNTERFOIL_"

// Load reads the file at path into the struct that into points to, and then
// lets environ, as os.Environ gives it, override keys. On an error the struct
// may be half filled.
func Load(path string, environ []string, into any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return errkind.Wrap(errkind.NotAllowed, err, "read configuration")
	}
	if err != nil {
		return durable.Classify(err)
	}
	if err := Decode(path, data, into); err != nil {
		return err
	}
	return Override(environ, into)
}

// Key is one setting.
type Key struct {
	// Path names it in the file, "server.listen".
	Path string
	// Env is the variable that overrides it.
	Env string

	value reflect.Value
}

// Keys lists the settings of the struct that into points to that a variable
// can override, in the order of the fields. Lists and maps of structs are in
// the file only.
func Keys(into any) []Key {
	return appendKeys(nil, "", target(into))
}

func appendKeys(keys []Key, prefix string, v reflect.Value) []Key {
	for _, f := range fields(v.Type()) {
		path := join(prefix, f.name)
		field := v.FieldByIndex(f.index)
		switch {
		case isSection(field.Type()):
			keys = appendKeys(keys, path, field)
		case hasTextForm(field.Type()):
			keys = append(keys, Key{Path: path, Env: envName(path), value: field})
		}
	}
	return keys
}

// Unknown lists the variables in environ that begin with the prefix but
// override no key of into and are not among known; they are likely misspelt.
func Unknown(environ []string, into any, known ...string) []string {
	for _, k := range Keys(into) {
		known = append(known, k.Env)
	}
	var unknown []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, EnvPrefix) && !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}

func envName(path string) string {
	return EnvPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(path))
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// target gives the struct behind the pointer into.
func target(into any) reflect.Value {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic("conffile: the target must be a pointer to a struct")
	}
	return v.Elem()
}
