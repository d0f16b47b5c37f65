//! Lists of operations worth keeping, as failures print them.

use super::{
    operation::{
        Change, Colour::*, Content::*, From::*, Held::*, Kind::*, Operation, Operation::*, Selector::*, Stated::*,
    },
    run::run,
};

#[track_caller]
fn holds(operations: &[Operation]) {
    if let Err(difference) = run(operations) {
        panic!("{difference}");
    }
}

const PLAIN: Change = Change { content: None, colour: None, held: None, count: None };

#[test]
fn a_claimed_request_outlives_its_deletion_and_takes_no_new_claim_after_the_last_was_removed() {
    holds(&[
        Create(0, (Ticket, "a"), Change { held: Some(Kept), ..PLAIN }),
        Patch(1, (Ticket, "a"), Change { held: Some(Both), ..PLAIN }, Seen),
        Delete(2, (Ticket, "a"), Nothing, Nothing),
        Patch(1, (Ticket, "a"), Change { held: Some(Kept), ..PLAIN }, Nothing),
        Patch(1, (Ticket, "a"), Change { held: Some(Both), ..PLAIN }, Nothing),
        PatchStatus(0, (Ticket, "a"), Change { count: Some(2), ..PLAIN }, Nothing),
        Patch(1, (Ticket, "a"), Change { held: Some(Free), ..PLAIN }, Nothing),
        Get(0, (Ticket, "a")),
    ]);
}

#[test]
fn a_lease_is_taken_over_and_deleted_only_in_the_version_seen() {
    holds(&[
        Create(0, (Lease, "a"), PLAIN),
        Get(1, (Lease, "a")),
        Update(1, (Lease, "a"), Change { content: Some(Two), ..PLAIN }, Seen, Seen),
        Update(0, (Lease, "a"), Change { content: Some(One), ..PLAIN }, Seen, Seen),
        Delete(0, (Lease, "a"), Seen, Seen),
        Delete(1, (Lease, "a"), Seen, Seen),
        Update(1, (Lease, "a"), PLAIN, Seen, Seen),
        Update(1, (Lease, "a"), PLAIN, Nothing, Seen),
    ]);
}

#[test]
fn a_watch_shows_what_enters_and_leaves_its_selection() {
    holds(&[
        Create(0, (Incident, "a"), PLAIN),
        Watch(1, Incident, Zero, Coloured(Red)),
        Watch(1, Incident, Ago(1), NotRed),
        Patch(0, (Incident, "a"), Change { colour: Some(Red), content: Some(Two), ..PLAIN }, Seen),
        Patch(0, (Incident, "a"), Change { colour: Some(Plain), ..PLAIN }, Seen),
        List(2, Incident, With(Two)),
        Delete(0, (Incident, "a"), Nothing, Nothing),
        Wait,
        Create(0, (Incident, "a"), Change { colour: Some(Blue), ..PLAIN }),
    ]);
}
