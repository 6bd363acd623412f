//go:build unix

package servers

// TLS makes a server speak TLS to its clients. Package certs issues the files.
type TLS struct {
	CertFile string // PEM, the server's certificate
	KeyFile  string // PEM, its key
	// ClientCAFile, when set, makes the server demand a client certificate
	// that this authority signed.
	ClientCAFile string
	// ClientCertFile and ClientKeyFile are a pair that ClientCAFile signed.
	// Eureka's readiness can then be probed, as it has no plain port beside.
	ClientCertFile, ClientKeyFile string
}
