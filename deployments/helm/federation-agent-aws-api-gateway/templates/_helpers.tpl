{{/* The name of nearly everything, and of the selector: the release's name is not in it, as in the vendor's chart. */}}
{{- define "agent.name" -}}
{{- default .Chart.Name .Values.kubernetes.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "agent.releaseName" -}}
{{- printf "%s-%s" .Release.Name (include "agent.name" .) -}}
{{- end -}}

{{- define "agent.serviceAccount" -}}
{{- with .Values.kubernetes.serviceAccount -}}
{{- default (ternary (include "agent.releaseName" $) "default" .managed) .name -}}
{{- end -}}
{{- end -}}

{{/* The pod label and selector. The vendor's selector cannot be changed in place, so it is exactly the vendor's. */}}
{{- define "agent.selector" -}}
app: {{ include "agent.name" . }}
{{- end -}}

{{/* Those that stay the same from version to version, also on the pod. */}}
{{- define "agent.podLabels" -}}
{{ include "agent.selector" . }}
app.kubernetes.io/name: {{ include "agent.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: federation-agent
{{- end -}}

{{- define "agent.labels" -}}
{{ include "agent.podLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "agent.image" -}}
{{- $image := .Values.kubernetes.deployment.image -}}
{{- if has (trimPrefix "docker.io/" $image.repository) (list "graviteeio") -}}
{{- fail "kubernetes.deployment.image.repository: graviteeio is where the vendor's agent is; name the registry of this one's" -}}
{{- end -}}
{{- with $image.repository }}{{ . }}/{{ end -}}
{{- $image.name -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default $.Chart.AppVersion $image.tag }}{{ end -}}
{{- end -}}

{{/*
A list that is written as a list of maps or strings, or as one string, gone through tpl: {list: […]}.
Takes {root, name, value}; the name is for the fault.
*/}}
{{- define "agent.list" -}}
{{- $list := list -}}
{{- $given := .value -}}
{{- if kindIs "string" $given }}{{ $given = list $given }}{{ end -}}
{{- range $given -}}
{{- $text := tpl (ternary . (toYaml .) (kindIs "string" .)) $.root -}}
{{- /* One document or a list of them: below a key of its own it is a map in any case. */ -}}
{{- $parsed := fromYaml (printf "value:\n%s" (indent 2 $text)) -}}
{{- if hasKey $parsed "Error" }}{{ fail (printf "%s: %s" $.name $parsed.Error) }}{{ end -}}
{{- if kindIs "slice" $parsed.value }}{{ $list = concat $list $parsed.value -}}
{{- else if kindIs "map" $parsed.value }}{{ $list = append $list $parsed.value -}}
{{- else if $parsed.value }}{{ fail (printf "%s: neither a map nor a list: %v" $.name $parsed.value) }}
{{- end -}}
{{- end -}}
{{- toYaml (dict "list" $list) -}}
{{- end -}}

{{/* The agent's level: the lowest of the vendor's loggers that are about the agent itself. */}}
{{- define "agent.logLevel" -}}
{{- $ranks := dict "ALL" 0 "TRACE" 0 "DEBUG" 0 "INFO" 1 "WARN" 2 "ERROR" 3 "OFF" 3 -}}
{{- $rank := get $ranks (upper .Values.config.logging.graviteeLevel) -}}
{{- range .Values.config.logging.additionalLoggers -}}
{{- if regexMatch "^(io\\.gravitee|com\\.graviteesource)(\\.|$)" .name -}}
{{- $rank = min $rank (get $ranks (upper .level)) -}}
{{- end -}}
{{- end -}}
{{- index (list "debug" "info" "warn" "error") (int $rank) -}}
{{- end -}}

{{/*
What gravitee.yml says: the chart's defaults below the user's settings. With a table the journal is in no folder.
*/}}
{{- define "agent.config" -}}
{{- $given := default dict .Values.config.graviteeYml -}}
{{- $store := ternary dict (dict "path" "/opt/federation-agent/data") (ne (include "agent.table" .) "") -}}
{{- $http := dict "enabled" true "host" "0.0.0.0" "port" 18084 "authentication" (dict "type" "basic") -}}
{{- $base := dict
  "agent" (dict
    "log" (dict "format" (ternary "json" "text" .Values.config.logging.json) "level" (include "agent.logLevel" .))
    "store" $store)
  "secrets" (dict "kubernetes" (dict "enabled" true))
  "services" (dict "core" (dict "http" $http)) -}}
{{- if .Values.kubernetes.serviceMonitor.enabled -}}
{{- $_ := set $base.services "metrics" (dict "enabled" true) -}}
{{- end -}}
{{- range $key := keys $given -}}
{{- if regexMatch "^(services|agent|secrets)\\." $key -}}
{{- fail (printf "config.graviteeYml: write %s as nested maps, since ports, probes and volumes follow it" $key) -}}
{{- end -}}
{{- end -}}
{{- mergeOverwrite $base (deepCopy $given) | toYaml -}}
{{- end -}}

{{/* The table of DynamoDB that holds the journal, or nothing where a file on a volume holds it. */}}
{{- define "agent.table" -}}
{{- default "" ((((.Values.config.graviteeYml).agent).store).table).name -}}
{{- end -}}

{{/* How many agents run. Only a table can be the journal of several. */}}
{{- define "agent.replicas" -}}
{{- $table := include "agent.table" . -}}
{{- $given := .Values.kubernetes.deployment.replicas -}}
{{- $replicas := ternary (ternary 2 1 (ne $table "")) (int $given) (kindIs "invalid" $given) -}}
{{- if and (gt $replicas 1) (not $table) -}}
{{- $why := "the journal of keys is a file that one agent uses, a second would work without it" -}}
{{- $instead := "For more, name a table of DynamoDB that they share: config.graviteeYml.agent.store.table.name" -}}
{{- fail (printf "kubernetes.deployment.replicas: at most 1: %s. %s" $why $instead) -}}
{{- end -}}
{{- $replicas -}}
{{- end -}}

{{/*
How pods are spread. A rolling update counts the new pods alone, where Kubernetes can: the old ones go.
*/}}
{{- define "agent.spread" -}}
{{- $given := .Values.kubernetes.deployment.topologySpreadConstraints -}}
{{- if and (kindIs "invalid" $given) (include "agent.table" .) -}}
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" -}}
{{- $given = append (default list $given) (dict "maxSkew" 1 "topologyKey" $key "whenUnsatisfiable" "ScheduleAnyway") -}}
{{- end -}}
{{- end -}}
{{- $selected := dict "labelSelector" (dict "matchLabels" (include "agent.selector" . | fromYaml)) -}}
{{- if semverCompare ">=1.27-0" .Capabilities.KubeVersion.Version -}}
{{- $_ := set $selected "matchLabelKeys" (list "pod-template-hash") -}}
{{- end -}}
{{- $out := list -}}
{{- range $given }}{{ $out = append $out (ternary . (merge (deepCopy .) $selected) (hasKey . "labelSelector")) }}{{ end -}}
{{- with $out }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/*
How the node API is reached, as a map: enabled, port, scheme, loopback, certificate (callers must show one), password
(callers must be a user's), user, and given: the user's own password, where the user wrote one.
*/}}
{{- define "agent.http" -}}
{{- $http := (include "agent.config" . | fromYaml).services.core.http -}}
{{- $port := int $http.port -}}
{{- if and $http.enabled (or (lt $port 1) (gt $port 65535)) -}}
{{- fail (printf "config.graviteeYml.services.core.http.port: %v: probes need a fixed port from 1 to 65535" $http.port) -}}
{{- end -}}
{{- $auth := default dict $http.authentication -}}
{{- $users := default dict $auth.users -}}
{{- $out := dict
  "enabled" $http.enabled
  "port" $port
  "scheme" (ternary "HTTPS" "HTTP" (eq (toString $http.secured) "true"))
  "loopback" (regexMatch "^(localhost|127\\..*|::1|\\[::1\\])$" (toString $http.host))
  "certificate" (has (lower (toString (default dict $http.ssl).clientAuth)) (list "true" "required"))
  "password" (and $http.enabled (ne (toString $auth.type) "none"))
  "user" .Values.kubernetes.nodeApi.user -}}
{{- with keys $users | sortAlpha | first -}}
{{- $_ := set $out "user" . -}}
{{- $_ := set $out "given" (toString (get $users .)) -}}
{{- end -}}
{{- toYaml $out -}}
{{- end -}}

{{/* The Secret with username and password of the node API, or nothing where there is none. */}}
{{- define "agent.userSecret" -}}
{{- $http := include "agent.http" . | fromYaml -}}
{{- if and $http.password (not (regexMatch "^(secret|kubernetes)://|\\$\\{" (default "" $http.given))) -}}
{{- if and .Values.kubernetes.nodeApi.existingSecret (not $http.given) -}}
{{- .Values.kubernetes.nodeApi.existingSecret -}}
{{- else -}}
{{- printf "%s-node-api" (include "agent.name" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The Secrets and ConfigMaps of this namespace that settings refer to: {secrets: […], configmaps: […]}. What is in other
namespaces is left out: a Role there is not this release's.
*/}}
{{- define "agent.references" -}}
{{- $config := include "agent.config" . | fromYaml -}}
{{- $found := dict "secrets" list "configmaps" list -}}
{{- $text := printf "%s %s" (toJson $config) (toJson .Values.kubernetes.deployment.extraEnvs) -}}
{{- $home := default .Release.Namespace ($config.secrets.kubernetes).namespace -}}
{{- range regexFindAll "secret://kubernetes/[^\"\\s]+" $text -1 -}}
{{- $namespace := default $home (regexReplaceAll "^(.*[?&;]|.*u0026)namespace=([a-z0-9-]*).*$|^.*$" . "${2}") -}}
{{- if eq $namespace $.Release.Namespace -}}
{{- $name := regexReplaceAll "^secret://kubernetes/([a-z0-9.-]*).*$" . "${1}" -}}
{{- $_ := set $found "secrets" (append $found.secrets $name) -}}
{{- end -}}
{{- end -}}
{{- range regexFindAll "kubernetes://[a-z0-9-]+/(secrets|configmaps)/[a-z0-9.-]+" $text -1 -}}
{{- $parts := splitList "/" . -}}
{{- if eq (index $parts 2) $.Release.Namespace -}}
{{- $kind := index $parts 3 -}}
{{- $_ := set $found $kind (append (get $found $kind) (index $parts 4)) -}}
{{- end -}}
{{- end -}}
{{- range $kind, $names := $found }}{{ $_ := set $found $kind ($names | uniq | sortAlpha) }}{{ end -}}
{{- toYaml $found -}}
{{- end -}}

{{/* The rules of the Role, or nothing. */}}
{{- define "agent.rules" -}}
{{- $given := .Values.kubernetes.serviceAccount.roleRules -}}
{{- if kindIs "slice" $given -}}
{{- with $given }}{{ toYaml . }}{{ end -}}
{{- else -}}
{{- range $kind, $names := include "agent.references" . | fromYaml }}
{{- with $names }}
- apiGroups: [""]
  resources: [{{ $kind }}]
  resourceNames: {{ toJson . }}
  verbs: [get]
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The password of the node API's user, or nothing where the chart cannot know it. What was generated once is in the cluster.
Without a cluster (helm template) it is another one each time, but the same in all objects: the values remember it.
*/}}
{{- define "agent.password" -}}
{{- $http := include "agent.http" . | fromYaml -}}
{{- $node := .Values.kubernetes.nodeApi -}}
{{- $secret := include "agent.userSecret" . -}}
{{- if and $secret (ne $secret $node.existingSecret) -}}
{{- if not (hasKey $node "generated") -}}
{{- $kept := (lookup "v1" "Secret" .Release.Namespace $secret).data | default dict -}}
{{- $_ := set $node "generated" (ternary (get $kept "password" | b64dec) (randAlphaNum 32) (hasKey $kept "password")) -}}
{{- end -}}
{{- coalesce $http.given $node.password $node.generated -}}
{{- end -}}
{{- end -}}

{{/*
Takes {root, probe, flag}; the flag is for the question from within the container: where nobody else reaches the node
API, and where only the container has the certificate or the password that it asks for.
*/}}
{{- define "agent.probe" -}}
{{- $http := include "agent.http" .root | fromYaml -}}
{{- $password := include "agent.password" .root -}}
{{- if or $http.loopback $http.certificate (and $http.password (not $password)) -}}
exec:
  command: [/federation-agent, health, {{ .flag }}]
{{- else -}}
httpGet:
  path: {{ .probe.path }}
  port: http
  scheme: {{ $http.scheme }}
  {{- if $http.password }}
  httpHeaders:
    - name: Authorization
      value: Basic {{ printf "%s:%s" $http.user $password | b64enc }}
  {{- end }}
{{- end }}
{{ omit .probe "path" | toYaml }}
{{- end -}}
