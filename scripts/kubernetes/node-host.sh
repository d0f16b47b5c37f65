# shellcheck shell=bash
# What the one-node cluster changes on its host: saved, made, put back, and compared. To be sourced, after
# node-settings.sh.

# kubelet and the bridge plugin write these.
sysctls="net.ipv4.ip_forward vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops
  kernel.keys.root_maxkeys kernel.keys.root_maxbytes net.ipv4.conf.all.route_localnet"
# Paths outside $state that kubelet, containerd and the plugins write to whatever they are told.
strays="/var/lib/cni /var/lib/kubelet /var/log/containers /var/log/pods /run/containerd /run/flannel"

pod_cgroups() { find /sys/fs/cgroup -maxdepth 2 -type d -name kubepods 2>/dev/null || true; }

# processes_of_state: pids of whatever has something of $state on its command line
processes_of_state() {
  # The pattern is not on grep's own command line, and the files are files.
  # shellcheck disable=SC2062
  grep -lasF --file=- /proc/[0-9]*/cmdline <<<"$state/" | cut -d / -f 3 || true
}

# host_facts: what must be the same after `down` as before `up`, a line each
host_facts() {
  local listening=${ports// /|}
  ip -o link show | awk '{sub(/[@:].*/, "", $2); print "link", $2}'
  ip -o -4 address show | awk '{print "address", $2, $4}'
  ip -4 route show | awk '{$1 = $1; print "route", $0}'
  nft list tables | sed 's/^/nft /'
  awk '{print "mount", $2}' /proc/mounts | grep -E "^mount ($state|/run/containerd|/run/netns/cni-|/var/lib/kubelet)" || true
  pod_cgroups | sed 's/^/cgroup /'
  # shellcheck disable=SC2086 # several names
  sysctl -e $sysctls | sed 's/^/sysctl /; s/ = /=/'
  # shellcheck disable=SC2086 # several paths
  find $strays /run/netns -maxdepth 3 2>/dev/null | grep -vE '^/run/netns($|/[^c])' | sed 's/^/file /' || true
  ss -Hltn | awk '{print "port", $4}' | grep -E ":($listening)\$" || true
  processes_of_state | sed 's/^/process /'
}

save_host() { host_facts | sort >"$state/host.before"; }

# Pods reach each other and the API server; nothing else of this host, and nothing beyond it. The host forwards nothing.
prepare_host() {
  ip address replace "$node_address/32" dev lo
  # Service addresses that kube-proxy knows nothing of end here instead of leaving by the default route.
  ip route replace "$service_network" dev lo src "$node_address"
  nft -f - <<NFT
table inet $guard {
  chain forward {
    type filter hook forward priority -10; policy drop
    iifname "$bridge" oifname "$bridge" accept
  }
  chain input {
    type filter hook input priority -10; policy accept
    iifname != "$bridge" accept
    ct state established,related accept
    ip daddr $node_address tcp dport $api_port accept
    meta l4proto { icmp, ipv6-icmp } accept
    drop
  }
}
NFT
}

restore_host() {
  local mount table name value before=$state/host.before
  awk -v state="$state/" 'index($2, state) == 1 {print $2}' /proc/mounts | sort -r | while read -r mount; do
    umount "$mount" 2>/dev/null || umount --lazy "$mount"
  done
  find /run/netns -maxdepth 1 -name 'cni-*' -exec ip netns delete {} \; 2>/dev/null || true
  ip link delete "$bridge" 2>/dev/null || true
  ip route delete "$service_network" dev lo 2>/dev/null || true
  ip address delete "$node_address/32" dev lo 2>/dev/null || true
  for table in "ip kube-proxy" "ip6 kube-proxy" "inet $guard"; do
    # shellcheck disable=SC2086 # a family and a name
    nft delete table $table 2>/dev/null || true
  done
  remove_cgroups
  sed -n 's/^sysctl //p' "$before" | while IFS='=' read -r name value; do
    [ "$(sysctl -n "$name" 2>/dev/null)" = "$value" ] || sysctl -qw "$name=$value"
  done
  remove_strays "$before"
}

# A cgroup can be removed once the kernel has let its last process go.
remove_cgroups() {
  local folder
  for _ in $(seq 25); do
    [ -n "$(pod_cgroups)" ] || return 0
    for folder in $(pod_cgroups); do find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true; done
    sleep 0.2
  done
}

# remove_strays BEFORE: those that were not there before, where no other cluster can have put them
remove_strays() {
  local path
  for path in $strays; do
    grep -qE "^file $path(/|\$)" "$1" || rm -rf --one-file-system "$path"
  done
}

# leftovers: what differs from before `up`; fails if anything does
leftovers() {
  local now left
  now=$(host_facts | sort)
  left=$(diff "$state/host.before" - <<<"$now" | sed -n 's/^</gone:/p; s/^>/left:/p')
  [ -z "$left" ] || { echo "$left" >&2; return 1; }
}
