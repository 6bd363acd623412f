package etcd

import (
	"context"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adsum-go/adsum"
)

// Watch implements [adsum.Registry]. It costs the server two watches on one
// stream. A server that froze makes it fail with [adsum.ErrSilent] within
// 2 × [Options.Heartbeat]; before the first listing, within [Options.Timeout].
func (r *Registry) Watch(ctx context.Context, service string, emit func(adsum.Listing)) error {
	if err := adsum.ValidateService(service); err != nil {
		return err
	}
	v := newView(r.layout, service, emit)
	return r.follow(ctx, v, "watch service "+service, false, r.layout.publicPrefix(service), r.layout.privatePrefix(service))
}

// list reads the prefixes at one revision.
func (r *Registry) list(ctx context.Context, keysOnly bool, prefixes ...string) ([]*mvccpb.KeyValue, int64, error) {
	options := []clientv3.OpOption{clientv3.WithPrefix()}
	if keysOnly {
		options = append(options, clientv3.WithKeysOnly())
	}
	ops := make([]clientv3.Op, len(prefixes))
	for i, prefix := range prefixes {
		ops[i] = clientv3.OpGet(prefix, options...)
	}
	answer, err := r.commit(ctx, nil, ops, nil)
	if err != nil {
		return nil, 0, err
	}
	var kvs []*mvccpb.KeyValue
	for _, part := range answer.Responses {
		kvs = append(kvs, part.GetResponseRange().GetKvs()...)
	}
	return kvs, answer.Header.Revision, nil
}
