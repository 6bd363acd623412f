package consul

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/adsum-go/adsum"
)

// term is what a record says of its keeping: whose it is, under which lease,
// and the how-manieth writing of that lease it is. The serial makes every
// writing differ, so that the agent brings it to the catalog at once even
// when the catalog was taken back to an older state behind its back.
type term struct {
	claim  adsum.Claim
	lease  string
	serial uint64
}

// String is the term as it lies in the metadata.
func (t term) String() string {
	return fmt.Sprintf("%s/%d/%s/%d", t.claim.Owner, t.claim.Incarnation, t.lease, t.serial)
}

// parseTerm reads what String wrote; ok is false for anything else.
func parseTerm(text string) (t term, ok bool) {
	parts := strings.Split(text, "/")
	n := len(parts)
	if n < 4 {
		return t, false
	}
	incarnation, err1 := strconv.ParseUint(parts[n-3], 10, 64)
	serial, err2 := strconv.ParseUint(parts[n-1], 10, 64)
	if err1 != nil || err2 != nil || parts[n-2] == "" {
		return t, false
	}
	t.claim = adsum.Claim{Owner: strings.Join(parts[:n-3], "/"), Incarnation: min(incarnation, math.MaxInt64)}
	t.lease, t.serial = parts[n-2], serial
	return t, true
}
