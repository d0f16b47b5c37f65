//! Labels, annotations and the finalizer that this gateway writes.

/// The value of the label `app.kubernetes.io/managed-by` on everything this gateway creates.
pub const MANAGED_BY: &str = "gateway-service";
/// Which program created an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// What part of the product an object belongs to.
pub const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// When the gateway created the object, on its own clock (contract: RemediationRequest).
pub const CREATED_AT: &str = "kubernaut.ai/created-at";
/// The object's place in the succession of its fingerprint: its predecessor's + 1 (protocol: the fence).
pub const ORDINAL: &str = "kubernaut.ai/ordinal";
/// The uid of the RemediationRequest before it, empty for the first.
pub const PREDECESSOR: &str = "kubernaut.ai/predecessor";
/// Which writer created the object in which attempt: an answer that was lost is recognised by it.
pub const CREATED_BY: &str = "kubernaut.ai/created-by";
/// Which writer claimed the object as predecessor, in which attempt and renewal.
pub const CLAIM: &str = "kubernaut.ai/claim";
/// Keeps a claimed predecessor while its successor is created.
pub const SUCCESSION_FINALIZER: &str = "kubernaut.ai/succession";
