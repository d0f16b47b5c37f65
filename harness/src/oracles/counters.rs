//! The counter beside a RemediationRequest: it belongs to it, and the status says no more than it and in the end as much.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    oracle::{End, Oracle, Write},
    read::{LEASES, REMEDIATION_REQUESTS, is_gateway, name, occurrences, uid},
    single_active::is_active,
    tallies::{Register, counted_on, counts_for, is_counter, registers},
};

/// Knows every counter, and the RemediationRequests beside them.
#[derive(Debug, Default)]
pub struct Counters {
    /// By uid of the RemediationRequest.
    counted: BTreeMap<String, u64>,
    /// By uid: its status' count, and whether it is active; none once it is gone.
    requests: BTreeMap<String, (u64, bool)>,
    /// By uid: what was ever counted.
    most: BTreeMap<String, u64>,
    /// By uid: what was counted before it was taken back, or the store restored from a backup: it may be projected by who has
    /// not noticed.
    undone: BTreeMap<String, u64>,
    /// What was counted and there when the last backup was made.
    backed_up: (BTreeMap<String, u64>, BTreeMap<String, (u64, bool)>),
}

impl Oracle for Counters {
    fn name(&self) -> &'static str {
        "counters"
    }

    fn on_backed_up(&mut self) {
        self.backed_up = (self.counted.clone(), self.requests.clone());
    }

    fn on_restored(&mut self, _at_ms: i64) {
        self.undone = self.most.clone();
        (self.counted, self.requests) = self.backed_up.clone();
    }

    fn on_write(&mut self, write: &Write<'_>) -> Option<String> {
        let object = write.new.or(write.old)?;
        match write.resource {
            REMEDIATION_REQUESTS => self.on_request(write, object),
            LEASES if is_counter(object) => self.on_counter(write, object),
            _ => None,
        }
    }

    fn at_end(&mut self, end: &End) -> Vec<String> {
        let counters = end.leases.iter().filter(|lease| is_counter(lease));
        counters.filter_map(|counter| self.judge_at_end(counter, &end.requests)).collect()
    }
}

impl Counters {
    fn judge_at_end(&self, counter: &Value, requests: &[Value]) -> Option<String> {
        let Some(request) = requests.iter().find(|request| uid(request) == counts_for(counter)) else {
            return Some(format!("the counter {} is left, its RemediationRequest is gone", name(counter)));
        };
        // Not one projected further than it can say.
        let (counted, said) = (counted_on(counter).min(i32::MAX as u64), occurrences(request));
        // What was taken back from one that has ended is in its status until the collector has come by.
        // Nor one of what was undone since, by who had not noticed that.
        let undone = self.undone.get(uid(request)).is_some_and(|undone| counted < said && said <= *undone);
        let is_right = undone || if is_active(request) { said == counted } else { said >= counted };
        (!is_right).then(|| format!("{} says {said} at rest, its counter {counted}", name(request)))
    }

    fn on_request(&mut self, write: &Write<'_>, object: &Value) -> Option<String> {
        let (said, written) = (occurrences(object), write.old.map(occurrences));
        match write.new {
            Some(new) => self.requests.insert(uid(new).to_owned(), (said, is_active(new))),
            None => self.requests.remove(uid(object)),
        };
        // Which of two writes came first is not known where it is not known who wrote.
        if !is_gateway(write.caller) || written == Some(said) {
            return None;
        }
        let counted = *self.counted.get(uid(object))?;
        let most = self.undone.get(uid(object)).map_or(counted, |undone| counted.max(*undone));
        (said > most && is_active(object))
            .then(|| format!("{} writes {said} into {}, where {counted} are counted", write.caller, name(object)))
    }

    fn on_counter(&mut self, write: &Write<'_>, object: &Value) -> Option<String> {
        let of = counts_for(object);
        let Some(new) = write.new else {
            self.counted.remove(of);
            return self.on_removal(write, object);
        };
        let before = self.counted.insert(of.to_owned(), counted_on(new));
        if before > Some(counted_on(new)) && is_gateway(write.caller) {
            let undone = self.undone.entry(of.to_owned()).or_default();
            *undone = before.unwrap_or_default().max(*undone);
        }
        let most = self.most.entry(of.to_owned()).or_default();
        *most = counted_on(new).max(*most);
        if !is_gateway(write.caller) {
            return None;
        }
        if write.old.is_none() && !owners(new).any(|owner| owner == of) {
            return Some(format!("{} made {}, which its RemediationRequest does not own", write.caller, name(new)));
        }
        let before: BTreeMap<&str, Register> = write.old.into_iter().flat_map(registers).collect();
        let repeated = registers(new).find(|(key, register)| {
            let changed = before.get(key).filter(|before| before.count != register.count);
            *key == "base" && changed.is_some() || changed.is_some_and(|before| register.sequence <= before.sequence)
        });
        repeated
            .map(|(key, _)| format!("{} changed {key} of {} without a sequence of its own", write.caller, name(new)))
    }

