//! The audit trail: what became of each signal, told to the DataStorage service off the critical path.

/// Where audit events go; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Recorder;
