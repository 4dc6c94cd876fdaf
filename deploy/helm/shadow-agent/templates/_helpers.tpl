{{- /* The name of everything: the release's, which `helm install shadow-agent` makes that of deploy/kubernetes. */ -}}
{{- define "shadow-agent.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 56 | trimSuffix "-" -}}
{{- end -}}

{{- define "shadow-agent.selector" -}}
app.kubernetes.io/name: shadow-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "shadow-agent.labels" -}}
{{ include "shadow-agent.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* Whether routes are followed: a word, or nothing. */ -}}
{{- define "shadow-agent.routes" -}}
{{- if or .Values.routes.enabled (contains "--input-k8s-routes" (join " " .Values.args)) }}followed{{ end -}}
{{- end -}}
