package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/adsum-go/adsum"
)

// overrideOptions are those of the commands that put an operator's word on
// one instance: drain and weight.
type overrideOptions struct {
	*Factory
	Service, ID string
	Undo        bool
}

// override changes what the operator says of the instance, and leaves the rest
// of it as it is.
func (opts *overrideOptions) override(ctx context.Context, change func(*adsum.Override)) error {
	if err := errors.Join(adsum.ValidateService(opts.Service), adsum.ValidateID(opts.ID)); err != nil {
		return err
	}
	registry, overrider, err := opts.overrider()
	if err != nil {
		return err
	}
	defer registry.Close()
	bounded, cancel := opts.within(ctx)
	defer cancel()
	all, err := overrider.Overrides(bounded, opts.Service)
	if err != nil {
		return opts.explain(bounded, registry, err)
	}
	o, there := all[opts.ID]
	if opts.Undo && !there {
		return codef(exitNotFound, "there is no override on %s/%s in %s", opts.Service, opts.ID, registry.Capabilities().Registry)
	}
	change(&o)
	if err := o.Validate(); err != nil {
		return err
	}
	if err := overrider.Override(bounded, opts.Service, opts.ID, o); err != nil {
		return opts.explain(bounded, registry, err)
	}
	return opts.report(bounded, registry, o)
}

// report says what is in force, and whether anybody is there to feel it.
func (opts *overrideOptions) report(ctx context.Context, registry adsum.Registry, o adsum.Override) error {
	name := opts.Service + "/" + opts.ID
	if o == (adsum.Override{}) {
		opts.Notef("no override on %s any more", name)
		return nil
	}
	present := false
	asked, answered := context.WithCancel(ctx)
	defer answered()
	err := registry.Watch(asked, opts.Service, func(l adsum.Listing) {
		present = present || slices.ContainsFunc(l.Instances, func(in *adsum.Instance) bool { return in.ID == opts.ID })
		answered()
	})
	if err != nil {
		return opts.explain(ctx, registry, err)
	}
	opts.Notef("%s: %s; it stays until undone", name, describeOverride(o))
	if !present {
		opts.Notef("there is no such instance now; it takes effect if one comes")
	}
	return nil
}

func describeOverride(o adsum.Override) string {
	text := ""
	if o.Status != "" {
		text = string(o.Status)
	}
	if o.Weight != 0 {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("weight %d", o.Weight)
	}
	if o.Reason != "" {
		text += " (" + o.Reason + ")"
	}
	return text
}

func (f *Factory) overrider() (adsum.Registry, adsum.Overrider, error) {
	registry, err := f.Registry()
	if err != nil {
		return nil, nil, err
	}
	overrider, ok := registry.(adsum.Overrider)
	if !ok {
		return nil, nil, errors.Join(fmt.Errorf("override in %s: %w", registry.Capabilities().Registry, adsum.ErrUnsupported), registry.Close())
	}
	return registry, overrider, nil
}
