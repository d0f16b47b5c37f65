{{- /* Not the chart's name, signal-gateway: releases of the first version have this one in selectors, which cannot change. */ -}}
{{- define "gateway.name" -}}
{{- default "gateway" .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The release's name, with `gateway` unless that is part of it; 52 characters leave room for suffixes. */ -}}
{{- define "gateway.fullname" -}}
{{- $name := include "gateway.name" . }}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "gateway.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: {{ include "gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gateway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gateway.serviceAccount" -}}
{{- $default := .Values.serviceAccount.create | ternary (include "gateway.fullname" .) "default" }}
{{- default $default .Values.serviceAccount.name }}
{{- end }}

{{- /* Labels and annotations of an object: those given, those of all objects, the chart's. */ -}}
{{- define "gateway.meta" -}}
{{- $annotations := merge (dict) (.annotations | default dict) (.root.Values.commonAnnotations | default dict) -}}
labels:
  {{- merge (dict) (.labels | default dict) (include "gateway.labels" .root | fromYaml) | toYaml | nindent 2 }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /*
The CRD that is there already and is not this release's, as helm tells them apart: installing the chart's would fail. Empty if
there is none, where the chart does not ask (crd.install, crd.adopt), and where helm asks no cluster, as in `helm template`.
*/ -}}
{{- define "gateway.foreignCrd" -}}
{{- if and .Values.crd.install (not .Values.crd.adopt) }}
{{- $crd := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "remediationrequests.kubernaut.ai" | default dict }}
{{- $labels := dig "metadata" "labels" dict $crd }}
{{- $annotations := dig "metadata" "annotations" dict $crd }}
{{- $owner := list (get $labels "app.kubernetes.io/managed-by") (get $annotations "meta.helm.sh/release-name") (get $annotations "meta.helm.sh/release-namespace") }}
{{- if and $crd (ne (join " " $owner) (printf "Helm %s %s" .Release.Name .Release.Namespace)) }}
{{- toYaml $crd }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Whether senders are asked for tokens. */ -}}
{{- define "gateway.authenticates" -}}
{{- if ne (dig "auth" "mode" "kubernetes" .Values.config) "none" }}true{{ end }}
{{- end }}

{{- /*
Whether there is a `helm test`. Not where it could not send: senders need certificates of their own (tls.clientCa), or rights
that this chart does not grant (rbac.create).
*/ -}}
{{- define "gateway.tested" -}}
{{- if and (.Values.tests).enabled (not .Values.tls.clientCa) (or .Values.rbac.create (not (include "gateway.authenticates" .))) }}true{{ end }}
{{- end }}

{{- /* The Secret with the listener's certificate; empty for plain HTTP. */ -}}
{{- define "gateway.tlsSecret" -}}
{{- if .Values.tls.secretName }}{{ .Values.tls.secretName }}
{{- else if (.Values.certificate).enabled }}{{ include "gateway.fullname" . }}-tls
{{- end }}
{{- end }}

{{- /* Where signals are sent, within the cluster. */ -}}
{{- define "gateway.url" -}}
{{- include "gateway.tlsSecret" . | empty | ternary "http" "https" }}://{{ include "gateway.fullname" . }}.{{ include "gateway.namespace" . }}:{{ .Values.service.port }}
{{- end }}

{{- /* The whole configuration: the values' keys, and those that the chart decides. */ -}}
{{- define "gateway.config" -}}
{{- $server := dict
      "listenAddr" (printf "%s:8080" .Values.bindAddress)
      "healthAddr" (printf "%s:8081" .Values.bindAddress)
      "metricsAddr" (printf "%s:9090" .Values.bindAddress) }}
{{- if include "gateway.tlsSecret" . }}
  {{- $tls := dict "certFile" "/etc/gateway-tls/tls.crt" "keyFile" "/etc/gateway-tls/tls.key" }}
  {{- if .Values.tls.clientCa }}{{ $_ := set $tls "clientCaFile" "/etc/gateway-tls/ca.crt" }}{{ end }}
  {{- $_ := set $server "tls" $tls }}
{{- else if .Values.tls.clientCa }}
  {{- fail "tls.clientCa needs TLS: set tls.secretName or certificate.enabled" }}
{{- end }}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) (dict "server" $server)) }}
{{- end }}

