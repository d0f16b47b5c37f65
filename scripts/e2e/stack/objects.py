"""Kubernetes objects, as short as they can be written."""

NODE = "node1"
# A Node without a machine.
LOST_NODE = "node2"
PAUSE = "localhost/pause:3"
# The group of a controller that kube-controller-manager knows nothing of.
ROLLOUTS = "argoproj.io"


def manifest(kind, name, spec=None, namespace="shop", **more):
    """An object; `more` are fields beside its spec."""
    versions = {
        "CronJob": "batch/v1",
        "CustomResourceDefinition": "apiextensions.k8s.io/v1",
        "DaemonSet": "apps/v1",
        "Deployment": "apps/v1",
        "HorizontalPodAutoscaler": "autoscaling/v2",
        "Job": "batch/v1",
        "PodDisruptionBudget": "policy/v1",
        "ReplicaSet": "apps/v1",
        "Rollout": f"{ROLLOUTS}/v1alpha1",
        "StatefulSet": "apps/v1",
    }
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("metadata", {})}
    return {"apiVersion": versions.get(kind, "v1"), "kind": kind, "metadata": metadata, **({"spec": spec} if spec else {}), **more}


def pod(name, container=None, **more):
    """A pod's spec: a container that does nothing, changed by `container`."""
    contents = {"name": name, "image": PAUSE, "imagePullPolicy": "IfNotPresent", **(container or {})}
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        # Not on the node that does not exist.
        "nodeSelector": {"kubernetes.io/hostname": NODE},
        "containers": [contents],
    }
    return {**spec, **more}


def shell(name, script, resources=None, **more):
    """A pod that runs a script with the host's shell: the image holds nothing but its own binary."""
    folders = {"bin": "/usr/bin", "lib": "/usr/lib", "lib64": "/usr/lib64"}
    container = {
        "command": ["/bin/sh", "-c", script],
        "resources": resources or {},
        "volumeMounts": [{"name": folder, "mountPath": f"/{folder}", "readOnly": True} for folder in folders],
    }
    volumes = [{"name": folder, "hostPath": {"path": path}} for folder, path in folders.items()]
    return pod(name, container, volumes=volumes, **more)


def workload(kind, name, spec, namespace="shop", metadata=None, **more):
    """A controller of pods of such a spec."""
    labels = {"app": name}
    selector = labels if kind == "ReplicationController" else {"matchLabels": labels}
    whole = {"selector": selector, "template": {"metadata": {"labels": labels}, "spec": spec}, **more}
    return manifest(kind, name, whole, namespace, metadata=metadata or {})


# A pod that runs and never becomes ready: nothing listens there.
DEAF = {"readinessProbe": {"tcpSocket": {"port": 9}, "periodSeconds": 1}}
# What ReplicaSets, DaemonSets and StatefulSets append to their pods' names.
HASHED, RANDOM, ORDINAL = "-[a-z0-9]+-[a-z0-9]{5}", "-[a-z0-9]{5}", "-[0-9]+"


def local_volume(name, path, claim):
    """A volume that is a folder of the node."""
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}]
    spec = {
        "capacity": {"storage": "8Mi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "by-hand",
        "claimRef": {"namespace": "shop", "name": claim},
        "local": {"path": path},
        "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
        "persistentVolumeReclaimPolicy": "Delete",
    }
    return manifest("PersistentVolume", name, spec, namespace=None)


def claim(name, volume="", storage_class="by-hand"):
    """A claim, of that volume if it names one."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}, "storageClassName": storage_class}
    return manifest("PersistentVolumeClaim", name, {**spec, **({"volumeName": volume} if volume else {})})
