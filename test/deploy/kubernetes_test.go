package deploy

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"federation-agent/config"
)

// manifest has the fields of Kubernetes' objects that decide about an agent's settings.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct{ Template struct{ Spec pod } }
}

type pod struct {
	Containers []struct {
		Env []struct {
			Name, Value string
			ValueFrom   struct {
				Secret struct{ Key string } `yaml:"secretKeyRef"`
			} `yaml:"valueFrom"`
		}
		VolumeMounts []struct {
			Name string
			Path string `yaml:"mountPath"`
		} `yaml:"volumeMounts"`
	}
	Volumes []struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
	}
}

func manifests(t *testing.T, name string) (all []manifest) {
	t.Helper()
	for decoder := yaml.NewDecoder(bytes.NewBufferString(read(t, name))); ; {
		var m manifest
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, m)
	}
}

// load gives what an agent in the Deployment of these manifests finds: its variables, and the ConfigMaps where they are
// mounted. The values of Secrets come by their keys.
func load(t *testing.T, all []manifest, secrets map[string]string) config.Config {
	t.Helper()
	maps, files := map[string]map[string]string{}, map[string]string{}
	var environ []string
	for _, m := range all {
		if m.Kind == "ConfigMap" {
			maps[m.Metadata.Name] = m.Data
		}
	}
	for _, m := range all {
		if m.Kind != "Deployment" {
			continue
		}
		mounted := map[string]map[string]string{}
		for _, v := range m.Spec.Template.Spec.Volumes {
			mounted[v.Name] = maps[v.ConfigMap.Name]
		}
		container := m.Spec.Template.Spec.Containers[0]
		for _, mount := range container.VolumeMounts {
			for key, text := range mounted[mount.Name] {
				files[path.Join(mount.Path, key)] = text
			}
		}
		for _, e := range container.Env {
			environ = append(environ, e.Name+"="+e.Value+secrets[e.ValueFrom.Secret.Key])
		}
	}
	if len(environ) == 0 {
		t.Fatal("no Deployment with variables")
	}
	cfg, warnings, err := config.Load(config.Sources{Environ: environ, ReadFile: func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}})
	if err != nil {
		t.Fatalf("the agent would not start: %v\n%q", err, warnings)
	}
	return cfg
}

func TestTheVendorsKubernetesFilesStart(t *testing.T) {
	for _, name := range []string{
		"deployments/helm/testdata/vendor-release.yaml", "deployments/kubernetes/testdata/vendor-manifest.yaml",
	} {
		cfg := load(t, manifests(t, name), nil)
		if got := cfg.Providers[0].AccessKeyID.Reveal(); got != "AKIADEMOAGENT0000001" {
			t.Errorf("%s: access key %q", name, got)
		}
	}
}

// The vendor's probes are requests with a user's password: they need a host beyond the loopback address, and that user.
func TestTheVendorsProbesFindTheNodeAPI(t *testing.T) {
	http := load(t, manifests(t, "deployments/helm/testdata/vendor-release.yaml"), nil).Services.HTTP
	if password := http.Authentication.Users["admin"]; http.Host != "0.0.0.0" || http.Port != 18084 ||
		password.Reveal() != "adminadmin" {
		t.Errorf("%s:%d", http.Host, http.Port)
	}
}

func TestTheKustomizeBaseAndOverlayStart(t *testing.T) {
	for _, folder := range []string{"base", "overlays/eks"} {
		all := manifests(t, "deployments/kubernetes/base/deployment.yaml")
		all = append(all, manifest{
			Kind: "ConfigMap", Metadata: struct{ Name string }{"federation-agent-settings"},
			Data: map[string]string{"gravitee.yml": read(t, "deployments/kubernetes/"+folder+"/gravitee.yml")},
		})
		cfg := load(t, all, map[string]string{"token": "bearer 00000000", "node-password": "a-long-password"})
		if cfg.Services.HTTP.Authentication.Users["admin"].Reveal() != "a-long-password" {
			t.Errorf("%s: the probes' user has no password", folder)
		}
	}
}

// Two agents with a journal each would make keys that the other one does not know, so the component itself names a table.
func TestTheReplicasShareATable(t *testing.T) {
	all := manifests(t, "deployments/kubernetes/base/deployment.yaml")
	for _, file := range []string{"components/replicas", "overlays/eks-replicas"} {
		var kustomization struct{ Patches []struct{ Patch string } }
		if err := yaml.Unmarshal([]byte(read(t, "deployments/kubernetes/"+file+"/kustomization.yaml")), &kustomization); err != nil {
			t.Fatal(err)
		}
		for _, p := range kustomization.Patches {
			var patch manifest
			if err := yaml.Unmarshal([]byte(p.Patch), &patch); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if patch.Kind == "Deployment" {
				env := &all[0].Spec.Template.Spec.Containers[0].Env
				*env = append(*env, patch.Spec.Template.Spec.Containers[0].Env...)
			}
		}
	}
	all = append(all, manifest{
		Kind: "ConfigMap", Metadata: struct{ Name string }{"federation-agent-settings"},
		Data: map[string]string{"gravitee.yml": read(t, "deployments/kubernetes/base/gravitee.yml")},
	})
	cfg := load(t, all, map[string]string{"token": "bearer 00000000", "node-password": "a-long-password"})
	if table := cfg.Agent.Store.Table; table.Name != "federation-agent" || table.Region != "eu-west-1" {
		t.Errorf("%+v", table)
	}
	// deployments/kubernetes/check has the grace period, and the chart's tests have it too.
	if span := cfg.Agent.Shutdown.Handover + cfg.Agent.Shutdown.Timeout; span >= 90*time.Second {
		t.Errorf("an orderly end takes up to %s, and the platform leaves 90 s", span)
	}
}
