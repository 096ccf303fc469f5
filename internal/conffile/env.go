package conffile

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Override sets each key of the struct that into points to whose variable is
// in environ. Items of a list are separated by commas; an empty variable sets
// an empty text or list and is refused for other keys. Of a variable given
// twice the last counts. Faults are errkind.Invalid and name variable and key.
func Override(environ []string, into any) error {
	values := map[string]string{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			values[name] = value
		}
	}
	owner := map[string]string{}
	for _, k := range Keys(into) {
		if other, taken := owner[k.Env]; taken {
			panic(fmt.Sprintf("conffile: keys %s and %s share the variable %s", other, k.Path, k.Env))
		}
		owner[k.Env] = k.Path
		value, given := values[k.Env]
		if !given {
			continue
		}
		if err := setText(k.value, value); err != nil {
			return errkind.New(errkind.Invalid, "%s: %s: %v", k.Env, k.Path, err)
		}
	}
	return nil
}

var durationType = reflect.TypeFor[time.Duration]()

// setText sets v, of a type with a text form, from one string.
func setText(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	if v.Type() == durationType {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 90s, 15m or 1h30m", text)
		}
		v.SetInt(int64(d))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Slice:
		return setList(v, text)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return setText(v.Elem(), text)
	case reflect.Bool:
		return setBool(v, text)
	default:
		return setNumber(v, text)
	}
}

func setList(v reflect.Value, text string) error {
	if text == "" {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		return nil
	}
	parts := strings.Split(text, ",")
	list := reflect.MakeSlice(v.Type(), len(parts), len(parts))
	for i, part := range parts {
		if err := setText(list.Index(i), strings.TrimSpace(part)); err != nil {
			return err
		}
	}
	v.Set(list)
	return nil
}

func setBool(v reflect.Value, text string) error {
	switch text {
	case "true":
		v.SetBool(true)
	case "false":
		v.SetBool(false)
	default:
		return fmt.Errorf("%q is neither true nor false", text)
	}
	return nil
}

func setNumber(v reflect.Value, text string) error {
	bits := v.Type().Bits()
	switch {
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			return fmt.Errorf("%q is not a whole number that fits", text)
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(text, 10, bits)
		if err != nil {
			return fmt.Errorf("%q is not a whole number from 0 that fits", text)
		}
		v.SetUint(n)
	default:
		f, err := strconv.ParseFloat(text, bits)
		if err != nil {
			return fmt.Errorf("%q is not a number that fits", text)
		}
		v.SetFloat(f)
	}
	return nil
}
