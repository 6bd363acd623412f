// Package mirror keeps services of one registry registered in another, which
// is how a company moves from one to the other, one service at a time: callers
// on either side see the copies of both.
//
// What is mirrored carries its origin in its metadata, under [OriginKey], and
// is never mirrored again, so that two mirrors may run against each other.
// A record that is in the target by itself wins over its mirror image: a
// program that has moved is not disturbed by the record it left behind.
//
// A mirror is a consumer of a Directory and a producer of Registrations, so it
// inherits what those promise: an origin that is unreachable withdraws nothing,
// a target that comes back empty is filled again.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
)

// OriginKey is the metadata key that marks a mirrored instance. Its value is
// the registry it comes from, without secrets. All registries accept the key.
const OriginKey = "adsum-origin"

// Options are the settings of [Run].
type Options struct {
	// Services are the services to mirror. Without any, all that the
	// origin lists, new ones included; they are looked for every Interval.
	Services []string
	// Interval is how often the origin is asked for its services; 5 s if
	// zero.
	Interval time.Duration
	// TTL is that of the records in the target, [adsum.DefaultTTL] if zero.
	TTL time.Duration
	// Logger is where edges are logged, [slog.Default] if nil.
	Logger *slog.Logger
	// Observer is told of the directories and of the registrations that a
	// mirror consists of; may be nil. adsumotel's Telemetry is one.
	Observer Observer
}

// Observer is told of what a mirror consists of. What its methods return is called
// when that ends. They are called by several goroutines, and must not block.
type Observer interface {
	Directory(d *adsum.Directory) (forget func())
	Registration(r *adsum.Registration) (forget func())
}

// nobody observes.
type nobody struct{}

func (nobody) Directory(*adsum.Directory) (forget func())       { return func() {} }
func (nobody) Registration(*adsum.Registration) (forget func()) { return func() {} }

// Run mirrors until ctx ends, then withdraws everything it registered and
// returns nil. It fails at once when the target is the origin, when the target
// cannot register, and when all services are wanted of an origin that cannot
// list them. Both registries may be down; it waits for them.
func Run(ctx context.Context, from, to adsum.Registry, opts Options) error {
	m, err := newMirror(from, to, opts)
	if err != nil {
		return err
	}
	defer m.close()
	defer opts.observer().Directory(m.from)()
	defer opts.observer().Directory(m.to)()
	for _, service := range opts.Services {
		m.follow(ctx, service)
	}
	if len(opts.Services) == 0 {
		m.followAll(ctx)
	}
	<-ctx.Done()
	return nil
}

func (o Options) observer() Observer {
	if o.Observer == nil {
		return nobody{}
	}
	return o.Observer
}

// mirror is one direction between two registries.
type mirror struct {
	origin   string
	target   adsum.Registry
	from, to *adsum.Directory
	opts     Options
	log      *slog.Logger

	followed map[string]bool
	running  sync.WaitGroup
}

