package awssim

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// ExportErrorModels is a message with which AWS refuses an export for good: models that are not JSON.
const ExportErrorModels = "JSON body models are not found"

// getExport answers the document of one stage's deployment. Whatever the client accepts, the content type
// is application/octet-stream (recorded).
func getExport(_ *Server, r *request) (response, *apiError) {
	if kind, _ := r.input.(string); kind != "oas30" {
		return response{}, badRequest("Export type %s is not supported by this stand-in, which knows oas30 alone", kind)
	}
	if accept := r.accept; accept != "" && accept != "*/*" && !strings.Contains(accept, "json") {
		return response{}, badRequest("This stand-in exports application/json alone")
	}
	api, stage, missing := r.region.findStage(r.event.RestAPI, r.event.Stage)
	if missing != nil {
		return response{}, missing
	}
	if stage.ExportError != "" {
		return response{}, badRequest("%s", stage.ExportError)
	}
	extensions := strings.Join(r.query["extensions"], ",")
	d := newDocument(r.region, api, stage,
		strings.Contains(extensions, "integrations") || strings.Contains(extensions, "apigateway"))
	answer := response{
		status: http.StatusOK, contentType: "application/octet-stream",
		disposition: `attachment; filename="oas30_` + strings.ReplaceAll(d.version, `"`, "") + `.json"`,
	}
	if stage.DocumentBytes > 0 {
		size := max(stage.DocumentBytes+len(stage.Name)-len(usualStage), d.least())
		answer.size = int64(size)
		answer.stream = func(w io.Writer) error { return d.write(w, size) }
		return answer, nil
	}
	var body bytes.Buffer
	if err := d.writeNatural(&body); err != nil { // a buffer takes everything
		return response{}, refuse(http.StatusInternalServerError, "InternalFailure", "%s", err.Error())
	}
	answer.body = body.Bytes()
	return answer, nil
}
