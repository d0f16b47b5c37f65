//! No claim on a predecessor is left after everything has come to rest: it would keep the object from being deleted.

use gateway::remediation::SUCCESSION_FINALIZER;
use serde_json::Value;

use super::{
    oracle::{End, Oracle},
    read::name,
};

/// Looks at finalizers.
#[derive(Debug, Default)]
pub struct Claims;

impl Oracle for Claims {
    fn name(&self) -> &'static str {
        "claims"
    }

    fn at_end(&mut self, end: &End) -> Vec<String> {
        let claimed = end.requests.iter().filter(|request| is_claimed(request));
        claimed.map(|request| format!("the claim on {} is left", name(request))).collect()
    }
}

/// Whether the deletion of a RemediationRequest waits for a succession.
pub(super) fn is_claimed(request: &Value) -> bool {
    let finalizers = request["metadata"]["finalizers"].as_array();
    finalizers.is_some_and(|finalizers| finalizers.iter().any(|finalizer| finalizer == SUCCESSION_FINALIZER))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::none(json!([]), 0)]
    #[case::of_another_program(json!(["example.com/backup"]), 0)]
    #[case::claim(json!(["example.com/backup", SUCCESSION_FINALIZER]), 1)]
    fn a_claim_that_is_left_is_a_violation(#[case] finalizers: Value, #[case] violations: usize) {
        let requests = vec![json!({"metadata": {"name": "a", "finalizers": finalizers}})];
        assert_eq!(Claims.at_end(&End { requests, ..End::default() }).len(), violations);
    }
}
