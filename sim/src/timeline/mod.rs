//! One simulated run as a timeline, in text and as a page: who sent what, what became of it, and where it went wrong.
//!
//! | module | what it does |
//! |---|---|
//! | [`model`] | joins the events of a trace into requests, signals, bars and bands |
//! | [`names`] | short names |
//! | [`text()`] | columns for a terminal |
//! | [`rows`] | a row of text to each event, as a list |
//! | [`page`] | one HTML file: the rows, beside which a script draws who sent what to whom |

mod model;
mod names;
mod page;
mod rows;
mod run;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use run::Run;

/// The run in columns of text, 160 characters wide at most.
pub(crate) fn text(run: &Run<'_>) -> String {
    text::render(run)
}

/// The run as a page of its own that loads nothing from elsewhere.
pub(crate) fn html(run: &Run<'_>) -> String {
    page::render(run)
}
