//! From a request to its answer: authorization, routes, verbs.

use std::sync::Arc;

use http::header;
use serde_json::Value;

use super::{
    admission,
    collection::Event,
    delete, discovery, list, node, object, options,
    patching::Patch,
    rbac::Attributes,
    render::{Listing, Renderer},
    reply::Reply,
    request::{Form, Request, RequestInfo, header_text},
    resources::{Kept, Resource},
    review,
    scale::{self, Change},
    selectors::Selector,
    server::Server,
    status::{Failure, Result},
    subresource::{self, Subresource},
    target::{Done, Target},
    watch::Watch,
    write,
};

/// The largest body that kube-apiserver reads.
const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;

/// What a typed Go client is told, and does not find in its own documentation.
const NO_PROTOBUF: &str = "the body of the request is protobuf, which this server does not read - accepted media types \
    include: application/json, application/yaml. Hint: set ContentType of the client's rest.Config to \"application/json\" \
    (client-go and controller-runtime; flag --kube-api-content-type=application/json of Kubernetes' own components); kubectl sends JSON with apply, create -f, \
    patch and run";

/// Serves one request.
pub(super) async fn handle(server: &Arc<Server>, request: Request) -> Reply {
    let asked = Attributes::of(&request.info, &request.query);
    let decision = server.decide(&request.info.caller, &asked);
    if !decision.allowed {
        return Reply::failure(&asked.forbidden(&request.info.caller.user, &decision.reason));
    }
    if request.info.resource.is_empty() {
        return plain(server, &request);
    }
    route(server, request).await.into()
}

/// Paths that are not a resource's.
fn plain(server: &Server, request: &Request) -> Reply {
    let info = &request.info;
    match info.path.as_str() {
        "/healthz" | "/livez" | "/readyz" => return Reply::text(200, "ok"),
        _ => {}
    }
    let resources: Vec<_> = server.store().registry.iter().map(|resource| resource.describe()).collect();
    let accept = header_text(&request.headers, &header::ACCEPT);
    match discovery::answer(&info.path, accept, &resources) {
        Some(document) => Reply::document(discovery::content_type(&document), &document),
        // What exists only as JSON, for a client that takes protobuf only.
        None if info.path.starts_with("/openapi/") => Reply::text(406, "only JSON is served\n"),
        None => Reply::unknown_path(),
    }
}

async fn route(server: &Arc<Server>, request: Request) -> Result<Reply> {
    let info = &request.info;
    if request.body.len() > MAX_BODY_BYTES {
        let message = format!("Request entity too large: limit is {MAX_BODY_BYTES}");
        return Err(Failure::new(413, "RequestEntityTooLarge", message));
    }
    let resource = server.store().registry.find(&info.group, &info.version, &info.resource).cloned();
    let Some(resource) = resource else { return unknown_resource(server, info) };
    if !is_in_scope(&resource, info) {
        return if resource.custom { Ok(Reply::unknown_path()) } else { Err(Failure::method_not_allowed()) };
    }
    options::check(info.verb, &request.query)?;
    admission::find(Target { resource: &resource, info, query: &request.query, refusal: request.refusal })?;
    match info.subresource.as_str() {
        "" => {}
        "status" if resource.status && matches!(info.verb, "get" | "update" | "patch") => {}
        "scale" if resource.scale.is_some() => return scale(server, &resource, &request),
        "status" if resource.status && resource.custom => return Err(Failure::not_supported(&resource, info.verb)),
        path if resource.has_subresource(path) => match Subresource::of(path) {
            Some(Subresource::Part(part)) if part.verbs.contains(&info.verb) => {}
            Some(Subresource::Action(action)) if info.verb == "create" => {
                let sent = parse(&resource, &request)?;
                let target = Target { resource: &resource, info, query: &request.query, refusal: request.refusal };
                return subresource::act(server, target, action, sent);
            }
            Some(Subresource::Node(way)) if way.takes(info.verb) => {
                let target = Target { resource: &resource, info, query: &request.query, refusal: request.refusal };
                return node::reach(&server.store(), target, way);
            }
            _ => return Err(Failure::method_not_allowed()),
        },
        _ if resource.custom => return Err(Failure::not_found(&resource, &info.name)),
        _ => return Err(Failure::no_such_resource()),
    }
    if resource.kept == Kept::Computed {
        return computed(server, &resource, &request);
    }
    let renderer =
        Renderer { form: Form::negotiate(&request.headers, &request.query), clock: *server.clock(), resource };
    match request.info.verb {
        verb if renderer.resource.kept == Kept::ReadOnly && !matches!(verb, "get" | "list") => {
            Err(Failure::method_not_allowed())
        }
        "get" => get(server, &renderer, &request).await,
        "list" => list(server, &renderer, &request).await,
        "watch" => watch(server, renderer, request),
        "create" if request.info.name.is_empty() => write(server, &renderer, &request),
        "update" | "patch" | "delete" if !request.info.name.is_empty() => write(server, &renderer, &request),
        "update" if renderer.resource.custom => Err(Failure::bad_request("name must be provided")),
        "deletecollection" => delete_collection(server, &renderer, &request),
        _ => Err(Failure::method_not_allowed()),
    }
}

