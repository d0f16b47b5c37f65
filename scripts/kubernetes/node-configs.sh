# shellcheck shell=bash
# Configuration files of containerd, its network plugins, kubelet and kube-proxy. To be sourced, after node-settings.sh.

write_configs() {
  mkdir -p "$run/cni" "$state/pod-logs" "$state/volume-plugins"
  # Pods know no name server: there is none.
  : >"$run/resolv.conf"
  containerd_config >"$run/containerd.toml"
  network_config >"$run/cni/10-pods.conflist"
  kubelet_config >"$run/kubelet.yaml"
  proxy_config >"$run/kube-proxy.yaml"
}

# restrict_oom_score_adj: without CAP_SYS_RESOURCE, as in many virtual machines, no process may lower its score, and runc
# would fail at every pod.
containerd_config() {
  cat <<TOML
version = 3
root = "$state/containerd"
state = "$run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "$socket"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "$pause_image"
[plugins.'io.containerd.cri.v1.runtime']
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "$run/cni"
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = "runc"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        BinaryName = "/usr/sbin/runc"
        SystemdCgroup = false
TOML
}

network_config() {
  cat <<JSON
{"cniVersion": "1.0.0", "name": "signal-gateway", "plugins": [
  {"type": "bridge", "bridge": "$bridge", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$run/cni-data", "ranges": [[{"subnet": "$pod_network"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON
}

# failCgroupV1: hosts with cgroup v1 are still about. The thresholds: never evict or collect anything on a machine
# that is not the cluster's own.
kubelet_config() {
  cat <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_address
failCgroupV1: false
cgroupDriver: cgroupfs
failSwapOn: false
containerRuntimeEndpoint: unix://$socket
tlsCertFile: $pki/kubelet.crt
tlsPrivateKeyFile: $pki/kubelet.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: AlwaysAllow}
readOnlyPort: 0
resolvConf: $run/resolv.conf
podLogsDir: $state/pod-logs
volumePluginDir: $state/volume-plugins
makeIPTablesUtilChains: false
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 1Mi, nodefs.available: 0%, nodefs.inodesFree: 0%, imagefs.available: 0%, imagefs.inodesFree: 0%}
shutdownGracePeriod: 0s
YAML
}

proxy_config() {
  cat <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: $pki/kube-proxy.kubeconfig}
clusterCIDR: $pod_network
hostnameOverride: $node
bindAddress: $node_address
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
nodePortAddresses: [$node_address/32]
conntrack: {maxPerCore: 0, min: 0}
nftables: {minSyncPeriod: 0.1s}
YAML
}
