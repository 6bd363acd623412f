// Package dnssrv finds instances in DNS: SRV, A and AAAA records.
package dnssrv
