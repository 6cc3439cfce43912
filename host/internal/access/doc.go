// Package access holds who may use the host: the roles, what a token is limited to, and the tokens
// that people made, in one file. Its caller is the API, which asks at every request. It promises that
// nobody can read a token's text out of the file, that the file is whole after a crash, and that a
// token that was revoked is refused at once. It knows nothing of HTTP.
package access
