package api

import (
	_ "embed"
	"fmt"
	"net/http"
	"sync"

	ctyyaml "github.com/zclconf/go-cty-yaml"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// OpenAPI is the document that describes the API, as it was written: OpenAPI 3.1 in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte

// openAPIInJSON is the same document in JSON, made once.
var openAPIInJSON = sync.OnceValues(func() ([]byte, error) {
	ty, err := ctyyaml.ImpliedType(OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	doc, err := ctyyaml.Unmarshal(OpenAPI, ty)
	if err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	return ctyjson.Marshal(doc, ty)
})

func (a *API) openapiYAML(r *request) (any, error) {
	r.send(http.StatusOK, "application/yaml", OpenAPI)
	return streamed{}, nil
}

func (a *API) openapiJSON(r *request) (any, error) {
	data, err := openAPIInJSON()
	if err != nil {
		return nil, err
	}
	r.send(http.StatusOK, "application/json", data)
	return streamed{}, nil
}
