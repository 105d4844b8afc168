package apigateway

import (
	"context"
	"errors"
	"fmt"

	"federation-agent/internal/gateway"
	"federation-agent/internal/secret"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
)

// ListStages gives all stages of a REST API. AWS does not page them.
func ListStages(ctx context.Context, c Client, apiID string) ([]*gateway.Stage, error) {
	out, err := c.GetStages(ctx, &apigateway.GetStagesInput{RestApiId: aws.String(apiID)})
	if err != nil {
		return nil, failed(gateway.GetStages, "listing the stages of REST API "+apiID, err)
	}
	if out.Item == nil {
		return nil, failed(gateway.GetStages, "listing the stages of REST API "+apiID, errNoList)
	}
	return each(out.Item, stageOf), nil
}

// Export gives the OpenAPI 3.0 definition, as JSON, of what is deployed on a stage. AWS's extensions are left out: they
// tell back-end addresses and ARNs.
func Export(ctx context.Context, c Client, apiID, stage string) ([]byte, error) {
	doing := fmt.Sprintf("exporting stage %s of REST API %s", stage, apiID)
	out, err := c.GetExport(ctx, &apigateway.GetExportInput{
		RestApiId:  aws.String(apiID),
		StageName:  aws.String(stage),
		ExportType: aws.String("oas30"),
		Accepts:    aws.String("application/json"),
	})
	if err != nil {
		return nil, failed(gateway.GetExport, doing, err)
	}
	if len(out.Body) == 0 {
		return nil, failed(gateway.GetExport, doing, errEmptyExport)
	}
	return out.Body, nil
}

// CreateKey makes an enabled API key, attached to nothing yet. It is sent again only when AWS refused it: a failure of
// class [gateway.AnswerLost] may have left a key behind, of unknown id.
func CreateKey(ctx context.Context, c Client, name, description string) (id string, value secret.String, err error) {
	const doing = "creating an API key"
	out, err := c.CreateApiKey(ctx, &apigateway.CreateApiKeyInput{
		Name:        aws.String(name),
		Description: aws.String(description),
		Enabled:     true, // without it the key is made disabled
	})
	if err != nil {
		return "", secret.String{}, failed(gateway.CreateAPIKey, doing, err)
	}
	if aws.ToString(out.Id) == "" {
		return "", secret.String{}, &Error{Doing: doing, Class: gateway.AnswerLost, Operation: gateway.CreateAPIKey, Err: errNoKey}
	}
	if aws.ToString(out.Value) == "" {
		// The id is given too: the caller must delete the key.
		return *out.Id, secret.String{}, &Error{Doing: doing, Class: gateway.Internal, Operation: gateway.CreateAPIKey, Err: errNoKey}
	}
	return *out.Id, secret.New(*out.Value), nil
}

// AttachKey puts a key into a usage plan. That it is in already is a success: an attempt whose answer was lost may have
// done it.
func AttachKey(ctx context.Context, c Client, planID, keyID string) error {
	_, err := c.CreateUsagePlanKey(ctx, &apigateway.CreateUsagePlanKeyInput{
		UsagePlanId: aws.String(planID),
		KeyId:       aws.String(keyID),
		KeyType:     aws.String("API_KEY"),
	})
	if err == nil || Classify(err) == gateway.Conflict {
		return nil
	}
	return failed(gateway.CreateUsagePlanKey, fmt.Sprintf("attaching API key %s to usage plan %s", keyID, planID), err)
}

// DeleteKey deletes a key, which also takes it out of its usage plans. That it is gone already is a success.
func DeleteKey(ctx context.Context, c Client, keyID string) error {
	_, err := c.DeleteApiKey(ctx, &apigateway.DeleteApiKeyInput{ApiKey: aws.String(keyID)})
	if err == nil || Classify(err) == gateway.NotFound {
		return nil
	}
	return failed(gateway.DeleteAPIKey, "deleting API key "+keyID, err)
}

var (
	errEmptyExport = &unreadable{"AWS answered with an empty document"}
	errNoKey       = errors.New("AWS answered without the key's id or value")
)
