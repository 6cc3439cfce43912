// Package ui is the host's web page: its embedded files, the sessions of the people who have it open, and the one-time
// links that let them in. The API serves it behind its guard and asks it for the token that a session stands for. It
// knows nothing of tasks: what the page shows it reads from the API, as every caller does.
package ui
