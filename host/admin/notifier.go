package admin

// Notifier is one notify block and what it has done.
type Notifier struct {
	Name        string            `json:"name"`
	Way         string            `json:"way"` // webhook, email, exec
	On          []string          `json:"on"`
	Tasks       []string          `json:"tasks"`
	Labels      map[string]string `json:"labels,omitempty"`
	Waiting     int               `json:"waiting"`      // messages that are to be sent
	DeadLetters int               `json:"dead_letters"` // messages that were given up
	Sent        int               `json:"sent"`         // since the start of the host
	Failures    int               `json:"failures"`     // tries in a row that failed
	Last        *Delivery         `json:"last,omitempty"`
}

// Delivery is one try to send a message.
type Delivery struct {
	Message   string  `json:"message"` // id
	At        Time    `json:"at"`
	Took      Seconds `json:"took"`
	Attempt   int     `json:"attempt"`
	Delivered bool    `json:"delivered"`
	Error     string  `json:"error,omitempty"`
}
