//! The gateway binary.

fn main() {
    print!("{}", gateway::remediation::crd_yaml().unwrap_or_default());
}
