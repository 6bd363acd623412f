// Package eureka publishes and finds instances in Eureka: Spring Cloud's
// server under /eureka, Netflix' own under /eureka/v2.
//
// [Open] takes a URL, [New] the base URLs that Eureka's clients are configured
// with. Neither needs a server to be up.
//
// Records are those of Spring Cloud: foreign programs read ours, and theirs
// are read. What an instance has beyond that lies in one further key of its
// metadata. Eureka promises less than other registries: a watch is a poll of
// a cache, and an instance that crashed may be listed for minutes or, with the
// server's defaults, for ever. docs/eureka.md has the numbers.
package eureka
