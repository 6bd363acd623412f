package file

import "github.com/adsum-go/adsum"

// Decode lets the fuzz test reach the decoder.
func Decode(name string, data []byte) []*adsum.Instance {
	s := &source{name: name}
	if s.decode(data) != nil {
		return nil
	}
	var all []*adsum.Instance
	for _, instances := range s.instances {
		all = append(all, instances...)
	}
	return all
}
