// Package cloudformation deploys the templates of deployments/cloudformation on moto, and starts what ECS would start.
// moto keeps roles, policies, secrets and task definitions, and runs nothing: the container is a process here, or, with
// -image, one that an engine starts from the definition. That needs Docker with Compose 2, and root for port 80 of the
// address at which ECS serves credentials.
package cloudformation
