package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// The formats of results.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatYAML  = "yaml"
)

// output is where results go. It remembers the first error, so that a full
// disk behind a redirection is not taken for success.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(b)
	o.err = err
	return n, err
}

func (o *output) flushed() error {
	return errkind.Wrap(errkind.Of(o.err), o.err, "write the result")
}

// print writes one value: for programs in full, for people as human does.
func (s *session) print(v any, human func()) error {
	switch s.flags.output {
	case formatJSON:
		text, err := asJSON(v, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s\n", text)
	case formatYAML:
		text, err := asYAML(v)
		if err != nil {
			return err
		}
		s.out.Write(text) //nolint:errcheck // remembered by output
	default:
		human()
	}
	return nil
}

// note tells the person something that is not the result.
func (s *session) note(format string, args ...any) {
	if s.flags.output == formatTable && !s.flags.quiet {
		fmt.Fprintf(s.env.Err, format+"\n", args...)
	}
}

// stream writes a list of unknown length as it comes. A list that ends early
// is not closed, so that no program takes it for whole.
type stream struct {
	s     *session
	human func(v any)
	n     int
}

func (l *stream) add(v any) error {
	defer func() { l.n++ }()
	switch l.s.flags.output {
	case formatJSON:
		text, err := asJSON(v, "  ", "  ")
		if err != nil {
			return err
		}
		lead := ",\n  "
		if l.n == 0 {
			lead = "[\n  "
		}
		fmt.Fprintf(l.s.out, "%s%s", lead, text)
	case formatYAML:
		text, err := asYAML([]any{v})
		if err != nil {
			return err
		}
		l.s.out.Write(text) //nolint:errcheck // remembered by output
	default:
		l.human(v)
	}
	return l.s.out.err
}

func (l *stream) end() {
	switch {
	case l.s.flags.output == formatJSON && l.n > 0:
		fmt.Fprint(l.s.out, "\n]\n")
	case l.s.flags.output != formatTable && l.n == 0:
		fmt.Fprint(l.s.out, "[]\n")
	}
}

func asJSON(v any, prefix, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent(prefix, indent)
	if err := e.Encode(withoutNil(v)); err != nil {
		return nil, errkind.Wrap(errkind.Internal, err, "encode the result")
	}
	return printableJSON(bytes.TrimRight(b.Bytes(), "\n")), nil
}

// printableJSON escapes what JSON allows in strings and a terminal or YAML
// does not.
func printableJSON(text []byte) []byte {
	if plain(string(bytes.ReplaceAll(text, []byte("\n"), nil))) && utf8.Valid(text) {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		if r != '\n' && unprintable(r, utf8.RuneLen(r)) || r == 0xFFFE || r == 0xFFFF {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}

// asYAML writes the same names in the same order as JSON: it is made from it.
func asYAML(v any) ([]byte, error) {
	text, err := asJSON(v, "", "")
	if err != nil {
		return nil, err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		return nil, errkind.Wrap(errkind.Internal, err, "encode the result")
	}
	blockStyle(&node)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&node); err != nil {
		return nil, errkind.Wrap(errkind.Internal, err, "encode the result")
	}
	return b.Bytes(), e.Close()
}

// blockStyle drops JSON's braces and quotes; the encoder quotes where it must.
func blockStyle(n *yaml.Node) {
	if len(n.Content) > 0 || n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	for _, c := range n.Content {
		blockStyle(c)
	}
}

// withoutNil gives v with an empty list for every list that is nil: a program
// that reads it must not meet null where it expects a list.
func withoutNil(v any) any {
	if v == nil {
		return nil
	}
	copied := reflect.New(reflect.TypeOf(v)).Elem()
	copied.Set(reflect.ValueOf(v))
	fillLists(copied)
	return copied.Interface()
}

func fillLists(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		filled := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(filled, v)
		for i := range filled.Len() {
			fillLists(filled.Index(i))
		}
		v.Set(filled)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fillLists(v.Field(i))
			}
		}
	case reflect.Pointer:
		if !v.IsNil() && v.Type().Elem().Kind() == reflect.Struct {
			copied := reflect.New(v.Type().Elem())
			copied.Elem().Set(v.Elem())
			fillLists(copied.Elem())
			v.Set(copied)
		}
	case reflect.Interface:
		if !v.IsNil() {
			v.Set(reflect.ValueOf(withoutNil(v.Interface())))
		}
	default:
	}
}
