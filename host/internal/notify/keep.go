package notify

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
)

// squeezeFrom is the size from which what is kept is compressed: thousands of tasks may be in trouble at a time, and
// a value of the store has a bound.
const squeezeFrom = 32 << 10

// squeezed stands for a value that was compressed.
type squeezed struct {
	Gzip []byte `json:"gzip"`
}

func encodeKept(v any) (json.RawMessage, error) {
	text, err := json.Marshal(v)
	if err != nil || len(text) < squeezeFrom {
		return text, err
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return json.Marshal(squeezed{out.Bytes()})
}

func decodeKept(text json.RawMessage, into any) error {
	var s squeezed
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read what was kept: %w", err)
	}
	if s.Gzip != nil {
		r, err := gzip.NewReader(bytes.NewReader(s.Gzip))
		if err != nil {
			return fmt.Errorf("read what was kept: %w", err)
		}
		if text, err = io.ReadAll(r); err != nil {
			return fmt.Errorf("read what was kept: %w", err)
		}
	}
	return json.Unmarshal(text, into)
}
