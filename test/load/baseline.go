package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"

	"federation-agent/internal/sandbox/awssim"
)

// baselineWorkers is how many calls at a time somebody makes who has not thought about the quota.
const baselineWorkers = 20

// baseline is what one would do instead: an SDK client as it comes, default pages, twenty workers.
type baseline struct {
	client *apigateway.Client
	// lost are calls that the SDK gave up on, missing the stages that were not exported for it, of APIs too that stood on
	// a page that was lost.
	lost, missing atomic.Int64
}

func newBaseline(s *standIns, account int, mode aws.RetryMode) *baseline {
	return &baseline{client: apigateway.New(apigateway.Options{
		Region: "eu-west-1", BaseEndpoint: &s.AWS, RetryMode: mode,
		Credentials: credentials.NewStaticCredentialsProvider(awssim.UniformAccessKeyID(account), "any-secret-will-do", ""),
	})}
}

// pass lists everything and exports every stage, once. There are total REST APIs.
func (b *baseline) pass(ctx context.Context, total, stagesPerAPI int) time.Duration {
	began := time.Now()
	var apis []string
	for pages := apigateway.NewGetRestApisPaginator(b.client, &apigateway.GetRestApisInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			b.fail(ctx, (total-len(apis))*stagesPerAPI)
			break // a paginator that gets an error does not advance
		}
		for _, api := range page.Items {
			apis = append(apis, aws.ToString(api.Id))
		}
	}
	for pages := apigateway.NewGetUsagePlansPaginator(b.client, &apigateway.GetUsagePlansInput{}); pages.HasMorePages(); {
		if _, err := pages.NextPage(ctx); err != nil {
			b.fail(ctx, 0)
			break
		}
	}
	work := make(chan string)
	var workers sync.WaitGroup
	for range baselineWorkers {
		workers.Go(func() {
			for api := range work {
				b.export(ctx, api, stagesPerAPI)
			}
		})
	}
	for _, api := range apis {
		if ctx.Err() != nil {
			break
		}
		work <- api
	}
	close(work)
	workers.Wait()
	return time.Since(began)
}

func (b *baseline) export(ctx context.Context, api string, stagesPerAPI int) {
	stages, err := b.client.GetStages(ctx, &apigateway.GetStagesInput{RestApiId: aws.String(api)})
	if err != nil {
		b.fail(ctx, stagesPerAPI)
		return
	}
	for _, stage := range stages.Item {
		_, err := b.client.GetExport(ctx, &apigateway.GetExportInput{
			RestApiId: aws.String(api), StageName: stage.StageName,
			ExportType: aws.String("oas30"), Accepts: aws.String("application/json"),
		})
		if err != nil {
			b.fail(ctx, 1)
		}
	}
}

// fail counts a lost call, unless it was we who ended it.
func (b *baseline) fail(ctx context.Context, stages int) {
	if ctx.Err() == nil {
		b.lost.Add(1)
		b.missing.Add(int64(stages))
	}
}
