//! Which case `--exhaustive` is about.

use std::{fmt, str::FromStr};

use clap::ValueEnum;
use harness::{
    baselines::Protocol,
    exhaustive::{Action, Arrivals, Case, Existing, FaultKinds},
};

/// How often timers may fire while other events are pending, by default.
const EARLY_TIMERS: u8 = 1;

/// A case; what most deserves to be tried if nothing is said of it.
#[derive(Clone, clap::Args)]
#[group(id = "case")]
pub(crate) struct CaseArgs {
    /// Replicas of one case, 1 to 4 [default: three cases, 2 × 1 with any single fault, 2 × 2 and 3 × 1]
    #[arg(long, requires = "exhaustive", value_parser = clap::value_parser!(u8).range(1..=4))]
    replicas: Option<u8>,
    /// Signals for each replica, 1 to 4, all about one resource [default: 1]
    #[arg(long, requires = "exhaustive", value_parser = clap::value_parser!(u8).range(1..=4))]
    signals: Option<u8>,
    /// Fault that is injected at most once, at any moment
    #[arg(long, requires = "exhaustive")]
    fault: Option<Fault>,
    /// A completed RemediationRequest exists from the beginning
    #[arg(long, requires = "exhaustive")]
    predecessor: bool,
    /// An active RemediationRequest exists from the beginning: signals are its duplicates
    #[arg(long, requires = "exhaustive", conflicts_with = "predecessor")]
    active: bool,
    /// Action of somebody else that happens at most once, at any moment
    #[arg(long, requires = "exhaustive")]
    action: Option<Other>,
    /// How often a timer may fire while other events are pending, 0 to 8 [default: 1]
    #[arg(long, requires = "exhaustive", value_name = "N", value_parser = clap::value_parser!(u8).range(..=8))]
    early_timers: Option<u8>,
    /// Let signals arrive at any moment, not all at once
    #[arg(long, requires = "exhaustive")]
    any_time: bool,
}

/// What may go wrong.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Fault {
    /// Nothing
    None,
    /// Any of the others
    Any,
    /// A request is lost before it takes effect
    LostRequest,
    /// An answer is lost after its request took effect
    LostAnswer,
    /// A request is refused with 503
    Refusal,
    /// A replica is killed and starts again
    Crash,
}

/// What somebody else may do.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Other {
    /// Retention deletes the completed RemediationRequest (implies --predecessor)
    Retention,
    /// The remediation completes
    Completion,
}

impl CaseArgs {
    /// The cases under `protocol`.
    pub(crate) fn cases(&self, protocol: Protocol) -> Vec<Case> {
        if self.is_default() {
            let cases = [Case { faults: FaultKinds::ALL, ..Case::new(2, 1) }, Case::new(2, 2), Case::new(3, 1)];
            return cases.map(|case| Case { protocol, early_timers: EARLY_TIMERS, ..case }).into();
        }
        vec![self.case(protocol)]
    }

    /// The one case that the options describe.
    pub(crate) fn case(&self, protocol: Protocol) -> Case {
        let case = Case::new(self.replicas.unwrap_or(2), self.signals.unwrap_or(1));
        let action = self.action.map(|action| match action {
            Other::Retention => Action::DeletePredecessor,
            Other::Completion => Action::CompleteActive,
        });
        Case {
            protocol,
            faults: self.fault.map_or(FaultKinds::NONE, Fault::kinds),
            existing: if self.active {
                Some(Existing::Active)
            } else {
                (self.predecessor || self.action == Some(Other::Retention)).then_some(Existing::Completed)
            },
            action,
            early_timers: self.early_timers.unwrap_or(EARLY_TIMERS),
            arrivals: if self.any_time { Arrivals::AnyTime } else { Arrivals::Together },
            ..case
        }
    }

    fn is_default(&self) -> bool {
        let Self { replicas, signals, fault, predecessor, active, action, early_timers, any_time } = self;
        let is_named = replicas.is_some() || signals.is_some() || fault.is_some() || early_timers.is_some();
        !is_named && !predecessor && !active && action.is_none() && !any_time
    }

    /// What goes wrong, for results.
    pub(crate) fn fault_name(&self) -> &'static str {
        match self.fault {
            None if self.is_default() => "any",
            None => Fault::None.name(),
            Some(fault) => fault.name(),
        }
    }
}

/// The options that describe `case`, as they are typed.
pub(crate) fn typed(case: &Case) -> String {
    let signals = case.signals.iter().filter(|replica| **replica == 1).count();
    let mut options = format!("--exhaustive --replicas {} --signals {signals}", case.replicas);
    let faults = [Fault::Any, Fault::LostRequest, Fault::LostAnswer, Fault::Refusal, Fault::Crash];
    if let Some(fault) = faults.into_iter().find(|fault| fault.kinds() == case.faults) {
        options += &format!(" --fault {}", fault.name());
    }
    match case.existing {
        Some(Existing::Completed) if case.action != Some(Action::DeletePredecessor) => options += " --predecessor",
        Some(Existing::Active) => options += " --active",
        _ => {}
    }
    match case.action {
        Some(Action::DeletePredecessor) => options += " --action retention",
        Some(Action::CompleteActive) => options += " --action completion",
        None => {}
    }
    if case.early_timers != EARLY_TIMERS {
        options += &format!(" --early-timers {}", case.early_timers);
    }
    if case.arrivals == Arrivals::AnyTime {
        options += " --any-time";
    }
    if case.protocol != Protocol::default() {
        options += &format!(" --protocol {}", case.protocol);
    }
    options
}

impl Fault {
    fn kinds(self) -> FaultKinds {
        let none = FaultKinds::NONE;
        match self {
            Self::None => none,
            Self::Any => FaultKinds::ALL,
            Self::LostRequest => FaultKinds { lost_requests: true, ..none },
            Self::LostAnswer => FaultKinds { lost_answers: true, ..none },
            Self::Refusal => FaultKinds { refusals: true, ..none },
            Self::Crash => FaultKinds { crashes: true, ..none },
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Any => "any",
            Self::LostRequest => "lost-request",
            Self::LostAnswer => "lost-answer",
            Self::Refusal => "refusal",
            Self::Crash => "crash",
        }
    }
}

/// How often at most a schedule departs from the default order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Departures {
    /// So often.
    Most(u32),
    /// Any number of times.
    Any,
}

impl Departures {
    /// The number, if there is one.
    pub(crate) const fn most(self) -> Option<u32> {
        match self {
            Self::Most(most) => Some(most),
            Self::Any => None,
        }
    }
}

impl fmt::Display for Departures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Most(most) => write!(f, "{most}"),
            Self::Any => f.write_str("any"),
        }
    }
}

impl FromStr for Departures {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "any" => Ok(Self::Any),
            _ => text.parse().map(Self::Most).map_err(|_| "expected a number, or `any`".to_owned()),
        }
    }
}
