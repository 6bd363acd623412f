package main

import (
	"context"
	"errors"
	"flag"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

// saveTimeout bounds a whole snapshot of a test server, which holds little.
const saveTimeout = 20 * time.Second

// save writes a snapshot of a running member into a file.
func save(args []string) error {
	flags := flag.NewFlagSet("save", flag.ExitOnError)
	endpoint := flags.String("endpoint", "", "client `URL` of the member")
	user := flags.String("user", "", "`NAME:PASSWORD` when authentication is on")
	var files transport.TLSInfo
	flags.StringVar(&files.TrustedCAFile, "cacert", "", "`FILE` of the certificate authority")
	flags.StringVar(&files.CertFile, "cert", "", "client certificate `FILE`")
	flags.StringVar(&files.KeyFile, "key", "", "client key `FILE`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *endpoint == "" || flags.NArg() != 1 {
		return errors.New("needs -endpoint and one file to write")
	}
	config := clientv3.Config{Endpoints: []string{*endpoint}, DialTimeout: saveTimeout}
	config.Username, config.Password, _ = strings.Cut(*user, ":")
	if files.TrustedCAFile != "" {
		tlsConfig, err := files.ClientConfig()
		if err != nil {
			return err
		}
		config.TLS = tlsConfig
	}
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	_, err := snapshot.NewV3(zap.NewNop()).Save(ctx, config, flags.Arg(0))
	return err
}

// restore makes a data directory out of a snapshot. The directory must not
// exist yet.
func restore(args []string) error {
	flags := flag.NewFlagSet("restore", flag.ExitOnError)
	var config snapshot.RestoreConfig
	flags.StringVar(&config.OutputDataDir, "data-dir", "", "`DIR` to make")
	flags.StringVar(&config.Name, "name", "", "`NAME` of the member")
	flags.StringVar(&config.InitialCluster, "initial-cluster", "", "`NAME=URL,...` of all members")
	flags.StringVar(&config.InitialClusterToken, "initial-cluster-token", "", "`TOKEN` of the cluster")
	peers := flags.String("initial-advertise-peer-urls", "", "peer `URL,...` of the member")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("needs one snapshot file")
	}
	config.SnapshotPath = flags.Arg(0)
	config.PeerURLs = strings.Split(*peers, ",")
	return snapshot.NewV3(zap.NewNop()).Restore(config)
}
