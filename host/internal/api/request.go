package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/sdk/schema"
)

const (
	maxBody  = 1 << 20
	maxDepth = 64
	maxWait  = 10 * time.Minute
	maxLimit = 500
)

// request is one request on its way through a handler.
type request struct {
	*http.Request
	w   http.ResponseWriter
	id  string
	who Identity
	q   url.Values

	ingress  bool   // it came in by the ingress
	row      route  // of the table; the zero route until it is found
	admitted bool   // the guard has let it through
	reason   string // that its body gives
	outside  bool   // it was refused as lying outside the scope of the caller's token
	status   int    // of the answer
	turn     slots  // that it has a place of; nil while it has none
	trace    string // W3C trace context that what it brings about belongs to; "" is none
}

// answer is a handler's value with another status than 200, or with headers.
type answer struct {
	status int
	header map[string]string
	body   any
}

// streamed says that the handler has written its answer itself.
type streamed struct{}

// accepted is 202 with the place to look, or 200 when done.
func finished(done bool, location string, body any) answer {
	if done {
		return answer{status: http.StatusOK, body: body}
	}
	return answer{status: http.StatusAccepted, body: body, header: map[string]string{"Location": location}}
}

// checkQuery refuses parameters that the route does not know.
func (r *request) checkQuery(row route) error {
	var err error
	if r.q, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return refuse("query_invalid", "the query cannot be read: %v", err)
	}
	for name, values := range r.q {
		if strings.HasPrefix(name, "label.") && len(values) > 1 {
			return refuse("query_invalid", "%s is given %d times", name, len(values)).with("a label has one value: leave the others out")
		}
		if row.takes(name) {
			continue
		}
		known := strings.Fields(row.params)
		bad := refuse("query_invalid", "%s %s takes no parameter %q", row.method, row.path, name)
		if near, ok := schema.Nearest(name, known); ok {
			return bad.with("did you mean %q?", near)
		}
		if len(known) == 0 {
			return bad.with("leave it out: the route takes no parameter")
		}
		return bad.with("it takes %s", strings.Join(known, ", "))
	}
	return nil
}

// body returns the request's body, nil when it is empty. It must be JSON, say so, and not be deep.
func (r *request) body() (json.RawMessage, error) {
	data, err := r.read(maxBody, func() *refusal {
		return refuse("body_too_large", "the body has more than %s", schema.FormatBytes(maxBody))
	})
	if err != nil || len(data) == 0 {
		return nil, err
	}
	if media := r.Header.Get("Content-Type"); !isMedia(media, "application/json") {
		return nil, notJSON(media)
	}
	return data, checkJSON(data)
}

// ahead is how much of a body is made room for before it has come.
const ahead = 16 << 10

// read returns the request's body without the space around it; one of more than limit bytes is tooLarge.
func (r *request) read(limit int64, tooLarge func() *refusal) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge()
	}
	var data bytes.Buffer
	data.Grow(int(min(max(r.ContentLength, 0), ahead)) + bytes.MinRead)
	_, err := data.ReadFrom(http.MaxBytesReader(r.w, r.Body, limit))
	if _, is := errors.AsType[*http.MaxBytesError](err); is {
		return nil, tooLarge()
	}
	if err != nil {
		return nil, refuse("body_invalid", "the body cannot be read: %v", err)
	}
	http.NewResponseController(r.w).SetReadDeadline(time.Time{}) // all of it has come: the rest may take its time
	return bytes.TrimSpace(data.Bytes()), nil
}

// isMedia reports whether a Content-Type names this media type.
func isMedia(given, want string) bool {
	if given == want {
		return true
	}
	media, _, err := mime.ParseMediaType(given)
	return err == nil && media == want
}

func notJSON(media string) *refusal {
	return refuse("body_type", "the body is declared as %q, not as application/json", media)
}

// checkJSON refuses what is no single JSON value in UTF-8, and one that is nested so deep that reading it
// costs more than it can be worth.
func checkJSON(data []byte) error { return checkDepth(data, maxDepth) }

