// Package adsumotel reports what adsum does to OpenTelemetry: metrics of
// directories, registrations, health checks and clients, and of every call its
// duration and, on the caller's span, which copy answered.
//
//	telemetry, err := adsumotel.New()
//	defer telemetry.Close()
//	telemetry.Directory(dir)
//	telemetry.Registration(reg)
//	conn, err := adsumgrpc.NewClient(dir, "book", creds, adsumgrpc.WithObserver(telemetry))
//	web := adsumhttp.NewTransport(dir, adsumhttp.WithObserver(telemetry))
//
// It uses the API of OpenTelemetry only, and the global provider of meters
// unless another is given; which SDK and exporter take what is reported is the
// program's choice. Numbers are read when they are collected; between
// collections they cost nothing.
//
// # Names
//
// Calls have the names of the semantic conventions: rpc.client.call.duration
// over gRPC, http.client.request.duration over HTTP. They are of whole calls,
// as their callers see them, with all tries. For what happens to each try over
// gRPC, give the client gRPC's own metrics (google.golang.org/grpc/stats/opentelemetry)
// or otelgrpc's spans as well: they are stats handlers, and see every try as a
// call.
//
// Everything else is called adsum.*, with the service in the attribute
// adsum.service. There is no attribute by instance unless it is asked for
// ([WithInstances]). Page docs/observability.md of the repository lists all of
// it, and says which number tells which failure.
package adsumotel
