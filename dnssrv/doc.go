// Package dnssrv finds instances in DNS: SRV records, which tell ports, or A
// and AAAA records with a port that is known. It reads and cannot register.
//
// It asks again when the records' time to live is over, within bounds, so that
// a server which says 0, as Consul does, is asked once a second and one which
// says an hour is still asked twice a minute. It speaks to the name servers
// itself because the standard library's resolver tells no TTLs, and cannot
// tell a name that does not exist from a server that does not answer.
//
// DNS says little: no metadata, no tags, no health beyond being listed. Of SRV
// records with different priorities only those of the first priority count.
package dnssrv
