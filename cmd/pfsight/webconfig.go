package main

import (
	"fmt"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// A webConfig is what the file of --web-config protects the server with. The
// exporter toolkit reads and checks the file itself; here it is only asked
// whether it protects at all.
type webConfig struct {
	TLS struct {
		CertFile   string `yaml:"cert_file"`
		KeyFile    string `yaml:"key_file"`
		ClientCAs  string `yaml:"client_ca_file"`
		Cert       string `yaml:"cert"`
		ClientAuth string `yaml:"client_auth_type"`
	} `yaml:"tls_server_config"`
	Users map[string]string `yaml:"basic_auth_users"`
}

func parseWebConfig(b []byte) (*webConfig, error) {
	c := new(webConfig)
	return c, yaml.Unmarshal(b, c)
}

func (c *webConfig) tls() bool { return c.TLS.CertFile != "" || c.TLS.Cert != "" }

func (c *webConfig) users() bool { return len(c.Users) > 0 }

// clients reports whether clients must have a certificate.
func (c *webConfig) clients() bool {
	switch c.TLS.ClientAuth {
	case "RequireAndVerifyClientCert", "RequireAnyClientCert":
		return true
	}
	return false
}

// webConfigFiles returns the file itself and those that it names, which are
// read again while serving. Names are relative to the file's folder.
func webConfigFiles(file string) ([]string, error) {
	c, err := readWebConfig(file)
	if err != nil {
		return nil, fmt.Errorf("--web-config %s: %w", file, err)
	}
	files := []string{file}
	for _, name := range []string{c.TLS.CertFile, c.TLS.KeyFile, c.TLS.ClientCAs} {
		switch {
		case name == "":
		case filepath.IsAbs(name):
			files = append(files, name)
		default:
			files = append(files, filepath.Join(filepath.Dir(file), name))
		}
	}
	return files, nil
}
