//! A report as text: a head, a table of candidates, and what follows from them.

use std::io::{Result, Write};

use super::report::Report;
use crate::signal::{Named, shown};

/// Characters of a cell that is not the last: longer ones go on, and only their row is out of line.
const MAX_WIDTH: usize = 60;

/// Writes `report`, the `place`-th of `total`.
pub(super) fn print(report: &Report, place: usize, total: usize, out: &mut impl Write) -> Result<()> {
    if place > 1 {
        writeln!(out)?;
    }
    let count = if total > 1 { format!("{place} of {total}: ") } else { String::new() };
    let severity = if report.severity.is_empty() { String::new() } else { format!(" ({})", report.severity) };
    let name = if report.name.is_empty() { "unreadable" } else { &report.name };
    writeln!(out, "{count}{}{severity}", printable(name))?;
    if let Some(explanation) = &report.explanation {
        table(&explanation.candidates, out)?;
        if explanation.owners.len() > 1 {
            let owners: Vec<String> = explanation.owners.iter().map(shown).collect();
            line(out, "owners", &owners.join(" → "))?;
        }
        let target = &explanation.target;
        let api_version = if target.api_version.is_empty() { "no resource" } else { &target.api_version };
        line(out, "target", &format!("{} ({api_version})", shown(target)))?;
    }
    if let Some(cluster) = &report.cluster {
        line(out, "cluster", cluster)?;
    }
    if let Some(scope) = &report.scope {
        line(out, "scope", scope)?;
    }
    if let Some(explanation) = &report.explanation {
        line(out, "fingerprint", explanation.fingerprint.as_str())?;
    }
    if let Some(lease) = &report.lease {
        line(out, "lease", lease)?;
    }
    line(out, "now", &report.message)
}

fn line(out: &mut impl Write, what: &str, text: &str) -> Result<()> {
    writeln!(out, "  {what:<12} {}", printable(text))
}

fn table(rows: &[Named], out: &mut impl Write) -> Result<()> {
    let width = |cell: fn(&Named) -> &str, head: &str| {
        let cells = rows.iter().map(|row| cell(row).chars().count());
        cells.chain([head.len()]).max().unwrap_or_default().min(MAX_WIDTH)
    };
    let label = width(|row| &row.label, "LABEL");
    let names = width(|row| &row.names, "NAMES");
    writeln!(out, "    {:label$}  {:names$}  WHY", "LABEL", "NAMES")?;
    for row in rows {
        let mark = if row.chosen { "→" } else { " " };
        let (of, named, why) = (printable(&row.label), printable(&row.names), printable(&row.why));
        writeln!(out, "  {mark} {of:label$}  {named:names$}  {why}")?;
    }
    Ok(())
}

/// Labels may hold what would move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, explain::Explainer};

    const WEBHOOK: &str = r#"{"alerts": [
        {"labels": {"alertname": "KubePodCrashLooping", "namespace": "shop", "pod": "cart-7d9c5b6f4-4xv2k", "node": "worker-2",
                    "severity": "warning"}},
        {"labels": {"alertname": "KubeNodeNotReady", "namespace": "monitoring", "node": "worker-3", "job": "kube-state-metrics",
                    "cluster": "eu-1"}},
        {"labels": {"alertname": "Watchdog"}}
    ]}"#;

    const TEXT: &str = "\
1 of 3: KubePodCrashLooping (warning)
    LABEL  NAMES                          WHY
  → pod    Pod shop/cart-7d9c5b6f4-4xv2k  is the only candidate; its controllers would be looked up
    node   worker-2                       a node only gives the location, and another resource is named
  owners       Pod shop/cart-7d9c5b6f4-4xv2k → Deployment shop/cart
  target       Deployment shop/cart (apps/v1)
  fingerprint  3e1358e2c5121b674e7543f385ca3ff7d99cac5b91409d4af44a88248b4f3082
  lease        gw-lock-3e1358e2c5121b
  now          offline: this depends on what exists in the cluster; the first RemediationRequest of this target is \
rr-3e1358e2c512-1-b056fc817be65b22

2 of 3: KubeNodeNotReady (unknown)
    LABEL  NAMES          WHY
  → node   Node worker-3  would be chosen unless namespace monitoring exists and has neither the Service nor the Pod of \
kube-state-metrics
  target       Node worker-3 (v1)
  cluster      eu-1
  fingerprint  cb36a64e51daf18f0d13b4fdbe9203dde0110ca0603e4945fe38d8e15daf6db6
  lease        gw-lock-cb36a64e51daf1
  now          offline: this depends on what exists in the cluster; the first RemediationRequest of this target is \
rr-cb36a64e51da-1-a6977ed480f33b7b

3 of 3: Watchdog
  now          it would be ignored: the alert matches `alertname=~\"Watchdog|InfoInhibitor|DeadMansSwitch\"` of signal.ignore
";

    #[tokio::test]
    async fn a_report_is_a_table_of_candidates_and_what_follows() {
        let reports = Explainer::offline(&Config::default()).reports(WEBHOOK.as_bytes()).await.unwrap();
        let mut text = Vec::new();
        for (place, report) in reports.iter().enumerate() {
            print(report, place + 1, reports.len(), &mut text).unwrap();
        }
        assert_eq!(String::from_utf8(text).unwrap(), TEXT);
    }

    #[tokio::test]
    async fn what_would_move_the_cursor_is_shown_as_such() {
        let body = r#"{"labels": {"alertname": "A", "namespace": "shop", "pod": "a\u001b[2J"}}"#;
        let reports = Explainer::offline(&Config::default()).reports(body.as_bytes()).await.unwrap();
        let mut text = Vec::new();
        print(&reports[0], 1, 1, &mut text).unwrap();
        assert!(!String::from_utf8(text).unwrap().contains('\u{1b}'));
    }
}
