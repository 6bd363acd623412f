package adsum

import (
	"slices"
	"strings"
)

// settle sorts an answer by id, drops duplicates, and keeps the old pointer
// of every instance that says the same as before, so that whoever compares
// next can do so by pointer. It tells whether nothing changed at all. The
// slice is the registry's and is used up.
//
// One change among thousands is the common case, and a driver that keeps its
// pointers hands in nearly the same slice again: what both have in common at
// the front and at the back is not looked at.
func settle(old, instances []*Instance) (settled []*Instance, same bool) {
	front, back := common(old, instances)
	middle := instances[front : len(instances)-back]
	if len(middle) == 0 && len(old) == len(instances) {
		return old, true
	}
	if !fits(instances, front, back) {
		front, back, middle = 0, 0, instances
	}
	sorted, same := settleSorted(old[front:len(old)-back], sortByID(middle))
	settled = append(instances[:front], sorted...)
	if len(sorted) < len(middle) {
		return append(settled, instances[len(instances)-back:]...), same
	}
	return instances, same
}

// common counts the pointers that two slices share at their front and back.
func common(a, b []*Instance) (front, back int) {
	n := min(len(a), len(b))
	for front < n && a[front] == b[front] {
		front++
	}
	for back < n-front && a[len(a)-1-back] == b[len(b)-1-back] {
		back++
	}
	return front, back
}

// fits tells whether everything between the common front and back belongs
// there, so that it can be sorted by itself.
func fits(instances []*Instance, front, back int) bool {
	for _, in := range instances[front : len(instances)-back] {
		if front > 0 && in.ID <= instances[front-1].ID {
			return false
		}
		if back > 0 && in.ID >= instances[len(instances)-back].ID {
			return false
		}
	}
	return true
}

// sortByID sorts in place. Of two entries with one id the registry's later
// one counts.
func sortByID(instances []*Instance) []*Instance {
	if !slices.IsSortedFunc(instances, compareID) {
		slices.SortStableFunc(instances, compareID)
	}
	unique := instances[:0]
	for i, in := range instances {
		if i+1 == len(instances) || instances[i+1].ID != in.ID {
			unique = append(unique, in)
		}
	}
	return unique
}

// settleSorted keeps old pointers where the old instance says the same.
func settleSorted(old, instances []*Instance) (settled []*Instance, same bool) {
	same = len(old) == len(instances)
	j := 0
	for i, in := range instances {
		for j < len(old) && old[j] != in && old[j].ID < in.ID {
			j++
		}
		if j < len(old) && old[j].Equal(in) {
			instances[i] = old[j]
			j++
			continue
		}
		same = false
	}
	return instances, same
}

// compareID orders instances by id, the order of every snapshot.
func compareID(a, b *Instance) int { return strings.Compare(a.ID, b.ID) }
