//! Why a request is refused that is otherwise good.

/// Why a request is refused that is otherwise good; see [`Fault::denied`](super::Fault::denied).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// A create is answered 403 Forbidden, `exceeded quota`.
    Quota,
    /// A create, an update or a patch is answered 422 Invalid, as by a ValidatingAdmissionPolicy.
    Policy,
    /// A create, an update or a patch is answered 400 BadRequest, as by a webhook that says so.
    Webhook,
    /// Any request on an object is answered 404 NotFound, as on the status of a custom resource while its definition has
    /// no such subresource.
    Missing,
}
