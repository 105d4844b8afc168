package apigateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/apigateway"

	"federation-agent/internal/gateway"
	"federation-agent/internal/secret"
)

// ListStages returns all stages of a REST API. AWS does not page them.
func ListStages(ctx context.Context, c Client, apiID string) ([]*gateway.Stage, error) {
	out, err := c.GetStages(ctx, &sdk.GetStagesInput{RestApiId: aws.String(apiID)})
	var stages []*gateway.Stage
	if err == nil {
		stages, err = each(out.Item, stageOf)
	}
	if err != nil {
		return nil, failed(gateway.GetStages, "listing the stages of REST API "+apiID, err)
	}
	return stages, nil
}

// Export returns the OpenAPI 3.0 definition, as JSON, of what is deployed on a stage. AWS's extensions are left out,
// because they show addresses of back ends and ARNs. An answer that [CheckDocument] does not take is a fault of AWS's,
// and is asked for again as such.
func Export(ctx context.Context, c Client, apiID, stage string) ([]byte, error) {
	out, err := c.GetExport(ctx, &sdk.GetExportInput{
		RestApiId:  aws.String(apiID),
		StageName:  aws.String(stage),
		ExportType: aws.String("oas30"),
		Accepts:    aws.String("application/json"),
	})
	if err != nil {
		return nil, failed(gateway.GetExport, fmt.Sprintf("exporting stage %s of REST API %s", stage, apiID), err)
	}
	return out.Body, nil
}

// CreateKey creates an enabled API key that is not attached to anything yet. It is sent again only when AWS refused it.
// After a failure of class [gateway.AnswerLost] there may be a key of unknown id.
func CreateKey(ctx context.Context, c Client, name, description string) (id string, value secret.String, err error) {
	const doing = "creating an API key"
	out, err := c.CreateApiKey(ctx, &sdk.CreateApiKeyInput{
		Name:        aws.String(name),
		Description: aws.String(description),
		Enabled:     true, // without it AWS creates a disabled key
	})
	if err != nil {
		return "", value, failed(gateway.CreateAPIKey, doing, err)
	}
	incomplete := &Error{Doing: doing, Class: gateway.AnswerLost, Operation: gateway.CreateAPIKey, Err: errNoKey}
	id, text := aws.ToString(out.Id), aws.ToString(out.Value)
	switch {
	case id == "":
		return "", value, incomplete
	case text == "":
		incomplete.Class = gateway.Internal
		return id, value, incomplete // with the id, because the caller must delete the key
	}
	return id, secret.New(text), nil
}

// AttachKey attaches a new key to a usage plan. A conflict is a success only if the answer to an earlier attempt was
// lost, which may have attached it. Any other conflict is a refusal: AWS answers so too if the key's plans overlap.
func AttachKey(ctx context.Context, c Client, planID, keyID string) error {
	_, err := c.CreateUsagePlanKey(ctx, &sdk.CreateUsagePlanKeyInput{
		UsagePlanId: aws.String(planID),
		KeyId:       aws.String(keyID),
		KeyType:     aws.String("API_KEY"),
	})
	if err == nil || Classify(err) == gateway.Conflict {
		return nil
	}
	return failed(gateway.CreateUsagePlanKey, fmt.Sprintf("attaching API key %s to usage plan %s", keyID, planID), err)
}

// DeleteKey deletes a key and so detaches it from its usage plans. One that does not exist any more is a success; was says
// whether it did.
func DeleteKey(ctx context.Context, c Client, keyID string) (was bool, err error) {
	_, err = c.DeleteApiKey(ctx, &sdk.DeleteApiKeyInput{ApiKey: aws.String(keyID)})
	if err == nil || Classify(err) == gateway.NotFound {
		return err == nil, nil
	}
	return false, failed(gateway.DeleteAPIKey, "deleting API key "+keyID, err)
}

var (
	errEmptyExport = &unreadable{"AWS answered with an empty document"}
	errNoKey       = errors.New("AWS answered without the key's id or value")
)
