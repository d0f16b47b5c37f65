//! What a Kubernetes API server does, as simply as it can be said.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    object::Object,
    operation::{Change, Content, Held, Kind, Operation, Selector, Stated, Which},
};

/// A refusal: HTTP status and reason.
pub(crate) type Refusal = (u16, &'static str);

const CONFLICT: Refusal = (409, "Conflict");
const INVALID: Refusal = (422, "Invalid");
const NOT_FOUND: Refusal = (404, "NotFound");

/// What an operation is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Object(Object),
    /// A deletion that is complete, of the object with this uid.
    Deleted(String),
    List(u64, Vec<Object>),
    Refused(Refusal),
    /// Nothing is asked.
    None,
}

/// What the model cannot know: the wall clock, and the uid that a new object gets.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) now: String,
    pub(crate) uid: String,
}

/// A write: the version it made, the object before and after.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) version: u64,
    pub(crate) old: Option<Object>,
    pub(crate) new: Option<Object>,
}

/// All that a server holds, and what its clients last saw of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) version: u64,
    pub(crate) objects: BTreeMap<Which, Object>,
    pub(crate) history: Vec<Written>,
    seen: BTreeMap<(usize, Which), Object>,
    uids: BTreeSet<String>,
}

impl Model {
    /// Nothing, at this version.
    pub(crate) fn at(version: u64) -> Self {
        Self { version, ..Self::default() }
    }

    /// What `client` saw last of an object.
    pub(crate) fn seen(&self, client: usize, which: Which) -> Option<&Object> {
        self.seen.get(&(client, which))
    }

    /// The version that a client states.
    pub(crate) fn stated_version(&self, client: usize, which: Which, stated: Stated) -> String {
        match stated {
            Stated::Nothing => String::new(),
            Stated::Seen => self.seen(client, which).map_or_else(String::new, |seen| seen.version.to_string()),
            Stated::Wrong => "1".to_owned(),
        }
    }

    /// The uid that a client states.
    pub(crate) fn stated_uid(&self, client: usize, which: Which, stated: Stated) -> String {
        match stated {
            Stated::Nothing => String::new(),
            Stated::Seen => self.seen(client, which).map_or_else(String::new, |seen| seen.uid.clone()),
            Stated::Wrong => "no-such-uid".to_owned(),
        }
    }

    /// The object that a client puts: what it saw last, changed.
    pub(crate) fn put_by(&self, client: usize, which: Which, change: Change) -> Object {
        let seen = self.seen(client, which).cloned();
        seen.unwrap_or_else(|| Object::draft(which.0, which.1)).changed(change)
    }