func newMirror(from, to adsum.Registry, opts Options) (*mirror, error) {
	source, target := from.Capabilities(), to.Capabilities()
	if source.Registry == target.Registry && source.Driver != "memory" {
		return nil, fmt.Errorf("mirror %s: %w: origin and target are the same registry", source.Registry, adsum.ErrInvalid)
	}
	if !target.Register {
		return nil, fmt.Errorf("mirror into %s: %w: it is read only", target.Registry, adsum.ErrUnsupported)
	}
	if _, lists := from.(adsum.ServiceWatcher); !lists && len(opts.Services) == 0 {
		return nil, fmt.Errorf("mirror all services of %s: %w: it cannot list them; name the services", source.Registry, adsum.ErrUnsupported)
	}
	for _, service := range opts.Services {
		if err := adsum.ValidateService(service); err != nil {
			return nil, err
		}
	}
	if opts.Interval < 0 {
		return nil, &adsum.InvalidError{Field: "interval", Value: opts.Interval.String(), Problem: "it is negative", Fix: "leave it out for 5s"}
	}
	if opts.Interval == 0 {
		opts.Interval = 5 * time.Second
	}
	if opts.TTL == 0 {
		opts.TTL = adsum.DefaultTTL
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	return &mirror{
		origin: source.Registry, target: to, opts: opts, followed: map[string]bool{},
		from: adsum.NewDirectory(from, adsum.WithLogger(opts.Logger)),
		to:   adsum.NewDirectory(to, adsum.WithLogger(opts.Logger)),
		log:  opts.Logger.With("origin", source.Registry, "target", target.Registry),
	}, nil
}

func (m *mirror) close() {
	m.running.Wait()
	m.from.Close()
	m.to.Close()
}

// followAll follows every service that the origin lists, now or later.
func (m *mirror) followAll(ctx context.Context) {
	ticker := time.NewTicker(m.opts.Interval)
	defer ticker.Stop()
	failing := false
	for ctx.Err() == nil {
		asked, cancel := context.WithTimeout(ctx, m.opts.Interval)
		services, err := m.from.Services(asked)
		cancel()
		if err != nil && ctx.Err() == nil && !failing {
			m.log.Warn("cannot list the services of the origin, trying again", "error", err)
		}
		failing = err != nil
		for _, service := range services {
			if adsum.ValidateService(service) == nil {
				m.follow(ctx, service)
			}
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// follow mirrors one service in the background until ctx ends.
func (m *mirror) follow(ctx context.Context, service string) {
	if m.followed[service] {
		return
	}
	m.followed[service] = true
	m.running.Go(func() {
		if err := m.service(ctx, service); err != nil {
			m.log.Error("service is not mirrored", "service", service, "error", err)
		}
	})
}

func (m *mirror) service(ctx context.Context, service string) error {
	there, err := m.from.Open(service)
	if err != nil {
		return err
	}
	defer there.Close()
	here, err := m.to.Open(service)
	if err != nil {
		return err
	}
	defer here.Close()
	images := &images{mirror: m, held: map[string]*adsum.Registration{}, forget: map[string]func(){}}
	defer images.withdraw()
	for {
		changedThere, changedHere := there.Changed(), here.Changed()
		if there.Snapshot().Known() && here.Snapshot().Known() {
			images.reflect(there.Snapshot(), here.Snapshot())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changedThere:
		case <-changedHere:
		}
	}
}

// images are the registrations of one service in the target.
type images struct {
	*mirror
	held   map[string]*adsum.Registration // by id
	forget map[string]func()              // has the observer forget each of them
}

// reflect brings the images in line with what the origin says. An instance
// that is in the target without our mark stands for itself.
func (i *images) reflect(there, here *adsum.Snapshot) {
	wanted := map[string]adsum.Instance{}
	for _, in := range there.Instances {
		if in.Metadata[OriginKey] != "" {
			continue
		}
		if native, ok := here.Get(in.ID); ok && native.Metadata[OriginKey] == "" {
			continue
		}
		wanted[in.ID] = i.image(in)
	}
	for _, id := range slices.Sorted(maps.Keys(i.held)) {
		if _, ok := wanted[id]; !ok {
			i.drop(id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		i.keep(wanted[id])
	}
}

// image is what the target is to hold of an instance.
func (i *images) image(in *adsum.Instance) adsum.Instance {
	image := in.Clone()
	if image.Metadata == nil {
		image.Metadata = map[string]string{}
	}
	image.Metadata[OriginKey] = i.origin
	image.Reported = ""
	return image
}

func (i *images) keep(image adsum.Instance) {
	if reg := i.held[image.ID]; reg != nil {
		if current := reg.Instance(); current.Equal(&image) {
			return
		}
		err := reg.Update(func(in *adsum.Instance) { *in = image })
		if err == nil {
			return
		}
		// A program in the target took the id over and has left again, or
		// the target cannot hold what the origin says now.
		i.drop(image.ID)
	}
	reg, err := adsum.Register(i.target, image, adsum.WithTTL(i.opts.TTL), adsum.WithLogger(i.opts.Logger))
	if err != nil {
		i.log.Warn("instance is not mirrored: the target cannot hold it", "service", image.Service, "instance", image.ID, "error", err)
		return
	}
	i.held[image.ID] = reg
	i.forget[image.ID] = i.opts.observer().Registration(reg)
}

// drop withdraws an image. One that was superseded withdraws nothing: the
// record is not ours any more.
func (i *images) drop(id string) {
	if err := i.held[id].Close(context.Background()); err != nil && !errors.Is(err, adsum.ErrSuperseded) {
		i.log.Warn("image not withdrawn; it runs out", "instance", id, "error", err)
	}
	i.forget[id]()
	delete(i.held, id)
	delete(i.forget, id)
}

// withdraw drops all, side by side: the target may be slow.
func (i *images) withdraw() {
	var all sync.WaitGroup
	for id, reg := range i.held {
		all.Go(func() {
			defer i.forget[id]()
			if err := reg.Close(context.Background()); err != nil {
				i.log.Warn("image not withdrawn; it runs out", "error", err)
			}
		})
	}
	all.Wait()
}
