// Package alerts shows that the alerts of deployments/monitoring arrive: Prometheus and Alertmanager, as Debian has them,
// read the agent's metrics and tell a webhook of faults that are made on purpose.
package alerts
