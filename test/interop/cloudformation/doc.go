// Package cloudformation deploys the templates of deployments/cloudformation on moto, and starts what ECS would start.
// moto keeps roles, policies, secrets and task definitions, and runs nothing: the container is a process here.
package cloudformation
