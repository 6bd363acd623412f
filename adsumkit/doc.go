// Package adsumkit gives go-kit programs adsum's registration, discovery and balancing.
package adsumkit
