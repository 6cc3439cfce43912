// Package pulse asks live processes now and then whether they answer, and knows those that do not.
// It ends none: what a process has to do may take all of its time, and whether it lives is known
// without asking.
package pulse
