package eureka

import "testing"

func TestALossOfMemoryIsToldFromChanges(t *testing.T) {
	home, peer := &server{}, &server{}
	known := map[string]mark{"a": {dirty: 1, upSince: 10}, "b": {dirty: 2, upSince: 11}, "starting": {dirty: 3}}
	for name, c := range map[string]struct {
		now    map[string]mark
		from   *server
		broken bool
		lost   bool
	}{
		"nothing happened":                     {known, home, false, false},
		"one left":                             {map[string]mark{"a": {1, 10}}, home, false, false},
		"all left":                             {map[string]mark{}, home, false, false},
		"one updated, others left":             {map[string]mark{"a": {7, 10}}, home, false, false},
		"all replaced by others":               {map[string]mark{"c": {7, 20}}, home, false, false},
		"the last to stay has just come up":    {map[string]mark{"starting": {7, 20}}, home, false, false},
		"one registered again, others not yet": {map[string]mark{"a": {7, 20}}, home, false, true},
		"after a break, some left":             {map[string]mark{"a": {1, 10}}, home, true, false},
		"after a break, one updated":           {map[string]mark{"a": {7, 10}}, home, true, false},
		"after a break, nothing":               {map[string]mark{}, home, true, true},
		"after a break, only others":           {map[string]mark{"c": {7, 20}}, home, true, true},
		"a peer has the same":                  {map[string]mark{"a": {1, 15}, "b": {2, 16}}, peer, false, false},
		"a peer has nothing":                   {map[string]mark{}, peer, false, true},
	} {
		m := memory{services: map[string]*remembered{}}
		r := m.open("book")
		before := m.listed(r, home, known)
		if c.broken {
			m.close("book", true)
			r = m.open("book")
		}
		if fell := m.listed(r, c.from, c.now) < before; fell != c.lost {
			t.Errorf("%s: the sequence fell: %t, want %t", name, fell, c.lost)
		}
		m.close("book", false)
		if len(m.services) != 0 {
			t.Errorf("%s: what a watch saw that ended well is kept", name)
		}
	}
}
