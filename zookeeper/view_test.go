package zookeeper

import (
	"testing"

	"github.com/go-zookeeper/zk"
)

func TestADirectorysNumberFallsWhenItWasMadeAnewOrRestored(t *testing.T) {
	made := func(ctime int64, changes int32) *directory {
		return &directory{stat: zk.Stat{Ctime: ctime, Cversion: changes, Czxid: 1}}
	}
	const day = 1_800_000_000_000 // in milliseconds since 1970
	tests := []struct {
		what        string
		before, now *directory
		falls       bool
	}{
		{"an instance came", made(day, 7), made(day, 8), false},
		{"nothing happened", made(day, 7), made(day, 7), false},
		{"a restore took two changes back", made(day, 9), made(day, 7), true},
		{"wiped, and made anew a second later with more changes", made(day, 2), made(day+1000, 2000), true},
		{"wiped after years of changes, and made anew within a second", made(day, 1<<31-1), made(day+100_000_000_000, 1), true},
		{"more changes than a number of 31 bits holds", made(day, 1<<31-1), made(day, -1<<31), false},
		{"all left, and the server removed the directory", made(day, 9), nil, false},
		{"it is there again", nil, made(day, 0), true},
	}
	for _, test := range tests {
		if before, now := test.before.number(), test.now.number(); now < before != test.falls {
			t.Errorf("%s: from %d to %d", test.what, before, now)
		}
	}
}
