# What the checks stand on: two network namespaces with a production server in each, a shadow, an agent, and requests.
# A check says its result in one line, which the host reads.

production=8080
shadow=9080
requests=200

# busybox's shell prefers its own programs of these names.
ip() { /bin/programs/ip "$@"; }
tc() { /bin/programs/tc "$@"; }
setpriv() { /bin/programs/setpriv "$@"; }

ok() { echo "CHECK ok $1"; }
failed() { echo "CHECK failed $1: $2"; }

# check NAME CONDITION [TELL]: whether a command succeeds; what another one says where it does not.
check() {
  if eval "$2"; then ok "$1"; else failed "$1" "$(eval "${3:-:}" 2>&1 | tr '\n' ' ' | cut -c 1-900) [$2]"; fi
}

# patiently SECONDS CONDITION: waits until a command succeeds.
patiently() {
  local left=$(($1 * 10))
  until eval "$2"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep 0.1
  done
}

older_than() { # older_than MAJOR MINOR: whether the kernel is older.
  local release major minor
  release=$(uname -r)
  major=${release%%.*}
  minor=${release#*.}
  minor=${minor%%[!0-9]*}
  [ "$major" -lt "$1" ] || { [ "$major" -eq "$1" ] && [ "$minor" -lt "$2" ]; }
}

load_module() {
  local module
  [ -f "/modules/$1" ] || return 0
  for module in $(cat "/modules/$1"); do
    grep -q "^$module " /proc/modules || insmod "/modules/$module.ko" || return 1
  done
}

# The hosts: this namespace, and "site" behind a veth pair. Each has production on all addresses, and a shadow on its own lo.
build_scene() {
  load_module veth
  ip link set lo up
  ip netns add site
  ip link add near type veth peer name far netns site
  ip address add 10.9.0.1/24 dev near
  ip address add fd09::1/64 dev near nodad
  ip link set near up
  ip -n site link set lo up
  ip -n site address add 10.9.0.2/24 dev far
  ip -n site address add fd09::2/64 dev far nodad
  ip -n site link set far up
  cat >/etc/nginx.conf <<END
user root;
worker_processes 1;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 100000;
  log_format line '\$request';
  server {
    listen 0.0.0.0:$production;
    listen [::]:$production ipv6only=on;
    location / { return 200 "an answer"; }
  }
  server {
    listen 127.0.0.1:$shadow;
    access_log /run/shadow-\$hostname.log line;
    location / { return 200 "an answer"; }
  }
}
END
  sed "s|/run/shadow-.hostname|/run/shadow-here|" /etc/nginx.conf >/etc/here.conf
  sed "s|/run/shadow-.hostname|/run/shadow-site|" /etc/nginx.conf >/etc/site.conf
  nginx -e stderr -c /etc/here.conf -g 'pid /run/here.pid;'
  ip netns exec site nginx -e stderr -c /etc/site.conf -g 'pid /run/site.pid;'
}

# at PLACE COMMAND...: becomes a program in a namespace. For a subshell, so that it is the one that is signalled.
at() {
  local place=$1
  shift
  [ "$place" = here ] || set -- /bin/programs/ip netns exec "$place" "$@"
  exec "$@"
}

# start NAME PLACE FLAGS...: starts an agent, whose files are /run/NAME.*, and waits until it captures.
start() {
  local name=$1 place=$2
  shift 2
  rm -f "/run/$name.json"
  # Here, not by the agent's own redirection: that may be later than the first look, which would find the last agent's words.
  : >"/run/$name.log"
  at "$place" shadow-agent "$@" --ledger "/run/$name.json" >"/run/$name.out" 2>"/run/$name.log" &
  echo $! >"/run/$name.pid"
  patiently 240 "grep -q capturing /run/$name.log || ! kill -0 $! 2>/dev/null"
  grep -q capturing "/run/$name.log" || { tail -n 5 "/run/$name.log"; return 1; }
}

# stop NAME [SIGNAL]: ends an agent and waits for its end.
stop() {
  local pid
  pid=$(cat "/run/$1.pid")
  kill "-${2:-TERM}" "$pid"
  wait "$pid" 2>/dev/null
}

# ask FROM ADDRESS: sends the requests, over one connection.
ask() {
  (at "$1" curl --silent --show-error --fail --max-time 120 --output /dev/null "http://$2:$production/[1-$requests]")
}

# whole NAME: whether an agent's ledger has every request, delivered, and balances.
whole() {
  jq --exit-status ".seen == $requests and .outputs[0].delivered == $requests and .balanced" "/run/$1.json" \
    >/dev/null
}

told() { # told NAME: what an agent's ledger has.
  jq --compact-output '{seen, outputs: [.outputs[] | {delivered, dropped}], capture}' "/run/$1.json" 2>&1 | cut -c 1-600
  tail -n 3 "/run/$1.log"
}

# mirrored WHAT HOOK PLACE FROM ADDRESS [FLAGS...]: requests to production reach the shadow, each once.
mirrored() {
  local what=$1 hook=$2 place=$3 from=$4 address=$5
  shift 5
  : >"/run/shadow-$place.log"
  if ! start agent "$place" --input-raw ":$production" --input-raw-engine "$hook" \
    --output-http "http://127.0.0.1:$shadow" "$@"; then
    failed "$what" "it did not start"
    return
  fi
  ask "$from" "$address" || failed "$what" "production did not answer"
  stop agent
  if whole agent && [ "$(wc -l <"/run/shadow-$place.log")" -eq "$requests" ]; then
    ok "$what"
  else
    failed "$what" "$(wc -l <"/run/shadow-$place.log") of $requests reached the shadow; $(told agent)"
  fi
}

# What is in the kernel of agents: programs proper, jumps to them, rings, and filters of clsact on an interface.
programs() { bpftool --json prog show | jq '[.[] | select(.name // "" | test("^shadow_[ls]"))] | length'; }
jumps() { bpftool --json prog show | jq '[.[] | select(.name == "shadow_jump")] | length'; }
rings() { bpftool --json map show | jq '[.[] | select(.type == "ringbuf")] | length'; }
filters() {
  { tc filter show dev "$1" ingress; tc filter show dev "$1" egress; } 2>/dev/null | grep -c direct-action
}
has_clsact() { tc qdisc show dev "$1" | grep -q clsact; }
links() { bpftool --json link show | jq length; }
in_kernel() {
  echo "$(programs) programs, $(jumps) jumps, $(rings) rings, $(links) links, filters: $(filters lo) $(filters near)"
  tc qdisc show
}

# verified NAME: each program of an agent that is verbose, with the instructions that the verifier went through; nothing below 5.16.
verified() {
  sed -n 's/.* verified program=\([^ ]*\) instructions=\([0-9]*\).*/\1 \2/p' "/run/$1.log"
}

# capabilities NAME SET: those of an agent's threads, each once.
capabilities() {
  sed -n "s/^$2:[[:space:]]*//p" /proc/"$(cat "/run/$1.pid")"/task/*/status | sort -u | tr '\n' ' '
}

# refused NAME PLACE FLAGS...: an agent that must not start; its words are in /run/NAME.log.
refused() {
  local name=$1 place=$2
  shift 2
  ! (at "$place" timeout 240 shadow-agent "$@" >"/run/$name.log" 2>&1) && ! grep -q capturing "/run/$name.log"
}
