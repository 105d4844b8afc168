package region

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRegionsAndPartitionsAreThoseOfTheSDK(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(
		filepath.Join(strings.TrimSpace(string(dir)), "internal/endpoints/awsrulesfn/partitions.json"),
	)
	if err != nil {
		t.Fatal(err)
	}
	var sdk struct {
		Partitions []struct {
			ID      string
			Outputs struct{ DNSSuffix string }
			Regions map[string]any
		}
	}
	if err := json.Unmarshal(text, &sdk); err != nil {
		t.Fatal(err)
	}
	if got, want := len(partitions()), len(sdk.Partitions); got != want {
		t.Errorf("%d partitions, the SDK has %d", got, want)
	}
	for _, p := range sdk.Partitions {
		for region := range p.Regions {
			if strings.Contains(region, "global") {
				continue // no place where APIs live
			}
			if !Known(region) {
				t.Errorf("%s is not known", region)
			}
			if got := PartitionOf(region); got.ID != p.ID || got.Suffix != p.Outputs.DNSSuffix {
				t.Errorf(
					"%s is in %s (%s), the SDK says %s (%s)",
					region,
					got.ID,
					got.Suffix,
					p.ID,
					p.Outputs.DNSSuffix,
				)
			}
		}
	}
	for _, p := range partitions() {
		if !slices.Contains(p.regions, p.Home) {
			t.Errorf("%s: home region %s is not one of its regions", p.ID, p.Home)
		}
	}
}

func TestARegionOfTomorrowFindsItsPartition(t *testing.T) {
	for region, want := range map[string]string{
		"eu-west-9": "aws", "cn-south-1": "aws-cn", "us-gov-north-1": "aws-us-gov", "us-iso-north-1": "aws-iso",
		"nowhere": "aws", "": "aws",
	} {
		if got := PartitionOf(region).ID; got != want {
			t.Errorf("%s is in %s, want %s", region, got, want)
		}
	}
}
