//go:build genproto

package adsumkit

// go-kit requires a google.golang.org/genproto of 2021, from before that
// module was split, and every program that has both go-kit and a gRPC of today
// then finds packages in two modules. This import, which no build makes, keeps
// the requirement of a newer genproto in go.mod.
import _ "google.golang.org/genproto/protobuf/api"
