//! The order of the times that deduplication rests on (protocol: *D*).

use std::time::Duration;

use super::{
    problems::{HOUR, MILLISECOND, Problems, SECOND},
    settings::{Lock, Server, View},
};

/// The longest a request may take effect after it was sent: whatever it was told, an API server gives up on it after a
/// minute.
pub const REQUEST_LIFE: Duration = Duration::from_secs(60);
/// A lease outlives the attempt it protects by more than this, so that its release, not its expiry, ends it.
const LEASE_MARGIN: Duration = Duration::from_secs(1);

/// The longest from what is known to the sending of a request decided on it.
pub(crate) fn decided_within(view: &View) -> Duration {
    view.freshness + view.attempt_timeout
}

/// Checks each time of `lock` and `view` alone, then what must not last longer than what.
pub(super) fn check(p: &mut Problems, lock: &Lock, view: &View, server: &Server) {
    p.whole_seconds("lock.duration", lock.duration);
    p.time("lock.initialBackoff", lock.initial_backoff, (MILLISECOND, HOUR));
    p.time("lock.releaseTimeout", lock.release_timeout, (MILLISECOND, HOUR));
    p.time("lock.collectInterval", lock.collect_interval, (SECOND, HOUR));
    p.time("view.probeInterval", view.probe_interval, (MILLISECOND, HOUR));
    p.time("view.freshness", view.freshness, (MILLISECOND, HOUR));
    p.time("view.attemptTimeout", view.attempt_timeout, (MILLISECOND, HOUR));
    p.whole_seconds("view.watchTimeout", view.watch_timeout);
    check_order(p, lock, view, server);
}

