//! What clients do. The names are short, so that a failing list of operations reads as a scenario.

use proptest::{prelude::*, sample::select};

/// Clients are numbered.
pub(crate) const CLIENTS: usize = 3;

/// The resources: a built-in one, one whose spec is immutable, and one whose spec changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Lease,
    Ticket,
    Incident,
}

/// What the spec says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    One,
    Two,
    /// Refused by validation.
    Bad,
}

/// The label `colour`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Plain,
    Red,
    Blue,
}

/// The finalizers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Free,
    Kept,
    Claimed,
    Both,
}

/// A precondition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stated {
    /// It is not stated.
    Nothing,
    /// What this client saw last; nothing if it saw nothing.
    Seen,
    /// One that never holds.
    Wrong,
}

/// What a write changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) content: Option<Content>,
    pub(crate) colour: Option<Colour>,
    pub(crate) held: Option<Held>,
    /// A number in the status.
    pub(crate) count: Option<u8>,
}

/// Which objects a list or watch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    All,
    Coloured(Colour),
    NotRed,
    Named(&'static str),
    /// By a field of the spec, which leases do not offer.
    With(Content),
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// With all that is there.
    Zero,
    /// So many versions ago.
    Ago(u64),
}

/// An object, for short.
pub(crate) type Which = (Kind, &'static str);

/// One request of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create(usize, Which, Change),
    Get(usize, Which),
    /// PUT of what the client saw last, changed; whether it states uid and version.
    Update(usize, Which, Change, Stated, Stated),
    /// Merge patch; whether it states the version.
    Patch(usize, Which, Change, Stated),
    /// Merge patch of the status subresource; whether it states the version.
    PatchStatus(usize, Which, Change, Stated),
    /// Whether it states uid and version.
    Delete(usize, Which, Stated, Stated),
    List(usize, Kind, Selector),
    /// A watch that stays open to the end.
    Watch(usize, Kind, From, Selector),
    /// 700 ms pass.
    Wait,
}

fn which() -> impl Strategy<Value = Which> {
    (select(vec![Kind::Lease, Kind::Ticket, Kind::Incident]), select(vec!["a", "b"]))
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![6 => Just(Content::One), 6 => Just(Content::Two), 1 => Just(Content::Bad)]
}

fn colour() -> impl Strategy<Value = Colour> {
    select(vec![Colour::Plain, Colour::Red, Colour::Blue])
}

fn change() -> impl Strategy<Value = Change> {
    let held = select(vec![Held::Free, Held::Kept, Held::Claimed, Held::Both]);
    let fields = (
        prop::option::weighted(0.3, content()),
        prop::option::weighted(0.3, colour()),
        prop::option::weighted(0.4, held),
        prop::option::weighted(0.4, 1..4_u8),
    );
    fields.prop_map(|(content, colour, held, count)| Change { content, colour, held, count })
}

fn stated() -> impl Strategy<Value = Stated> {
    prop_oneof![4 => Just(Stated::Nothing), 6 => Just(Stated::Seen), 1 => Just(Stated::Wrong)]
}

fn selector() -> impl Strategy<Value = Selector> {
    prop_oneof![
        2 => Just(Selector::All),
        2 => colour().prop_map(Selector::Coloured),
        1 => Just(Selector::NotRed),
        1 => Just(Selector::Named("a")),
        1 => prop_oneof![Just(Content::One), Just(Content::Two)].prop_map(Selector::With),
    ]
}

fn from() -> impl Strategy<Value = From> {
    prop_oneof![1 => Just(From::Zero), 3 => (0..12_u64).prop_map(From::Ago)]
}

/// Any operation.
pub(crate) fn operation() -> impl Strategy<Value = Operation> {
    let by = || 0..CLIENTS;
    prop_oneof![
        6 => (by(), which(), change()).prop_map(|(by, which, change)| Operation::Create(by, which, change)),
        5 => (by(), which()).prop_map(|(by, which)| Operation::Get(by, which)),
        6 => (by(), which(), change(), stated(), stated())
            .prop_map(|(by, which, change, uid, version)| Operation::Update(by, which, change, uid, version)),
        6 => (by(), which(), change(), stated())
            .prop_map(|(by, which, change, version)| Operation::Patch(by, which, change, version)),
        5 => (by(), which(), change(), stated())
            .prop_map(|(by, which, change, version)| Operation::PatchStatus(by, which, change, version)),
        5 => (by(), which(), stated(), stated())
            .prop_map(|(by, which, uid, version)| Operation::Delete(by, which, uid, version)),
        2 => (by(), which(), selector())
            .prop_map(|(by, (kind, _), selector)| Operation::List(by, kind, selector)),
        2 => (by(), which(), from(), selector())
            .prop_map(|(by, (kind, _), from, selector)| Operation::Watch(by, kind, from, selector)),
        1 => Just(Operation::Wait),
    ]
}
