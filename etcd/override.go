package etcd

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// Override implements [adsum.Overrider]. An owner of this library obeys: its
// public record disappears while it is to drain, so that foreign callers
// leave it too. A foreign owner's record stays where it is; only readers of
// this library see the override.
func (r *Registry) Override(ctx context.Context, service, id string, o adsum.Override) error {
	value, err := codec.EncodeOverride(o)
	if err := errors.Join(adsum.ValidateService(service), adsum.ValidateID(id), err); err != nil {
		return err
	}
	key := r.layout.keys(service, id).override
	op := clientv3.OpPut(key, string(value))
	if o == (adsum.Override{}) {
		op = clientv3.OpDelete(key)
	}
	_, err = r.commit(ctx, nil, []clientv3.Op{op}, nil)
	return r.explain(fmt.Sprintf("override %s/%s", service, id), err)
}

// Overrides implements [adsum.Overrider].
func (r *Registry) Overrides(ctx context.Context, service string) (map[string]adsum.Override, error) {
	if err := adsum.ValidateService(service); err != nil {
		return nil, err
	}
	kvs, revision, err := r.list(ctx, false, r.layout.privatePrefix(service))
	if err != nil {
		return nil, r.explain("list the overrides of "+service, err)
	}
	v := newView(r.layout, service, nil)
	v.load(kvs, revision)
	return v.overrides, nil
}

// Remove implements [adsum.Remover]. An override stays.
func (r *Registry) Remove(ctx context.Context, service, id string) error {
	if err := errors.Join(adsum.ValidateService(service), adsum.ValidateID(id)); err != nil {
		return err
	}
	k := r.layout.keys(service, id)
	deletes := []clientv3.Op{clientv3.OpDelete(k.public)}
	if foreign, ok := r.layout.foreignKey(service, id); ok {
		deletes = append(deletes, clientv3.OpDelete(foreign))
	}
	answer, err := r.commit(ctx, nil, append(deletes, clientv3.OpDelete(k.record)), nil)
	if forbidden(err) {
		answer, err = r.commit(ctx, nil, deletes, nil)
	}
	tried := fmt.Sprintf("remove %s/%s", service, id)
	if err != nil {
		return r.explain(tried, err)
	}
	for _, part := range answer.Responses {
		if part.GetResponseDeleteRange().GetDeleted() > 0 {
			return nil
		}
	}
	return fmt.Errorf("etcd: %s: %w", tried, adsum.ErrNotFound)
}