    /// Carries `operation` out.
    pub(crate) fn answer(&mut self, operation: Operation, given: &Given) -> Answer {
        let (by, which, done) = match operation {
            Operation::Create(by, which, change) => {
                (by, which, self.create(Object::draft(which.0, which.1).changed(change), given))
            }
            Operation::Get(by, which) => (by, which, self.get(which)),
            Operation::Update(by, which, change, uid, version) => {
                let (uid, version) = (self.stated_uid(by, which, uid), self.stated_version(by, which, version));
                let sent = self.put_by(by, which, change);
                (by, which, self.update(which, sent, &uid, &version, given))
            }
            Operation::Patch(by, which, change, version) => {
                let version = self.stated_version(by, which, version);
                (by, which, self.patch(which, change, &version))
            }
            Operation::PatchStatus(by, which, change, version) if which.0.has_status() => {
                let version = self.stated_version(by, which, version);
                (by, which, self.patch_status(which, change, &version))
            }
            Operation::Delete(by, which, uid, version) => {
                let (uid, version) = (self.stated_uid(by, which, uid), self.stated_version(by, which, version));
                (by, which, self.delete(which, &uid, &version, given))
            }
            Operation::List(by, kind, selector) => return self.list(by, kind, selector),
            Operation::PatchStatus(..) | Operation::Watch(..) | Operation::Wait => return Answer::None,
        };
        match done {
            Ok(Answer::Object(object)) => {
                self.seen.insert((by, which), object.clone());
                Answer::Object(object)
            }
            Ok(answer) => answer,
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    fn get(&self, which: Which) -> Result<Answer, Refusal> {
        self.objects.get(&which).cloned().map(Answer::Object).ok_or(NOT_FOUND)
    }

    fn create(&mut self, draft: Object, given: &Given) -> Result<Answer, Refusal> {
        if draft.content == Content::Bad {
            return Err(INVALID);
        }
        if self.objects.contains_key(&(draft.kind, draft.name)) {
            return Err((409, "AlreadyExists"));
        }
        assert!(self.uids.insert(given.uid.clone()), "the uid {} is not new", given.uid);
        let new = Object {
            uid: given.uid.clone(),
            created: given.now.clone(),
            deleted: None,
            generation: draft.kind.has_status().then_some(1),
            count: None,
            ..draft
        };
        Ok(self.write(new))
    }

    /// A PUT states uid and version, or leaves them out.
    fn update(
        &mut self,
        which: Which,
        sent: Object,
        uid: &str,
        version: &str,
        given: &Given,
    ) -> Result<Answer, Refusal> {
        let Some(old) = self.objects.get(&which).cloned() else {
            return match (which.0, uid) {
                (Kind::Lease, "") => self.create(sent, given),
                (Kind::Lease, _) => Err(CONFLICT),
                _ => Err(NOT_FOUND),
            };
        };
        if !uid.is_empty() && uid != old.uid {
            return Err(CONFLICT);
        }
        if version.is_empty() {
            return Err(INVALID);
        }
        if version != old.version.to_string() {
            return Err(CONFLICT);
        }
        self.replace(old, sent.content, sent.held, Object { colour: sent.colour, ..sent })
    }

    fn patch(&mut self, which: Which, change: Change, version: &str) -> Result<Answer, Refusal> {
        let old = self.objects.get(&which).cloned().ok_or(NOT_FOUND)?;
        if !version.is_empty() && version != old.version.to_string() {
            return Err(CONFLICT);
        }
        let new = old.clone().changed(change);
        self.replace(old, new.content, new.held, new)
    }

    /// A write to the main resource leaves the status as it is.
    fn replace(&mut self, old: Object, content: Content, held: Held, sent: Object) -> Result<Answer, Refusal> {
        let is_new = |finalizer: &&&str| !old.held.names().contains(*finalizer);
        if old.deleted.is_some() && held.names().iter().any(|finalizer| is_new(&finalizer)) {
            return Err(INVALID);
        }
        let is_immutable = old.kind == Kind::Ticket;
        if content == Content::Bad || (is_immutable && content != old.content) {
            return Err(INVALID);
        }
        let steps = i64::from(content != old.content);
        let generation = old.generation.map(|generation| generation + steps);
        let new = Object { content, held, colour: sent.colour, generation, ..old.clone() };
        if new == old {
            return Ok(Answer::Object(old));
        }
        if new.deleted.is_some() && new.held == Held::Free {
            self.remove(old);
            return Ok(Answer::Object(new));
        }
        Ok(self.write(new))
    }

    /// A write to the status changes nothing else.
    fn patch_status(&mut self, which: Which, change: Change, version: &str) -> Result<Answer, Refusal> {
        let old = self.objects.get(&which).cloned().ok_or(NOT_FOUND)?;
        if !version.is_empty() && version != old.version.to_string() {
            return Err(CONFLICT);
        }
        let new = Object { count: change.count.or(old.count), ..old.clone() };
        if new == old { Ok(Answer::Object(old)) } else { Ok(self.write(new)) }
    }

    fn delete(&mut self, which: Which, uid: &str, version: &str, given: &Given) -> Result<Answer, Refusal> {
        let old = self.objects.get(&which).cloned().ok_or(NOT_FOUND)?;
        let differs = |stated: &str, found: &str| !stated.is_empty() && stated != found;
        if differs(uid, &old.uid) || differs(version, &old.version.to_string()) {
            return Err(CONFLICT);
        }
        if old.held == Held::Free {
            let uid = old.uid.clone();
            self.remove(old);
            return Ok(Answer::Deleted(uid));
        }
        if old.deleted.is_some() {
            return Ok(Answer::Object(old));
        }
        let generation = old.generation.map(|generation| generation + 1);
        Ok(self.write(Object { deleted: Some(given.now.clone()), generation, ..old }))
    }

    fn list(&mut self, by: usize, kind: Kind, selector: Selector) -> Answer {
        if kind == Kind::Lease && matches!(selector, Selector::With(_)) {
            return Answer::Refused((400, "BadRequest"));
        }
        let found: Vec<Object> = self.selected(kind, selector).cloned().collect();
        for object in &found {
            self.seen.insert((by, (kind, object.name)), object.clone());
        }
        Answer::List(self.version, found)
    }

    pub(crate) fn selected(&self, kind: Kind, selector: Selector) -> impl Iterator<Item = &Object> {
        self.objects.values().filter(move |object| object.kind == kind && object.is_selected_by(selector))
    }

    fn write(&mut self, new: Object) -> Answer {
        self.version += 1;
        let new = Object { version: self.version, ..new };
        let old = self.objects.insert((new.kind, new.name), new.clone());
        self.history.push(Written { version: self.version, old, new: Some(new.clone()) });
        Answer::Object(new)
    }

    fn remove(&mut self, old: Object) {
        self.version += 1;
        self.objects.remove(&(old.kind, old.name));
        self.history.push(Written { version: self.version, old: Some(old), new: None });
    }
}
