//! Short names: a timeline has no room for long ones.

/// Of a name that nobody knows the form of, this many characters are shown.
const SHOWN_MAX: usize = 20;

/// A resource with its subresource, as people call it.
pub(super) fn resource(resource: &str) -> String {
    let (plural, subresource) = resource.split_once('/').map_or((resource, None), |(a, b)| (a, Some(b)));
    let short = match plural {
        "remediationrequests" => "rr",
        "leases" => "lease",
        other => other,
    };
    subresource.map_or_else(|| cut(short, SHOWN_MAX), |subresource| format!("{short}/{subresource}"))
}

/// What the controls of a page call it.
pub(super) fn kind(resource: &str) -> &'static str {
    match resource {
        resource if resource.starts_with("remediationrequests") => "rr",
        resource if resource.starts_with("leases") => "lease",
        _ => "other",
    }
}

/// An object's name: what tells it from others of its fingerprint.
pub(super) fn object(name: &str) -> String {
    let derived = name.strip_prefix("rr-").and_then(|rest| rest.split_once('-'));
    match derived {
        Some((fingerprint, rest)) if fingerprint.len() == 12 && rest.is_ascii() && rest.len() >= 8 => {
            format!("…{}", &rest[rest.len() - 4..])
        }
        _ if name.starts_with("gw-lock-") => String::new(),
        _ => cut(name, SHOWN_MAX),
    }
}

/// A caller, as its lane is titled.
pub(super) fn caller(name: &str) -> String {
    name.strip_prefix("gateway-").unwrap_or(name).to_owned()
}

/// At most `max` characters, with an ellipsis in the place of more.
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// `A`, `B` and so on.
pub(super) fn letter(index: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(index % 26).unwrap_or(0));
    if index < 26 { letter.to_string() } else { format!("{letter}{}", index / 26) }
}
