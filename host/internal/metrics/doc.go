// Package metrics counts what the host does and writes it in the text format of Prometheus.
//
// What happens is counted where it passes by: Metrics stands before the journal, the reports of processes and the
// sinks of logs, and what it does there is a few additions without a lock. What is (states, queues, processes) is
// read when somebody scrapes. The table of families is all that there is to scrape; series of a task are gone with
// the task, and no label holds text that nobody declared, with one exception that has a bound: the keys of published
// numbers.
//
// app wires it, api serves it. It decides nothing and starts nothing.
package metrics
