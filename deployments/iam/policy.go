// Package iam is the IAM policy that users of the agent grant it, for the programs that hold to it.
package iam

import _ "embed"

// MinimumPolicy is all that the agent needs of API Gateway, in every region of the partition aws. It is the policy that
// the vendor documents.
//
//go:embed minimum-policy.json
var MinimumPolicy []byte
