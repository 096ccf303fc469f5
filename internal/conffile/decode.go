package conffile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Decode reads the YAML in data into the struct that into points to; name
// stands for the file in messages. No data, or only comments, leaves the
// defaults. Anchors, aliases and further documents are refused: what one line
// says must not depend on another. All faults are errkind.Invalid.
func Decode(name string, data []byte, into any) error {
	v := target(into)
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return errkind.New(errkind.Invalid, "%s: %s", name, plainText(err))
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return errkind.New(errkind.Invalid, "%s: more than one YAML document", name)
	}
	d := decoder{file: name}
	if isNull(doc.Content[0]) {
		return nil
	}
	return d.section(doc.Content[0], "", v)
}

// decoder walks nodes and Go values in step, so that each fault is told with
// its line and its whole key.
type decoder struct {
	file string
}

func (d decoder) fail(n *yaml.Node, key, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if key == "" {
		return errkind.New(errkind.Invalid, "%s:%d: %s", d.file, n.Line, text)
	}
	return errkind.New(errkind.Invalid, "%s:%d: %s: %s", d.file, n.Line, key, text)
}

// section decodes a mapping into a struct.
func (d decoder) section(n *yaml.Node, key string, v reflect.Value) error {
	if n.Kind != yaml.MappingNode {
		return d.fail(n, key, "want a section of keys, have %s", describe(n))
	}
	seen := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		nameNode, valueNode := n.Content[i], n.Content[i+1]
		name := nameNode.Value
		path := join(key, name)
		if line, twice := seen[name]; twice {
			return d.fail(nameNode, path, "given twice, first on line %d", line)
		}
		seen[name] = nameNode.Line
		all := fields(v.Type())
		at := slices.IndexFunc(all, func(f field) bool { return f.name == name })
		if at < 0 || nameNode.Kind != yaml.ScalarNode {
			return d.fail(nameNode, path, "unknown key; known here: %s", strings.Join(fieldNames(v.Type()), ", "))
		}
		if err := d.value(valueNode, path, v.FieldByIndex(all[at].index)); err != nil {
			return err
		}
	}
	return nil
}

// value decodes a node into whatever v is.
func (d decoder) value(n *yaml.Node, key string, v reflect.Value) error {
	t := v.Type()
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return d.fail(n, key, "anchors and aliases are not supported")
	case n.Style&yaml.TaggedStyle != 0:
		return d.fail(n, key, "tags are not supported")
	case isSection(t) && isNull(n):
		return nil
	case isNull(n):
		return d.fail(n, key, "no value; remove the key to keep the default")
	case isSection(t):
		return d.section(n, key, v)
	case decodesItself(t):
		return d.leaf(n, key, v)
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		return d.value(n, key, v.Elem())
	case t.Kind() == reflect.Slice:
		return d.list(n, key, v)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		return d.mapping(n, key, v)
	default:
		return d.leaf(n, key, v)
	}
}

// list replaces a slice by the items of a sequence.
func (d decoder) list(n *yaml.Node, key string, v reflect.Value) error {
	if n.Kind != yaml.SequenceNode {
		return d.fail(n, key, "want a list, have %s", describe(n))
	}
	items := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		if err := d.value(item, fmt.Sprintf("%s[%d]", key, i), items.Index(i)); err != nil {
			return err
		}
	}
	v.Set(items)
	return nil
}

// mapping replaces a map by the pairs of a mapping.
func (d decoder) mapping(n *yaml.Node, key string, v reflect.Value) error {
	if n.Kind != yaml.MappingNode {
		return d.fail(n, key, "want a section of keys, have %s", describe(n))
	}
	m := reflect.MakeMap(v.Type())
	for i := 0; i < len(n.Content); i += 2 {
		name := n.Content[i]
		path := join(key, name.Value)
		item := reflect.New(v.Type().Elem()).Elem()
		mapKey := reflect.ValueOf(name.Value).Convert(v.Type().Key())
		if m.MapIndex(mapKey).IsValid() {
			return d.fail(name, path, "given twice")
		}
		if err := d.value(n.Content[i+1], path, item); err != nil {
			return err
		}
		m.SetMapIndex(mapKey, item)
	}
	v.Set(m)
	return nil
}

// leaf decodes a single value. A string takes a plain scalar as it is written,
// so that "no" and 0123 need no quotes.
func (d decoder) leaf(n *yaml.Node, key string, v reflect.Value) error {
	if n.Kind == yaml.ScalarNode && hasTextForm(v.Type()) {
		if err := setText(v, n.Value); err != nil {
			return d.fail(n, key, "%v", err)
		}
		return nil
	}
	if n.Kind != yaml.ScalarNode && hasTextForm(v.Type()) {
		return d.fail(n, key, "want one value, have %s", describe(n))
	}
	if err := n.Decode(v.Addr().Interface()); err != nil {
		return d.fail(n, key, "%s", plainText(err))
	}
	return nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section of keys"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	default:
		return fmt.Sprintf("the value %q", n.Value)
	}
}

var yamlNoise = regexp.MustCompile(`^yaml: (unmarshal errors:\s+)?(line \d+: )?`)

// plainText is the decoder's message without its prefix; a syntax error keeps
// its line.
func plainText(err error) string {
	text := err.Error()
	if strings.HasPrefix(text, "yaml: line ") {
		return strings.TrimPrefix(text, "yaml: ")
	}
	return yamlNoise.ReplaceAllString(text, "")
}
