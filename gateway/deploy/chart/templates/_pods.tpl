{{- /* What the pods of gateways, of the release's end and of its test have in common. */ -}}

{{- /* `image` is a map like .Values.image; its tag is the chart's appVersion if empty. */ -}}
{{- define "gateway.image" -}}
{{- $registry := (.root.Values.global).imageRegistry | default .image.registry }}
{{- $name := empty $registry | ternary .image.repository (printf "%s/%s" $registry .image.repository) }}
{{- $tag := .image.tag | default .root.Chart.AppVersion }}
{{- empty .image.digest | ternary (printf "%s:%s" $name $tag) (printf "%s@%s" $name .image.digest) }}
{{- end }}

{{- /* Where a pod runs, how it finds others, and what it may do. Secrets for registries in `global` may be names alone. */ -}}
{{- define "gateway.pod" -}}
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with concat ((.Values.global).imagePullSecrets | default list) (.Values.imagePullSecrets | default list) }}
imagePullSecrets:
  {{- range . }}
  - {{ kindIs "map" . | ternary . (dict "name" .) | toYaml }}
  {{- end }}
{{- end }}
{{- range $key := list "dnsConfig" "dnsPolicy" "hostAliases" "nodeSelector" "priorityClassName" "runtimeClassName" "tolerations" }}
{{- with get $.Values $key }}
{{ dict $key . | toYaml }}
{{- end }}
{{- end }}
{{- end }}
