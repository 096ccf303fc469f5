package policy

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// Read reads a policy as a person wrote it, in JSON, and gives every mistake in
// it, one sentence each naming the key: what a policy has no key for, what is of
// the wrong kind, and what [Policy.Validate] finds. The version may be left out
// and is 0 then.
func Read(document []byte) (Policy, []error) {
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return Policy{}, []error{fmt.Errorf("the file is not JSON: %w", err)}
	}
	if _, err := dec.Token(); err != io.EOF {
		return Policy{}, []error{errors.New("something follows the end of the policy")}
	}
	object, ok := value.(map[string]any)
	if !ok {
		return Policy{}, []error{errors.New("the file must have keys with their values, such as name: books")}
	}
	var bad problems
	text, err := json.Marshal(fit(&bad, "", object, reflect.TypeFor[Policy]()))
	var p Policy
	if err == nil {
		p, err = decode(text)
	}
	if err != nil {
		return Policy{}, append(bad.list, err)
	}
	written := p
	if _, given := object["version"]; !given {
		p.Version = 1
	}
	bad.join(p.problems())
	return written, bad.list
}

// join adds what is wrong with keys that were not found wrong before: a key that
// could not be read is not missing as well.
func (p *problems) join(more problems) {
	had := slices.Clone(p.keys)
	for i, key := range more.keys {
		related := func(k string) bool {
			return key == k || strings.HasPrefix(key, k+".") || strings.HasPrefix(key, k+"[")
		}
		if !slices.ContainsFunc(had, related) {
			p.list, p.keys = append(p.list, more.list[i]), append(p.keys, key)
		}
	}
}

// fit gives the part of a value that a type can take, and names the rest.
func fit(bad *problems, key string, value any, t reflect.Type) any {
	if into, ok := reflect.New(t).Interface().(encoding.TextUnmarshaler); ok {
		text, isText := value.(string)
		if !isText {
			return wrong(bad, key, "a period such as P30D, in quotes where needed")
		}
		if err := into.UnmarshalText([]byte(text)); err != nil {
			bad.add(key, "is not a period: %v", err)
			return nil
		}
		return text
	}
	switch t.Kind() {
	case reflect.Pointer:
		return fit(bad, key, value, t.Elem())
	case reflect.Struct:
		return fitStruct(bad, key, value, t)
	case reflect.Slice:
		return fitList(bad, key, value, t)
	case reflect.String:
		if _, ok := value.(string); !ok {
			return wrong(bad, key, "text, in quotes where needed")
		}
	case reflect.Bool:
		if _, ok := value.(bool); !ok {
			return wrong(bad, key, "true or false")
		}
	case reflect.Int, reflect.Int64:
		n, ok := value.(json.Number)
		if _, err := n.Int64(); !ok || err != nil {
			return wrong(bad, key, "a whole number")
		}
	default:
		return wrong(bad, key, "left out")
	}
	return value
}

func wrong(bad *problems, key, want string) any {
	bad.add(key, "must be %s", want)
	return nil
}

func fitStruct(bad *problems, key string, value any, t reflect.Type) any {
	object, ok := value.(map[string]any)
	if !ok {
		return wrong(bad, key, "keys with their values")
	}
	fields := map[string]reflect.Type{}
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields[name], names = t.Field(i).Type, append(names, name)
	}
	out := map[string]any{}
	given := make([]string, 0, len(object))
	for name := range object {
		given = append(given, name)
	}
	slices.Sort(given)
	for _, name := range given {
		at := strings.TrimPrefix(key+"."+name, ".")
		field, known := fields[name]
		if !known {
			bad.add(at, "is not a key that there is: there are %s", strings.Join(names, ", "))
			continue
		}
		if v := object[name]; v != nil { // a key without a value is one left out
			if v = fit(bad, at, v, field); v != nil {
				out[name] = v
			}
		}
	}
	return out
}

func fitList(bad *problems, key string, value any, t reflect.Type) any {
	list, ok := value.([]any)
	if !ok {
		return wrong(bad, key, "a list")
	}
	out := make([]any, len(list))
	for i, v := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		if out[i] = fit(bad, at, v, t.Elem()); out[i] == nil {
			out[i] = zeroOf(t.Elem())
		}
	}
	return out
}

// zeroOf stands in for an item that could not be read, so that the others keep
// their places.
func zeroOf(t reflect.Type) any {
	if t.Kind() == reflect.Struct {
		return map[string]any{}
	}
	return reflect.Zero(t).Interface()
}
