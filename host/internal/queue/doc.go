// Package queue hands out from memory the messages that the store keeps.
//
// A Broker knows where every message of every queue is: waiting, with a process, or on its way out. A message is
// visible once the store has it on the disk, and gone once its acknowledgement is there; what is between lives in
// memory only, so a host that dies hands the messages out again. The broker counts deliveries, orders by key, keeps
// the bounds of the queues, gives up what cannot be handled, and lets nothing that a plugin or a caller does take
// more memory than the bounds say.
//
// What a queue decides is in line, which is pure: it knows neither locks nor time nor the store. The Broker owns all
// lines under one mutex, which it never holds over a call of the store, of the gate or of a consumer. One goroutine
// hands out and writes what nobody waits for, another one reads bodies back.
//
// It is called by runner (task.Queues) and api. It knows neither processes nor requests.
package queue
