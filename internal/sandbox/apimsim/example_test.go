package apimsim_test

import (
	"context"
	"fmt"
	"net"

	"federation-agent/internal/sandbox/apimsim"
)

func Example() {
	apim, err := apimsim.New(apimsim.Options{
		Version:      "4.9",
		Tokens:       []string{"a-token"},
		PathPrefix:   "/integration-controller",
		Integrations: []apimsim.Integration{{ID: "my-integration"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer apim.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := apim.Serve(listener); err != nil {
		fmt.Println(err)
		return
	}

	// An agent would now be pointed at http://LISTENER/integration-controller. Without one:
	_, err = apim.Preview(context.Background(), "my-integration")
	fmt.Println(err)
	// Output: integration my-integration: no agent connected
}
