//! The data of a span that is exported once it has ended.

use std::{borrow::Cow, sync::Arc};

use super::w3c::{SpanContext, SpanId};

/// Bytes of a text that are kept: names of resources and alerts fit.
const TEXT_BYTES_MAX: usize = 512;
/// Links of a span; OpenTelemetry's own default.
const LINKS_MAX: usize = 128;

/// On which side of a request a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Work within the process, with no request of its own.
    Internal,
    /// Where the request is answered.
    Server,
    /// Where the answer is waited for.
    Client,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text, of bounded length.
    Text(Cow<'static, str>),
    /// A whole number.
    Int(i64),
}

/// What is noted of a span while it lasts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// By the names of OpenTelemetry's semantic conventions, where these have one.
    pub attributes: Vec<(&'static str, Value)>,
    /// Other spans that this one has to do with.
    pub links: Vec<SpanContext>,
    /// Links beyond those that are kept.
    pub dropped_links: u32,
    /// Why it failed; it did not if absent.
    pub failure: Option<Cow<'static, str>>,
    /// Whether the span is dropped instead of exported.
    pub is_discarded: bool,
}

impl Notes {
    /// Adds the attribute `key`, with `text` cut to a bounded length.
    pub fn text(&mut self, key: &'static str, text: impl Into<Cow<'static, str>>) {
        self.attributes.push((key, Value::Text(cut(text.into()))));
    }

    /// Adds the attribute `key`.
    pub fn int(&mut self, key: &'static str, number: impl Into<i64>) {
        self.attributes.push((key, Value::Int(number.into())));
    }

    /// Marks the span as failed, with `why` cut to a bounded length.
    pub fn fail(&mut self, why: impl Into<Cow<'static, str>>) {
        self.failure = Some(cut(why.into()));
    }

    /// It has to do with the span `other`.
    pub fn link(&mut self, other: SpanContext) {
        if self.links.len() < LINKS_MAX {
            self.links.push(other);
        } else {
            self.dropped_links = self.dropped_links.saturating_add(1);
        }
    }
}

fn cut(text: Cow<'static, str>) -> Cow<'static, str> {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let end = (0..=TEXT_BYTES_MAX).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    Cow::Owned(text.get(..end).unwrap_or_default().to_owned())
}

/// A span that has ended.
#[derive(Debug)]
pub struct SpanData {
    /// Its ids, and whether it is recorded.
    pub context: SpanContext,
    /// What other systems want passed on.
    pub state: Option<Arc<str>>,
    /// The span that it is part of.
    pub parent: Option<SpanId>,
    /// Whether that is another process's.
    pub is_parent_remote: bool,
    /// What is done: of bounded variety.
    pub name: Cow<'static, str>,
    /// On which side of a request.
    pub kind: Kind,
    /// When it began, in nanoseconds since 1970.
    pub start: u64,
    /// When it ended, in nanoseconds since 1970.
    pub end: u64,
    /// What was noted.
    pub notes: Notes,
}

impl SpanData {
    /// Bytes of memory that it takes, about.
    pub fn bytes(&self) -> usize {
        let Notes { attributes, links, failure, .. } = &self.notes;
        let texts = attributes.iter().map(|(_, value)| match value {
            Value::Text(Cow::Owned(text)) => text.len(),
            Value::Text(Cow::Borrowed(_)) | Value::Int(_) => 0,
        });
        let state = self.state.as_ref().map_or(0, |state| state.len());
        size_of::<Self>()
            + size_of_val(&attributes[..])
            + size_of_val(&links[..])
            + texts.sum::<usize>()
            + failure.as_ref().map_or(0, |why| why.len())
            + state
    }
}
