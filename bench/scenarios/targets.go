package scenarios

// Further ways of ours that promises are about.
var (
	hedgedAt98    = standard.with("hedging at 98 %", hedging(0.98))
	hedgedAt95    = standard.with("hedging at 95 %", hedging(0.95))
	prequalHedged = prequal.with("hedging at 95 %", hedging(0.95))
)

// Why promises are not kept.
const (
	alone = "46 ms are the p99 of requests that need not wait, and no choice shortens those; S1e shows the waiting alone. " +
		"Tried: peak_ewma, least_request, a subset, c3, prequal"
	slowHalf = "requests take 20 ms by themselves at the slow half: with a quarter of them there, p99 is 66 ms without any waiting. " +
		"Tried: peak_ewma, a subset, c3, prequal; only sending again gets below"
	ownCallsOnly = "by its own calls a client hears too little, and too late, of who is slow for two seconds: subsets help, hedging helps, and what servers say helps most"
	aloneAtWorst = "69 ms are the p99.9 of requests that need not wait, of which only sending again takes something off. " +
		"Tried: hedging at 99 and 95 %, c3, prequal"
	laterIsLater = "the later a second try is sent, the later it answers. Tried: 99, 98 and 95 %, of which 95 keeps this one and sends too much"
)

// targets are the promises. Where several ways were tried, each has a line.
var targets = []target{
	{scenario: "S1", what: "p99 against grpc-go's round robin", ours: standard, of: p99, theirs: &grpcRoundRobin, limit: 0.8, write: times, reason: alone},
	{scenario: "S1", what: "the same", ours: c3, of: p99, theirs: &grpcRoundRobin, limit: 0.8, write: times, reason: alone},
	{scenario: "S1e", what: "the same, equal requests", ours: c3, of: p99, theirs: &grpcRoundRobin, limit: 0.8, write: times},
	{scenario: "S2", what: "p99 against grpc-go's weighted round robin", ours: standard, of: p99, theirs: &grpcWeighted, limit: 0.7, write: times, reason: slowHalf},
	{scenario: "S2", what: "the same", ours: prequal, of: p99, theirs: &grpcWeighted, limit: 0.7, write: times, reason: slowHalf},
	{scenario: "S2", what: "the same", ours: prequalHedged, of: p99, theirs: &grpcWeighted, limit: 0.7, write: times, reason: slowHalf},
	{scenario: "S2", what: "errors", ours: standard, of: errorsOf, limit: 0, write: percent},
	{scenario: "S3", what: "p99 against grpc-go's least request", ours: standard, of: p99, theirs: &grpcLeast, limit: 0.2, write: times, reason: ownCallsOnly},
	{scenario: "S3", what: "the same", ours: prequal, of: p99, theirs: &grpcLeast, limit: 0.2, write: times},
	{scenario: "S3", what: "p99 against go-zero's", ours: prequal, of: p99, theirs: &goZero, limit: 0.2, write: times},
	{scenario: "S4", what: "p99.9 against go-zero's", ours: standard, of: p999, theirs: &goZero, limit: 0.25, write: times, reason: aloneAtWorst},
	{scenario: "S4", what: "the same", ours: hedgedAt95, of: p999, theirs: &goZero, limit: 0.25, write: times, reason: aloneAtWorst},
	{scenario: "S5", what: "errors without retries", ours: standard, of: errorsOf, limit: 0.02, write: percent, slack: 0.005},
	{scenario: "S5", what: "errors with retries", ours: standardRetries, of: errorsOf, limit: 0, write: percent},
	{scenario: "S6", what: "errors", ours: standardGently, of: errorsOf, limit: 0, write: percent},
	{scenario: "S6", what: "p99 against that without restarts", ours: standardGently, of: extra, limit: 1.3, write: times},
	{scenario: "S7", what: "errors from one second after it on", ours: standardRetries, of: extra, limit: 0.1, write: percent, slack: 0.02},
	{scenario: "S8", what: "time to recover", ours: standardRetries, of: extra, limit: 2, write: seconds, slack: 0.5},
	{scenario: "S9", what: "p99.9 against grpc-go's round robin", ours: standardHedged, of: p999, theirs: &grpcRoundRobin, limit: 0.6, write: times, reason: laterIsLater},
	{scenario: "S9", what: "the same", ours: hedgedAt98, of: p999, theirs: &grpcRoundRobin, limit: 0.6, write: times, reason: laterIsLater},
	{scenario: "S9", what: "tries for each call", ours: hedgedAt98, of: sent, limit: 1.02, write: tryCount},
	{scenario: "S10", what: "errors", ours: standard, of: errorsOf, limit: 0, write: percent},
}
