package schema

import (
	"bytes"
	"encoding/json"
	"math/bits"
	"unicode/utf8"
)

// maxFitting is how many fields an object may have whose presence a scan keeps in one word.
const maxFitting = 64

// scan reads a text that is valid JSON, in one pass and without decoding it.
type scan struct {
	text []byte
	at   int
	defs map[string]Value
}

// Fits reports whether raw is what v describes; raw must be valid JSON. It says so only when that is plain to see, as with
// nearly every message: after a false it is for Check to decide. Null, names with escapes and names that come twice are
// left to that.
func (v *Value) Fits(raw json.RawMessage) bool {
	s := scan{text: raw, defs: v.Defs}
	return s.value(v)
}

func (s *scan) value(v *Value) bool {
	if v.Ref != "" {
		of := s.defs[v.Ref]
		v = &of
	}
	switch c := s.peek(); v.Type {
	case ValueAny:
		s.skip()
		return true
	case ValueString:
		return c == '"' && s.fitsText(v)
	case ValueInteger, ValueNumber:
		return (c == '-' || c >= '0' && c <= '9') && s.fitsNumber(v)
	case ValueBool:
		s.skip()
		return c == 't' || c == 'f'
	case ValueArray:
		return c == '[' && s.fitsArray(v)
	case ValueMap:
		return c == '{' && v.Min == nil && v.Max == nil && s.eachField(func([]byte) bool { return s.value(v.Elem) })
	case ValueObject:
		return c == '{' && len(v.Fields) <= maxFitting && s.fitsObject(v)
	}
	return false
}

func (s *scan) fitsText(v *Value) bool {
	text, plain := s.string()
	if v.Kind == KindPlain && v.Pattern == "" && v.Min == nil && v.Max == nil && len(v.OneOf) == 0 {
		return true
	}
	return plain && utf8.Valid(text) && v.constraints().checkText(string(text)) == nil
}

func (s *scan) fitsNumber(v *Value) bool {
	from := s.at
	s.skip()
	return v.checkNumber(json.Number(s.text[from:s.at])) == nil
}

func (s *scan) fitsArray(v *Value) bool {
	n := 0
	s.at++
	for ; s.peek() != ']'; n++ {
		if !s.value(v.Elem) {
			return false
		}
		s.pass(',')
	}
	s.at++
	return v.constraints().checkLength(n, "elements") == nil
}

func (s *scan) fitsObject(v *Value) bool {
	seen := uint64(0)
	known := s.eachField(func(name []byte) bool {
		for i := range v.Fields {
			if bit := uint64(1) << i; string(name) == v.Fields[i].Name {
				twice := seen&bit != 0
				seen |= bit
				return !twice && s.value(&v.Fields[i].Value)
			}
		}
		return false
	})
	if !known || bits.OnesCount64(seen) == len(v.Fields) {
		return known
	}
	for i := range v.Fields {
		if v.Fields[i].Required && seen&(1<<i) == 0 {
			return false
		}
	}
	return true
}

// eachField calls read with the name of each field of an object, to read its value; it ends when read says false.
func (s *scan) eachField(read func(name []byte) bool) bool {
	s.at++
	for s.peek() != '}' {
		name, plain := s.string()
		if !plain || !utf8.Valid(name) {
			return false
		}
		s.pass(':')
		if !read(name) {
			return false
		}
		s.pass(',')
	}
	s.at++
	return true
}

// peek is the next character that is no space.
func (s *scan) peek() byte {
	for {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return c
		}
	}
}

// pass reads c, if it comes next.
func (s *scan) pass(c byte) {
	if s.peek() == c {
		s.at++
	}
}

// string reads a text without its quotes; plain is one without escapes.
func (s *scan) string() (text []byte, plain bool) {
	s.at++
	from := s.at
	plain = true
	for {
		end := bytes.IndexByte(s.text[s.at:], '"')
		escape := bytes.IndexByte(s.text[s.at:s.at+end], '\\')
		if escape < 0 {
			s.at += end + 1
			return s.text[from : s.at-1], plain
		}
		s.at += escape + 2
		plain = false
	}
}

// skip reads a value, whatever it is.
func (s *scan) skip() {
	for depth := 0; s.at < len(s.text); {
		switch s.text[s.at] {
		case '"':
			s.string()
		case '{', '[':
			depth++
			s.at++
		case '}', ']':
			if depth == 0 {
				return
			}
			depth--
			s.at++
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return
			}
			s.at++
			continue
		default:
			for s.at++; s.at < len(s.text) && bytes.IndexByte(literalEnd, s.text[s.at]) < 0; s.at++ {
			}
		}
		if depth == 0 {
			return
		}
	}
}

// literalEnd is what may follow a number, true, false or null.
var literalEnd = []byte(",:}] \t\r\n")
