# shellcheck shell=bash disable=SC2034 # other parts read the settings
# Where the one-node cluster lives: folders, addresses, ports. To be sourced, after lib.sh.

containerd_version=$(version_of containerd github.com/containerd/containerd/v2)
runtime=$(dirname "$cache")/containerd-$containerd_version
state=${CLUSTER_STATE:-${XDG_CACHE_HOME:-$HOME/.cache}/signal-gateway/cluster}
# The logs of the last run, which outlive it.
last_logs=$state.logs
run=$state/run
daemons=$state/daemons
pki=$state/pki
socket=$run/containerd.sock
export KUBECONFIG=$state/kubeconfig
export PATH=$cache:$runtime:/usr/local/sbin:/usr/sbin:/sbin:$PATH

node=node1
# On lo, so that no other machine reaches it. kubelet refuses 127.0.0.0/8.
node_address=10.254.0.1
bridge=gateway0
pod_network=10.244.0.0/24
service_network=10.96.0.0/16
api_service=10.96.0.1
guard=gateway_cluster_guard

api_port=16444
etcd_client_port=23791
etcd_peer_port=23801
# Those, and what kubelet, kube-proxy, kube-controller-manager and kube-scheduler listen on.
ports="$api_port $etcd_client_port $etcd_peer_port 10248 10249 10250 10256 10257 10259"

pause_image=localhost/pause:3
