package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/adsum-go/adsum"
)

// decode reads the content of a file. An entry that is wrong is skipped; only
// a content that is no JSON of a known shape is an error.
func (s *source) decode(data []byte) error {
	s.instances, s.skipped = map[string][]*adsum.Instance{}, map[string][]adsum.Skipped{}
	service := strings.TrimSuffix(s.name, filepath.Ext(s.name))
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0:
		return errors.New("the file is empty; write [] for no instances")
	case data[0] == '[':
		return s.decodeList(service, data)
	case data[0] == '{':
		return s.decodeObject(service, data)
	}
	return errors.New("it is neither a JSON list nor a JSON object")
}

// decodeObject reads one instance, or lists by service.
func (s *source) decodeObject(service string, data []byte) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return syntax(err)
	}
	if _, one := object["addr"]; one {
		s.decodeEntry(service, s.name, data)
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if err := s.decodeList(name, object[name]); err != nil {
			s.skip(name, s.name+": "+strconv.Quote(name), err)
		}
	}
	return nil
}

func (s *source) decodeList(service string, data []byte) error {
	var entries []json.RawMessage
	if err := json.Unmarshal(data, &entries); err != nil {
		return syntax(err)
	}
	for i, entry := range entries {
		s.decodeEntry(service, fmt.Sprintf("%s#%d", s.name, i+1), entry)
	}
	return nil
}

// decodeEntry reads an address, an instance, or a group of Prometheus.
func (s *source) decodeEntry(service, key string, data []byte) {
	var group struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	var addr string
	if json.Unmarshal(data, &addr) == nil {
		s.add(key, adsum.Instance{Service: service, Addr: addr})
		return
	}
	if json.Unmarshal(data, &group) == nil && group.Targets != nil {
		for _, target := range group.Targets {
			s.add(key, fromLabels(service, target, group.Labels))
		}
		return
	}
	in := adsum.Instance{Service: service}
	if err := json.Unmarshal(data, &in); err != nil {
		s.skip(service, key, syntax(err))
		return
	}
	in.Reported = ""
	s.add(key, in)
}

func (s *source) add(key string, in adsum.Instance) {
	in = in.WithDefaults()
	if err := in.Validate(); err != nil {
		s.skip(in.Service, key, err)
		return
	}
	s.instances[in.Service] = append(s.instances[in.Service], &in)
}

// skip notes an entry that is wrong. One of no valid service concerns all.
func (s *source) skip(service, key string, err error) {
	if adsum.ValidateService(service) != nil {
		service = ""
	}
	s.skipped[service] = append(s.skipped[service], adsum.Skipped{Key: key, Err: err})
}

// fromLabels reads what Prometheus calls a target. The labels service, zone,
// version and weight are ours to understand; job names the service where
// service is missing, as it does in Prometheus; the rest is metadata.
func fromLabels(service, target string, labels map[string]string) adsum.Instance {
	in := adsum.Instance{Service: service, Addr: target}
	if labels["job"] != "" && labels["service"] == "" {
		in.Service = labels["job"]
	}
	for key, value := range labels {
		switch key {
		case "service":
			in.Service = value
		case "job":
		case "zone":
			in.Zone = value
		case "version":
			in.Version = value
		case "weight":
			// What is no number is left to Validate, which refuses -1.
			if weight, err := strconv.Atoi(value); err == nil {
				in.Weight = weight
			} else {
				in.Weight = -1
			}
		default:
			if in.Metadata == nil {
				in.Metadata = map[string]string{}
			}
			in.Metadata[key] = value
		}
	}
	return in
}

// syntax says where JSON is wrong, and leaves out what it holds.
func syntax(err error) error {
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("not well-formed JSON at byte %d", wrong.Offset)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s: a JSON %s where a %s belongs", strconv.Quote(wrong.Field), strings.Fields(wrong.Value)[0], wrong.Type)
	}
	return fmt.Errorf("not well-formed JSON: %s", strconv.Quote(err.Error()))
}
