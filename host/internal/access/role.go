package access

import "fmt"

// Role says what a caller may do. From Viewer to Admin each may do what the ones before it may; a Producer
// stands beside them.
type Role int

// The roles.
const (
	Anyone   Role = iota // also who has not said who he is: only whether the host is up
	Producer             // posts messages to his queues, and nothing else
	Viewer               // reads
	Operator             // commands tasks and posts messages
	Admin                // commands the host
)

var roleNames = [...]string{"anyone", "producer", "viewer", "operator", "admin"}

// RoleNames are the roles that can be given to somebody.
var RoleNames = roleNames[1:]

func (r Role) String() string { return roleNames[r] }

// ParseRole reads the name of a role that can be given to somebody.
func ParseRole(name string) (Role, error) {
	for i, known := range roleNames {
		if name == known && Role(i) != Anyone {
			return Role(i), nil
		}
	}
	return Anyone, fmt.Errorf("%q is no role; write viewer, operator, admin or producer", name)
}

// May reports whether the role reaches what needs need.
func (r Role) May(need Role) bool {
	switch {
	case need == Producer:
		return r == Producer || r >= Operator
	case r == Producer:
		return need == Anyone
	}
	return r >= need
}

// MarshalText writes the role's name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (r *Role) UnmarshalText(text []byte) error {
	role, err := ParseRole(string(text))
	*r = role
	return err
}
