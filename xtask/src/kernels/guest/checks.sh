# What must hold on every kernel.
. /scene.sh

build_scene
echo "FIGURE $(uname -r), booted in $(cut -d ' ' -f 1 /proc/uptime) s"

load_module sch_ingress
load_module cls_bpf

for hook in tc cgroup; do
  mirrored "$hook, lo, IPv4" $hook here here 127.0.0.1
  mirrored "$hook, lo, IPv6" $hook here here '[::1]'
  mirrored "$hook, veth, IPv4" $hook site here 10.9.0.2
  mirrored "$hook, veth, IPv6" $hook site here '[fd09::2]'
  mirrored "$hook, comparing" $hook site here 10.9.0.2 --compare --report /run/report.json
  check "$hook, every pair is compared" \
    "jq --exit-status '.comparisons[0].coverage.compared == $requests' /run/report.json >/dev/null" \
    "$(jq --compact-output '.comparisons[0].coverage' /run/report.json 2>&1)"
done
