// Package secure is the built agent on secured ways to the newest published controller: TLS with client certificates by
// stores of keytool, and the proxies squid, tinyproxy and dante between. What is tested is what the agent does, and what
// it says where it cannot.
package secure
