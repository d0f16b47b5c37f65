//! The parts of a running gateway that follow its configuration.

use crate::{
    config::Config,
    signal::{LiveRules, Resolver, Rules},
};

/// What can change while signals are received; cheap to clone.
#[derive(Clone)]
pub struct Live {
    pub(super) rules: LiveRules,
    pub(super) resolver: Resolver,
}

impl Live {
    /// From now on, signals are read and judged as `config` has it: of its keys, those that may change.
    pub fn apply(&self, config: &Config) {
        self.rules.replace(Rules::new(&config.signal));
        self.resolver.require_managed_label(config.scope.require_managed_label);
    }
}