{{- /* The keys of it that a running gateway does not follow: gateway/docs/configuration.md. */ -}}
{{- define "gateway.restartConfig" -}}
{{- $config := include "gateway.config" . | fromYaml }}
{{- range $section, $keys := dict "logging" (list "level") "scope" (list "requireManagedLabel") "signal" (list "exporters" "ignore" "maxPayloadBytes" "targets") }}
  {{- $values := get $config $section | default dict }}
  {{- range $keys }}{{ $_ := unset $values . }}{{ end }}
  {{- if not $values }}{{ $_ := unset $config $section }}{{ end }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- /* A duration of the configuration, such as 500ms, 2m or 1m30s, in whole seconds, rounded up. */ -}}
{{- define "gateway.seconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 }}
{{- $milliseconds := 0 }}
{{- range regexFindAll "[0-9]+[a-z]+" . -1 }}
  {{- $milliseconds = add $milliseconds (mul (regexFind "[0-9]+" . | int) (get $units (regexFind "[a-z]+" .))) }}
{{- end }}
{{- div (add $milliseconds 999) 1000 }}
{{- end }}

{{- /*
The ports of DataStorage's pods, as a list. A NetworkPolicy sees connections behind the Service, whose port is all that the URL
says; pods that are not privileged listen above 1024 instead of at 80 and 443.
*/ -}}
{{- define "gateway.datastoragePorts" -}}
{{- $ports := .Values.networkPolicy.egress.datastoragePorts | default list }}
{{- $datastorage := dig "datastorage" "url" "" .Values.config }}
{{- if and $datastorage (not $ports) }}
  {{- $url := urlParse $datastorage }}
  {{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (eq $url.scheme "https" | ternary "443" "80") | int }}
  {{- $ports = concat (list $port) (get (dict "80" (list 8080) "443" (list 8443)) (toString $port) | default list) }}
{{- end }}
{{- toYaml $ports }}
{{- end }}

{{- /*
The name of an object that goes to `namespace`: where other releases may put theirs, with the release's own namespace before it,
and a dot, which namespaces have not: `a-b` and `c` are not `a` and `b-c`.
*/ -}}
{{- define "gateway.sharedName" -}}
{{- $own := include "gateway.namespace" .root }}
{{- $name := include "gateway.fullname" .root }}
{{- has .namespace (list nil "" $own) | ternary $name (printf "%s.%s" $own $name) }}
{{- end }}

{{- /* Fails where extraEnv would change what the chart's objects go by: ports, rights, times. */ -}}
{{- define "gateway.checkEnv" -}}
{{- $config := "in config, which the chart reads too" }}
{{- $owned := dict
      "GATEWAY_CONFIG_FILE" "by extraArgs: [--config=FILE]"
      "GATEWAY__AUTH__MODE" $config
      "GATEWAY__EVENTS__ENABLED" $config
      "GATEWAY__SERVER__DRAIN_TIMEOUT" $config
      "GATEWAY__SERVER__HEALTH_ADDR" "by bindAddress; the ports are those of probes and Services"
      "GATEWAY__SERVER__LISTEN_ADDR" "by bindAddress; the ports are those of probes and Services"
      "GATEWAY__SERVER__METRICS_ADDR" "by bindAddress; the ports are those of probes and Services"
      "GATEWAY__SERVER__TLS" "by tls and certificate"
      "GATEWAY__SIGNAL__NODE_BY_INSTANCE" $config
      "GATEWAY__SIGNAL__TARGETS" $config }}
{{- $egress := .Values.networkPolicy.egress }}
{{- if and .Values.networkPolicy.enabled $egress.enabled }}
  {{- if not $egress.datastoragePorts }}
    {{- $_ := set $owned "GATEWAY__DATASTORAGE__URL" "with networkPolicy.egress.datastoragePorts, which open the way to it" }}
  {{- end }}
  {{- if not $egress.extra }}
    {{- $_ := set $owned "GATEWAY__TRACING__ENDPOINT" "with a rule in networkPolicy.egress.extra, which opens the way to it" }}
  {{- end }}
{{- end }}
{{- range $variable := .Values.extraEnv }}
  {{- range $name, $instead := $owned }}
    {{- if or (eq $variable.name $name) (hasPrefix (printf "%s__" $name) $variable.name) }}
      {{- fail (printf "extraEnv sets %s: set it %s" $variable.name $instead) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- /* Fails where another release is in the namespace. Only when this one is installed, and where helm asks a cluster. */ -}}
{{- define "gateway.checkNeighbours" -}}
{{- $namespace := include "gateway.namespace" . }}
{{- if .Release.IsInstall }}
{{- range (lookup "apps/v1" "Deployment" $namespace "").items }}
  {{- $labels := .metadata.labels | default dict }}
  {{- $other := get $labels "app.kubernetes.io/instance" }}
  {{- if and (regexMatch "^(signal-)?gateway-[0-9]" (get $labels "helm.sh/chart")) (ne $other $.Release.Name) }}
    {{- fail (printf "the namespace %s has the release %s of this chart already: gateways of both would share Leases and RemediationRequests, and uninstalling one would release the claims of the other; install into another namespace, or upgrade %s" $namespace $other $other) }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Reading the kinds that signal.targets adds. */ -}}
{{- define "gateway.targetRules" -}}
{{- range dig "signal" "targets" dict .Values.config }}
  - apiGroups: [{{ .group | default "" | quote }}]
    resources: [{{ .plural }}]
    verbs: [get]
{{- end }}
{{- end }}

{{- /* How pods are replaced. `helm upgrade --reuse-values` of a release that had no such value leaves none: Recreate. */ -}}
{{- define "gateway.strategy" -}}
{{- $strategy := .Values.strategy | default dict }}
{{- $type := $strategy.type | default "Recreate" -}}
type: {{ $type }}
{{- if eq $type "RollingUpdate" }}
rollingUpdate:
  {{- toYaml $strategy.rollingUpdate | nindent 2 }}
{{- end }}
{{- end }}
