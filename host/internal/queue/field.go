package queue

import (
	"bytes"
	"encoding/json"
)

// field returns the text of a field of an object; nil when there is none. The body is valid JSON without spaces between
// its parts, which saves building a map of everything that is in it. Of several of one name the last counts.
func field(body json.RawMessage, name string) (value json.RawMessage) {
	if len(body) < 2 || body[0] != '{' {
		return nil
	}
	for at := 1; at < len(body) && body[at] == '"'; at++ {
		end := valueEnd(body, at)
		key := body[at:end]
		at = end + 1 // past the colon
		if at >= len(body) {
			return nil
		}
		end = valueEnd(body, at)
		if named(key, name) {
			value = body[at:end]
		}
		at = end // at the comma, or the end
	}
	return value
}

// named reports whether a key in quotes is name.
func named(key []byte, name string) bool {
	if bytes.IndexByte(key, '\\') < 0 {
		return string(key[1:len(key)-1]) == name
	}
	var text string
	return json.Unmarshal(key, &text) == nil && text == name
}

// valueEnd is where the value ends that begins at at.
func valueEnd(body []byte, at int) int {
	depth := 0
	for ; at < len(body); at++ {
		switch body[at] {
		case '"':
			at = textEnd(body, at)
			if depth == 0 {
				return at + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at + 1
			} else if depth < 0 {
				return at
			}
		case ',', ':':
			if depth == 0 {
				return at
			}
		}
	}
	return len(body)
}

// textEnd is the index of the quote that ends the text which begins at at.
func textEnd(body []byte, at int) int {
	for at++; at < len(body); at++ {
		i := bytes.IndexAny(body[at:], "\"\\")
		if i < 0 {
			break
		}
		if at += i; body[at] == '"' {
			return at
		}
		at++ // past what is escaped
	}
	return len(body) - 1
}
