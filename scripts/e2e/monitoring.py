"""A real Prometheus that scrapes each pod and lets alerts fire, and a real pair of Alertmanagers that send them."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import kube
from checks import Failed, eventually

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "performance"))

from fleet import free_port

# Alerts that fire all the time, each about a resource of its own.
ALERTS = 10
PREFIX = "monitored"


def fetch(url):
    """What is at a local address."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


class Monitoring:
    """Prometheus with the alerts of the file `rules`, and two Alertmanagers that send to `url`; ended by `stop`."""

    # More of Prometheus' options.
    prometheus_options = []

    def __init__(self, folder, url, rules):
        self.folder = pathlib.Path(folder)
        self.processes = []
        self.prometheus = f"127.0.0.1:{free_port()}"
        self.alertmanagers = [f"127.0.0.1:{free_port()}" for _ in range(2)]
        self.rules = rules
        self.write_alertmanager(url)
        self.write_prometheus()

    def write(self, name, what):
        """A configuration file. JSON is YAML."""
        (self.folder / name).write_text(json.dumps(what))

    def write_secret(self, name, text):
        """A file for this user alone; returns its path."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        return str(path)

    def write_alertmanager(self, url):
        token = self.write_secret("alertmanager.token", kube.token("sender"))
        hook = {"url": f"{url}/api/v1/signals/prometheus", "http_config": {"authorization": {"credentials_file": token}}}
        config = {
            "route": {"receiver": "gateway", **self.route()},
            "receivers": [{"name": "gateway", "webhook_configs": [hook]}],
        }
        self.write("alertmanager.yml", config)

    def route(self):
        """How Alertmanager groups and repeats."""
        return {"group_by": ["deployment"], "group_wait": "1s", "group_interval": "5s", "repeat_interval": "5s"}

    def write_prometheus(self):
        address, authority = kube.server()
        scrape = {
            "job_name": "gateway",
            "scheme": "https",
            "tls_config": {"ca_file": self.write_secret("ca.crt", authority)},
            "authorization": {"credentials_file": self.write_secret("prometheus.token", kube.token("prometheus"))},
            # Debian's Prometheus is built without the discovery of pods.
            "static_configs": [
                {
                    "targets": [urllib.parse.urlparse(address).netloc],
                    "labels": {
                        "__metrics_path__": kube.metrics_path(pod),
                        "namespace": kube.NAMESPACE,
                        "pod": pod,
                        "instance": pod,
                    },
                }
                for pod in kube.names(kube.gateway_pods())
            ],
        }
        config = {
            "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"},
            "rule_files": [f"{self.folder}/e2e.rules.yml", str(self.rules)],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": self.alertmanagers}]}]},
            "scrape_configs": [scrape],
        }
        self.write("prometheus.yml", config)
        alerts = [
            {
                "alert": "KubeDeploymentReplicasMismatch",
                "expr": "vector(1)",
                "labels": {"namespace": "shop", "deployment": f"{PREFIX}-{number}", "severity": "warning"},
            }
            for number in range(ALERTS)
        ]
        self.write("e2e.rules.yml", {"groups": [{"name": "e2e", "rules": alerts}]})

    def start(self):
        """Starts all three, and waits until they are ready."""
        gossip = [free_port() for _ in range(2)]
        for number, address in enumerate(self.alertmanagers):
            mine, peer = gossip[number], gossip[1 - number]
            self.spawn(
                f"alertmanager-{number}",
                "prometheus-alertmanager",
                f"--config.file={self.folder}/alertmanager.yml",
                f"--storage.path={self.folder}/alertmanager-{number}",
                f"--web.listen-address={address}",
                f"--cluster.listen-address=127.0.0.1:{mine}",
                f"--cluster.advertise-address=127.0.0.1:{mine}",
                f"--cluster.peer=127.0.0.1:{peer}",
                "--cluster.peer-timeout=2s",
                "--log.level=debug",
            )
        self.spawn(
            "prometheus",
            "prometheus",
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/prometheus",
            f"--web.listen-address={self.prometheus}",
            "--log.level=debug",
            *self.prometheus_options,
        )
        for address in [*self.alertmanagers, self.prometheus]:
            eventually(30, lambda address=address: self.answers(address), lambda seen: seen)
            if not self.answers(address):
                raise Failed(f"nothing became ready at {address}; its log is in {self.folder}")

    def spawn(self, name, command, *options):
        if shutil.which(command) is None:
            raise Failed(f"{command} is missing; try: apt-get install prometheus prometheus-alertmanager")
        log = open(self.folder / f"{name}.log", "w")
        self.processes.append(subprocess.Popen([command, *options], stdout=log, stderr=log, stdin=subprocess.DEVNULL))

    def answers(self, address):
        try:
            return bool(fetch(f"http://{address}/-/ready"))
        except OSError:
            return False

    def stop(self):
        """Ends all."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = []

    def query(self, text):
        """Prometheus' answer: a list of (labels, value)."""
        answer = fetch(f"http://{self.prometheus}/api/v1/query?query={urllib.parse.quote(text)}")
        return [(one["metric"], float(one["value"][1])) for one in json.loads(answer)["data"]["result"]]

    def check_scrapes(self, checks, replicas):
        """Each pod was scraped again and again, without an error."""

        def look():
            return self.query('count_over_time(up{job="gateway"}[5m])')

        seen = eventually(60, look, lambda found: len(found) == replicas and min(n for _, n in found) >= 5)
        up = self.query('min_over_time(up{job="gateway"}[5m])')
        checks.check(
            "Prometheus finds the 3 pods and scrapes each, never in vain",
            len(seen) == replicas and len(up) == replicas and all(value == 1 for _, value in up),
            f"{[int(n) for _, n in seen]} scrapes, up {[int(value) for _, value in up]}",
        )
        text = (self.folder / "prometheus.log").read_text()
        bad = [line for line in text.splitlines() if re.search(r"level=(warn|error)|[Ss]crape failed|append failed", line)]
        checks.check("there are no errors in Prometheus' log", not bad, bad[:1] or f"{len(text.splitlines())} lines")
        series = self.query("gateway_lock_acquisition_failures_total")
        pods = {labels["pod"] for labels, _ in series}
        checks.check("Prometheus holds the failure metric of each pod for itself", len(pods) == replicas, f"{len(pods)} pods")

    def check_rules(self, checks):
        """promtool and Prometheus are content with the rules, and none of the gateway's alerts fires at rest."""
        done = subprocess.run(["promtool", "check", "rules", self.rules], capture_output=True, text=True, timeout=30)
        told = re.search(r"(\d+) rules found", done.stdout)
        checks.check(
            "promtool check rules is content with the gateway's alerts",
            told is not None and done.returncode == 0 and not done.stderr.strip(),
            done.stderr.strip() or (told and told.group()),
        )
        groups = json.loads(fetch(f"http://{self.prometheus}/api/v1/rules"))["data"]["groups"]
        mine = [rule for group in groups if group["name"] != "e2e" for rule in group["rules"]]
        bad = [rule["name"] for rule in mine if rule["health"] == "err" or rule.get("state") == "firing"]
        checks.check("Prometheus evaluates them, and none of them fires at rest", bool(mine) and not bad, bad or f"{len(mine)} rules")

    def check_pair(self, checks):
        """The two Alertmanagers know each other, and their alerts arrived."""

        def members():
            return [kube.total(fetch(f"http://{at}/metrics"), "alertmanager_cluster_members") for at in self.alertmanagers]

        seen = eventually(30, members, lambda found: found == [2, 2])
        checks.check("the two Alertmanagers are a cluster", seen == [2, 2], seen)
        self.check_alerts(checks, "at rest")

    def check_alerts(self, checks, when):
        """Every alert has its one RemediationRequest."""
        expected = {f"{PREFIX}-{number}" for number in range(ALERTS)}

        def look():
            return kube.remediation_requests(f"{PREFIX}-")

        found = eventually(60, look, lambda seen: set(seen) == expected)
        counts = [count for each in found.values() for count in each]
        checks.check(
            f"each of Alertmanager's {ALERTS} alerts has one RemediationRequest {when}",
            set(found) == expected and len(counts) == ALERTS,
            f"{len(counts)} for {len(found)}, counted {sum(counts)} times",
        )

    def notifications(self):
        """Sent, tries that failed, and by reason those that failed for good, of both Alertmanagers."""
        sent, tries, failed = 0, 0, {}
        for address in self.alertmanagers:
            for line in fetch(f"http://{address}/metrics").splitlines():
                if 'integration="webhook"' not in line:
                    continue
                name, value = line.split("{")[0], float(line.rpartition(" ")[2])
                reason = re.search(r'reason="([^"]*)"', line)
                if name == "alertmanager_notifications_total":
                    sent += value
                elif name == "alertmanager_notification_requests_failed_total":
                    tries += value
                elif name == "alertmanager_notifications_failed_total" and value:
                    failed[reason.group(1) if reason else "any"] = value
        return int(sent), int(tries), failed

    def check_notifications(self, checks):
        """No notification failed for good."""
        time.sleep(6)  # one more group interval: what is being retried is decided
        sent, tries, failed = self.notifications()
        checks.check(
            "no notification of the Alertmanagers failed for good",
            sent > 0 and not failed,
            f"{sent} notifications, {tries} tries failed and were repeated, failed for good: {failed or 'none'}",
        )