/// A group that is always served says so in a Status.
fn unknown_resource(server: &Server, info: &RequestInfo) -> Result<Reply> {
    let built_in = server.store().registry.iter().any(|resource| !resource.custom && resource.group == info.group);
    if built_in { Err(Failure::no_such_resource()) } else { Ok(Reply::unknown_path()) }
}

/// Whether the path has a namespace where the resource needs one, and only there.
fn is_in_scope(resource: &Resource, info: &RequestInfo) -> bool {
    if resource.namespaced {
        let over_all = info.name.is_empty() && matches!(info.verb, "list" | "watch" | "deletecollection");
        return over_all || !info.namespace.is_empty();
    }
    // The path of a namespace itself is one in that namespace.
    info.namespace.is_empty() || (resource.plural == "namespaces" && resource.group.is_empty())
}

fn scale(server: &Arc<Server>, resource: &Resource, request: &Request) -> Result<Reply> {
    let target = Target { resource, info: &request.info, query: &request.query, refusal: request.refusal };
    let Some(scalable) = &resource.scale else { return Err(Failure::no_such_resource()) };
    let scale = match request.info.verb {
        "get" => scale::get(&server.store(), target, scalable)?,
        "update" => {
            let change = Change::To(parse(resource, request)?);
            server.write(|store| scale::change(store, target, scalable, change))?
        }
        "patch" => {
            let content_type = header_text(&request.headers, &header::CONTENT_TYPE);
            let change = Change::By(Patch::parse(target, content_type, &request.body)?);
            server.write(|store| scale::change(store, target, scalable, change))?
        }
        _ => return Err(Failure::method_not_allowed()),
    };
    Ok(Reply::json(200, &scale))
}

fn computed(server: &Server, resource: &Resource, request: &Request) -> Result<Reply> {
    if request.info.verb != "create" {
        return Err(Failure::method_not_allowed());
    }
    let review = parse(resource, request)?;
    Ok(Reply::json(201, &review::answer(server, resource, &request.info.caller, review)?))
}

/// The object in a body: JSON, or YAML if the header says so.
fn parse(resource: &Resource, request: &Request) -> Result<Value> {
    let body = &request.body;
    let content_type = header_text(&request.headers, &header::CONTENT_TYPE).split(';').next().unwrap_or("").trim();
    let parsed = match content_type {
        "" | "application/json" => serde_json::from_slice(body).map_err(|error| error.to_string()),
        "application/yaml" => serde_saphyr::from_str(&String::from_utf8_lossy(body)).map_err(|error| error.to_string()),
        "application/vnd.kubernetes.protobuf" => {
            return Err(Failure::new(415, "UnsupportedMediaType", NO_PROTOBUF));
        }
        _ => {
            let message = "the body of the request was in an unknown format - accepted media types include: \
                application/json, application/yaml";
            return Err(Failure::new(415, "UnsupportedMediaType", message));
        }
    };
    let parsed = parsed.and_then(|object: Value| match object {
        Value::Object(_) => Ok(object),
        // Go decodes it into an empty object.
        Value::Null if !resource.custom => Ok(Value::Object(serde_json::Map::new())),
        _ => Err("not an object".to_owned()),
    });
    parsed.map_err(|error| {
        let text: String = String::from_utf8_lossy(body).chars().take(30).collect();
        Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): {error} ({text:?})",
            resource.kind
        ))
    })
}

/// The namespace that a request on `resource` is about; namespaces themselves are in none.
fn namespace<'a>(resource: &Resource, info: &'a RequestInfo) -> &'a str {
    if resource.namespaced { &info.namespace } else { "" }
}

