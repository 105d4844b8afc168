package main

import (
	"strings"
	"time"

	"federation-agent/config"
	"federation-agent/internal/kubernetes"
	"federation-agent/internal/secret"
	"federation-agent/internal/secrets"
	"federation-agent/internal/secretsmanager"
)

// openSecrets gives the reader of what the settings refer to. The process keeps it, so that what was read can be read
// again.
func (p process) openSecrets(stores config.Secrets) config.SecretReader {
	p.secrets.Use(secret.File, secrets.Files(config.ReadFile))
	p.secrets.Use(secret.Kubernetes, kubernetes.New(kubernetes.Options{
		KubeConfigFile: stores.Kubernetes.KubeConfigFile, Namespace: stores.Kubernetes.Namespace,
		Timeout: milliseconds(stores.Kubernetes.TimeoutMillis), Getenv: p.getenv,
		Read: config.ReadFile,
	}))
	aws := secretsmanager.Options{
		Region: stores.AWS.Region, Endpoint: stores.AWS.Endpoint, FIPS: stores.AWS.FIPS,
		Timeout: milliseconds(stores.AWS.TimeoutMillis),
	}
	if auth := stores.AWS.Auth; auth.Provider == config.AuthStatic {
		aws.AccessKeyID, aws.SecretAccessKey = auth.AccessKeyID, auth.SecretAccessKey
	}
	p.secrets.Use(secret.AWS, secretsmanager.New(aws))
	return p.secrets
}

func milliseconds(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// getenv is os.Getenv for the environment of the process.
func (p process) getenv(name string) string {
	for _, entry := range p.environ {
		if value, found := strings.CutPrefix(entry, name+"="); found {
			return value
		}
	}
	return ""
}
