//! The Host of a request, of which HTTP/1.1 asks for exactly one (RFC 9112, section 3.2): whatever stands before the gateway and
//! the gateway itself must not read two different ones.

use axum::{body::Body, response::Response};
use http::{HeaderValue, Request, Version, header, uri::Authority};

use crate::http::{
    info::RequestInfo,
    problem::{Kind, Problem},
    request::REQUEST_ID,
};

/// Whether there is one, and a valid one.
///
/// # Errors
/// What is wrong.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), &'static str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err("there is more than one Host header"),
        (None, _) if request.version() >= Version::HTTP_11 => Err("there is no Host header"),
        (Some(host), None) if !is_valid(host.as_bytes()) => Err("the Host header is not a host with an optional port"),
        _ => Ok(()),
    }
}

/// Empty is what a client sends whose target has no authority.
fn is_valid(host: &[u8]) -> bool {
    if host.is_empty() {
        return true;
    }
    let Ok(authority) = Authority::try_from(host) else { return false };
    let port = authority.as_str().strip_prefix(authority.host());
    port.is_some_and(|port| port.is_empty() || port == ":" || authority.port_u16().is_some())
}

pub(super) fn refuse(why: &'static str, info: &RequestInfo) -> Response<Body> {
    let problem = Problem::new(Kind::Malformed, why);
    let mut response = problem.header(header::CONNECTION, HeaderValue::from_static("close")).respond(info);
    if let Ok(id) = HeaderValue::from_str(&info.id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
