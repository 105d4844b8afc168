package awssim

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// document writes a believable OpenAPI 3.0 export of one stage, laid out as AWS's exports are. It is a
// function of API, stage and deployment, and is made while it is written: only one path at a time is held.
type document struct {
	head, tail []byte
	version    string
	bits       uint64
	secured    bool
	backend    string // base URL of the integrations, empty where none shall show
}

// resourceNouns name the paths of exports.
func resourceNouns() []string {
	return []string{
		"orders", "customers", "invoices", "shipments", "payments", "products", "carts", "returns", "reviews", "suppliers",
		"stocks", "prices",
	}
}

// Natural documents have so many paths at least, and up to so many more.
const (
	leastNaturalPaths = 3
	moreNaturalPaths  = 6
)

func newDocument(g *region, api *RestAPI, stage *Stage, integrations bool) *document {
	d := &document{version: api.Version, secured: !api.Open}
	if d.version == "" {
		d.version = stage.Updated.UTC().Format(time.RFC3339) // an API without a version exports a date (recorded)
	}
	d.bits = hash64(0, "document", g.scope.String(), api.ID, stage.DeploymentID, stage.DocumentationVersion)
	if integrations {
		d.backend = "http://" + api.ID + ".backend.internal.example"
	}
	d.head = fmt.Appendf(nil, `{
  "openapi" : "3.0.1",
  "info" : {
    "title" : %s,%s
    "version" : %s
  },
  "servers" : [ {
    "url" : "%s/{basePath}",
    "variables" : {
      "basePath" : {
        "default" : %s
      }
    }
  } ],
  "paths" : {`, quote(api.Name), describe(api.Description), quote(d.version), invokeHost(g, api.ID), quote(stage.Name))
	d.tail = fmt.Appendf(nil, documentTail, quote(stage.DeploymentID+" "+stage.DocumentationVersion+stage.Peculiar))
	return d
}

// usualStage is the name with which a document has exactly the size that was asked for. Those of stages with the same
// deployment must differ in the name alone.
const usualStage = "prod"

// documentTail ends after the revision's description; %s is that text, and padding goes before its quote.
const documentTail = `
  },
  "components" : {
    "schemas" : {
      "Empty" : {
        "title" : "Empty Schema",
        "type" : "object"
      },
      "Item" : {
        "required" : [ "id" ],
        "type" : "object",
        "properties" : {
          "id" : {
            "type" : "string"
          },
          "amount" : {
            "type" : "number"
          }
        }
      }
    },
    "securitySchemes" : {
      "api_key" : {
        "type" : "apiKey",
        "name" : "x-api-key",
        "in" : "header"
      }
    }
  },
  "tags" : [ {
    "name" : "revision",
    "description" : %s`

// documentEnd closes what documentTail left open.
const documentEnd = "\n  } ]\n}\n"

func quote(text string) string {
	out, err := json.Marshal(text)
	if err != nil { // a string always encodes
		return `""`
	}
	return string(out)
}

func describe(text string) string {
	if text == "" {
		return ""
	}
	return "\n    \"description\" : " + quote(text) + ","
}

// invokeHost is where AWS would serve an API.
func invokeHost(g *region, apiID string) string {
	suffix := "amazonaws.com"
	if g.partition == "aws-cn" {
		suffix = "amazonaws.com.cn"
	}
	return fmt.Sprintf("https://%s.execute-api.%s.%s", apiID, g.scope.Region, suffix)
}

// appendPath adds the i-th path, with the comma that parts it from the one before.
func (d *document) appendPath(to []byte, i int) []byte {
	nouns := resourceNouns()
	noun := nouns[(d.bits+uint64(i))%uint64(len(nouns))]
	if i >= len(nouns) {
		noun = fmt.Sprintf("%s-%d", noun, i)
	}
	comma := ","
	if i == 0 {
		comma = ""
	}
	return fmt.Appendf(to, `%s
    "/%s/{id}" : {
      "get" : {
        "operationId" : "get-%s",
        "parameters" : [ {
          "name" : "id",
          "in" : "path",
          "required" : true,
          "schema" : {
            "type" : "string"
          }
        } ],
        "responses" : {
          "200" : {
            "description" : "200 response",
            "content" : {
              "application/json" : {
                "schema" : {
                  "$ref" : "#/components/schemas/Item"
                }
              }
            }
          }
        }%s%s
      }
    }`, comma, noun, noun, d.security(), d.integration(noun))
}

func (d *document) security() string {
	if !d.secured {
		return ""
	}
	return ",\n        \"security\" : [ {\n          \"api_key\" : [ ]\n        } ]"
}

func (d *document) integration(noun string) string {
	if d.backend == "" {
		return ""
	}
	return fmt.Sprintf(`,
        "x-amazon-apigateway-integration" : {
          "httpMethod" : "GET",
          "uri" : "%s/%s/{id}",
          "passthroughBehavior" : "when_no_match",
          "type" : "http"
        }`, d.backend, noun)
}

// least is the size of the document with one path, the smallest there is.
func (d *document) least() int {
	return len(d.head) + len(d.appendPath(nil, 0)) + len(d.tail) + len(documentEnd)
}

// writeNatural writes a document of a few paths.
func (d *document) writeNatural(w io.Writer) error {
	paths := leastNaturalPaths + int(d.bits>>32%moreNaturalPaths)
	out := bufio.NewWriter(w)
	out.Write(d.head) //nolint:errcheck // bufio keeps the first error for Flush, here and below
	for i := range paths {
		out.Write(d.appendPath(nil, i)) //nolint:errcheck // see above
	}
	out.Write(d.tail)            //nolint:errcheck // see above
	out.WriteString(documentEnd) //nolint:errcheck // see above
	return out.Flush()
}

// write writes exactly size bytes, at least d.least(): as many paths as fit, then padding within the
// revision's description.
func (d *document) write(w io.Writer, size int) error {
	out := bufio.NewWriter(w)
	out.Write(d.head) //nolint:errcheck // bufio keeps the first error for Flush, here and below
	left := size - len(d.head) - len(d.tail) - len(documentEnd)
	var path []byte
	for i := 0; ; i++ {
		path = d.appendPath(path[:0], i)
		if len(path) > left {
			break
		}
		if _, err := out.Write(path); err != nil {
			return err // a client that left need not be written megabytes
		}
		left -= len(path)
	}
	out.Write(d.tail[:len(d.tail)-1])          //nolint:errcheck // see above
	out.WriteString(strings.Repeat(".", left)) //nolint:errcheck // see above
	out.WriteByte('"')                         //nolint:errcheck // see above
	out.WriteString(documentEnd)               //nolint:errcheck // see above
	return out.Flush()
}
