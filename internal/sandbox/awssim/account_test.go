package awssim

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/account/types"
	"github.com/google/go-cmp/cmp"
)

func TestListRegionsTellsTheAccountsOwnRegionsToWhomThePolicyAllows(t *testing.T) {
	e := smallEstate()
	e.Accounts[0].Principals[0].Policy = nil // the minimum policy
	r := newRig(t, Options{Estate: e})
	ask := func(in *account.ListRegionsInput) (map[string]types.RegionOptStatus, error) {
		out, err := account.NewFromConfig(r.config(agentKeyA, "", region1)).ListRegions(context.Background(), in)
		if err != nil {
			return nil, err
		}
		found := map[string]types.RegionOptStatus{}
		for _, region := range out.Regions {
			found[aws.ToString(region.RegionName)] = region.RegionOptStatus
		}
		return found, nil
	}
	_, err := ask(&account.ListRegionsInput{})
	wantCode(t, err, CodeAccessDenied)

	e = smallEstate()
	e.Accounts[0].Principals[0].Policy = AllowAll()
	r = newRig(t, Options{Estate: e})
	all, err := ask(&account.ListRegionsInput{})
	if err != nil || all[offRegion] != types.RegionOptStatusDisabled || all[region1] != types.RegionOptStatusEnabled {
		t.Errorf("%v, %v", all, err)
	}
	delete(all, offRegion)
	enabled, err := ask(&account.ListRegionsInput{RegionOptStatusContains: []types.RegionOptStatus{
		types.RegionOptStatusEnabled, types.RegionOptStatusEnabledByDefault,
	}})
	if diff := cmp.Diff(all, enabled); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if call := r.lastCall(); call.Operation != OpListRegions || call.Account != accountA {
		t.Errorf("%+v", call)
	}
}
