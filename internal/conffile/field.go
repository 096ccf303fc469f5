package conffile

import (
	"encoding"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// field is one exported field of a stanza with its name in the file.
type field struct {
	name  string
	index []int
}

// fields lists the settings of a struct type, in order. The name is that of
// the yaml tag, else the field's in lower case; "-" leaves a field out. The
// fields of an embedded struct without a tag count as the struct's own.
func fields(t reflect.Type) []field {
	var list []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			for _, inner := range fields(f.Type) {
				list = append(list, field{inner.name, append([]int{i}, inner.index...)})
			}
		case name == "":
			list = append(list, field{strings.ToLower(f.Name), []int{i}})
		default:
			list = append(list, field{name, []int{i}})
		}
	}
	return list
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for _, f := range fields(t) {
		names = append(names, f.name)
	}
	return names
}

var (
	textType = reflect.TypeFor[encoding.TextUnmarshaler]()
	yamlType = reflect.TypeFor[yaml.Unmarshaler]()
)

// decodesItself reports whether values of t read their own text or node.
func decodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(textType) || p.Implements(yamlType)
}

// isSection reports whether t is a struct of further keys.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !decodesItself(t)
}

// hasTextForm reports whether one string can say a whole value of t.
func hasTextForm(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textType) {
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	case reflect.Slice:
		return t.Elem().Kind() != reflect.Slice && hasTextForm(t.Elem())
	case reflect.Pointer:
		return hasTextForm(t.Elem())
	default:
		return false
	}
}
