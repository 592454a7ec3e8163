package main

import (
	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"
)

// A webConfig is what the file of --web-config protects the server with. The
// exporter toolkit reads the file itself; here it is only asked whether it
// protects at all.
type webConfig struct{ web.Config }

func parseWebConfig(b []byte) (*webConfig, error) {
	c := new(webConfig)
	return c, yaml.Unmarshal(b, &c.Config)
}

func (c *webConfig) tls() bool {
	t := &c.TLSConfig
	return t.TLSCertPath != "" || t.TLSCert != ""
}

func (c *webConfig) users() bool { return len(c.Users) > 0 }

// clients reports whether clients must have a certificate.
func (c *webConfig) clients() bool {
	switch c.TLSConfig.ClientAuth {
	case "RequireAndVerifyClientCert", "RequireAnyClientCert":
		return true
	}
	return false
}
