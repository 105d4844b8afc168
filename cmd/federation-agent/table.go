package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"

	actors "federation-agent/actors/agent"
	"federation-agent/config"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/dynamodb"
)

const (
	// tableName, tableRegion and tableRole are the variables that messages name.
	tableName   = "gravitee_agent_store_table_name"
	tableRegion = "gravitee_agent_store_table_region"
	tableRole   = "gravitee_agent_store_table_roleArn"
)

// openTable gives the client of the table that is the journal. It calls nobody. The agent signs in as for the first
// integration: with its access key, or else as the SDK's default chain finds it. Via carries the calls; nil: the network.
func openTable(ctx context.Context, cfg config.Config, via aws.HTTPClient, log *slog.Logger) (*dynamodb.Table, error) {
	t := cfg.Agent.Store.Table
	region, err := regionOf(ctx, t)
	if err != nil {
		return nil, err
	}
	signIn := actors.CredentialsOf(cfg, cfg.Providers[0])
	signIn.Regions, signIn.HTTPClient, signIn.Log = []string{region}, via, log
	signIn.External[t.RoleARN] = apigateway.ExternalID{
		ID: t.ExternalID, Setting: "agent.store.table.externalId", RoleSetting: "agent.store.table.roleArn",
	}
	credentials, err := apigateway.NewCredentials(ctx, signIn)
	if err != nil {
		return nil, err
	}
	return dynamodb.New(credentials.Config(region, t.RoleARN), t.Endpoint, t.Name), nil
}

// regionOf is where the table is.
func regionOf(ctx context.Context, t config.Table) (string, error) {
	own, err := "", error(nil)
	if t.Region == "" {
		own, err = apigateway.OwnRegion(ctx)
	}
	region := cmp.Or(t.Region, own)
	if err == nil && region == "" {
		err = fmt.Errorf("%s: is missing: neither it nor AWS_REGION says in which region the table %s is", tableRegion, t.Name)
	}
	return region, err
}
