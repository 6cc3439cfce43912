// Package scaffold holds what people start from: a first configuration, and the module of a
// first plugin of each form. It makes texts and writes nothing.
package scaffold
