//! Tokens: whose they are, and whether they are good.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{object, request::Caller, store::Store};

/// Who issues tokens, and whom they are for if nobody says so.
pub(super) const AUDIENCE: &str = "https://kubernetes.default.svc";

/// What a token is good for.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) caller: Caller,
    pub(super) audiences: Vec<String>,
    /// None: until it is revoked.
    pub(super) expires: Option<Timestamp>,
    /// Without the object, the token is not good any more.
    pub(super) bound_to: Option<Bound>,
    /// The JWT's id, as users are told it.
    pub(super) id: String,
}

/// The service account of a token.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
}

/// All tokens, by their text.
#[derive(Debug, Default)]
pub(super) struct Tokens(BTreeMap<String, Token>);

impl Token {
    /// A token of `caller` that is good until it is revoked.
    pub(super) fn of(caller: Caller) -> Self {
        Self { caller, audiences: vec![AUDIENCE.to_owned()], expires: None, bound_to: None, id: String::new() }
    }

    /// The user, as a TokenReview tells it.
    pub(super) fn user(&self) -> Value {
        let uid = self.bound_to.as_ref().map_or(&self.caller.user, |bound| &bound.uid);
        let mut user = json!({"username": self.caller.user, "uid": uid, "groups": self.caller.groups});
        if !self.id.is_empty() {
            user["extra"] = json!({"authentication.kubernetes.io/credential-id": [format!("JTI={}", self.id)]});
        }
        user
    }

    fn is_good(&self, store: &Store) -> bool {
        let is_there = |bound: &Bound| {
            let accounts = store.registry.find("", "v1", "serviceaccounts");
            let account = accounts.and_then(|resource| store.get(resource, &bound.namespace, &bound.name));
            account.is_some_and(|account| object::uid(account) == bound.uid)
        };
        self.expires.is_none_or(|expires| store.clock.now() < expires) && self.bound_to.as_ref().is_none_or(is_there)
    }
}

impl Tokens {
    pub(super) fn add(&mut self, text: String, token: Token) {
        self.0.insert(text, token);
    }

    pub(super) fn remove(&mut self, text: &str) {
        self.0.remove(text);
    }

    /// The token, if it is good now.
    pub(super) fn find(&self, text: &str, store: &Store) -> Option<Token> {
        self.0.get(text).filter(|token| token.is_good(store)).cloned()
    }
}
