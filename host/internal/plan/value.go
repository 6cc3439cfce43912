package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/config"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
)

// hidden stands where a value is not shown.
const hidden = "***"

// changedIn lists the attributes of rows with their values in old and new, each path once.
func changedIn(rows []task.Attribute, old, new any) (out []admin.Changed) {
	was, is := reflect.ValueOf(old).Elem(), reflect.ValueOf(new).Elem()
	seen := map[string]bool{}
	for _, a := range rows {
		if a.Name == "" || seen[a.Name] {
			continue
		}
		seen[a.Name] = true
		row := admin.Changed{Path: a.Name, Class: classWord(a.Class), Note: a.Note}
		o, n := valueOf(a, was), valueOf(a, is)
		if inner, keyed := entries(row, o, n); keyed {
			out = append(out, inner...)
			continue
		}
		row.Old, row.New = o, n
		out = append(out, row)
	}
	return out
}

func classWord(c task.Class) string { return strings.ReplaceAll(string(c), " ", "_") }

// entries splits a map or an object into its entries that differ. It reports false for anything else.
func entries(row admin.Changed, old, new any) (out []admin.Changed, keyed bool) {
	was, ok := old.(map[string]any)
	if !ok && old != nil {
		return nil, false
	}
	is, ok2 := new.(map[string]any)
	if !ok2 && new != nil || !ok && !ok2 {
		return nil, false
	}
	for _, key := range names(was, is) {
		if reflect.DeepEqual(was[key], is[key]) {
			continue
		}
		one := row
		one.Path += "." + key
		if inner, keyed := entries(one, was[key], is[key]); keyed {
			out = append(out, inner...)
			continue
		}
		one.Old, one.New = was[key], is[key]
		out = append(out, one)
	}
	return out, true
}

// pairs are the attributes that two fields hold together: whether it is given, or the time of a rate.
var pairs = map[string]string{
	"Schedule.Offset": "Schedule.HasOffset", "Schedule.HasOffset": "Schedule.HasOffset",
	"Schedule.After": "Schedule.HasAfter", "Schedule.HasAfter": "Schedule.HasAfter",
}

// sizes are the fields that hold bytes.
var sizes = []string{"Keep.Logs", "MaxBytes"}

// valueOf is the value of an attribute as the configuration writes it; nil is not given.
func valueOf(a task.Attribute, of reflect.Value) any {
	if flag := pairs[a.Field]; flag != "" {
		if !task.FieldOf(of, flag).Bool() {
			return nil
		}
		return schema.FormatDuration(time.Duration(task.FieldOf(of, strings.Replace(flag, "Has", "", 1)).Int()))
	}
	v := task.FieldOf(of, a.Field)
	if !v.IsValid() {
		return nil
	}
	switch {
	case strings.HasSuffix(a.Name, "rate"):
		return rate(of, a.Field)
	case a.Name == "config":
		return object(task.FieldOf(of, "Config.Redacted").Bytes())
	case a.Name == "env":
		return masked(v)
	case slices.Contains(sizes, a.Field):
		return schema.FormatBytes(v.Int())
	}
	switch list := v.Interface().(type) {
	case []task.AfterRun:
		all := map[string]any{}
		for _, r := range list {
			all[r.Task] = fmt.Sprint(r.Outcomes)
		}
		return all
	case []task.Dependency:
		all := map[string]any{}
		for _, d := range list {
			all[d.Task] = string(d.Condition)
		}
		return all
	}
	return plain(v)
}

// rate is a number per time.
func rate(of reflect.Value, field string) any {
	prefix := field[:strings.LastIndexByte(field, '.')+1]
	n, per := task.FieldOf(of, prefix+"Rate"), task.FieldOf(of, prefix+"Per")
	if !n.IsValid() || n.Int() == 0 {
		return nil
	}
	return fmt.Sprintf("%d/%s", n.Int(), schema.FormatDuration(time.Duration(per.Int())))
}

// masked is a map whose values may be secret. Each stands for itself without being shown.
func masked(v reflect.Value) any {
	all := map[string]any{}
	for _, key := range v.MapKeys() {
		all[key.String()] = secretText(v.MapIndex(key).String())
	}
	return all
}

// secretText can be compared, and shows nothing.
type secretText string

func (secretText) MarshalJSON() ([]byte, error) { return json.Marshal(hidden) }
func (secretText) String() string               { return hidden }

// object is a JSON document.
func object(text []byte) any {
	var v any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // so that large numbers are told apart
	if dec.Decode(&v) != nil {
		return nil
	}
	return v
}

// plain is a value without a meaning of its own.
func plain(v reflect.Value) any {
	if d, ok := v.Interface().(time.Duration); ok {
		if d == 0 {
			return nil
		}
		return schema.FormatDuration(d)
	}
	switch v.Kind() {
	case reflect.String:
		if v.Len() == 0 {
			return nil
		}
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int64:
		return v.Int()
	case reflect.Map:
		all := map[string]any{}
		for _, key := range v.MapKeys() {
			all[key.String()] = plain(v.MapIndex(key))
		}
		return all
	case reflect.Slice:
		if v.Len() == 0 {
			return nil
		}
		all := make([]any, v.Len())
		for i := range all {
			all[i] = plain(v.Index(i))
		}
		return all
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	}
	return v.Interface()
}

// hostNames are the attributes of the host block whose field is named otherwise.
var hostNames = map[string]string{"log_level": "log.level", "log_format": "log.format"}

// hostSizes are its attributes that hold bytes.
var hostSizes = []string{"max_frame", "keep.logs", "keep_total.disk"}

// hostValues are the attributes of the host block by their paths.
func hostValues(h config.Host) map[string]any {
	all := map[string]any{}
	var walk func(v reflect.Value, prefix string)
	walk = func(v reflect.Value, prefix string) {
		for f, field := range v.Fields() {
			path := prefix + snake(f.Name)
			if name := hostNames[path]; name != "" {
				path = name
			}
			switch {
			case field.Kind() == reflect.Pointer && !field.IsNil() && field.Elem().Kind() == reflect.Struct:
				walk(field.Elem(), path+".")
			case field.Kind() == reflect.Struct:
				walk(field, path+".")
			case slices.Contains(hostSizes, path):
				all[path] = schema.FormatBytes(field.Int())
			default:
				all[path] = plain(field)
			}
		}
	}
	walk(reflect.ValueOf(h), "")
	return all
}

// snake is a field's name as an attribute is named.
func snake(name string) string {
	var out strings.Builder
	letters := []rune(name)
	for i, r := range letters {
		if unicode.IsUpper(r) && i > 0 && (unicode.IsLower(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1])) {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}

// hostChanges compares two host blocks. live says whether those are meant that take effect in the running host.
func hostChanges(old, new map[string]any, live bool) []admin.Changed {
	out := []admin.Changed{}
	for _, path := range slices.Sorted(maps.Keys(merged(old, new))) {
		class := hostClass(path)
		if sameJSON(old[path], new[path]) || (class == task.ClassLive) != live {
			continue
		}
		c := admin.Changed{Path: path, Old: old[path], New: new[path], Class: classWord(class)}
		if !live {
			c.Note = "takes effect when the host is started again; until then the old value holds"
		}
		out = append(out, c)
	}
	return out
}

func merged(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, b)
	return all
}

// hostClass is the class of an attribute of the host block.
func hostClass(path string) task.Class {
	for _, a := range task.HostAttributes {
		if path == a.Name || strings.HasPrefix(path, a.Name+".") {
			return a.Class
		}
	}
	return task.ClassHost
}

// sameJSON compares values of which one may have been read back from JSON.
func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
