// Package policy holds TLS server policies. It computes the answer of a server
// with a policy to a ClientHello: the version, the suite, the group, the
// signature scheme and whether a HelloRetryRequest is needed, or why the server
// refuses. [Policy.Answer] is a pure function; it sends nothing.
//
// Policies are built in ([Lookup]), read from YAML ([ReadYAML]), made from an
// OpenSSL cipher string ([ReadCiphers]), or read from a configuration of nginx,
// Apache or HAProxy ([Load]). What a source does not state makes an answer
// undetermined, with a [Cause].
//
// The answer:
//
//	policy.go    Policy, Behavior
//	hello.go     Hello, Server: the two sides of an answer
//	answer.go    Answer, Failure, Doubt; the version
//	answer12.go  TLS 1.2 and older: suite and group
//	answer12_signature.go  TLS 1.2 and older: keys and signature schemes
//	answer13.go  TLS 1.3
//
// The sources:
//
//	builtin.go, zbuiltin.go    built-in policies, generated from builtin by gen
//	yaml.go, yaml_values.go    YAML
//	config.go, include.go      detection of configurations, includes
//	nginx.go, nginx_tokens.go, nginx_dump.go     nginx
//	apache.go, apache_sections.go, apache_vhost.go  Apache
//	haproxy.go, haproxy_bind.go                  HAProxy
//	settings.go, settings_groups.go  from OpenSSL settings to a policy
//	ciphers.go, cipher_classes.go, openssl_names.go  OpenSSL cipher strings
//	release.go   software releases and crypto-policies
//	host.go      Host, Site: which server takes a connection
//	similar.go   names similar to a typo
//
// The output:
//
//	render.go    configuration lines for a policy
package policy
