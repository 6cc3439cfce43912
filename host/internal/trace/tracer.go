package trace

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// Tracer makes spans. It is safe for concurrent use. Open makes one, or none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   oteltrace.Tracer
	runs     runs
}

// Wanted reports whether the environment asks for traces: it names a collector, and nothing says that there are to be none.
func Wanted(env func(string) string) bool {
	if strings.EqualFold(env("OTEL_SDK_DISABLED"), "true") || env("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return env("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// Open makes a Tracer as the environment says; nil when it asks for no traces. The collector need not be there.
func Open(ctx context.Context, env func(string) string, version string, log hclog.Logger) (*Tracer, error) {
	if !Wanted(env) {
		return nil, nil
	}
	exporter, err := exporter(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("open the export of traces that OTEL_EXPORTER_OTLP_… ask for: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "taskhost"), attribute.String("service.version", version)),
		resource.WithHost(), resource.WithProcessPID(), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("describe the host for traces: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(newComplaints(log).say))
	return newTracer(sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))), nil
}

func newTracer(p *sdktrace.TracerProvider) *Tracer {
	return &Tracer{provider: p, tracer: p.Tracer("github.com/taskhost/taskhost/host")}
}

// exporter speaks the protocol that the environment names; http/protobuf when it names none, as the standard has it.
func exporter(ctx context.Context, env func(string) string) (sdktrace.SpanExporter, error) {
	protocol := env("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = env("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	switch protocol {
	case "", "http/protobuf":
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	}
	return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL %q is not known; write http/protobuf or grpc", protocol)
}

// Close exports what is left, no longer than ctx.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// under returns a context with a remote parent; an empty text is none.
func under(parent string) context.Context {
	ctx := context.Background()
	if parent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": parent})
}

// textOf is the W3C trace context of a span.
func textOf(s oteltrace.Span) string {
	c := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(oteltrace.ContextWithSpan(context.Background(), s), c)
	return c["traceparent"]
}

// complaints says what the export complains of, but not again and again.
type complaints struct {
	log  hclog.Logger
	last chan time.Time // holds when something was said
}

const calm = time.Minute

func newComplaints(log hclog.Logger) *complaints {
	c := &complaints{log, make(chan time.Time, 1)}
	c.last <- time.Time{}
	return c
}

func (c *complaints) say(err error) {
	last := <-c.last
	now := time.Now()
	if now.Sub(last) >= calm {
		last = now
		c.log.Warn("traces are not exported", "err", err)
	}
	c.last <- last
}
