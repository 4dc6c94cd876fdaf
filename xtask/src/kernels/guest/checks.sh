# What must hold on every kernel.
. /scene.sh

build_scene
echo "FIGURE booted in $(cut -d ' ' -f 1 /proc/uptime) s"
capture="--input-raw :$production --output-http http://127.0.0.1:$shadow"

# --- Without what clsact takes, a start is refused and says what is missing. ---
if older_than 6 6; then
  for module in sch_ingress cls_bpf; do
    check "without $module it does not start, and says so" \
      "refused agent here $capture && grep -q 'modprobe $module' /run/agent.log" 'tail -n 2 /run/agent.log'
    check "without $module nothing stays behind" "[ \$(filters lo) -eq 0 ] && ! has_clsact lo && [ \$(rings) -eq 0 ]"
    load_module "$module"
  done
fi
load_module sch_ingress
load_module cls_bpf

# --- Both hooks, both families, over lo and over a wire. ---
for hook in tc cgroup; do
  mirrored "$hook, lo, IPv4" $hook here here 127.0.0.1
  mirrored "$hook, lo, IPv6" $hook here here '[::1]'
  mirrored "$hook, veth, IPv4" $hook site here 10.9.0.2
  mirrored "$hook, veth, IPv6" $hook site here '[fd09::2]'
  mirrored "$hook, comparing" $hook site here 10.9.0.2 --compare --compare-repeat 0 --report /run/report.json
  check "$hook, every pair is compared" \
    "jq --exit-status '.comparisons[0].coverage.compared == $requests' /run/report.json >/dev/null" \
    "jq --compact-output '.comparisons[0].coverage' /run/report.json"
done
check "nothing stays of agents that have ended" \
  "patiently 10 '[ \$(programs) -eq 0 ] && [ \$(rings) -eq 0 ] && [ \$(links) -eq 0 ]' && ! has_clsact lo" \
  'in_kernel'

# --- What the verifier goes through, with as many rings as there can be and every flag that the programs know. ---
most_instructions=100000
for hook in tc cgroup; do
  check "$hook, 16 shards, every flag: the kernel takes the programs" \
    "start agent here $capture --verbose --input-raw-engine $hook --compare --sample-connections 50% \
      --input-raw-shards 16 --input-raw-buffer-size 64kb" \
    'tail -n 5 /run/agent.log'
  # No kernel tells before 5.16.
  figures=$(verified agent | tr '\n' ' ')
  echo "FIGURE $hook, 16 shards: verified instructions: ${figures:-not told}"
  check "$hook, 16 shards, every flag: no program is more than $most_instructions instructions to the verifier" \
    "verified agent | awk '\$2 > $most_instructions { bad = 1 } END { exit bad || NR == 0 }' || older_than 5 16" \
    'verified agent'
  stop agent
done

# --- The probe at TLS libraries: by perf events before 6.6. ---
if older_than 6 6; then attached='perf events'; else attached=uprobe_multi; fi
check "the kernel takes the probe at TLS libraries, to be attached by $attached" \
  "shadow-agent doctor | grep -q 'probe            loads, attached by $attached'" \
  "shadow-agent doctor | grep -A 2 ' probe '"

# --- What an agent keeps once it captures. ---
for hook in tc cgroup; do
  start agent here $capture --input-raw-engine $hook
  if older_than 5 19; then kept=0000008000000000; else kept=0000000000000000; fi
  check "$hook, threads keep no capability that the kernel does not ask for" \
    "for set in \$(capabilities agent CapEff); do [ \$set = $kept ] || [ \$set = 0000000000000000 ] || exit 1; done" \
    'capabilities agent CapEff'
  stop agent
done

# --- Two agents on one interface. ---
start first here $capture
start second here $capture
ask here 127.0.0.1
stop first
stop second
check "of two agents on an interface each sees all" "whole first && whole second" 'told first; told second'
start first here $capture
start second here $capture
stop first
ask here 127.0.0.1
stop second
check "an agent that ends takes nothing of another one's" "whole second" 'told second'
check "with the last agent clsact goes" "! has_clsact lo && ! has_clsact near"

# --- SIGKILL. ---
for hook in tc cgroup; do
  start agent here $capture --input-raw-engine $hook
  stop agent KILL
  check "$hook, killed: production goes on" "ask here 127.0.0.1"
  check "$hook, killed: programs, rings and links are gone" \
    "patiently 10 '[ \$(programs) -eq 0 ] && [ \$(rings) -eq 0 ] && [ \$(links) -eq 0 ]'" \
    'in_kernel'
  if [ $hook = tc ] && older_than 6 6; then
    check "tc, killed: filters that lead nowhere stay" "[ \$(filters lo) -eq 1 ] && [ \$(filters near) -eq 2 ]" \
      'in_kernel'
    check "doctor says what a killed agent left" \
      "shadow-agent doctor | grep -q 'have left filters without effect on lo, near'" 'shadow-agent doctor'
    start agent here --input-raw "lo:$production" --output-http "http://127.0.0.1:$shadow"
    check "the next agent removes them, also where it does not attach" \
      "[ \$(filters lo) -eq 1 ] && [ \$(filters near) -eq 0 ] && ! has_clsact near" 'in_kernel'
    stop agent KILL
    start agent here $capture
    check "detach leaves a living agent's filters" "shadow-agent detach >/dev/null && [ \$(filters lo) -eq 1 ]"
    stop agent KILL
    tc qdisc add dev near clsact 2>/dev/null
    check "detach removes them" "shadow-agent detach | grep -q 'of killed agents on lo' && [ \$(filters lo) -eq 0 ] && ! has_clsact lo"
    check "nothing is left" "[ \$(jumps) -eq 0 ]" 'in_kernel'
  else
    check "$hook, killed: no filter stays" "[ \$(filters lo) -eq 0 ] && ! has_clsact lo"
  fi
done

# --- A clsact that was there before stays. ---
if older_than 6 6; then
  tc qdisc replace dev lo clsact
  start agent here $capture
  stop agent
  check "clsact that others made stays" "has_clsact lo && [ \$(filters lo) -eq 0 ]"
  tc qdisc del dev lo clsact
fi

# --- The limit on locked memory. ---
if older_than 5 11; then
  limited="setpriv --bounding-set -sys_resource --inh-caps -sys_resource"
  (ulimit -l 64; $limited shadow-agent $capture >/run/agent.log 2>&1)
  check "a limit on locked memory is named" "grep -q 'limit on locked memory of 65536 bytes' /run/agent.log" \
    'tail -n 2 /run/agent.log'
  (ulimit -l 64; $limited shadow-agent doctor >/run/agent.log 2>&1)
  check "doctor names the limit on locked memory" \
    "grep -q 'FAIL  locked memory' /run/agent.log && ! grep -q seccomp /run/agent.log" 'cat /run/agent.log'
fi