fn check_order(p: &mut Problems, lock: &Lock, view: &View, server: &Server) {
    let kubernetes = ("server.kubernetesRequestTimeout", server.kubernetes_request_timeout);
    let attempt = ("view.attemptTimeout", view.attempt_timeout);
    // It is delivered within the timeout, and asks the API server to give up on it after as long.
    p.require(2 * kubernetes.1 <= REQUEST_LIFE, || {
        let (key, value) = kubernetes;
        let max = REQUEST_LIFE / 2;
        format!("{key}: {value:?} is more than {max:?}: a request could take effect after the gateway has given it up")
    });
    p.require(view.freshness > view.probe_interval + view.watch_timeout, || {
        let View { freshness, probe_interval, watch_timeout, .. } = view;
        format!(
            "view.freshness: {freshness:?} is not more than the sum of view.probeInterval ({probe_interval:?}) and \
             view.watchTimeout ({watch_timeout:?}): the view would be too old between two probes; \
             set it to more than {:?}",
            *probe_interval + *watch_timeout
        )
    });
    // A counter is created on what was read at most this long ago.
    let decided = decided_within(view);
    p.require(kubernetes.1 <= decided, || {
        let (key, value) = kubernetes;
        format!(
            "{key}: {value:?} is more than the sum of view.freshness ({:?}) and view.attemptTimeout ({:?}): a counter could \
             be created after it was removed; set it to at most {decided:?}",
            view.freshness, view.attempt_timeout
        )
    });
    p.at_most(attempt, kubernetes, ": an attempt cannot outlast its signal");
    p.less(("view.catchUp", view.catch_up), attempt, ": an attempt would end before its view has caught up");
    p.require(lock.duration > attempt.1 + LEASE_MARGIN, || {
        format!(
            "lock.duration: {:?} is not more than view.attemptTimeout ({:?}) plus {LEASE_MARGIN:?}: \
             the lease would expire during an attempt; set it to more than {:?}",
            lock.duration,
            attempt.1,
            attempt.1 + LEASE_MARGIN
        )
    });
    p.less(("lock.waitTimeout", lock.wait_timeout), kubernetes, ": no time would be left to continue without the lock");
    p.at_most(("lock.initialBackoff", lock.initial_backoff), ("lock.maxBackoff", lock.max_backoff), "");
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::Config;

    /// The defaults, but for one time.
    fn with(section: &str, key: &str, millis: u64) -> Result<(), String> {
        let mut config = serde_json::to_value(Config::default()).unwrap();
        config[section][key] = format!("{millis}ms").into();
        let config: Config = serde_json::from_value(config).unwrap();
        config.validate().map_err(|error| error.to_string())
    }

    /// The defaults, but for the request timeout, and time enough around it.
    fn with_request_timeout(seconds: u64) -> Config {
        let mut config = Config::default();
        config.server.kubernetes_request_timeout = Duration::from_secs(seconds);
        config.server.write_timeout = Duration::from_secs(60);
        config.server.drain_timeout = Duration::from_secs(60);
        config
    }

    /// The shortest and the longest, in milliseconds, that goes with the defaults of the others; what is said beyond them.
    #[rstest]
    #[case("view", "freshness", 70_001, 3_600_000, "view.freshness: ")]
    #[case("view", "probeInterval", 1, 49_999, "view.probeInterval")]
    #[case("view", "watchTimeout", 1_000, 59_000, "view.watchTimeout")]
    #[case("view", "catchUp", 0, 9_999, "view.catchUp: ")]
    #[case("view", "attemptTimeout", 1_001, 15_000, "view.attemptTimeout")]
    #[case("lock", "duration", 12_000, 3_600_000, "lock.duration: ")]
    #[case("lock", "waitTimeout", 0, 14_999, "lock.waitTimeout: ")]
    #[case("server", "kubernetesRequestTimeout", 10_000, 20_000, "server.kubernetesRequestTimeout")]
    fn times_out_of_order_are_refused_by_name(
        #[case] section: &str,
        #[case] key: &str,
        #[case] min: u64,
        #[case] max: u64,
        #[case] said: &str,
    ) {
        assert_eq!((with(section, key, min), with(section, key, max)), (Ok(()), Ok(())));
        let step = if min.is_multiple_of(1_000) && max.is_multiple_of(1_000) { 1_000 } else { 1 };
        for beyond in min.checked_sub(step).into_iter().chain([max + step]) {
            let error = with(section, key, beyond).unwrap_err();
            assert!(error.contains(said), "{beyond} ms: {error}");
        }
    }

    #[test]
    fn a_request_is_given_up_before_nobody_expects_it_any_more() {
        let with = |seconds: u64| with_request_timeout(seconds).validate().map_err(|error| error.to_string());
        assert_eq!(with(30), Ok(()));
        let said = "server.kubernetesRequestTimeout: 31s is more than 30s: a request could take effect after the gateway has given it up";
        assert_eq!(with(31), Err(said.to_owned()));
    }

    #[test]
    fn a_signal_does_not_wait_longer_than_a_decision_may_be_old() {
        let with = |seconds: u64| {
            let mut config = with_request_timeout(seconds);
            config.lock.wait_timeout = Duration::from_secs(1);
            config.view.probe_interval = Duration::from_secs(1);
            config.view.watch_timeout = Duration::from_secs(1);
            config.view.catch_up = Duration::from_secs(1);
            config.view.attempt_timeout = Duration::from_secs(2);
            config.view.freshness = Duration::from_secs(3);
            config.validate().map_err(|error| error.to_string())
        };
        assert_eq!(with(5), Ok(()));
        let said = "server.kubernetesRequestTimeout: 6s is more than the sum of view.freshness (3s) and view.attemptTimeout \
                    (2s): a counter could be created after it was removed; set it to at most 5s";
        assert_eq!(with(6), Err(said.to_owned()));
    }

    #[test]
    fn what_is_said_names_the_values_and_what_to_set() {
        let mut config = Config::default();
        config.view.freshness = Duration::from_secs(60);
        config.lock.duration = Duration::from_secs(11);
        let expected = "view.freshness: 60s is not more than the sum of view.probeInterval (30s) and view.watchTimeout (40s): \
                        the view would be too old between two probes; set it to more than 70s\n\
                        lock.duration: 11s is not more than view.attemptTimeout (10s) plus 1s: \
                        the lease would expire during an attempt; set it to more than 11s";
        assert_eq!(config.validate().unwrap_err().to_string(), expected);
    }
}
