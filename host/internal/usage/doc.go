// Package usage reads what processes take of the machine, and looks at those of the tasks now and then.
package usage
