#!/bin/sh
# Stands for kubectl and the cluster behind it, as far as the steps look: what is done is written to `calls`, requests to
# the logs of production and, unless the agent may not or shall not, of the shadow. Files beside it make it behave badly.
here=$(dirname "$0")
cd "$here" || exit 1
echo "$*" >>calls
if [ -e fail ] && echo "$*" | grep -q -- "$(cat fail)"; then
  echo "made to fail" >&2
  exit 1
fi

pods() {
  echo "{\"items\":[{\"metadata\":{\"name\":\"$1\"},\"status\":{\"phase\":\"Running\"}},
    {\"metadata\":{\"name\":\"gone\"},\"status\":{\"phase\":\"Succeeded\"}}]}"
}

send() {
  name=${1##*id=}
  count=${name##*-}
  count=${count%]}
  name=${name%-\[*}
  pair=nginx
  case $1 in *httpbin*) pair=httpbin ;; esac
  for n in $(seq "$count"); do
    echo "cluster-1 \"GET /?id=$name-$n HTTP/1.1\" 200" >>$pair.production
    [ -e bound ] || continue
    [ -e lossy ] && [ "$n" = 7 ] && continue
    [ -e percent ] && [ $((n % 2)) = 1 ] && continue
    host=cluster-1
    [ $pair = httpbin ] && host=cluster-1-shadow
    echo "$host \"GET /?id=$name-$n HTTP/1.1\" 200" >>$pair.shadow
  done
}

route() {
  percent=
  [ -e percent ] && percent=,\"percent\":50
  generation=$(cat generation)
  said="\"status\":\"True\",\"reason\":\"R\",\"message\":\"M\",\"observedGeneration\":$generation"
  echo "{\"metadata\":{\"generation\":$generation},
    \"spec\":{\"rules\":[{\"filters\":[{\"requestMirror\":{\"backendRef\":{}$percent}}]}]},
    \"status\":{\"parents\":[{\"controllerName\":\"shadow-agent.io/mirror\",\"conditions\":[
      {\"type\":\"Accepted\",$said},{\"type\":\"ResolvedRefs\",$said}]}]}}"
}

series() {
  echo "shadow_agent_kubernetes_pod_requests_seen_total{namespace=\"goreplay\",pod=\"$1\"} 0"
}

touch nginx.production nginx.shadow httpbin.production httpbin.shadow
[ -e generation ] || echo 1 >generation
case "$*" in
  "get customresourcedefinition"*) [ -e no-routes ] || echo customresourcedefinition/httproutes ;;
  "get namespace"*) [ -e taken ] && echo namespace/taken ;;
  *"--ignore-not-found --output name") ;;
  "apply --filename -") cat >/dev/null ;;
  "apply -k "*goreplay | "apply -k "*routes) touch bound ;;
  "delete clusterrolebinding"*) rm -f bound ;;
  exec*probe*)
    left=$(cat refuses 2>/dev/null || echo 0)
    [ "$left" -gt 0 ] && echo $((left - 1)) >refuses && echo "Connection refused" >&2 && exit 7
    ;;
  exec*) for last; do :; done; send "$last" ;;
  *"logs --namespace goreplay --selector app=nginx "*) cat nginx.production ;;
  *"logs --namespace goreplay --selector app=httpd "*) cat nginx.shadow ;;
  *"logs --namespace goreplay --selector app=httpbin,version=v1 "*) cat httpbin.production ;;
  *"logs --namespace goreplay --selector app=httpbin,version=v2 "*) cat httpbin.shadow ;;
  "logs --namespace shadow-agent agent-a") [ -e bound ] || echo 'reason="forbidden"' ;;
  "get pods --namespace shadow-agent "*json) pods agent-a ;;
  "get pods --namespace goreplay --selector app=nginx "*json) pods nginx-a ;;
  "get pods --namespace goreplay --selector app=httpbin"*json) pods httpbin-a ;;
  "get --raw "*) [ -e bound ] && series nginx-a && series httpbin-a ;;
  "get httproute "*json) route ;;
  patch*remove*) rm percent && echo 3 >generation ;;
  patch*) touch percent && echo 2 >generation ;;
  *) echo "done" ;;
esac
exit 0
