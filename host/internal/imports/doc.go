// Package imports turns what other supervisors are told into a configuration of this
// host: the packages below it read one format each, into tasks and notes, and Write
// makes HCL of them. All of it is pure: text in, text out. The command line calls it;
// nothing here looks at the machine or checks that a command is there.
package imports