func checkDepth(data []byte, most int) error {
	if nesting(data) <= most && json.Valid(data) {
		if !utf8.Valid(data) {
			return refuse("body_invalid", "the body is no JSON: it is not in UTF-8")
		}
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	for depth, first := 0, true; ; first = false {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) && depth == 0 && !first {
			return nil
		}
		if err != nil {
			return refuse("body_invalid", "the body is no JSON: %s, at byte %d", strings.TrimPrefix(err.Error(), "json: "), dec.InputOffset())
		}
		if depth == 0 && !first {
			return refuse("body_invalid", "the body has more after its first JSON value, at byte %d", dec.InputOffset())
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > most {
			return refuse("body_invalid", "the body is nested deeper than %d levels", maxDepth)
		}
	}
}

// nesting is how deep a JSON text is nested; of what is no JSON, some number.
func nesting(data []byte) int {
	deepest, depth, inText := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// decode reads the body into into, a pointer to a struct. An empty body leaves it alone.
func (r *request) decode(into any) error {
	data, err := r.body()
	if err != nil || data == nil {
		return err
	}
	err = decode(data, into)
	r.reason = reasonIn(into)
	return err
}

func decode(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		return nil
	}
	bad := refuse("body_invalid", "the body is wrong")
	if wrongType, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		where := wrongType.Field
		if where == "" {
			where = "body"
		}
		bad.fields = []admin.FieldError{{Path: where, Detail: fmt.Sprintf("%s stands where %s belongs", given(wrongType.Value), kindOf(wrongType.Type))}}
		return bad
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name, _ = strconv.Unquote(name)
		known := fieldNames(reflect.TypeOf(into).Elem())
		detail := "is not known; the body takes " + strings.Join(known, ", ")
		if near, ok := schema.Nearest(name, known); ok {
			detail = fmt.Sprintf("is not known; did you mean %q?", near)
		}
		bad.fields = []admin.FieldError{{Path: name, Detail: detail}}
		return bad
	}
	bad.detail = "the body is wrong: " + strings.TrimPrefix(err.Error(), "json: ")
	return bad
}

// given is what stands in a body, in the words of kindOf.
func given(value string) string {
	kind, _, _ := strings.Cut(value, " ") // a number stands behind its kind
	return cmp.Or(map[string]string{"string": "a text", "bool": "true or false", "object": "an object", "array": "a list"}[kind], "a number")
}

func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "a list"
	}
	return "a number"
}

// fieldNames are the JSON names of a struct's fields.
func fieldNames(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// duration reads a parameter such as 30s; a plain number is seconds.
func (r *request) duration(name string, limit time.Duration) (time.Duration, error) {
	text := r.q.Get(name)
	if text == "" {
		return 0, nil
	}
	d, err := schema.ParseDuration(text)
	if seconds, numErr := strconv.ParseUint(text, 10, 31); numErr == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || d < 0 {
		return 0, refuse("query_invalid", "%s=%q is no duration", name, text).with("write it as 30s or 1m30s")
	}
	if limit > 0 && d > limit {
		return 0, refuse("query_invalid", "%s=%q is more than %s", name, text, schema.FormatDuration(limit)).with("ask again when the time has run out")
	}
	return d, nil
}

// wait is how long the caller wants to wait for the end.
func (r *request) wait() (time.Duration, error) { return r.duration("wait", maxWait) }

// instant reads a parameter that is an RFC 3339 time, or a duration that lies back from now.
func (r *request) instant(name string, now time.Time) (time.Time, error) {
	text := r.q.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	d, err := schema.ParseDuration(text)
	if err != nil || d < 0 {
		return time.Time{}, refuse("query_invalid", "%s=%q is no time", name, text).with("write an RFC 3339 time such as 2026-11-21T12:00:00Z, or how long ago, such as 10m")
	}
	return now.Add(-d), nil
}

// number reads a whole number from 0 to most; without the parameter it is def.
func (r *request) number(name string, def, most int) (int, error) {
	text := r.q.Get(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, refuse("query_invalid", "%s=%q is no whole number from 0 to %d", name, text, most)
	}
	return n, nil
}

// limit is how many items a page may have.
func (r *request) limit(def int) (int, error) {
	n, err := r.number("limit", def, maxLimit)
	if err == nil && n == 0 {
		err = refuse("query_invalid", "limit=0 asks for nothing").with("write a number from 1 to %d", maxLimit)
	}
	return n, err
}

// flag reads a parameter that is true or false; named without a value it is true.
func (r *request) flag(name string) (bool, error) {
	if !r.q.Has(name) {
		return false, nil
	}
	switch r.q.Get(name) {
	case "", "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	}
	return false, refuse("query_invalid", "%s=%q is neither true nor false", name, r.q.Get(name))
}

// choices reads a parameter that may come several times, or once with commas; each must be one of
// known.
func choices[T ~string](r *request, name string, known []T) ([]T, error) {
	var out []T
	for _, list := range r.q[name] {
		for text := range strings.SplitSeq(list, ",") {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			v, err := choice("query_invalid", name, text, known)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
	}
	return out, nil
}

// choice checks that text is one of known, and suggests the nearest.
func choice[T ~string](code, name, text string, known []T) (T, error) {
	if slices.Contains(known, T(text)) {
		return T(text), nil
	}
	words := make([]string, len(known))
	for i, k := range known {
		words[i] = string(k)
	}
	bad := refuse(code, "%s %q is not known", name, text)
	if near, ok := schema.Nearest(text, words); ok {
		return "", bad.with("did you mean %q?", near)
	}
	return "", bad.with("write one of %s", strings.Join(words, ", "))
}
