//! Where two traces part.

use std::fmt;

use super::event::Event;

/// The first event in which two traces differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// How many events are the same before it.
    pub after: usize,
    /// The event of the first trace, none if it has ended.
    pub left: Option<Event>,
    /// The event of the second trace, none if it has ended.
    pub right: Option<Event>,
}

/// Where `left` and `right` part; none if they are the same.
pub fn first_difference(left: &[Event], right: &[Event]) -> Option<Difference> {
    let same = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    if same == left.len() && same == right.len() {
        return None;
    }
    Some(Difference { after: same, left: left.get(same).cloned(), right: right.get(same).cloned() })
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { after, left, right } = self;
        let told = |event: &Option<Event>| event.as_ref().map_or_else(|| "nothing more".to_owned(), Event::to_string);
        write!(f, "the same for {after} events, then\n  {}\nbut\n  {}", told(left), told(right))?;
        match (left, right) {
            (Some(left), Some(right))
                if (left.at, &left.actor, &left.what) == (right.at, &right.actor, &right.what) =>
            {
                f.write_str("\nwhich differ in parts of their bodies that are not shown")
            }
            _ => Ok(()),
        }
    }
}