    /// The collector removes one that nobody needs: what it says is in the status, which is not active any more.
    fn on_removal(&self, write: &Write<'_>, old: &Value) -> Option<String> {
        let counted = counted_on(old);
        let (said, active) = *self.requests.get(counts_for(old)).filter(|_| is_gateway(write.caller))?;
        (active || said < counted)
            .then(|| format!("{} removed {} at {counted}, the status says {said}", write.caller, name(old)))
    }
}

/// The uids of an object's owners.
fn owners(object: &Value) -> impl Iterator<Item = &str> {
    let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    owners.filter_map(|owner| owner["uid"].as_str())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::{super::tallies::tests::counter, *};

    fn request(said: u64, phase: &str) -> Value {
        json!({
            "metadata": {"name": "a", "uid": "u"},
            "status": {"overallPhase": phase, "deduplication": {"occurrenceCount": said}},
        })
    }

    fn write<'a>(resource: &'a str, old: Option<&'a Value>, new: Option<&'a Value>) -> Write<'a> {
        Write { version: 1, resource, verb: "patch", caller: "gateway-pod-1", old, new, at_ms: 0 }
    }

    /// One that has seen the counter and its RemediationRequest.
    fn seen(lease: &Value, request: &Value) -> Counters {
        let mut oracle = Counters::default();
        assert_eq!(oracle.on_write(&write(REMEDIATION_REQUESTS, None, Some(request))), None);
        assert_eq!(oracle.on_write(&write(LEASES, None, Some(lease))), None);
        oracle
    }

    #[rstest]
    #[case::as_much(4, false)]
    #[case::less(3, false)]
    #[case::more(5, true)]
    fn a_gateway_never_writes_more_into_the_status_than_is_counted(#[case] said: u64, #[case] violated: bool) {
        let (lease, old) = (counter(&[("base", "1"), ("b", "3;1;t")]), request(1, "Pending"));
        let new = request(said, "Pending");
        let mut oracle = seen(&lease, &old);
        assert_eq!(oracle.on_write(&write(REMEDIATION_REQUESTS, Some(&old), Some(&new))).is_some(), violated);
    }

    #[rstest]
    #[case::counted("4;2;t", false)]
    #[case::taken_back("2;2;t", false)]
    #[case::unchanged("3;1;t", false)]
    #[case::without_a_sequence_of_its_own("4;1;t", true)]
    fn a_register_changes_under_a_new_sequence(#[case] value: &str, #[case] violated: bool) {
        let (old, new) = (counter(&[("base", "1"), ("b", "3;1;t")]), counter(&[("base", "1"), ("b", value)]));
        let mut oracle = seen(&old, &request(1, "Pending"));
        assert_eq!(oracle.on_write(&write(LEASES, Some(&old), Some(&new))).is_some(), violated);
    }

    #[test]
    fn the_base_never_changes_and_a_counter_has_an_owner() {
        let (old, new) = (counter(&[("base", "1")]), counter(&[("base", "2")]));
        let mut oracle = seen(&old, &request(1, "Pending"));
        assert!(oracle.on_write(&write(LEASES, Some(&old), Some(&new))).is_some());
        let mut orphan = old;
        orphan["metadata"]["ownerReferences"] = json!([]);
        assert!(Counters::default().on_write(&write(LEASES, None, Some(&orphan))).is_some());
    }

    #[rstest]
    #[case::ended_and_projected(4, "Completed", false)]
    #[case::not_projected(3, "Completed", true)]
    #[case::active(4, "Pending", true)]
    fn a_gateway_removes_a_counter_only_when_nobody_needs_it(
        #[case] said: u64,
        #[case] phase: &str,
        #[case] violated: bool,
    ) {
        let lease = counter(&[("base", "1"), ("b", "3;1;t")]);
        let mut oracle = seen(&lease, &request(said, phase));
        assert_eq!(oracle.on_write(&write(LEASES, Some(&lease), None)).is_some(), violated);
    }

    #[rstest]
    #[case::equal(Some(4), 0)]
    #[case::behind(Some(3), 1)]
    #[case::gone(None, 1)]
    fn at_rest_the_status_says_what_is_counted_and_no_counter_outlives_its_object(
        #[case] said: Option<u64>,
        #[case] violations: usize,
    ) {
        let leases = vec![counter(&[("base", "1"), ("b", "3;1;t")])];
        let requests = said.map(|said| request(said, "Pending")).into_iter().collect();
        assert_eq!(Counters::default().at_end(&End { requests, leases, ..End::default() }).len(), violations);
    }
}
