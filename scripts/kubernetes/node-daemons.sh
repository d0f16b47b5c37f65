# shellcheck shell=bash
# Starts and stops the daemons of the one-node cluster. To be sourced, after node-settings.sh.

start_control_plane() {
  local client=http://127.0.0.1:$etcd_client_port peer=http://127.0.0.1:$etcd_peer_port
  start_daemon "$daemons" etcd etcd --data-dir "$state/etcd" --log-level warn --unsafe-no-fsync \
    --listen-client-urls "$client" --advertise-client-urls "$client" \
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer"
  start_daemon "$daemons" kube-apiserver kube-apiserver --etcd-servers "$client" \
    --bind-address "$node_address" --advertise-address "$node_address" --secure-port "$api_port" \
    --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" --client-ca-file "$pki/ca.crt" \
    --cert-dir "$pki" --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
    --token-auth-file "$pki/tokens.csv" --service-cluster-ip-range "$service_network" \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$pki/service-accounts.pub" \
    --service-account-signing-key-file "$pki/service-accounts.key" --endpoint-reconciler-type lease \
    --kubelet-client-certificate "$pki/kubelet-client.crt" --kubelet-client-key "$pki/kubelet-client.key" \
    --kubelet-certificate-authority "$pki/ca.crt" --kubelet-preferred-address-types InternalIP
}

start_runtime() {
  start_daemon "$daemons" containerd containerd --config "$run/containerd.toml" --address "$socket"
  await 60 "containerd did not start" "$daemons" ctr --address "$socket" version
  ctr --address "$socket" --namespace k8s.io images import "$cache/pause.tar" >/dev/null
}

# kube_daemon NAME OPTION…: with its own kubeconfig for everything
kube_daemon() {
  local name=$1 kubeconfig=$pki/$1.kubeconfig
  shift
  start_daemon "$daemons" "$name" "$name" --kubeconfig "$kubeconfig" --authentication-kubeconfig "$kubeconfig" \
    --authorization-kubeconfig "$kubeconfig" --bind-address 127.0.0.1 --leader-elect=false "$@"
}

start_node() {
  # With the default of 20 requests per second all controllers together take seconds to begin.
  kube_daemon kube-controller-manager --kube-api-qps 200 --kube-api-burst 400 --use-service-account-credentials \
    --root-ca-file "$pki/ca.crt" --service-account-private-key-file "$pki/service-accounts.key" --cert-dir "$pki"
  kube_daemon kube-scheduler --cert-dir "$pki"
  # Without --containerd, the kubelet's cAdvisor looks for containers at the usual socket and has metrics of pods alone.
  start_daemon "$daemons" kubelet kubelet --config "$run/kubelet.yaml" --kubeconfig "$pki/kubelet.kubeconfig" \
    --root-dir "$state/kubelet" --cert-dir "$pki" --hostname-override "$node" --node-ip "$node_address" --containerd "$socket"
  start_daemon "$daemons" kube-proxy kube-proxy --config "$run/kube-proxy.yaml"
}

node_ready() {
  [ "$(kubectl get node "$node" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}')" = True ]
}

# Asked politely first, so that networks and volumes are taken down the ordinary way.
stop_pods() {
  local kinds=deployments,statefulsets,daemonsets,jobs,cronjobs,replicasets
  kubectl get --raw /readyz --request-timeout 2s >/dev/null 2>&1 || return 0
  timeout 20 kubectl delete "$kinds" --all --all-namespaces --cascade=background --wait=false >/dev/null 2>&1 || true
  timeout 30 kubectl delete pods --all --all-namespaces --grace-period 1 --timeout 20s >/dev/null 2>&1 || true
}

stop_containers() {
  local id ctr=(timeout 20 ctr --address "$socket" --namespace k8s.io)
  daemon_runs "$daemons" containerd || return 0
  for id in $("${ctr[@]}" tasks list --quiet 2>/dev/null); do "${ctr[@]}" tasks delete --force "$id" >/dev/null 2>&1 || true; done
  for id in $("${ctr[@]}" containers list --quiet 2>/dev/null); do "${ctr[@]}" containers delete "$id" >/dev/null 2>&1 || true; done
}

stop_daemons() {
  local name pid file
  for name in kube-proxy kubelet kube-scheduler kube-controller-manager; do stop_daemon "$daemons" "$name"; done
  stop_containers
  for name in containerd kube-apiserver etcd; do stop_daemon "$daemons" "$name"; done
  # Shims outlive their containerd, and containers their shims.
  for pid in $(processes_of_state); do
    { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -q '^[^ ]*containerd-shim-runc-v2 ' && kill -KILL "$pid" 2>/dev/null
  done
  for file in $(pod_cgroups | xargs -r -I{} find {} -name cgroup.procs); do
    while read -r pid; do kill -KILL "$pid" 2>/dev/null || true; done <"$file"
  done
  # Killed processes are there until they are reaped.
  for _ in $(seq 50); do [ -n "$(processes_of_state)" ] || break; sleep 0.1; done
}
