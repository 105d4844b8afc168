package config

import (
	"federation-agent/internal/secret"
)

// Secrets says how secret stores are reached. Keys and defaults are the vendor's.
type Secrets struct {
	// Read for compatibility. Of the stores, kubernetes always comes first: the keys for aws may be kept there.
	LoadFirst  string            `env:"loadFirst" example:"kubernetes"`
	Kubernetes SecretsKubernetes `envPrefix:"kubernetes." guard:"trust"`
	AWS        SecretsAWS        `envPrefix:"aws." guard:"account"`
}

// SecretsKubernetes is the provider kubernetes: Secrets and ConfigMaps of a cluster.
type SecretsKubernetes struct {
	// Whether secret://kubernetes/NAME:KEY is read. Otherwise it stays a text.
	Enabled bool `env:"enabled" envDefault:"false" example:"true"`
	// Namespace of references that name none. Without it: that of the kubeconfig's context, or the pod's own.
	Namespace string `env:"namespace" example:"gravitee"`
	// A kubeconfig file, in place of the cluster that the agent runs in. Of its current context these are read: server,
	// certificate-authority, tls-server-name, token, tokenFile, client-certificate, client-key (the files also as …-data).
	KubeConfigFile string `env:"kubeConfigFile" example:"/etc/federation-agent/kubeconfig"`
	// Milliseconds that one read may take.
	TimeoutMillis int `env:"timeoutMs" envDefault:"3000" range:"100,60000" example:"5000"`
}

// SecretsAWS is the provider aws: AWS Secrets Manager.
type SecretsAWS struct {
	// Whether secret://aws/NAME:KEY is read. Otherwise it stays a text.
	Enabled bool `env:"enabled" envDefault:"false" example:"true"`
	// Region of the secrets. Required where one is read.
	Region string     `env:"region" example:"eu-west-1"`
	Auth   SecretAuth `envPrefix:"auth."`
	// Whether AWS's FIPS endpoint is called.
	FIPS bool `env:"fipsEnabled" envDefault:"false" example:"true"`
	// URL that is called in place of AWS's own endpoint.
	Endpoint string `env:"endpointOverride" example:"https://vpce-0123-abcd.secretsmanager.eu-west-1.vpce.amazonaws.com"`
	// Milliseconds that one read may take.
	TimeoutMillis int `env:"connectionTimeoutMs" envDefault:"5000" range:"100,60000" example:"5000"`
}

// SecretAuth says as whom AWS Secrets Manager is asked.
type SecretAuth struct {
	// chain is the default chain of the AWS SDK (environment, profile, web identity, container, instance); static is the
	// key below.
	Provider string `env:"provider" envDefault:"chain" oneof:"chain,static" example:"static"`
	// Access key id, with static. It may be in Kubernetes or in a file.
	AccessKeyID secret.String `env:"config.accessKeyId" example:"AKIAIOSFODNN7EXAMPLE"`
	// Its secret. Never printed.
	SecretAccessKey secret.String `env:"config.secretAccessKey" example:"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"`
}

// The ways to sign in to AWS Secrets Manager.
const (
	AuthChain  = "chain"
	AuthStatic = "static"
)

const (
	secretsPrefix    = "secrets."
	kubernetesPrefix = secretsPrefix + "kubernetes."
	awsPrefix        = secretsPrefix + "aws."
)

// checkStores refuses settings without which a store in use cannot be read. It says whether there was none.
func (l *loader) checkStores(stores Secrets, used map[string]bool) (good bool) {
	before := len(l.faults)
	aws, static := stores.AWS, stores.AWS.Auth.Provider == AuthStatic
	switch {
	case !used[secret.AWS]:
		return true
	case aws.Region == "":
		l.fault(awsPrefix+"region", "is missing: the region of the secrets in AWS Secrets Manager")
	case aws.FIPS && aws.Endpoint != "":
		l.fault(awsPrefix+"endpointOverride", "says which endpoint is called, and so does %sfipsEnabled; set only one",
			awsPrefix)
	}
	if partition, _ := partitionOf(aws.Region); aws.Region != "" && partition == "" {
		l.fault(awsPrefix+"region", "%s is not an AWS region%s", show(aws.Region), likeRegion(aws.Region))
	}
	if static && aws.Auth.AccessKeyID.IsZero() {
		l.fault(awsPrefix+"auth.config.accessKeyId", "is missing, though %sauth.provider is static", awsPrefix)
	}
	if static && aws.Auth.SecretAccessKey.IsZero() {
		l.fault(awsPrefix+"auth.config.secretAccessKey", "is missing, though %sauth.provider is static", awsPrefix)
	}
	return len(l.faults) == before
}