async fn get(server: &Server, renderer: &Renderer, request: &Request) -> Result<Reply> {
    let (info, resource) = (&request.info, &renderer.resource);
    let namespace = namespace(resource, info);
    let version = request.query.get("resourceVersion");
    let not_before = version.parse::<u64>().ok();
    if !version.is_empty() && not_before.is_none() {
        return Err(Failure::bad_version(version));
    }
    let object = if not_before == Some(0) {
        // From the cache, which may lag.
        let horizon = server.horizon(&info.caller.user, request.cache_lag);
        let objects = server.store().collection(resource).rewound(|event| horizon.hides(event));
        objects.get(namespace).and_then(|names| names.get(&info.name)).cloned()
    } else {
        if let Some(version) = not_before {
            list::wait_for_version(server, resource, version).await?;
        }
        server.store().get(resource, namespace, &info.name).cloned()
    };
    match object {
        Some(object) => Ok(Reply::bytes(200, renderer.object(&object))),
        None => Err(Failure::not_found(resource, &info.name)),
    }
}

/// The selector of a request on a collection.
fn selector(resource: &Resource, request: &Request) -> Result<Selector> {
    Selector::parse(resource, request.query.get("labelSelector"), request.query.get("fieldSelector"))
}

async fn list(server: &Server, renderer: &Renderer, request: &Request) -> Result<Reply> {
    let request = list::Request {
        resource: &renderer.resource,
        namespace: namespace(&renderer.resource, &request.info),
        query: &request.query,
        selector: &selector(&renderer.resource, request)?,
        user: &request.info.caller.user,
        lag: request.cache_lag,
    };
    Ok(Reply::bytes(200, renderer.list(&list::list(server, &request).await?)))
}

fn watch(server: &Arc<Server>, renderer: Renderer, request: Request) -> Result<Reply> {
    let selector = selector(&renderer.resource, &request)?;
    let namespace = namespace(&renderer.resource, &request.info).to_owned();
    let watch = Watch::start(server, renderer, selector, namespace, request)?;
    Ok(Reply::Watch(Box::new(watch)))
}

fn write(server: &Arc<Server>, renderer: &Renderer, request: &Request) -> Result<Reply> {
    let target =
        Target { resource: &renderer.resource, info: &request.info, query: &request.query, refusal: request.refusal };
    let done = match request.info.verb {
        "create" => {
            let object = parse(target.resource, request)?;
            server.write(|store| write::create(store, target, object))
        }
        "update" => {
            let object = parse(target.resource, request)?;
            server.write(|store| write::replace(store, target, object))
        }
        "patch" => {
            let content_type = header_text(&request.headers, &header::CONTENT_TYPE);
            let patch = Patch::parse(target, content_type, &request.body)?;
            server.write(|store| write::patch(store, target, &patch))
        }
        _ => {
            let options = delete::Options::parse(&request.query, &request.body)?;
            let at = (target.namespace(), request.info.name.as_str());
            server.write(|store| delete::delete(store, target.resource, at, &options, target.origin()))
        }
    }?;
    Ok(match done {
        Done::Created(object) => written(server, renderer, 201, &object),
        Done::Object(object) => written(server, renderer, 200, &object),
        Done::Status(status) => Reply::json(200, &status),
    })
}

/// An object that was just written. Watches will be sent the same text.
fn written(server: &Server, renderer: &Renderer, code: u16, object: &Arc<Value>) -> Reply {
    let store = server.store();
    match store.collection(&renderer.resource).events.back() {
        Some(Event { new: Some(new), text, .. }) if Arc::ptr_eq(new, object) => {
            Reply::bytes(code, renderer.text(object, text))
        }
        _ => Reply::bytes(code, renderer.object(object)),
    }
}

fn delete_collection(server: &Arc<Server>, renderer: &Renderer, request: &Request) -> Result<Reply> {
    let selector = selector(&renderer.resource, request)?;
    let options = delete::Options::parse(&request.query, &request.body)?;
    let target =
        Target { resource: &renderer.resource, info: &request.info, query: &request.query, refusal: request.refusal };
    let listing = server.write(|store| {
        let objects = store.collection(target.resource).objects.clone();
        let selected: Vec<_> = list::selected(&objects, target.namespace(), &selector).cloned().collect();
        for object in &selected {
            let at = (object::namespace(object), object::name(object));
            delete::delete(store, target.resource, at, &options, target.origin())?;
        }
        Ok(Listing { objects: selected, version: store.etcd(target.resource).version, next: None, remaining: None })
    });
    Ok(Reply::bytes(200, renderer.list(&listing?)))
}
