// Package trace makes OpenTelemetry spans of requests, runs, attempts and deliveries, and exports them over OTLP. The
// standard environment variables configure it; where none names a collector there is no Tracer, and nothing of it is
// on any path.
//
// A Tracer stands before the journal, the engine and the queues: it sees a run when it is written down, gives its
// attempts a trace context of their own on their way to the process, and ends their spans when the run ends. What is
// passed on without a Tracer (the context that a caller came with) is passed on by the parts themselves.
//
// app wires it. It decides nothing, and what it cannot export is lost and changes nothing.
package trace
